"""Reasons for invalid input, with a code and in plain words: where JSON is invalid, and what a member must be."""

import re
from collections.abc import Iterable
from typing import Any

from thingstead import wording
from thingstead.config.nearest import nearest
from thingstead.model.limits import ID_PATTERN
from thingstead.refusals import Reason, reason

_PATTERNS = {ID_PATTERN: "not_identifier"}
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "payload_has_bom",
    b"\xff\xfe": "payload_is_utf16",
    b"\xfe\xff": "payload_is_utf16",
}
_MALFORMED = re.compile(r"JSON is malformed: (?P<what>.*?)(?: \(byte (?P<at>\d+)\))?$")
_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_WHAT = {
    "object keys must be strings": "json_name_expected",
    "trailing characters": "json_end_expected",
    "trailing comma in object": "json_name_after_comma",
    "trailing comma in array": "json_value_after_comma",
    "invalid character": "json_bad_character",
}


def json_problem(payload: bytes | memoryview, error: Exception) -> Reason:
    """Why bytes are not valid JSON; ``error`` is the exception of msgspec.

    >>> json_problem(b"{a:1}", msgspec.DecodeError("JSON is malformed: object keys must be strings (byte 1)")).message
    'invalid JSON: expected a quoted name at byte 1'
    """
    payload = bytes(payload)
    if not payload.strip(b" \t\r\n"):
        return reason("payload_empty")
    mark = next((code for start, code in _BYTE_ORDER_MARKS.items() if payload.startswith(start)), None)
    if mark is not None:
        return reason(mark)
    stripped = payload.rstrip(b"\0")
    if len(stripped) < len(payload):
        return reason("payload_ends_with_nul", at=len(stripped))
    try:
        payload.decode()
    except UnicodeDecodeError as exc:
        return reason("payload_is_gbk" if _is_gbk(payload) else "payload_not_utf8", at=exc.start)
    match = _MALFORMED.match(str(error))
    if match is not None:
        return _malformed(match["what"], match["at"])
    if _HALF_PAIR.search(payload):
        return reason("json_half_surrogate")
    return reason("json_breaks_off", at=len(payload))


def _malformed(what: str, at: str | None) -> Reason:
    if at is None:
        return reason("json_invalid", detail=what)
    code = _WHAT.get(what)
    return reason("json_invalid_at", detail=what, at=int(at)) if code is None else reason(code, at=int(at))


def _is_gbk(payload: bytes) -> bool:
    try:
        text = payload.decode("gbk")
    except UnicodeDecodeError:
        return False
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def member_problem(message: str, kind: Any = None) -> Reason:
    """:func:`~thingstead.wording.member_problem`, with the pattern of ids replaced by words."""
    return wording.member_problem(message, kind, _PATTERNS)


def not_known(name: str, known: Iterable[str]) -> Reason:
    """The reason for an unknown name, with the known name that is most similar."""
    near = nearest(name, known)
    return reason("not_known_near", near=near) if near else reason("not_known")
