"""TLS towards brokers and databases: authorities, client certificates."""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator

from thingstead.refusals import reason
from thingstead.services.outbound.http import SendFailed


def client_context(ca: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
    """A context that verifies the peer.

    Args:
        ca: PEM of the authorities; None: those of the system.
        certificate: PEM of the client certificate with its chain; None: none is sent.
        key: PEM of its private key.

    Raises:
        SendFailed: one of the texts cannot be used.
    """
    if key is not None and "ENCRYPTED" in key:
        # The library would hash even an empty password, as often as the file says: up to 2³¹ times.
        raise SendFailed(reason("certificate_unusable", detail="the key is encrypted"))
    try:
        context = ssl.create_default_context(cadata=ca)
        if certificate is not None and key is not None:
            with text_file(certificate) as certificate_path, text_file(key) as key_path:
                context.load_cert_chain(certificate_path, key_path, password=_no_password)
    except (ssl.SSLError, ValueError, OSError) as exc:
        # The text of the library names no contents.
        detail = getattr(exc, "reason", None) or type(exc).__name__
        raise SendFailed(reason("certificate_unusable", detail=str(detail))) from None
    return context


def _no_password() -> bytes:
    """Called for an encrypted key: without it the library would ask at the terminal."""
    return b""


@contextlib.contextmanager
def text_file(text: str) -> Iterator[str]:
    """A file with a text, for a library that reads only files: in memory where the system can, else readable by this
    user alone and removed at the end."""
    data = text.encode()
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("thingstead-tls")
        try:
            os.write(descriptor, data)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    descriptor, path = tempfile.mkstemp(prefix="thingstead-tls")
    try:
        os.write(descriptor, data)
        os.close(descriptor)
        yield path
    finally:
        os.unlink(path)
