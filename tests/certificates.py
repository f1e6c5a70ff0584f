"""Certificates for tests, made with openssl."""

import subprocess
from pathlib import Path
from typing import NamedTuple

EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Signed(NamedTuple):
    """A certificate with its key."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; clients that trust ``certificate`` trust all of them."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self.certificate = folder / f"{name}.pem"
        self._key = folder / f"{name}.key"
        authority = ("-x509", "-days", "30", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        _openssl("req", *EC, *authority, "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.certificate)

    def sign(self, name: str) -> Signed:
        """A certificate for this machine."""
        signed = Signed(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
        _openssl("req", *EC, "-subj", f"/CN={name}", "-keyout", signed.key, "-out", request)
        signer = ("-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial", "-days", "30")
        _openssl("x509", "-req", "-in", request, *signer, "-extfile", extensions, "-out", signed.certificate)
        return signed


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
