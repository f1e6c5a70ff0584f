"""Devices."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.model.device import FacetValue, ValueSource
from thingstead.wire.common import Listed


class ListedValue(msgspec.Struct, frozen=True, kw_only=True):
    """The current value of an attribute, and its source."""

    value: Any
    ts: int  # ms
    source: ValueSource


class DeviceAlarm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The highest open alarm of a device; an empty object if there is none."""

    alarm_status: int | UnsetType = UNSET  # 1: an alarm is open
    alarm_level: int | UnsetType = UNSET  # 1 normal (普通), 2 serious (严重), 3 urgent (紧急)
    ts: int | UnsetType = UNSET  # ms, when it was raised


class DeviceActive(msgspec.Struct, frozen=True, kw_only=True):
    """Timestamp (ms) of the newest message of each kind that the device sent."""

    attributes: int | UnsetType = UNSET
    event: int | UnsetType = UNSET
    command_reply: int | UnsetType = UNSET
    data: int | UnsetType = UNSET
    connect: int | UnsetType = UNSET


class DeviceTypeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Summary of a device's type."""

    id: str
    name: str
    conn_type: str
    conn_protocol: str


class DeviceItem(msgspec.Struct, frozen=True, kw_only=True):
    """A device."""

    id: str
    name: str
    descr: str
    device_key: str  # "" if it has none
    tags: dict[str, str]
    create_time: int  # ms
    alarm: DeviceAlarm
    active: DeviceActive
    online: bool  # has a live session
    type: str  # "" if it has none
    type_info: DeviceTypeInfo | UnsetType = UNSET  # absent without a type
    gateway: str | UnsetType = UNSET  # of a sub-device: the id of its gateway
    sub_address: str | UnsetType = UNSET  # of a sub-device
    view_token: str
    device_code: str
    # Extension, if attributes were requested: by identifier; attributes without a value are absent.
    values: dict[str, ListedValue] | UnsetType = UNSET
    version: int = 0  # extension: incremented by each change, from 1; send it with a change to detect conflicts


class LiveSession(msgspec.Struct, frozen=True, kw_only=True):
    """The live connection of the device."""

    protocol: str  # mqtt, tcp; gateway: it is behind a gateway
    client_id: str
    remote_address: str
    connected_at: int  # ms


class RivalClient(msgspec.Struct, frozen=True, kw_only=True):
    """One of several clients that connect alternately with the same certificate."""

    client_id: str
    remote_address: str


class GroupOfDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A group that contains the device."""

    id: str
    name: str


class CustomerOfDevice(msgspec.Struct, frozen=True, kw_only=True):
    """The customer to whom a device is bound."""

    id: str
    account: str
    name: str


class DeviceDetail(DeviceItem, frozen=True, kw_only=True):
    """A device with its groups, customer and connection."""

    groups: list[GroupOfDevice]  # extension
    customer: CustomerOfDevice | UnsetType = UNSET  # extension; absent if it is not bound
    session: LiveSession | UnsetType = UNSET  # absent while it is offline
    certificate_conflict: list[RivalClient] | UnsetType = UNSET  # absent unless several clients use its certificate


class DeviceCredential(msgspec.Struct, frozen=True, kw_only=True):
    """The credential of a device (普通证书)."""

    id: str
    name: str
    access_token: str
    project_key: str


class ListedDevices(Listed[DeviceItem], frozen=True, kw_only=True):
    """One page of devices."""

    # Extension, if facets were requested: the values of each, most frequent first, at most 100.
    facets: dict[str, list[FacetValue]] | UnsetType = UNSET
