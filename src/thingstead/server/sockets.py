"""Listening sockets, bound before anything else starts, so that a taken port is reported at once."""

import errno
import os
import socket

from thingstead.errors import ConfigError, Conflict

PEER_TIMEOUT_MS = 60_000  # a peer that acknowledges nothing for so long is gone
# The first probe after that many silent seconds, then one after each interval; so many without an answer are the end.
PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


def bind(setting: str, host: str, port: int) -> socket.socket:
    """A TCP socket bound to ``host`` and ``port`` (0: a free one), not yet listening.

    Args:
        setting: the setting that gave the port, for the message.

    Raises:
        Conflict: another program listens there.
        ConfigError: the address does not exist here, or may not be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as exc:
        raise ConfigError(f"host: {host!r} is not an address to listen on: {_reason(exc)}") from exc
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # These are inherited by every connection. Probes find a peer that is gone though nothing is sent to it.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in PROBES.items():
            if hasattr(socket, option):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # One whose peer stopped reading cannot stay for ever.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PEER_TIMEOUT_MS)
        if family == socket.AF_INET6 and host == "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
    except OSError as exc:
        sock.close()
        refusal = Conflict if exc.errno == errno.EADDRINUSE else ConfigError
        raise refusal(f"{setting}: cannot listen on {host}:{port}: {_reason(exc)}") from exc
    sock.setblocking(False)
    return sock


def _reason(exc: Exception) -> str:
    code = getattr(exc, "errno", None)
    return os.strerror(code) if isinstance(code, int) and code > 0 else str(exc)
