"""A device, its group, its live session, and what is known of its state."""

from typing import Any, Literal, NamedTuple

import msgspec

from thingstead.model.cursor import Cursor
from thingstead.model.project import Tags

UplinkKind = Literal["attributes", "event", "command_reply", "data", "connect"]
SentSource = Literal["push", "cloud"]
ValueSource = Literal["report", "push", "cloud"]


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A registered device. ``number`` is the store's own compact key, never shown and never reused."""

    id: str
    number: int = 0  # assigned by the store at creation
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
    version: int = 1  # counts its changes


class AttributeValue(msgspec.Struct, frozen=True, array_like=True):
    """The current value of one attribute: the one with the greatest device timestamp."""

    ts: int  # ms, device time where the device gave one
    value: Any  # any JSON value


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """That the current value of an attribute is one that was sent to the device or set in the cloud."""

    source: SentSource
    reported: AttributeValue | None = None  # what the device had reported before


class Known(NamedTuple):
    """The current value of one attribute, and where it is from."""

    value: AttributeValue
    sent: Sent | None = None  # None: the device reported it


class OpenAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """The highest open alarm of a device."""

    alarm_level: int
    ts: int  # ms, when it was raised


class DeviceSession(msgspec.Struct, frozen=True, kw_only=True):
    """A live connection that owns a device. The row exists exactly as long as the session lives."""

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
    values: dict[str, Known] | None = None  # of the attributes that were asked for; None: none were


class DeviceGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A node of the tree of groups; a device may stand in any number of groups."""

    id: str
    project_id: str
    parent_id: str | None = None
    name: str
    descr: str = ""
    tags: Tags = {}
    create_time: int  # ms
    version: int = 1  # counts its changes


TagReading = tuple[str, str | None]  # a tag's key, and the value where one is asked for
AlarmFilter = Literal["1", "2", "3", "any", "none"]  # the level of the highest open alarm


class DeviceExclusion(msgspec.Struct, frozen=True, kw_only=True):
    """Which devices a list leaves out: those that any member names."""

    type_ids: tuple[str, ...] = ()
    group_ids: tuple[str, ...] = ()  # also those in groups below, where the filter includes these
    customer_ids: tuple[str, ...] = ()
    gateway_ids: tuple[str, ...] = ()
    tags: tuple[tuple[TagReading, ...], ...] = ()
    alarm: AlarmFilter | None = None


class DeviceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which devices a list shows; unset members do not narrow it."""

    type_id: str | None = None
    group_ids: tuple[str, ...] = ()  # in any of these
    include_sub_groups: bool = False
    keyword: str | None = None  # in name, descr, device_key or id, case-insensitive
    online: bool | None = None
    tags: tuple[tuple[TagReading, ...], ...] = ()  # of each, one reading: what the text of it may mean
    customer_id: str | None = None
    gateway_id: str | None = None  # the sub-devices of this gateway
    ids: tuple[str, ...] = ()  # one of these
    alarm: AlarmFilter | None = None
    active: bool | None = None  # whether it has sent anything since ``active_since``
    active_since: int = 0  # ms
    conn_type: str | None = None  # of its type; a device without a type is a direct one
    protocol: str | None = None  # of its live session
    excluded: DeviceExclusion = DeviceExclusion()


class DevicesStat(msgspec.Struct, frozen=True, kw_only=True):
    """Counts over a project's devices (``devices_stat``)."""

    device_total: int
    online_device_total: int
    offline_device_total: int
    active_device_total: int
    inactive_device_total: int
    alarm_device_total: int


class DevicesAlarmStat(msgspec.Struct, frozen=True, kw_only=True):
    """Counts by the highest open alarm level (``devices_alarm_stat``)."""

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
    """A value that devices of a list have, and how many of them have it."""

    value: str
    count: int
    name: str = ""  # of the type, group, customer or gateway


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is wanted."""

    number: int = 1  # from 1
    records: int = 20
    sort: DeviceSort = "create_time"  # of lists that know more than one order; "-" turns it round
    cursor: Cursor | None = None  # where the page begins, in place of its number; reading moves it on

    @property
    def descending(self) -> bool:
        return self.sort.startswith("-")

    @property
    def key(self) -> str:
        """What it is sorted by."""
        return self.sort.removeprefix("-")

    @property
    def by_name(self) -> bool:
        return self.key == "name"

    @property
    def offset(self) -> int:
        return 0 if self.cursor is not None else (self.number - 1) * self.records
