"""Talking to devices (设备通信): attributes and commands going down."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import Identifier
from thingstead.errors import Conflict, DeviceOffline, FieldError, NotFound, ReplyTimeout, TooManyRequests
from thingstead.model import limits
from thingstead.model.command import Command
from thingstead.model.roles import OPERATOR, VIEWER
from thingstead.services.commands.synchronous import TIMEOUT_MAX_S, TIMEOUT_S
from thingstead.services.shared.recorded_reasons import recorded_reason
from thingstead.wire.control import (
    CalledInfo,
    CommandDetail,
    CommandInfo,
    CommandItem,
    RefusedAttribute,
    Reply,
    SetInfo,
)

TAG = "Device control"
WAIT_MS_MAX = 7 * 24 * 3600 * 1000
AttributesBody = Annotated[
    dict[str, Any], Meta(min_length=1, max_length=limits.KEYS_COUNT, description="Values by attribute identifier.")
]


Method = Annotated[Identifier, Meta(description="The identifier of the command.")]
CommandId = Annotated[
    int, Meta(ge=0, le=limits.COMMAND_ID, description="The `id` in the topic and the body; default: 1000.")
]
WaitMs = Annotated[
    int,
    Meta(
        ge=0,
        le=WAIT_MS_MAX,
        description="Extension: how long the command may wait for an offline device; 0: it is refused.",
    ),
]
Timeout = Annotated[
    float, Meta(gt=0, le=TIMEOUT_MAX_S, description="How long to wait for the reply, in s; default: 10.")
]


class CommandBody(msgspec.Struct, frozen=True, kw_only=True):
    """The command."""

    method: Method
    params: dict[str, Any] | None = None
    id: CommandId | None = None
    wait_ms: WaitMs = 0


class CallBody(msgspec.Struct, frozen=True, kw_only=True):
    """The command, and how long to wait for the reply."""

    method: Method
    params: dict[str, Any] | None = None
    id: CommandId | None = None
    timeout: Timeout = TIMEOUT_S


def command_members(command: Command) -> dict[str, Any]:
    """Members of :class:`CommandItem`."""
    why = recorded_reason(command.reason)
    known = (name for name in CommandItem.__struct_fields__ if name not in ("code", "args"))
    members = {name: getattr(command, name) for name in known} | {"code": why.code, "args": dict(why.args)}
    return members if command.state == "replied" else {**members, "reply": UNSET}


def progress_members(command: Command) -> dict[str, Any]:
    """Members of :class:`CommandInfo`."""
    return {"id": command.id, "command_id": command.command_id, "state": command.state, "command": command.id}


def reply_of(command: Command) -> Reply:
    """The reply with all its members, including those that the device omitted."""
    replied = command.reply if isinstance(command.reply, dict) else {}
    return Reply(
        method=str(replied.get("method") or command.method),
        params=replied.get("params") or {},
        id=command.command_id,
    )


async def push_attributes(call: ApiCall) -> SetInfo:
    """Stores the values and sends them to the device if it is connected. An offline device can read them with
    `attributes/get`. A value that does not match the type's definition is listed in `refused`; if all values are
    refused, nothing is stored or sent, and the answer is errcode 400."""
    control = call.platform.control
    return _set_info(await control.push_attributes(call.caller.project_id, call.path["device_id"], dict(call.body)))


async def update_cloud_attributes(call: ApiCall) -> SetInfo:
    """Updates the values in the cloud; nothing is sent to the device. Values that do not match the type's definition
    are refused as for a push."""
    control = call.platform.control
    return _set_info(
        await control.update_cloud_attributes(call.caller.project_id, call.path["device_id"], dict(call.body))
    )


def _set_info(refused: Sequence[FieldError]) -> SetInfo:
    return SetInfo(refused=[_refused(error) for error in refused] or UNSET)


def _refused(error: FieldError) -> RefusedAttribute:
    why = error.reason
    return RefusedAttribute(attribute=error.field, message=why.message, code=why.code, args=dict(why.args))


async def send_command(call: ApiCall) -> CommandInfo:
    """Answers when the connection of the device has accepted the command, without waiting for a reply. If the device is
    offline, the command is refused unless `wait_ms` allows it to wait."""
    body: CommandBody = call.body
    command: Command = await call.platform.control.send_command(
        call.caller.project_id,
        call.path["device_id"],
        body.method,
        body.params or {},
        body.id,
        wait_ms=body.wait_ms,
    )
    return CommandInfo(**progress_members(command))


async def call_device(call: ApiCall) -> CalledInfo:
    """Sends a command and waits for the device's reply. Errcode 404 if the device is offline, 408 without a reply in
    time. Commands with the same id wait for each other, because replies are matched by id: use different ids for
    concurrent commands. At most 16 callers wait for one device, more are answered with 429."""
    body: CallBody = call.body
    device = await call.platform.devices.get(call.caller.project_id, call.path["device_id"])
    command = await call.platform.synchronous.call(device, body.method, body.params or {}, body.id, body.timeout)
    return CalledInfo(**progress_members(command), reply=reply_of(command))


async def get_command(call: ApiCall) -> CommandDetail:
    """The state of a command and its reply. The path has the platform's id from the answer to its sender; `command_id`
    is the number that the device receives."""
    command = await call.platform.control.get_command(call.caller.project_id, call.path["id"])
    return CommandDetail(**command_members(command), device_id=command.device_id)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/control/device/{device_id}/attributes",
        summary="Push attributes to a device",
        handler=push_attributes,
        role=OPERATOR,
        tag=TAG,
        body=AttributesBody,
        wide_integers=True,
        info=SetInfo,
        refusals=(NotFound,),
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/control/device/{device_id}/attributes",
        summary="Update cloud attributes of a device",
        handler=update_cloud_attributes,
        role=OPERATOR,
        tag=TAG,
        body=AttributesBody,
        wide_integers=True,
        info=SetInfo,
        refusals=(NotFound,),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/control/device/{device_id}/command",
        summary="Send a command to a device",
        handler=send_command,
        role=OPERATOR,
        tag=TAG,
        body=CommandBody,
        info=CommandInfo,
        refusals=(NotFound, DeviceOffline, Conflict),
    ),
    Endpoint(
        method="POST",
        path="/api/v1/control/device/{device_id}/command/sync",
        summary="Send a command to a device and wait for its reply",
        handler=call_device,
        role=OPERATOR,
        tag=TAG,
        body=CallBody,
        info=CalledInfo,
        refusals=(NotFound, DeviceOffline, Conflict, ReplyTimeout, TooManyRequests),
        extension=True,
        example={"method": "restart", "params": {"delay": 5}, "id": 1000, "timeout": 10},
    ),
    Endpoint(
        method="GET",
        path="/api/v1/command/{id}",
        summary="Read a command",
        handler=get_command,
        role=VIEWER,
        tag=TAG,
        info=CommandDetail,
        refusals=(NotFound,),
        extension=True,
    ),
)
