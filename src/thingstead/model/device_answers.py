"""JSON that is sent to devices over MQTT, TCP and HTTP: ``{"result": 1}`` and refusals (wire reference §1.3, §3.3)."""

from collections.abc import Sequence
from typing import Any

import msgspec

from thingstead.errors import FieldError, Forbidden, InvalidInput, ThingsteadError, TooLarge, TooManyRequests
from thingstead.model.messages import AttributesPushed, CommandIssued
from thingstead.mqtt.reasons import ReasonCode
from thingstead.refusals import Reason

ACCEPTED = b'{"result":1}'
# Official firmware parses answers into a buffer of 256 to 512 bytes (wire reference §3.3), so reasons are short.
MAX_MESSAGE_CHARACTERS = 120
MAX_REFUSED_SHOWN = 3

_encode = msgspec.json.Encoder().encode


def refusal(error: ThingsteadError, address: str | None = None) -> bytes:
    """``{"result":0,"errcode":…,"message":"…","code":"…"}``, with ``device`` if it concerns a sub-device."""
    if address is None:
        return refused_for(error.errcode, error.reason)
    return _encode({**_refusal(error.errcode, error.reason), "device": address})


def refused_for(errcode: int, why: Reason) -> bytes:
    """The same refusal, from a reason without an exception."""
    return _encode(_refusal(errcode, why))


def all_refused(refused: Sequence[FieldError]) -> bytes:
    """The refusal of a report of which nothing was stored; contains the first reason."""
    return refusal(InvalidInput.of(refused))


def partly_refused(refused: Sequence[FieldError]) -> bytes:
    """The answer to a report that was stored in part. ``refused`` names the first few refused attributes, ``code`` is
    the reason of the first."""
    return _encode({"result": 1, **_parts(refused)})


def _refusal(errcode: int, why: Reason) -> dict[str, Any]:
    return {"result": 0, "errcode": errcode, "message": why.message[:MAX_MESSAGE_CHARACTERS], "code": why.code}


def _parts(refused: Sequence[FieldError]) -> dict[str, Any]:
    shown = [f"{error.field}: {error.message}"[:MAX_MESSAGE_CHARACTERS] for error in refused[:MAX_REFUSED_SHOWN]]
    return {"refused": shown, "code": refused[0].reason.code}


def attributes(values: dict[str, Any]) -> bytes:
    """The answer to ``attributes/get``: only the plain values, because small devices buffer it whole."""
    return _encode({"result": 1, "attributes": values})


def push(values: dict[str, Any]) -> bytes:
    """``attributes/push``: a flat object."""
    return _encode(values)


def pushed(message: AttributesPushed) -> bytes:
    """The payload of ``attributes/push``."""
    return message.payload or push(message.attributes)


def command(issued: CommandIssued) -> bytes:
    """``command/send/<id>``: always with ``method``, ``params`` and ``id``; clients ignore a command that lacks one."""
    return _encode({"method": issued.method, "params": issued.params, "id": issued.command_id})


def sub_accepted(address: str, refused: Sequence[FieldError] = ()) -> bytes:
    """The answer to a message of one sub-device, with what was refused."""
    parts = _parts(refused) if refused else {}
    return _encode({"result": 1, "device": address, **parts})


def sub_attributes(address: str, values: dict[str, Any]) -> bytes:
    """The answer to ``gateway/attributes/get``, in both forms that clients expect (wire reference §15.33)."""
    answer = {"result": 1, "attributes": values}
    return _encode({"device": address, **answer, "response": answer})


def sub_push(address: str, values: dict[str, Any]) -> bytes:
    """``gateway/attributes/push``."""
    return _encode({"device": address, "attributes": values})


def sub_command(address: str, issued: CommandIssued) -> bytes:
    """``gateway/command/send``."""
    body = {"method": issued.method, "params": issued.params, "id": issued.command_id}
    return _encode({"device": address, "command": body})


def reason_code(error: ThingsteadError) -> ReasonCode:
    """The MQTT 5.0 reason code of a refused message."""
    if isinstance(error, TooLarge | TooManyRequests):
        return ReasonCode.QUOTA_EXCEEDED
    if isinstance(error, Forbidden):
        return ReasonCode.NOT_AUTHORIZED
    return ReasonCode.PAYLOAD_FORMAT_INVALID if error.errcode == 400 else ReasonCode.UNSPECIFIED_ERROR
