"""Listening sockets, bound before anything else starts, so that a taken port is reported at once."""

import errno
import os
import socket

from thingstead.errors import ConfigError, Conflict

PEER_TIMEOUT_MS = 60_000  # without an acknowledgement of the peer, after which the system closes the connection
# Keep-alive probes: seconds of silence before the first, interval, and number without an answer before the close.
PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}


def bind(setting: str, host: str, port: int) -> socket.socket:
    """Binds a TCP socket to ``host`` and ``port`` (0: a free one); it does not listen yet.

    Args:
        setting: name of the setting of the port, for messages.

    Raises:
        Conflict: another program listens there.
        ConfigError: the address does not exist on this machine, or may not be used.
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
        # Accepted connections inherit these. Probes detect a dead peer to which nothing is sent.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in PROBES.items():
            if hasattr(socket, option):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # Closes connections whose peer stopped acknowledging.
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
