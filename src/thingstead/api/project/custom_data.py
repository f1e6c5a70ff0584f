"""Custom data going down to a device over its stream (wire reference §6, §9.5)."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.errors import DeviceOffline, NotFound
from thingstead.model.roles import OPERATOR
from thingstead.services.shared.payloads import encode_message


class DataBody(msgspec.Struct, frozen=True, kw_only=True):
    """The message."""

    type: Annotated[
        Literal["json", "hex", "text", "plaintext"],
        Meta(description="Type of `msg`: any JSON value, hexadecimal digits, or a text."),
    ]
    msg: Any

    def payload(self) -> bytes:
        """Bytes that are sent to the device."""
        return encode_message(self.type, self.msg)


class DataQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The connection to use."""

    push_mode: (
        Annotated[Literal["mqtt", "tcp"], Meta(description="Only over a connection of this kind; default: any.")] | None
    ) = None


async def send_data(call: ApiCall) -> None:
    """The device gets the message on the topic `data/<identifier>/set`, or unchanged on a TCP connection. Refused if
    the device is offline."""
    device = await call.platform.devices.get(call.caller.project_id, call.path["device_id"])
    await call.platform.streams.send(
        device.project_id,
        device.id,
        call.path["identifier"],
        call.body.payload(),
        call.query.push_mode,
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/control/device/{device_id}/data/{identifier}",
        summary="Send custom data to a device",
        handler=send_data,
        role=OPERATOR,
        tag="Device control",
        body=DataBody,
        query=DataQuery,
        refusals=(NotFound, DeviceOffline),
        extension=True,
        example={"type": "json", "msg": {"mode": "eco"}},
    ),
)
