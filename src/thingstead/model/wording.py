"""What is wrong with an input, said to people: where JSON breaks off, and what a member must be."""

import re
import types
import typing
from typing import Any, Literal

from thingstead.model.limits import ID_PATTERN

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
_KINDS = {
    "int": "an integer",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_EXPECTED = re.compile(r"Expected [`'](?P<kinds>[\w |]+)[`'](?P<bound>.*)$")
_COMPARED = re.compile(r" (?P<sign>>=|<=|>|<) (?P<limit>\S+?)(?:, got .*)?$")
_LENGTH = re.compile(r" of length (?P<sign>>=|<=) (?P<limit>\d+)")
_MATCHING = re.compile(r" matching regex ['\"](?P<pattern>.*)['\"]$")
_SIGNS = {">=": "at least", "<=": "at most", ">": "greater than", "<": "less than"}


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
    """What a member must be; ``message`` is what msgspec says of it, without its location, and ``kind`` its type.

    >>> member_problem("Expected `int`, got `str`")
    'must be an integer'
    """
    allowed = _literals(kind)
    if allowed:
        return f"must be one of {', '.join(map(str, allowed))}"
    if "out of range" in message:
        return "is out of range"
    match = _EXPECTED.match(message)
    if match is None:
        return message.replace("`", "'")
    kinds = [name for name in match["kinds"].split(" | ") if name != "null"] or ["null"]
    return _bound(match["bound"], kinds[0]) or f"must be {' or '.join(_KINDS.get(name, name) for name in kinds)}"


def _bound(text: str, kind: str) -> str | None:
    length = _LENGTH.match(text)
    if length is not None:
        one, many = ("character", "characters") if kind == "str" else ("entry", "entries")
        things = one if length["limit"] == "1" else many
        if (length["sign"], length["limit"]) == (">=", "1"):
            return "must not be empty"
        return f"must have {_SIGNS[length['sign']]} {length['limit']} {things}"
    matching = _MATCHING.match(text)
    if matching is not None:
        known = matching["pattern"] == ID_PATTERN
        return "must be 1 to 64 letters, digits, '_' or '-'" if known else f"must match {matching['pattern']}"
    compared = _COMPARED.match(text)
    return None if compared is None else f"must be {_SIGNS[compared['sign']]} {compared['limit'].removesuffix('.0')}"


def _literals(kind: Any) -> list[Any]:
    """The values of a type that has no others, but for None."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return [value for value in arguments if value is not None]
    if origin is typing.Annotated:
        return _literals(arguments[0])
    if origin in (typing.Union, types.UnionType):
        parts = [_literals(part) for part in arguments if part is not types.NoneType]
        return [value for part in parts for value in part] if all(parts) else []
    return []
