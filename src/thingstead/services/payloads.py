"""Decodes the JSON payloads of the device plane. Every failure is InvalidInput; size is bounded by the transport."""

from collections.abc import Callable
from typing import Any

import msgspec

from thingstead.errors import InvalidInput
from thingstead.model.json_text import is_too_deep
from thingstead.model.limits import JSON_DEPTH
from thingstead.model.wording import json_problem

MAX_SERIES_REPORTS = 10_000  # reports in one attributes/series message
FUTURE_TOLERANCE_MS = 24 * 3600 * 1000  # a timestamp further ahead is a wrong clock and would stay the latest for ever
SECONDS_BELOW = 100_000_000_000  # 1e11: a smaller timestamp is in seconds (wire reference §15.1)
TOO_DEEP = f"the JSON is nested more than {JSON_DEPTH} levels deep"
_NUMBER = "Number out of range"  # what msgspec says of 1e999

# What decoding raises; msgspec raises UnicodeDecodeError for wrong UTF-8 inside of texts.
DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

read_object: Callable[[bytes | memoryview], dict[str, Any]]
read_object = msgspec.json.Decoder(dict[str, Any]).decode  # raises DECODE_ERRORS
_any_decoder = msgspec.json.Decoder()


def decode_object(payload: bytes) -> dict[str, Any]:
    """A JSON object."""
    try:
        value = read_object(payload)
    except DECODE_ERRORS as exc:
        raise InvalidInput(_reason(payload, exc)) from exc
    if is_too_deep(payload):
        raise InvalidInput(TOO_DEEP)
    return value


def decode_any(payload: bytes) -> Any:
    """Any JSON value."""
    try:
        value = _any_decoder.decode(payload)
    except DECODE_ERRORS as exc:
        raise InvalidInput(_reason(payload, exc)) from exc
    if is_too_deep(payload):
        raise InvalidInput(TOO_DEEP)
    return value


def may_be_deep(payload: bytes) -> bool:
    """False where a payload certainly is not nested too deeply."""
    return len(payload) > 2 * JSON_DEPTH and payload.count(b"[") + payload.count(b"{") > JSON_DEPTH


def check_depth(value: Any) -> None:
    """Raises InvalidInput where a JSON value is nested too deeply. What is stored must be encoded again wherever it is
    asked for, on whatever stack."""
    level = [value]
    for _ in range(JSON_DEPTH + 1):
        lists = [item for item in level if isinstance(item, list)]
        objects = [item for item in level if isinstance(item, dict)]
        level = [item for each in lists for item in each] + [item for each in objects for item in each.values()]
        if not level:
            return
    raise InvalidInput(TOO_DEEP)


def _reason(payload: bytes, exc: Exception) -> str:
    if isinstance(exc, RecursionError):
        return TOO_DEEP
    if isinstance(exc, msgspec.ValidationError):
        return "a number is out of range" if _NUMBER in str(exc) else "a JSON object is expected"
    return json_problem(payload, exc)


def parse_series(payload: bytes, now_ms: int) -> list[tuple[int, dict[str, Any]]]:
    """``attributes/series`` (wire reference §15.1): ``{"ts", "attributes"}``, an array of these, or a flat object with
    ``ts``. Returns (ts in ms, attributes) in the order given."""
    body = decode_any(payload)
    items = body if isinstance(body, list) else [body]
    if len(items) > MAX_SERIES_REPORTS:
        raise InvalidInput(f"a series has at most {MAX_SERIES_REPORTS} reports")
    return [series_item(item, now_ms, f"[{index}]") for index, item in enumerate(items)]


def series_item(item: Any, now_ms: int, where: str) -> tuple[int, dict[str, Any]]:
    """One report of a series; ``where`` names it in errors."""
    if not isinstance(item, dict):
        raise InvalidInput.field(where, "must be an object")
    ts = timestamp_ms(item.pop("ts", None), now_ms, f"{where}.ts")
    attributes = item["attributes"] if isinstance(item.get("attributes"), dict) else item
    return ts, attributes


def timestamp_ms(value: Any, now_ms: int, where: str) -> int:
    """A device timestamp as ms; seconds are recognized by their size."""
    if type(value) is not int and type(value) is not float:
        raise InvalidInput.field(where, "must be a timestamp in ms")
    if value < 0:
        raise InvalidInput.field(where, "must not be before 1970")
    ts = int(value * 1000) if value < SECONDS_BELOW else int(value)
    if ts > now_ms + FUTURE_TOLERANCE_MS:
        raise InvalidInput.field(where, "lies more than a day in the future")
    return ts
