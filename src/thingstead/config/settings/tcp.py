"""Settings `tcp.*`."""

from typing import Annotated

import msgspec

from thingstead.config.settings.declaring import about


class TcpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The port of devices that send raw bytes."""

    registration_timeout_s: Annotated[
        int,
        about("Time-out for the registration packet of a new connection.", "seconds", ge=1, le=300),
    ] = 10
    idle_timeout_s: Annotated[
        int,
        about(
            "Idle time after which a connection is closed; 0: never.",
            "seconds",
            ge=0,
            le=604_800,
        ),
    ] = 3_600
    unreachable_timeout_s: Annotated[
        int,
        about(
            "How long a device may be unreachable over TCP, as in a radio gap, before its connection is closed, "
            "at least a minute; 0: `tcp.idle_timeout_s`.",
            "seconds",
            ge=0,
            le=604_800,
        ),
    ] = 0
    heartbeats: Annotated[
        tuple[str, ...],
        about(
            "Heartbeat packets, which are not stored: texts, or bytes as `hex:0102`. The registration packet, "
            "sent again, is always one."
        ),
    ] = ()
    max_connections: Annotated[
        int, about("Open raw TCP connections; one more is closed at once.", "connections", ge=1)
    ] = 100_000

    @property
    def heartbeat_packets(self) -> frozenset[bytes]:
        """The bytes of ``heartbeats``. Raises ValueError if one is not hexadecimal."""
        return frozenset(bytes.fromhex(t[4:]) if t.startswith("hex:") else t.encode() for t in self.heartbeats)
