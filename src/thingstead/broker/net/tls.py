"""TLS context of a port; its certificate can be reloaded while connections are open."""

import ssl
from pathlib import Path
from typing import Any

from thingstead.broker.net.certificate_validity import Validity, of_authorities, of_server
from thingstead.errors import ConfigError

SHUTDOWN_TIMEOUT_S = 5.0  # for the peer's close_notify
_AGAIN = (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLSyscallError)


class HandshakeFailed(ssl.SSLError):
    """A TLS handshake failed; has the alert for the peer (RFC 8446 6.2, RFC 5246 7.2.2)."""

    def __init__(self, error: ssl.SSLError, alert: bytes) -> None:
        super().__init__(*error.args)
        self.alert = alert


class _TlsObject(ssl.SSLObject):
    """TLS object that attaches OpenSSL's alert to the error of a failed handshake: event loops close the connection
    without sending it."""

    outgoing: ssl.MemoryBIO

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except _AGAIN:
            raise
        except ssl.SSLError as exc:
            raise HandshakeFailed(exc, self.outgoing.read()) from exc


class _Context(ssl.SSLContext):
    """TLS context that makes :class:`_TlsObject` objects."""

    sslobject_class = _TlsObject

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **options: Any) -> ssl.SSLObject:
        connection = super().wrap_bio(incoming, outgoing, *args, **options)
        assert isinstance(connection, _TlsObject)  # sslobject_class
        connection.outgoing = outgoing
        return connection


class TlsCertificate:
    """Certificate chain with its key, and the client authorities if client certificates are required.

    New connections use what :meth:`reload` read last; open connections keep theirs. Each reload makes a new context
    with new session ticket keys and an empty cache, so no TLS session from before can be resumed (RFC 8446 4.6.1: the
    ticket stands for the authentication of its first handshake).

    Args:
        client_ca: authorities that must have signed a client's certificate; None: no client certificate is required.
        setting: name of the port in messages.

    Attributes:
        context: TLS context for new connections.

    Raises:
        ConfigError: a file cannot be read, or certificate and key do not match.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None, setting: str) -> None:
        self._files = (certificate, key, client_ca)
        self._setting = setting
        self.reload()

    def reload(self) -> None:
        """Reads the files again. Raises ConfigError, and keeps the present certificate, if they cannot be used."""
        self.context, self._validities = self._read()

    def problems(self, now_ms: int) -> list[str]:
        """Messages about certificates that have expired or are not valid yet, as of the last reload."""
        found = [(file, validity.problem(now_ms)) for file, validity in self._validities]
        return [f"{self._setting}: {file}: {problem}" for file, problem in found if problem is not None]

    @property
    def until_s(self) -> int | None:
        """When the first of its certificates, client authorities included, expires: seconds UTC; None: unknown."""
        return min((validity.until_s for _, validity in self._validities), default=None)

    def _read(self) -> tuple[ssl.SSLContext, list[tuple[Path, Validity]]]:
        certificate, key, client_ca = self._files
        context = _Context(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        for file in (certificate, key, client_ca):
            if file is not None and not file.is_file():
                raise ConfigError(f"{self._setting}: {file} is not a file")
        try:
            # With an empty password, because the default would ask for one on the terminal.
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
