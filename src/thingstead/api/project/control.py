"""Talking to devices (设备通信): attributes and commands going down."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.api.endpoint import Call, Endpoint
from thingstead.api.fields import Identifier
from thingstead.errors import Conflict, DeviceOffline, NotFound
from thingstead.model import limits
from thingstead.model.command import Command, CommandState

TAG = "Device control"
COMMAND_ID_MAX = 2**31 - 1
WAIT_MS_MAX = 7 * 24 * 3600 * 1000
AttributesBody = Annotated[
    dict[str, Any], Meta(min_length=1, max_length=limits.KEYS_COUNT, description="Values by attribute identifier.")
]


class CommandBody(msgspec.Struct, frozen=True, kw_only=True):
    """A command."""

    method: Annotated[Identifier, Meta(description="The identifier of the command.")]
    params: dict[str, Any] | None = None
    id: (
        Annotated[int, Meta(ge=0, le=COMMAND_ID_MAX, description="In the topic and the body; 1000 if absent.")] | None
    ) = None
    wait_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=WAIT_MS_MAX,
            description="Extension: how long the command may wait for an offline device; 0 refuses instead.",
        ),
    ] = 0


class CommandInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Empty, but where `wait_ms` was given: which command it is, and how far it came."""

    command: str | UnsetType = UNSET
    state: CommandState | UnsetType = UNSET


async def push_attributes(call: Call) -> None:
    """Stores the values and sends them to the device if it is connected. An offline device finds them with
    `attributes/get`. Where one value breaks the type's definition nothing is stored or sent."""
    await call.platform.control.push_attributes(call.caller.project_id, call.path["device_id"], dict(call.body))


async def update_cloud_attributes(call: Call) -> None:
    """Changes the values in the cloud only; the device hears nothing."""
    await call.platform.control.update_cloud_attributes(call.caller.project_id, call.path["device_id"], dict(call.body))


async def send_command(call: Call) -> CommandInfo:
    """Answers when the device's connection has taken the command, not when the device has replied. A device that is
    offline is refused, unless `wait_ms` lets the command wait for it."""
    body: CommandBody = call.body
    command: Command = await call.platform.control.send_command(
        call.caller.project_id,
        call.path["device_id"],
        body.method,
        body.params or {},
        body.id,
        wait_ms=body.wait_ms,
    )
    return CommandInfo(command=command.id, state=command.state) if body.wait_ms else CommandInfo()


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/control/device/{device_id}/attributes",
        summary="Push attributes to a device",
        handler=push_attributes,
        tag=TAG,
        body=AttributesBody,
        refusals=(NotFound,),
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/control/device/{device_id}/attributes",
        summary="Update cloud attributes of a device",
        handler=update_cloud_attributes,
        tag=TAG,
        body=AttributesBody,
        refusals=(NotFound,),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/control/device/{device_id}/command",
        summary="Send a command to a device",
        handler=send_command,
        tag=TAG,
        body=CommandBody,
        info=CommandInfo,
        refusals=(NotFound, DeviceOffline, Conflict),
    ),
)
