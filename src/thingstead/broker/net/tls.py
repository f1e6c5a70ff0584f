"""TLS context of a port; its certificate can be reloaded while connections are open."""

import ssl
from pathlib import Path
from typing import Any

from thingstead.broker.net.certificate_validity import Validity, of_authorities, of_server
from thingstead.errors import ConfigError

SHUTDOWN_TIMEOUT_S = 5.0  # for the peer's goodbye
_AGAIN = (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLSyscallError)


class HandshakeFailed(ssl.SSLError):
    """A handshake that failed, and the alert that the peer must get (RFC 8446 6.2, RFC 5246 7.2.2)."""

    def __init__(self, error: ssl.SSLError, alert: bytes) -> None:
        super().__init__(*error.args)
        self.alert = alert


class _TlsObject(ssl.SSLObject):
    """Where a handshake fails, event loops close the connection without writing what OpenSSL has for the peer. So that
    goes along with the error."""

    outgoing: ssl.MemoryBIO

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except _AGAIN:
            raise
        except ssl.SSLError as exc:
            raise HandshakeFailed(exc, self.outgoing.read()) from exc


class _Context(ssl.SSLContext):
    """Makes :class:`_TlsObject` objects."""

    sslobject_class = _TlsObject

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **options: Any) -> ssl.SSLObject:
        connection = super().wrap_bio(incoming, outgoing, *args, **options)
        assert isinstance(connection, _TlsObject)  # sslobject_class
        connection.outgoing = outgoing
        return connection


class TlsCertificate:
    """A certificate chain with its key, and the authorities of clients where they must show one.

    New connections get what :meth:`reload` read last, those that are open keep what they have. Each reading makes a
    context of its own, and with it new keys of session tickets and an empty cache: no session is resumed that was made
    under the files before (RFC 8446 4.6.1: the ticket stands for the authentication of its first handshake).

    Args:
        client_ca: authorities, of one of which a client must show a certificate; None asks for none.
        setting: names the port in messages.

    Attributes:
        context: of new connections.

    Raises:
        ConfigError: a file cannot be read, or they do not fit together.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None, setting: str) -> None:
        self._files = (certificate, key, client_ca)
        self._setting = setting
        self.reload()

    def reload(self) -> None:
        """Reads the files again. Raises ConfigError and keeps what there is where they cannot be used."""
        self.context, self._validities = self._read()

    def problems(self, now_ms: int) -> list[str]:
        """Which of the certificates that were read last are expired, or not valid yet."""
        found = [(file, validity.problem(now_ms)) for file, validity in self._validities]
        return [f"{self._setting}: {file}: {problem}" for file, problem in found if problem is not None]

    def _read(self) -> tuple[ssl.SSLContext, list[tuple[Path, Validity]]]:
        certificate, key, client_ca = self._files
        context = _Context(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        for file in (certificate, key, client_ca):
            if file is not None and not file.is_file():
                raise ConfigError(f"{self._setting}: {file} is not a file")
        try:
            # Without a password, since the default would ask for one on the terminal.
            context.load_cert_chain(certificate, key, password=lambda: b"")
            own = of_server(certificate, key)
        except (OSError, ValueError) as exc:
            raise ConfigError(
                f"{self._setting}: {certificate} and {key} are not a certificate and its key: {exc}"
            ) from exc
        validities = [(certificate, own)] if own is not None else []
        if client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            try:
                context.load_verify_locations(client_ca)
            except (OSError, ValueError) as exc:
                raise ConfigError(f"{self._setting}: {client_ca} holds no certificates: {exc}") from exc
            validities += [(client_ca, authority) for authority in of_authorities(context)]
        return context, validities
