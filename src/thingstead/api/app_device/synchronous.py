"""A command whose reply is the answer to the request (wire reference §6, §15.7)."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from thingstead.api.app_device.sent import SentMessage
from thingstead.api.endpoint import Access, ApiCall, Endpoint
from thingstead.api.project.control import CommandId, Method, Timeout, reply_of
from thingstead.api.validation import body_decoder
from thingstead.errors import Conflict, DeviceOffline, InvalidInput, ReplyTimeout, TooManyRequests
from thingstead.services.commands.control import DEFAULT_COMMAND_ID
from thingstead.services.commands.synchronous import TIMEOUT_S
from thingstead.wire.control import Reply


class CallQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The command, if it is not in the body."""

    method: Method | None = None
    params: Annotated[str, Meta(description="Its parameters, a JSON object.")] | None = None
    id: CommandId | None = None
    timeout: Timeout | None = None


class AppCallBody(msgspec.Struct, frozen=True, kw_only=True):
    """The command. Absent members are taken from the query."""

    method: Method | None = None
    params: dict[str, Any] | None = None
    id: CommandId | None = None
    timeout: Timeout | None = None


class Replied(SentMessage, frozen=True, kw_only=True):
    """The device's reply."""

    reply: Reply


_decode_body = body_decoder(AppCallBody)
_decode_params = body_decoder(dict[str, Any])


async def call_device(call: ApiCall) -> Replied:
    """Sends a command and waits for the device's reply. Errcode 404 if the device is offline, 408 without a reply in
    time. Commands with the same id wait for each other, because replies are matched by id: use different ids for
    concurrent commands. At most 16 callers wait for one device, more are answered with 429."""
    query: CallQuery = call.query
    body: AppCallBody = _decode_body(call.body) if call.body else AppCallBody()
    method = body.method or query.method
    if method is None:
        raise InvalidInput.field("method", "method_required")
    params = _params(query) if body.params is None else body.params
    command_id = query.id if body.id is None else body.id
    command = await call.platform.synchronous.call(
        call.device, method, params, command_id, body.timeout or query.timeout or TIMEOUT_S
    )
    return Replied(id=command.id, command_id=command.command_id, state=command.state, reply=reply_of(command))


def _params(query: CallQuery) -> dict[str, Any]:
    if query.params is None or query.params.strip() == "[]":  # PHP encodes an empty object as []
        return {}
    try:
        params: dict[str, Any] = _decode_params(query.params.encode(errors="surrogatepass"))
    except InvalidInput as exc:
        raise InvalidInput.field("params", "must_be_json_object") from exc
    return params


def _declare(method: str, summary: str, *, extension: bool) -> Endpoint:
    return Endpoint(
        method=method,
        path="/app/device/v1/{access_token}/command/sync/send",
        summary=summary,
        handler=call_device,
        tag="Application plane",
        access=Access.DEVICE,
        query=CallQuery,
        body=AppCallBody,
        body_optional=method == "GET",
        raw=True,  # may be empty
        acts=True,
        info=Replied,
        refusals=(Conflict, DeviceOffline, ReplyTimeout, TooManyRequests),
        extension=extension,
        example={"method": "restart", "params": {"delay": 5}, "id": DEFAULT_COMMAND_ID},
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    _declare("GET", "Send a command and wait for its reply (query)", extension=False),
    _declare("POST", "Send a command and wait for its reply", extension=True),
)
