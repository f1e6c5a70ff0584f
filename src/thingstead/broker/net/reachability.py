"""TCP keep-alive and user time-out: after how long the kernel gives an unreachable peer up."""

import contextlib
import socket
from typing import Any

LEAST_S = 60  # long enough for a retransmission or two
GREATEST_IDLE_S = 32_767  # maximum of the operating systems
PROBE_INTERVAL_S = 15  # between probes that were not answered


def give_up_after(transport: Any, silence_s: float) -> None:
    """Has the system close the connection if the peer acknowledges neither data nor keep-alive probes for
    ``silence_s``. Until then it may be out of radio coverage.

    Does nothing on systems without these socket options, and for transports without a socket.
    """
    sock = transport.get_extra_info("socket")
    if sock is None:
        return
    seconds = round(max(LEAST_S, silence_s))
    idle_s = min(seconds, GREATEST_IDLE_S)
    probes = {"TCP_KEEPIDLE": idle_s, "TCP_KEEPINTVL": PROBE_INTERVAL_S, "TCP_USER_TIMEOUT": seconds * 1_000}
    with contextlib.suppress(OSError, AttributeError):  # already closed, or no such option
        for option, value in probes.items():
            if hasattr(socket, option):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
