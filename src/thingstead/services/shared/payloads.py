"""Decodes the JSON payloads of the device plane. Every failure is InvalidInput; size is bounded by the transport."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from thingstead.errors import FieldError, InvalidInput
from thingstead.model.limits import JSON_DEPTH
from thingstead.model.values.json_text import is_too_deep
from thingstead.model.wording import json_problem
from thingstead.refusals import Reason, reason

MAX_SERIES_REPORTS = 10_000  # reports in one attributes/series message
FUTURE_TOLERANCE_MS = 24 * 3600 * 1000  # further ahead a clock is wrong; it would stay the newest
SECONDS_BELOW = 100_000_000_000  # 1e11: a smaller timestamp is in seconds (wire reference §15.1)
_NUMBER = "Number out of range"  # message of msgspec for 1e999

# Exceptions of decoding; msgspec raises UnicodeDecodeError for invalid UTF-8 inside texts.
DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

read_object: Callable[[bytes | memoryview], dict[str, Any]]
read_object = msgspec.json.Decoder(dict[str, Any]).decode  # raises DECODE_ERRORS
_encode = msgspec.msgpack.Encoder().encode  # the encoding of stored values
_any_decoder = msgspec.json.Decoder()


def decode_object(payload: bytes) -> dict[str, Any]:
    """Decodes a JSON object. Raises InvalidInput."""
    try:
        value = read_object(payload)
    except DECODE_ERRORS as exc:
        raise InvalidInput(_reason(payload, exc)) from exc
    if is_too_deep(payload):
        raise InvalidInput("json_too_deep", maximum=JSON_DEPTH)
    return value


def decode_any(payload: bytes) -> Any:
    """Decodes any JSON value. Raises InvalidInput."""
    try:
        value = _any_decoder.decode(payload)
    except DECODE_ERRORS as exc:
        raise InvalidInput(_reason(payload, exc)) from exc
    if is_too_deep(payload):
        raise InvalidInput("json_too_deep", maximum=JSON_DEPTH)
    return value


def may_be_deep(payload: bytes) -> bool:
    """Whether a payload may be nested too deeply; a cheap test."""
    return len(payload) > 2 * JSON_DEPTH and payload.count(b"[") + payload.count(b"{") > JSON_DEPTH


def check_depth(value: Any) -> None:
    """Raises InvalidInput if a JSON value is nested too deeply. Stored values are encoded again later, at an unknown
    depth of the stack."""
    level = [value]
    for _ in range(JSON_DEPTH + 1):
        lists = [item for item in level if isinstance(item, list)]
        objects = [item for item in level if isinstance(item, dict)]
        if not lists and not objects:
            return
        level = [item for each in lists for item in each] + [item for each in objects for item in each.values()]
    raise InvalidInput("json_too_deep", maximum=JSON_DEPTH)


def _reason(payload: bytes, exc: Exception) -> Reason:
    if isinstance(exc, RecursionError):
        return reason("json_too_deep", maximum=JSON_DEPTH)
    if isinstance(exc, msgspec.ValidationError):
        return reason("number_out_of_range" if _NUMBER in str(exc) else "json_object_expected")
    return json_problem(payload, exc)


def as_object(value: Any) -> Any:
    """The value; an empty array as an empty object, because PHP encodes it so."""
    return {} if value == [] else value


class TimedReport(NamedTuple):
    """One report of a series."""

    ts: int  # ms
    attributes: dict[str, Any]
    where: str  # prefix for errors, with a dot at its end; empty for a single report


def read_series(body: Any, now_ms: int) -> tuple[list[TimedReport], list[FieldError]]:
    """Parses ``attributes/series`` (wire reference §15.1): ``{"ts", "attributes"}``, an array of these, or a flat
    object with ``ts``.

    Returns:
        The valid reports, oldest first, and the errors of the others.

    Raises:
        InvalidInput: there are too many reports, or none is valid.
    """
    reports: list[TimedReport] = []
    refused: list[FieldError] = []
    if isinstance(body, list) and len(body) > MAX_SERIES_REPORTS:
        raise InvalidInput("series_too_long", maximum=MAX_SERIES_REPORTS)
    for index, item in enumerate(body if isinstance(body, list) else [body]):
        try:
            reports.append(_past_report(item, now_ms, f"[{index}]" if isinstance(body, list) else ""))
        except InvalidInput as exc:
            refused.extend(exc.errors)
    if refused and not reports:
        raise InvalidInput.of(refused)
    reports.sort(key=itemgetter(0))
    return reports, refused


def _past_report(item: Any, now_ms: int, where: str) -> TimedReport:
    if not isinstance(item, dict):
        raise InvalidInput.field(where or "body", "must_be_object")
    inside = where and f"{where}."
    ts = timestamp_ms(item.pop("ts", None), now_ms, f"{inside}ts")
    inner = as_object(item.get("attributes"))
    attributes = inner if isinstance(inner, dict) else item
    return TimedReport(ts, attributes, inside)


def out_of_range(attributes: dict[str, Any]) -> list[FieldError]:
    """Errors for values with an integer of more than 64 bits, which cannot be stored."""
    found = []
    for identifier, value in attributes.items():
        try:
            _encode(value)
        except OverflowError:
            found.append(FieldError.of(identifier[:64], "wide_integer"))
    return found


def leave_out_of_range(members: dict[str, Any], where: str = "") -> tuple[FieldError, ...]:
    """Removes the members that :func:`out_of_range` finds. Returns their errors, with ``where`` as prefix."""
    found = out_of_range(members)
    if found:
        for name in [name for name in members if name[:64] in {error.field for error in found}]:
            del members[name]
    return tuple(error.under(where) for error in found)


def timestamp_ms(value: Any, now_ms: int, where: str) -> int:
    """Converts a device timestamp to ms; seconds are recognized by their size."""
    if type(value) is not int and type(value) is not float:
        raise InvalidInput.field(where, "not_timestamp")
    if value < 0:
        raise InvalidInput.field(where, "before_1970")
    ts = int(value * 1000) if value < SECONDS_BELOW else int(value)
    if ts > now_ms + FUTURE_TOLERANCE_MS:
        raise InvalidInput.field(where, "in_future")
    return ts


def encode_message(kind: str, message: Any) -> bytes:
    """Encodes ``{"type": kind, "msg": message}`` (wire reference §6, §15.25): ``json`` any value, ``hex`` a text of
    hexadecimal digits, ``text`` or ``plaintext`` a text.

    Raises:
        InvalidInput: the message does not match the kind.
    """
    if kind == "json":
        return msgspec.json.encode(message)
    if kind not in ("hex", "text", "plaintext"):
        raise InvalidInput.field("type", "message_type_unknown")
    if not isinstance(message, str):
        raise InvalidInput.field("msg", "must_be_text")
    if kind == "hex":
        try:
            return bytes.fromhex(message)
        except ValueError:
            raise InvalidInput.field("msg", "message_not_hex") from None
    try:
        return message.encode()
    except UnicodeEncodeError:
        raise InvalidInput.field("msg", "not_unicode") from None


def encoded_or_empty(value: Any) -> bytes:
    """A value as JSON; empty if JSON has no such value."""
    try:
        return msgspec.json.encode(value)
    except (OverflowError, UnicodeEncodeError, RecursionError):
        return b""
