"""What is wrong with a member of an input, said to people in plain words."""

import re
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

NO_PATTERNS: Mapping[str, str] = {}
_KINDS = {
    "int": "an integer",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_FIELD = re.compile(r"Object (?P<what>missing required|contains unknown) field [`'](?P<field>\w+)[`']")
_EXPECTED = re.compile(r"Expected [`'](?P<kinds>[\w |]+)[`'](?P<bound>.*)$")
_COMPARED = re.compile(r" (?P<sign>>=|<=|>|<) (?P<limit>\S+?)(?:, got .*)?$")
_LENGTH = re.compile(r" of length (?P<sign>>=|<=) (?P<limit>\d+)")
_MATCHING = re.compile(r" matching regex ['\"](?P<pattern>.*)['\"]$")
_SIGNS = {">=": "at least", "<=": "at most", ">": "greater than", "<": "less than"}


def member_problem(message: str, kind: Any = None, patterns: Mapping[str, str] = NO_PATTERNS) -> str:
    """What a member must be; ``message`` is what msgspec says of it, without its location, and ``kind`` its type.

    >>> member_problem("Expected `int`, got `str`")
    'must be an integer'
    """
    allowed = _literals(kind)
    if allowed:
        return f"must be one of {', '.join(map(str, allowed))}"
    if "out of range" in message:
        return "is out of range"
    lacking = _FIELD.match(message)
    if lacking is not None:
        missing = lacking["what"] == "missing required"
        return (
            f"lacks {lacking['field']}, which must be given"
            if missing
            else f"has {lacking['field']}, which is not known"
        )
    match = _EXPECTED.match(message)
    if match is None:
        return message.replace("`", "'")
    kinds = [name for name in match["kinds"].split(" | ") if name != "null"] or ["null"]
    return (
        _bound(match["bound"], kinds[0], patterns) or f"must be {' or '.join(_KINDS.get(name, name) for name in kinds)}"
    )


def _bound(text: str, kind: str, patterns: Mapping[str, str]) -> str | None:
    length = _LENGTH.match(text)
    if length is not None:
        one, many = ("character", "characters") if kind == "str" else ("entry", "entries")
        things = one if length["limit"] == "1" else many
        if (length["sign"], length["limit"]) == (">=", "1"):
            return "must not be empty"
        return f"must have {_SIGNS[length['sign']]} {length['limit']} {things}"
    matching = _MATCHING.match(text)
    if matching is not None:
        known = patterns.get(matching["pattern"])
        return f"must be {known}" if known else f"must match {matching['pattern']}"
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
