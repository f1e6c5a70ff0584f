"""A device, its group, its live session and its state."""

from typing import Any, Literal, NamedTuple

import msgspec

from thingstead.model.cursor import ListCursor
from thingstead.model.project import Tags

UplinkKind = Literal["attributes", "event", "command_reply", "data", "connect"]
SentSource = Literal["push", "cloud"]
ValueSource = Literal["report", "push", "cloud"]


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A registered device. ``number`` is the store's compact key, never shown and never reused."""

    id: str
    number: int = 0  # assigned by the store
    project_id: str
    name: str
    descr: str = ""
    device_key: str | None = None  # unique in the project when present
    tags: Tags = {}
    type_id: str | None = None
    customer_id: str | None = None
    gateway_id: str | None = None  # for a sub-device: the id of its gateway
    sub_address: str | None = None  # for a sub-device: unique within its gateway
    access_token: str  # unique in the server; half of the device certificate
    view_token: str  # unique in the project
    device_code: str
    create_time: int  # ms
    version: int = 1  # incremented by each change


class AttributeValue(msgspec.Struct, frozen=True, array_like=True):
    """The current value of one attribute: the one with the greatest device timestamp."""

    ts: int  # ms, device time if the device gave one
    value: Any  # any JSON value


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """Marks a current value that was sent to the device or set in the cloud, not reported."""

    source: SentSource
    reported: AttributeValue | None = None  # the last value that the device reported before


class Known(NamedTuple):
    """The current value of one attribute, and its origin."""

    value: AttributeValue
    sent: Sent | None = None  # None: reported by the device


class OpenAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """The open alarm with the highest level on a device."""

    alarm_level: int
    ts: int  # ms, when it was raised


class DeviceSession(msgspec.Struct, frozen=True, kw_only=True):
    """A live connection of a device. The row exists as long as the session is connected."""

    session_id: str
    node: str  # the server node that holds the connection
    protocol: str  # mqtt, tcp, …
    client_id: str = ""
    remote_address: str = ""
    connected_at: int  # ms


class DeviceView(msgspec.Struct, frozen=True, kw_only=True):
    """A device with everything that a list or a detail page shows."""

    device: Device
    type_name: str | None = None
    conn_type: str | None = None  # of its type
    conn_protocol: str | None = None  # of its type
    online: bool
    active: dict[str, int] = {}  # newest ms timestamp by UplinkKind
    alarm: OpenAlarm | None = None
    values: dict[str, Known] | None = None  # of the requested attributes; None: none were requested


class DeviceGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A node of the tree of groups; a device may be in any number of groups."""

    id: str
    project_id: str
    parent_id: str | None = None
    name: str
    descr: str = ""
    tags: Tags = {}
    create_time: int  # ms
    version: int = 1  # incremented by each change


TagReading = tuple[str, str | None]  # a tag's key, and the value if one is required
AlarmFilter = Literal["1", "2", "3", "any", "none"]  # the level of the highest open alarm


class DeviceExclusion(msgspec.Struct, frozen=True, kw_only=True):
    """Devices that a list leaves out: those that match any member."""

    type_ids: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()  # subgroups too, if the filter includes them
    customer_ids: tuple[str, ...] = ()
    gateway_ids: tuple[str, ...] = ()
    tags: tuple[tuple[TagReading, ...], ...] = ()
    alarm: AlarmFilter | None = None


class DeviceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filter of a list of devices; unset members do not narrow it."""

    type_id: str | None = None
    group_ids: tuple[str, ...] = ()  # in at least one of these
    include_sub_groups: bool = False
    keyword: str | None = None  # in name, descr, device_key, id or device_code, case-insensitive
    online: bool | None = None
    tags: tuple[tuple[TagReading, ...], ...] = ()  # for each tag its readings (key, or key and value): one must match
    customer_id: str | None = None
    gateway_id: str | None = None  # the sub-devices of this gateway
    ids: tuple[str, ...] = ()  # only these
    alarm: AlarmFilter | None = None
    active: bool | None = None  # whether the device has sent anything since ``active_since``
    active_since: int = 0  # ms
    conn_type: str | None = None  # of its type; a device without a type is direct
    protocol: str | None = None  # of its live session
    excluded: DeviceExclusion = DeviceExclusion()


class DevicesStat(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of a project's devices (``devices_stat``)."""

    device_total: int
    online_device_total: int
    offline_device_total: int
    active_device_total: int
    inactive_device_total: int
    alarm_device_total: int


class DevicesAlarmStat(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of devices by the level of their highest open alarm (``devices_alarm_stat``)."""

    device_total: int
    alarm_1_total: int
    alarm_2_total: int
    alarm_3_total: int
    normal_total: int


Sort = Literal["create_time", "-create_time", "name", "-name"]
DeviceSort = Literal["create_time", "-create_time", "name", "-name", "active", "-active", "alarm_level", "-alarm_level"]
FacetName = Literal[
    "type", "group", "customer", "gateway", "online", "active", "alarm_level", "conn_type", "protocol", "tag"
]


class FacetValue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value of a facet, and the number of devices in the list that have it."""

    value: str
    count: int
    name: str = ""  # of the type, group, customer or gateway


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which page of a list to read."""

    number: int = 1  # from 1
    records: int = 20
    sort: DeviceSort = "create_time"  # for lists with several orders; "-" means descending
    cursor: ListCursor | None = None  # where the page begins, instead of ``number``; reading advances it

    @property
    def descending(self) -> bool:
        """Whether the order is reversed (``-key``)."""
        return self.sort.startswith("-")

    @property
    def key(self) -> str:
        """The sort key without its direction."""
        return self.sort.removeprefix("-")

    @property
    def by_name(self) -> bool:
        """Whether the order is that of names."""
        return self.key == "name"

    @property
    def offset(self) -> int:
        """Number of entries before the page; 0 with a cursor."""
        return 0 if self.cursor is not None else (self.number - 1) * self.records
