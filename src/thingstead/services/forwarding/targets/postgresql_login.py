"""The log-in at a PostgreSQL server that a tenant names, as far as its driver is not to see all of it.

The driver logs in inside the event loop: what a server makes it compute stops the whole platform. So TLS ends at the
relay, and what the server says is read before the driver does.
"""

import asyncio
import socket
import ssl

from thingstead.model.forwarding.configs.postgresql import PostgresqlConfig
from thingstead.refusals import reason
from thingstead.services.outbound.http import SendFailed
from thingstead.services.outbound.scram import check_rounds
from thingstead.services.outbound.tls import client_context

MESSAGE_MAX_BYTES = 65_536  # of a message before the log-in has ended
_TLS_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
_HEAD_BYTES = 5  # kind, and the length without the kind
_OK, _SASL, _SASL_CONTINUE = 0, 10, 11
_TAKEN = frozenset({_OK, 3, 5, _SASL, _SASL_CONTINUE, 12})  # with a password; not Kerberos and the like of this machine
_SCRAM = b"SCRAM-SHA-256"


def context_of(config: PostgresqlConfig) -> ssl.SSLContext | None:
    """What is asked of the certificate of a server; None: no TLS. Raises SendFailed for an unusable authority."""
    if config.tls == "off":
        return None
    if config.tls == "verify":
        return client_context(config.ca, None, None)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def ask_for_tls(sock: socket.socket) -> None:
    """Asks a server for TLS. Raises SendFailed if it has none."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, _TLS_REQUEST)
    if await loop.sock_recv(sock, 1) != b"S":  # one byte, so that nothing is taken for a part of what is encrypted
        raise refused("server does not support SSL, but SSL was required")


def refused(detail: str) -> SendFailed:
    """A log-in that somebody has to mend."""
    return SendFailed(reason("postgresql_failed", status="", detail=detail), permanent=True)


class LoginScreen:
    """Reads what a server says until the log-in has ended, and passes it on message by message."""

    def __init__(self) -> None:
        self._held = b""
        self._over = False

    def __call__(self, data: bytes) -> bytes:
        """What the driver may see of what was received. Raises SendFailed."""
        held, passed = self._held + data, bytearray()
        self._held = b""
        while held:
            if self._over:
                return bytes(passed) + held
            size_bytes = 1 + int.from_bytes(held[1:_HEAD_BYTES], "big")
            if len(held) >= _HEAD_BYTES and not _HEAD_BYTES <= size_bytes <= MESSAGE_MAX_BYTES:
                raise refused("a message that is not one of a log-in")
            if len(held) < max(_HEAD_BYTES, size_bytes):
                self._held = held
                break
            passed += self._screened(held[:size_bytes])
            held = held[size_bytes:]
        return bytes(passed)

    def _screened(self, message: bytes) -> bytes:
        if message[:1] != b"R":
            return message
        kind, body = int.from_bytes(message[5:9], "big"), message[9:]
        if kind not in _TAKEN:
            raise refused("a log-in other than by password, MD5 or SCRAM-SHA-256")
        if kind == _OK:
            self._over = True
        elif kind == _SASL:
            if _SCRAM not in body.split(b"\0"):
                raise refused("a log-in other than by password, MD5 or SCRAM-SHA-256")
            # Channel binding is for who ends TLS: the driver takes its offer without TLS for an attack.
            names = _SCRAM + b"\0\0"
            return b"R" + (8 + len(names)).to_bytes(4, "big") + _SASL.to_bytes(4, "big") + names
        elif kind == _SASL_CONTINUE:
            check_rounds(body.decode("latin-1"))
        return message
