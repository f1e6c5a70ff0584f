"""The outcome of a call, as callers of the pool see it."""

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

FunctionReason = Literal["", "empty", "function_off", "function_error", "function_time", "function_memory", "deadline"]

EXACT_LIMIT = 2**53  # greater integers are not exact in JavaScript
WIDE = 2**64  # greater ones are no integers anywhere
_long_number = re.compile(r"\d{16}").search
_decode = msgspec.json.Decoder().decode


class FunctionResult(NamedTuple):
    """What a function returned, or why there is nothing."""

    value: Any = None
    reason: FunctionReason = ""
    detail: str = ""
    logs: tuple[str, ...] = ()  # of its console


def read_result(text: str, arguments: tuple[str | None, ...]) -> Any:
    """The value of a result.

    Integers above 2⁵³ that JavaScript rounded are given back as they were in the arguments: those of the same member
    name first, then those that no other integer of the arguments is rounded to. Others that need more than 64 bits are
    what they are in JavaScript: floats.

    Raises:
        ValueError: the text is no JSON: it has half of a surrogate pair.
        RecursionError: it is nested too deeply.
    """
    value = _decode(text)
    if not _long_number(text) and "e+" not in text:
        return value
    originals: dict[tuple[str, float] | float, int | None] = {}
    for argument in arguments:
        if argument and _long_number(argument):
            for name, number in _great_integers(_decode(argument), ""):
                originals[name, float(number)] = number
                same = originals.setdefault(float(number), number)
                originals[float(number)] = number if same == number else None
    return _restored(value, "", originals)


def _great_integers(value: Any, name: str) -> Iterator[tuple[str, int]]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _great_integers(member, key)
    elif isinstance(value, list):
        for member in value:
            yield from _great_integers(member, name)
    elif type(value) is int and EXACT_LIMIT < abs(value) < WIDE:
        yield name, value


def _restored(value: Any, name: str, originals: dict[tuple[str, float] | float, int | None]) -> Any:
    if isinstance(value, dict):
        return {key: _restored(member, key, originals) for key, member in value.items()}
    if isinstance(value, list):
        return [_restored(member, name, originals) for member in value]
    if type(value) in (int, float) and abs(value) >= EXACT_LIMIT:
        rounded = float(value)
        original = originals.get((name, rounded), originals.get(rounded))
        if original is None:
            original = value
        return original if -(2**63) <= original < WIDE else rounded
    return value
