"""What the broker knows of the live connection of a device."""

from typing import NamedTuple, Protocol


class LiveConnection(NamedTuple):
    """A connection over MQTT: that of the device, or that of its gateway."""

    keep_alive_s: int  # 0: none
    filters: list[str]  # topic filters that it is subscribed to
    commands: bool  # whether a command to the device reaches it
    pushes: bool  # whether attributes that are pushed to the device reach it


class LiveConnections(Protocol):
    """The connections of this node."""

    def describe(self, device_id: str) -> LiveConnection | None:
        """The connection of a device or of its gateway; None if there is none over MQTT."""
        ...
