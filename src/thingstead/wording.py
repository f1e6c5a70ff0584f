"""What is wrong with a member of an input, as msgspec says it, with a code and in plain words."""

import re
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from thingstead.refusals import Reason, reason

NO_PATTERNS: Mapping[str, str] = {}
# Codes by the alternatives of a type, in alphabetical order of msgspec's names.
_TYPES = {
    "int": "must_be_integer",
    "float": "must_be_number",
    "float|int": "must_be_number",
    "str": "must_be_text",
    "bool": "must_be_boolean",
    "array": "must_be_list",
    "object": "must_be_object",
    "null": "must_be_null",
    "array|object": "must_be_object_or_list",
    "array|bool|float|int|str": "must_be_scalar_or_list",
}
_FIELD = re.compile(r"Object (?P<what>missing required|contains unknown) field [`'](?P<field>\w+)[`']")
_EXPECTED = re.compile(r"Expected [`'](?P<kinds>[\w |]+)[`'](?P<bound>.*)$")
_COMPARED = re.compile(r" (?P<sign>>=|<=|>|<) (?P<limit>\S+?)(?:, got .*)?$")
_LENGTH = re.compile(r" of length (?P<sign>>=|<=) (?P<limit>\d+)")
_MATCHING = re.compile(r" matching regex ['\"](?P<pattern>.*)['\"]$")


def member_problem(message: str, kind: Any = None, patterns: Mapping[str, str] = NO_PATTERNS) -> Reason:
    """The reason for a member of the wrong type or value.

    >>> member_problem("Expected `int`, got `str`").message
    'must be an integer'

    Args:
        message: the error of msgspec, without its location.
        kind: type of the member.
        patterns: refusal codes by regular expression.
    """
    allowed = _literals(kind)
    if allowed:
        return reason("not_one_of", allowed=[str(value) for value in allowed])
    if "out of range" in message:
        return reason("out_of_range")
    named = _FIELD.match(message)
    if named is not None:
        missing = named["what"] == "missing required"
        return reason("lacks_member" if missing else "has_unknown_member", member=named["field"])
    match = _EXPECTED.match(message)
    if match is None:
        return reason("not_valid", detail=message.replace("`", "'"))
    kinds = sorted(name for name in match["kinds"].split(" | ") if name != "null") or ["null"]
    bound = _bound(match["bound"], kinds[0], patterns)
    if bound is not None:
        return bound
    code = _TYPES.get("|".join(kinds))
    return reason("not_valid", detail=f"must be {' or '.join(kinds)}") if code is None else reason(code)


def _bound(text: str, kind: str, patterns: Mapping[str, str]) -> Reason | None:
    length = _LENGTH.match(text)
    if length is not None:
        limit = int(length["limit"])
        if length["sign"] == "<=":
            return reason("too_long" if kind == "str" else "too_many_entries", maximum=limit)
        if limit == 1:
            return reason("empty")
        return reason("too_short" if kind == "str" else "too_few_entries", minimum=limit)
    matching = _MATCHING.match(text)
    if matching is not None:
        known = patterns.get(matching["pattern"])
        return reason("no_match", pattern=matching["pattern"]) if known is None else reason(known)
    compared = _COMPARED.match(text)
    if compared is None:
        return None
    limit_text = compared["limit"].removesuffix(".0")
    number: int | float = int(limit_text) if limit_text.lstrip("-").isdecimal() else float(limit_text)
    match compared["sign"]:
        case ">=":
            return reason("at_least", minimum=number)
        case "<=":
            return reason("at_most", maximum=number)
        case ">":
            return reason("greater_than", limit=number)
        case _:
            return reason("less_than", limit=number)


def _literals(kind: Any) -> list[Any]:
    """The values of a type that consists only of literals, and perhaps None."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return [value for value in arguments if value is not None]
    if origin is typing.Annotated:
        return _literals(arguments[0])
    if origin in (typing.Union, types.UnionType):
        parts = [_literals(part) for part in arguments if part is not types.NoneType]
        return [value for part in parts for value in part] if all(parts) else []
    return []
