"""How devices look in requests and answers."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.api.fields import Descr, ExpectedVersion, Name, TagsMember
from thingstead.model import limits
from thingstead.model.customer import Customer
from thingstead.model.device import DeviceSession, DeviceView, Known, ValueSource
from thingstead.wire.devices import (
    CustomerOfDevice,
    DeviceActive,
    DeviceAlarm,
    DeviceDetail,
    DeviceItem,
    DeviceTypeInfo,
    GroupOfDevice,
    ListedValue,
    LiveSession,
    RivalClient,
)

DeviceKey = Annotated[str, Meta(max_length=limits.DEVICE_KEY_LENGTH)]


class DeviceBody(msgspec.Struct, frozen=True, kw_only=True):
    """The new device."""

    name: Name
    descr: Descr = ""
    type: Annotated[str, Meta(description="A device type's id; empty: none.")] | None = None
    tags: TagsMember = {}
    device_key: Annotated[DeviceKey, Meta(description="Unique in the project; empty: none.")] | None = None
    gateway: Annotated[str, Meta(description="Extension: the id of its gateway, for a sub-device.")] | None = None
    sub_address: (
        Annotated[
            str,
            Meta(max_length=limits.SUB_ADDRESS_LENGTH, description="Extension: its address, unique in the gateway."),
        ]
        | None
    ) = None


class DeviceInfoBody(msgspec.Struct, frozen=True, kw_only=True):
    """The members to change; at least one. An empty device_key removes the key."""

    name: Name | UnsetType = UNSET
    descr: Descr | UnsetType = UNSET
    device_key: DeviceKey | UnsetType | None = UNSET
    version: ExpectedVersion | None = None


class DeviceTypeBody(msgspec.Struct, frozen=True, kw_only=True):
    """The new type of a device; empty or null: none."""

    type: str | None
    version: ExpectedVersion | None = None


class DeviceGatewayBody(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway of the device and the device's address there; empty or null: none."""

    gateway: Annotated[str, Meta(description="The gateway's id.")] | None
    sub_address: Annotated[str, Meta(max_length=limits.SUB_ADDRESS_LENGTH)] | None
    version: ExpectedVersion | None = None


def show_device(view: DeviceView) -> DeviceItem:
    """The device as an item of a list."""
    device, alarm = view.device, view.alarm
    type_info: DeviceTypeInfo | UnsetType = UNSET
    if device.type_id is not None and view.type_name is not None:
        type_info = DeviceTypeInfo(
            id=device.type_id,
            name=view.type_name,
            conn_type=view.conn_type or "",
            conn_protocol=view.conn_protocol or "",
        )
    return DeviceItem(
        id=device.id,
        version=device.version,
        name=device.name,
        descr=device.descr,
        device_key=device.device_key or "",
        tags=device.tags,
        create_time=device.create_time,
        alarm=DeviceAlarm()
        if alarm is None
        else DeviceAlarm(alarm_status=1, alarm_level=alarm.alarm_level, ts=alarm.ts),
        active=DeviceActive(**view.active),
        online=view.online,
        type=device.type_id or "",
        type_info=type_info,
        gateway=device.gateway_id or UNSET,
        sub_address=device.sub_address or UNSET,
        view_token=device.view_token,
        device_code=device.device_code,
        values=UNSET if view.values is None else {name: _listed(known) for name, known in view.values.items()},
    )


def _listed(known: Known) -> ListedValue:
    source: ValueSource = "report" if known.sent is None else known.sent.source
    return ListedValue(value=known.value.value, ts=known.value.ts, source=source)


def show_detail(
    view: DeviceView,
    groups: Sequence[tuple[str, str]],
    customer: Customer | None,
    session: DeviceSession | None,
    rivals: Sequence[Mapping[str, str]],
) -> DeviceDetail:
    """The device with all details."""
    live: LiveSession | UnsetType = UNSET
    if session is not None:
        live = LiveSession(
            protocol=session.protocol,
            client_id=session.client_id,
            remote_address=session.remote_address,
            connected_at=session.connected_at,
        )
    item = msgspec.structs.asdict(show_device(view))
    clients = [RivalClient(client_id=rival["client_id"], remote_address=rival["remote_address"]) for rival in rivals]
    return DeviceDetail(
        **item,
        groups=[GroupOfDevice(id=group_id, name=name) for group_id, name in groups],
        customer=UNSET
        if customer is None
        else CustomerOfDevice(id=customer.id, account=customer.account, name=customer.name),
        session=live,
        certificate_conflict=clients or UNSET,
    )
