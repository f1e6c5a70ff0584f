"""What is wrong with an input, said to people: where JSON breaks off, and what a member must be."""

import re
from typing import Any

from thingstead import wording
from thingstead.model.limits import ID_PATTERN

_PATTERNS = {ID_PATTERN: "1 to 64 letters, digits, '_' or '-'"}
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "the payload begins with a byte order mark (BOM), which JSON does not have",
    b"\xff\xfe": "the payload is UTF-16; JSON is UTF-8",
    b"\xfe\xff": "the payload is UTF-16; JSON is UTF-8",
}
_MALFORMED = re.compile(r"JSON is malformed: (?P<what>.*?)(?: \(byte (?P<at>\d+)\))?$")
_HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_WHAT = {
    "object keys must be strings": "expected a quoted name",
    "trailing characters": "expected nothing more",
    "trailing comma in object": "expected a quoted name behind the comma",
    "trailing comma in array": "expected a value behind the comma",
    "invalid character": "unexpected character",
}


def json_problem(payload: bytes | memoryview, error: Exception) -> str:
    """Why bytes are no JSON; ``error`` is what msgspec raised of them.

    >>> json_problem(b"{a:1}", msgspec.DecodeError("JSON is malformed: object keys must be strings (byte 1)"))
    'invalid JSON: expected a quoted name at byte 1'
    """
    payload = bytes(payload)
    if not payload.strip(b" \t\r\n"):
        return "the payload is empty"
    mark = next((problem for start, problem in _BYTE_ORDER_MARKS.items() if payload.startswith(start)), None)
    if mark is not None:
        return mark
    stripped = payload.rstrip(b"\0")
    if len(stripped) < len(payload):
        return f"the payload ends with a NUL, at byte {len(stripped)}"
    try:
        payload.decode()
    except UnicodeDecodeError as exc:
        like = ", it looks like GBK" if _is_gbk(payload) else ""
        return f"the text is not UTF-8, at byte {exc.start}{like}"
    match = _MALFORMED.match(str(error))
    if match is not None:
        where = "" if match["at"] is None else f" at byte {match['at']}"
        return f"invalid JSON: {_WHAT.get(match['what'], match['what'])}{where}"
    if _HALF_PAIR.search(payload):
        return "invalid JSON: a \\u escape is half of a surrogate pair"
    return f"invalid JSON: it breaks off at byte {len(payload)}"


def _is_gbk(payload: bytes) -> bool:
    try:
        text = payload.decode("gbk")
    except UnicodeDecodeError:
        return False
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def member_problem(message: str, kind: Any = None) -> str:
    """:func:`~thingstead.wording.member_problem`, which knows the pattern of our ids."""
    return wording.member_problem(message, kind, _PATTERNS)
