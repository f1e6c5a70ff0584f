"""Answers of a server as values, or as the errors that they mean."""

import logging
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from thingstead.client.http import Response
from thingstead.errors import (
    Conflict,
    DeviceOffline,
    FieldError,
    Forbidden,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    ReplyTimeout,
    ThingsteadError,
    TooLarge,
    TooManyRequests,
    Unavailable,
)
from thingstead.refusals import UNKNOWN_CODE, Reason

log = logging.getLogger("thingstead.client")

T = TypeVar("T")
NO_ARGS: Mapping[str, Any] = {}
BY_ERRCODE: dict[int, type[ThingsteadError]] = {
    kind.errcode: kind for kind in (NotAuthenticated, Forbidden, NotFound, ReplyTimeout, TooLarge)
}


# Codes of errcode 404 that mean: the device cannot receive the message now.
OFFLINE_CODES = frozenset(
    {
        "all_queues_full",
        "client_queue_full",
        "command_behind",
        "command_failed",
        "command_not_accepted",
        "command_not_acknowledged",
        "command_not_taken",
        "device_not_on",
        "device_offline",
        "device_queue_full",
        "device_reads_slowly",
        "larger_than_client_takes",
        "message_expired",
        "no_commands_over_tcp",
        "no_reply_in_time",
        "not_subscribed",
        "refused_by_device",
        "sender_stopped_waiting",
        "session_over",
    }
)


class _Field(msgspec.Struct):
    field: str
    message: str
    code: str = ""
    args: dict[str, Any] = {}


class _Envelope(msgspec.Struct):
    """Envelope of the answers of every plane: ``result`` is true or 1, false or 0."""

    result: bool | int | None = None
    info: msgspec.Raw = msgspec.Raw(b"null")
    errcode: int = 0
    message: str = ""
    code: str = ""
    args: dict[str, Any] = {}
    errors: list[_Field] = []
    warnings: list[_Field] = []  # unknown names in the request


_decode_envelope = msgspec.json.Decoder(_Envelope).decode


def info_of(response: Response, kind: type[T]) -> T:
    """The ``info`` of a successful answer of the Project API. Raises the error of a refusal."""
    return _decoded(_checked(response).info, kind)


def answer_of(response: Response, kind: type[T]) -> T:
    """The whole successful answer of a device plane. Raises the error of a refusal."""
    _checked(response)
    return _decoded(response.body, kind)


def server_reason(message: str, code: str = "", args: Mapping[str, Any] = NO_ARGS) -> Reason:
    """The reason that a server sent; servers of earlier releases send no code."""
    return Reason(code or UNKNOWN_CODE, message, args)


def error(errcode: int, why: Reason, errors: tuple[FieldError, ...] = (), retry_after_s: int = 1) -> ThingsteadError:
    """The exception for this errcode."""
    if errcode == InvalidInput.errcode:
        return InvalidInput(why, errors)
    if errcode == Conflict.errcode:
        return Conflict(why, errors)
    if errcode == TooManyRequests.errcode:
        return TooManyRequests(why, retry_after_s=retry_after_s)
    if errcode == NotFound.errcode and why.code in OFFLINE_CODES:
        return DeviceOffline(why)
    return BY_ERRCODE.get(errcode, Unavailable)(why)


def _checked(response: Response) -> _Envelope:
    try:
        envelope = _decode_envelope(response.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        envelope = _Envelope()
    if envelope.result in (True, 1) and response.status == 200:
        for warning in envelope.warnings:
            log.warning("the server ignored %s, which %s", warning.field, warning.message)
        return envelope
    # A proxy in between sends no errcode; only its HTTP status is known.
    message = envelope.message or f"the server answered HTTP {response.status}"
    errors = tuple(FieldError(bad.field, server_reason(bad.message, bad.code, bad.args)) for bad in envelope.errors)
    retry_after = response.headers.get("retry-after", "")
    raise error(
        envelope.errcode or response.status,
        server_reason(message, envelope.code, envelope.args),
        errors,
        int(retry_after) if retry_after.isdecimal() else 1,
    )


def _decoded(body: Any, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as exc:
        raise Unavailable("answer_malformed", detail=str(exc)) from exc
