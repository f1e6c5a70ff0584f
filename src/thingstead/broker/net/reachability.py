"""TCP keep-alive and user time-out: after how long the kernel gives an unreachable peer up."""

import contextlib
import socket
from typing import Any

LEAST_S = 60  # a retransmission or two must have their chance
GREATEST_IDLE_S = 32_767  # that systems take
PROBE_INTERVAL_S = 15  # between probes that were not answered


def give_up_after(transport: Any, silence_s: float) -> None:
    """The connection is given up when the peer has acknowledged nothing for so long: neither what was sent, nor a
    probe. Until then it may be where no radio reaches it.

    On systems without such options, and over what is no socket, nothing happens.
    """
    sock = transport.get_extra_info("socket")
    if sock is None:
        return
    seconds = round(max(LEAST_S, silence_s))
    idle_s = min(seconds, GREATEST_IDLE_S)
    probes = {"TCP_KEEPIDLE": idle_s, "TCP_KEEPINTVL": PROBE_INTERVAL_S, "TCP_USER_TIMEOUT": seconds * 1_000}
    with contextlib.suppress(OSError, AttributeError):  # it is gone already
        for option, value in probes.items():
            if hasattr(socket, option):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
