"""Devices."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.model.device import FacetValue, ValueSource
from thingstead.wire.common import Listed


class ListedValue(msgspec.Struct, frozen=True, kw_only=True):
    """The current value of an attribute, and where it is from."""

    value: Any
    ts: int  # ms
    source: ValueSource


class DeviceAlarm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The highest open alarm of a device; an empty object where there is none."""

    alarm_status: int | UnsetType = UNSET  # 1: alarming
    alarm_level: int | UnsetType = UNSET  # 1 normal (普通), 2 serious (严重), 3 urgent (紧急)
    ts: int | UnsetType = UNSET  # ms, when it was raised


class DeviceActive(msgspec.Struct, frozen=True, kw_only=True):
    """The newest ms timestamp of each kind of message that the device has sent."""

    attributes: int | UnsetType = UNSET
    event: int | UnsetType = UNSET
    command_reply: int | UnsetType = UNSET
    data: int | UnsetType = UNSET
    connect: int | UnsetType = UNSET


class DeviceTypeInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The type of a device, in short."""

    id: str
    name: str
    conn_type: str
    conn_protocol: str


class DeviceItem(msgspec.Struct, frozen=True, kw_only=True):
    """A device."""

    id: str
    name: str
    descr: str
    device_key: str  # "" where it has none
    tags: dict[str, str]
    create_time: int  # ms
    alarm: DeviceAlarm
    active: DeviceActive
    online: bool  # has a live session
    type: str  # "" where it has none
    type_info: DeviceTypeInfo | UnsetType = UNSET  # absent where it has no type
    gateway: str | UnsetType = UNSET  # of a sub-device: the id of its gateway
    sub_address: str | UnsetType = UNSET  # of a sub-device
    view_token: str
    device_code: str
    # Extension, where attributes were asked for: by identifier, without those that have no value.
    values: dict[str, ListedValue] | UnsetType = UNSET
    version: int = 0  # extension: counts its changes, from 1; a change may name the one that was read


class LiveSession(msgspec.Struct, frozen=True, kw_only=True):
    """The device's live connection."""

    protocol: str  # mqtt, tcp; gateway: it stands behind one
    client_id: str
    remote_address: str
    connected_at: int  # ms


class RivalClient(msgspec.Struct, frozen=True, kw_only=True):
    """One of the clients that fight over a certificate."""

    client_id: str
    remote_address: str


class GroupOfDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A group in which a device stands."""

    id: str
    name: str


class CustomerOfDevice(msgspec.Struct, frozen=True, kw_only=True):
    """The customer to whom a device is bound."""

    id: str
    account: str
    name: str


class DeviceDetail(DeviceItem, frozen=True, kw_only=True):
    """A device, with its groups, its customer and what is known of its connection."""

    groups: list[GroupOfDevice]  # extension
    customer: CustomerOfDevice | UnsetType = UNSET  # extension; absent where it is bound to none
    session: LiveSession | UnsetType = UNSET  # absent while it is offline
    certificate_conflict: list[RivalClient] | UnsetType = UNSET  # absent where nobody fights over its certificate


class DeviceCredential(msgspec.Struct, frozen=True, kw_only=True):
    """What a device logs in with (普通证书)."""

    id: str
    name: str
    access_token: str
    project_key: str


class ListedDevices(Listed[DeviceItem], frozen=True, kw_only=True):
    """One page of devices."""

    # Extension, where facets were asked for: of each its values, those that most devices have first, at most 100.
    facets: dict[str, list[FacetValue]] | UnsetType = UNSET
