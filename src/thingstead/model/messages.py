"""Messages on the bus. Delivery is not guaranteed. Every message can be encoded as msgpack."""

from typing import Any, Literal

import msgspec

from thingstead.model.report import Report


class BusMessage(msgspec.Struct, frozen=True, tag=True):
    """Base class of all bus messages."""


class ReportsCommitted(BusMessage, frozen=True):
    """These reports were committed, in this order."""

    reports: list[Report]


class AttributesPushed(BusMessage, frozen=True):
    """Attributes must be sent to a device (``attributes/push``)."""

    project_id: str
    device_id: str
    attributes: dict[str, Any]
    payload: bytes = b""  # sent in place of the attributes, if it is not empty


class CommandIssued(BusMessage, frozen=True):
    """A command was stored as ``queued`` and waits for its device."""

    project_id: str
    device_id: str
    command_row_id: str
    command_id: int
    method: str
    params: Any
    expire_time: int  # ms
    size_bytes: int = 0  # of params, as JSON


class CommandChanged(BusMessage, frozen=True):
    """The state of a command changed, or (state ``queued``) no connection could send it; ``reply`` is set if it was
    replied to."""

    device_id: str
    command_row_id: str
    command_id: int
    method: str
    state: str
    reason: str = ""
    reply: Any = None


class EventReported(BusMessage, frozen=True):
    """An event was committed."""

    device_id: str
    event_id: str
    method: str
    params: dict[str, Any]
    ts: int
    project_id: str


class DataReported(BusMessage, frozen=True):
    """Custom data of a stream was received and logged."""

    device_id: str
    identifier: str
    payload: bytes
    ts: int


class DataSent(BusMessage, frozen=True):
    """Custom data must be sent to a device over its live connection."""

    project_id: str
    device_id: str
    identifier: str
    payload: bytes
    transient: bool = False  # of use now alone: it never waits in a session


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
    replaced: str | None  # the session that was taken over
    reason: str
    ts: int


class SessionsRevoked(BusMessage, frozen=True):
    """Live sessions of these devices must end (device removed, certificate reset)."""

    device_ids: list[str]
    reason: str


class SubscribersRevoked(BusMessage, frozen=True):
    """Application subscribers of this project must log in again (the secret was replaced)."""

    project_id: str
    reason: str


class BrowserSessionsEnded(BusMessage, frozen=True):
    """These browser sessions of administrators ended or changed their role: connections opened with them must close;
    sessions that still exist may open new ones."""

    session_ids: list[str]
    reason: str


class DevicesAdded(BusMessage, frozen=True):
    """Devices were created; rules that watch every device of their types now watch them."""

    project_id: str
    device_ids: list[str]


class AttributesRemoved(BusMessage, frozen=True):
    """Current values and history of a device's attributes were removed."""

    device_id: str
    identifiers: list[str]


class DeviceChanged(BusMessage, frozen=True):
    """The row of a device changed; cached copies are stale."""

    device_id: str


class DeviceRemoved(BusMessage, frozen=True):
    """A device was removed; drop its cached state."""

    device_id: str


class DeviceTypeChanged(BusMessage, frozen=True):
    """The definition of a device type changed; compiled copies are stale."""

    project_id: str
    type_id: str


class AlarmChanged(BusMessage, frozen=True):
    """An alarm was raised or cleared, or a person acted on it, and the change was committed."""

    device_id: str
    alarm_id: str
    rule_id: str
    alarm_status: int
    alarm_level: int
    alarm_info: dict[str, Any]
    ts: int
    action: str  # raise, level, clear, acknowledge, shelve, unshelve, comment
    by: str = ""  # the person


class MessageTraced(BusMessage, frozen=True):
    """A traced message from or to a device, with its outcome."""

    device_id: str
    direction: Literal["up", "down"]
    plane: str  # mqtt, http, tcp, gateway; empty if the device is not connected
    topic: str
    payload: str  # truncated
    encoding: Literal["text", "hex"]
    cut: bool  # whether the payload is truncated
    size_bytes: int  # of the whole payload
    qos: int | None
    outcome: str
    errors: list[dict[str, Any]]  # {"field", "message", "code", "args"}; field is empty if there is none
    took_us: int
    suppressed: int  # messages since the last one that were not published because of the rate limit
    ts: int  # ms


class AlarmRuleChanged(BusMessage, frozen=True):
    """An alarm rule was created, changed or removed; compiled copies are stale."""

    project_id: str
    rule_id: str


class ThingChanged(BusMessage, frozen=True):
    """Something that people set up was created, changed or removed."""

    project_id: str
    kind: str  # device, device_type, alarm_rule, …
    id: str
    version: int  # afterwards; 0: it has none, or was removed
    action: str
    by: str  # who did it; empty: a device, or the server


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
    | MessageTraced
    | ThingChanged
)
