"""The certificate of a port behind TLS, which can be renewed while connections go on."""

import ssl
from pathlib import Path

import structlog

from thingstead.errors import ConfigError

log = structlog.get_logger("thingstead.gateway")

HANDSHAKE_TIMEOUT_S = 10.0  # for a new connection, until it is secured
SHUTDOWN_TIMEOUT_S = 5.0  # for the peer's goodbye


class Certificate:
    """A certificate chain with its key, and the authorities of clients where they must show one.

    New connections get what :meth:`reload` read last, those that are open keep what they have: the context that a
    port was opened with hands each handshake over to the newest one.

    Args:
        client_ca: authorities, of one of which a client must show a certificate; None asks for none.
        setting: names the port in messages.

    Raises:
        ConfigError: a file cannot be read, or they do not fit together.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None, setting: str) -> None:
        self._files = (certificate, key, client_ca)
        self._setting = setting
        self._newest = self._read()
        self.context = self._read()  # for the port
        self.context.sni_callback = self._hand_over

    def reload(self) -> None:
        """Reads the files again. Raises ConfigError and keeps what there is where they cannot be used."""
        self._newest = self._read()

    def _hand_over(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        # Called in every handshake, with or without a server name.
        connection.context = self._newest

    def _read(self) -> ssl.SSLContext:
        certificate, key, client_ca = self._files
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        for file in (certificate, key, client_ca):
            if file is not None and not file.is_file():
                raise ConfigError(f"{self._setting}: {file} is not a file")
        try:
            # Without a password, since the default would ask for one on the terminal.
            context.load_cert_chain(certificate, key, password=lambda: b"")
        except (OSError, ValueError) as exc:
            raise ConfigError(
                f"{self._setting}: {certificate} and {key} are no certificate with its key: {exc}"
            ) from exc
        if client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            try:
                context.load_verify_locations(client_ca)
            except (OSError, ValueError) as exc:
                raise ConfigError(f"{self._setting}: {client_ca} holds no certificates: {exc}") from exc
        return context
