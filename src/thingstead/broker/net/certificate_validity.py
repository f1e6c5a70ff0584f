"""Reads the validity period of certificates with OpenSSL. The module ssl shows a certificate only after a handshake, so
a handshake is made in memory."""

import ssl
from pathlib import Path
from typing import Any, NamedTuple

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, for which the module ssl has no name
_ROUNDS = 10  # round trips, more than any handshake has


class Validity(NamedTuple):
    """Validity of one certificate; dates in the format of OpenSSL."""

    name: str  # common name of its subject
    since: str
    until: str

    @property
    def until_s(self) -> int:
        """When it expires: seconds UTC."""
        return ssl.cert_time_to_seconds(self.until)

    def problem(self, now_ms: int) -> str | None:
        """Why the certificate is not valid at an instant (ms); None if it is."""
        if now_ms > self.until_s * 1000:
            return f"the certificate of {self.name} expired at {self.until}"
        if now_ms < ssl.cert_time_to_seconds(self.since) * 1000:
            return f"the certificate of {self.name} is not valid before {self.since}"
        return None


def of_server(certificate: Path, key: Path) -> Validity | None:
    """Validity of the first certificate of a chain; None if a client would refuse it for another reason than its
    dates."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key, password=lambda: b"")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_NO_CHECK_TIME)
    client.load_verify_locations(certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_ROUNDS):
        if _advance(asking):
            found = asking.getpeercert()
            return None if found is None else _validity(found)
        _advance(answering)
    return None


def _advance(side: ssl.SSLObject) -> bool:
    """Continues a handshake. Returns whether it is complete on this side."""
    try:
        side.do_handshake()
    except ssl.SSLError:  # it waits for the other side, or refuses its message
        return False
    return True


def of_authorities(context: ssl.SSLContext) -> list[Validity]:
    """Validity of the authorities that a context trusts."""
    return [_validity(found) for found in context.get_ca_certs()]


def _validity(certificate: dict[str, Any]) -> Validity:
    names = [value for parts in certificate["subject"] for name, value in parts if name == "commonName"]
    return Validity(", ".join(names) or "no name", certificate["notBefore"], certificate["notAfter"])
