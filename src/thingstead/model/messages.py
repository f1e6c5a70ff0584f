"""What travels on the bus: a doorbell that may lose. Every message can be encoded as msgpack."""

from typing import Any

import msgspec

from thingstead.model.report import Report


class BusMessage(msgspec.Struct, frozen=True, tag=True):
    """The root of all bus messages."""


class ReportsCommitted(BusMessage, frozen=True):
    """These reports are on disk, in this order."""

    reports: list[Report]


class AttributesPushed(BusMessage, frozen=True):
    """Attributes to be sent down to a device (``attributes/push``)."""

    device_id: str
    attributes: dict[str, Any]


class CommandIssued(BusMessage, frozen=True):
    """A command row stands in state ``queued`` and waits for its device."""

    device_id: str
    command_row_id: str
    command_id: int
    method: str
    params: Any
    expire_time: int  # ms
    size_bytes: int = 0  # of params, as JSON


class CommandChanged(BusMessage, frozen=True):
    """A command row went forward, or (state ``queued``) no connection could take it; ``reply`` is set when it was
    replied."""

    device_id: str
    command_row_id: str
    command_id: int
    method: str
    state: str
    reason: str = ""
    reply: Any = None


class EventReported(BusMessage, frozen=True):
    """An event is on disk."""

    device_id: str
    event_id: str
    method: str
    params: dict[str, Any]
    ts: int


class DataReported(BusMessage, frozen=True):
    """Custom data of a stream came up and was noted."""

    device_id: str
    identifier: str
    payload: bytes
    ts: int


class DataSent(BusMessage, frozen=True):
    """Custom data is to go down to a device over its live connection."""

    device_id: str
    identifier: str
    payload: bytes


class SubDeviceAdded(BusMessage, frozen=True):
    """A sub-device was created under a gateway."""

    project_id: str
    gateway_id: str
    device_id: str


class PresenceChanged(BusMessage, frozen=True):
    """A device came online, went offline (``online`` false), or was taken over (``replaced`` is set)."""

    device_id: str
    online: bool
    session_id: str
    replaced: str | None  # the session that this one took over
    reason: str
    ts: int


class SessionsRevoked(BusMessage, frozen=True):
    """Live sessions of these devices must end (removed, certificate reset)."""

    device_ids: list[str]
    reason: str


class SubscribersRevoked(BusMessage, frozen=True):
    """Applications that are subscribed to this project must log in again (a new secret)."""

    project_id: str
    reason: str


class BrowserSessionsEnded(BusMessage, frozen=True):
    """These sessions of administrators in browsers have ended, or their role is another one: what they opened must
    close, and may be opened again by those that go on."""

    session_ids: list[str]
    reason: str


class DevicesAdded(BusMessage, frozen=True):
    """Devices were created; what is watched of every device of their types begins with them."""

    project_id: str
    device_ids: list[str]


class AttributesRemoved(BusMessage, frozen=True):
    """Current values and history of a device's attributes were removed."""

    device_id: str
    identifiers: list[str]


class DeviceChanged(BusMessage, frozen=True):
    """A device's row changed; whoever remembers it must read it again."""

    device_id: str


class DeviceRemoved(BusMessage, frozen=True):
    """A device was removed; what is kept of it is to be dropped."""

    device_id: str


class DeviceTypeChanged(BusMessage, frozen=True):
    """A device type's definition changed; whoever compiled it must read it again."""

    project_id: str
    type_id: str


class AlarmChanged(BusMessage, frozen=True):
    """An alarm was raised or cleared and is on disk."""

    device_id: str
    alarm_id: str
    rule_id: str
    alarm_status: int
    alarm_level: int
    alarm_info: dict[str, Any]
    ts: int


class AlarmRuleChanged(BusMessage, frozen=True):
    """An alarm rule was made, changed or removed; whoever compiled it must read it again."""

    project_id: str
    rule_id: str


AnyMessage = (
    ReportsCommitted
    | AttributesPushed
    | CommandIssued
    | CommandChanged
    | EventReported
    | DataReported
    | DataSent
    | SubDeviceAdded
    | DeviceRemoved
    | PresenceChanged
    | SessionsRevoked
    | SubscribersRevoked
    | BrowserSessionsEnded
    | DevicesAdded
    | AttributesRemoved
    | DeviceChanged
    | DeviceTypeChanged
    | AlarmChanged
    | AlarmRuleChanged
)
