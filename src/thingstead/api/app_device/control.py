"""What applications send to one device, and read of it, with the device's certificate (wire reference §6)."""

from collections.abc import Mapping
from typing import Any

from thingstead.api.app_device.sent import SentMessage
from thingstead.api.app_device.synchronous import ENDPOINTS as SYNCHRONOUS
from thingstead.api.device.dialect import Done, Kept, Values, kept
from thingstead.api.device.uplinks import KeysQuery
from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.api.project.control import AttributesBody, CommandBody
from thingstead.api.project.custom_data import DataBody, DataQuery
from thingstead.errors import Conflict, DeviceOffline, TooManyRequests

TAG = "Application plane"
COMMON: Mapping[str, Any] = {"tag": TAG, "access": Access.DEVICE}


async def push_attributes(call: ApiCall) -> bytes:
    """Stores the values and sends them to the device if it is connected. An offline device can read them later. A value
    that does not match the type's definition is listed in `refused`; if all values are refused, nothing is stored or
    sent."""
    device = call.device
    return kept(await call.platform.control.push_attributes(device.project_id, device.id, dict(call.body)))


async def update_cloud_attributes(call: ApiCall) -> bytes:
    """Updates the values in the cloud; nothing is sent to the device. Values that do not match the type's definition
    are refused as for a push."""
    device = call.device
    return kept(await call.platform.control.update_cloud_attributes(device.project_id, device.id, dict(call.body)))


async def read_attributes(call: ApiCall) -> Values:
    """Plain values by identifier; attributes without a value are omitted."""
    return Values(attributes=await call.platform.history.current_values(call.device, call.query.names()))


async def send_command(call: ApiCall) -> SentMessage:
    """Answers when the connection of the device has accepted the command, without waiting for a reply. If the device is
    offline, the command is refused unless `wait_ms` allows it to wait."""
    body: CommandBody = call.body
    command = await call.platform.control.send_command(
        call.device.project_id, call.device.id, body.method, body.params or {}, body.id, wait_ms=body.wait_ms
    )
    return SentMessage(id=command.id, command_id=command.command_id, state=command.state)


async def send_data(call: ApiCall) -> None:
    """The device gets the message on the topic `data/<identifier>/set`, or unchanged on a TCP connection. Refused if
    the device is offline."""
    await call.platform.streams.send(
        call.device.project_id,
        call.device.id,
        call.path["identifier"],
        call.body.payload(),
        call.query.push_mode,
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint(
        method="POST",
        path="/app/device/v1/{access_token}/attributes",
        summary="Push attributes to the device",
        handler=push_attributes,
        body=AttributesBody,
        wide_integers=True,
        info=Kept,
        refusals=(TooManyRequests,),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/app/device/v1/{access_token}/attributes",
        summary="Read the device's attribute values",
        handler=read_attributes,
        query=KeysQuery,
        info=Values,
        refusals=(TooManyRequests,),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/app/device/v1/{access_token}/attributes",
        summary="Update cloud attributes of the device",
        handler=update_cloud_attributes,
        body=AttributesBody,
        wide_integers=True,
        info=Kept,
        refusals=(TooManyRequests,),
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/app/device/v1/{access_token}/command/send",
        summary="Send a command to the device",
        handler=send_command,
        body=CommandBody,
        info=SentMessage,
        refusals=(Conflict, DeviceOffline, TooManyRequests),
        **COMMON,
    ),
    *SYNCHRONOUS,
    Endpoint(
        method="POST",
        path="/app/device/v1/{access_token}/data/{identifier}/set",
        summary="Send custom data to the device",
        handler=send_data,
        body=DataBody,
        query=DataQuery,
        info=Done,
        refusals=(DeviceOffline, TooManyRequests),
        example={"type": "json", "msg": {"mode": "eco"}},
        **COMMON,
    ),
)
