"""Why something is refused: stable codes, whose texts in English and Chinese are in ``refusals.json``.

A text names its arguments in braces, ``{maximum}``, or ``{maximum:,}`` for a number in groups of three digits.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

UNKNOWN_CODE = "unknown_refusal"
CODE_BYTES = 32  # firmware parses answers into a buffer of 256 bytes

Arg: TypeAlias = str | int | float | Sequence[str]

TEXTS: Mapping[str, Mapping[str, str]] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
_ENGLISH = {code: texts["en"] for code, texts in TEXTS.items()}
_NO_ARGS: Mapping[str, Arg] = MappingProxyType({})


class Reason(NamedTuple):
    """The reason of a refusal."""

    code: str  # stable, at most CODE_BYTES
    message: str  # in English, for people; may change
    args: Mapping[str, Arg] = _NO_ARGS  # arguments of its texts


def reason(code: str, **args: Arg) -> Reason:
    """The reason with this code and arguments. A code without a text is its own message."""
    text = _ENGLISH.get(code)
    if text is None:
        return Reason(UNKNOWN_CODE, code)
    return Reason(code, text.format_map(_shown(args)), args) if args else Reason(code, text)


def because(why: str | Reason, args: Mapping[str, Arg]) -> Reason:
    """Returns a reason unchanged, or makes one from a code and its arguments."""
    return why if isinstance(why, Reason) else reason(why, **args)


class Unusable(ValueError):
    """A text cannot be parsed; carries the reason, for the field that contains it."""

    def __init__(self, why: str | Reason, /, **args: Arg) -> None:
        self.reason = because(why, args)
        super().__init__(self.reason.message)


def _shown(args: Mapping[str, Arg]) -> dict[str, str | int | float]:
    return {
        name: value if isinstance(value, str | int | float) else ", ".join(map(str, value))
        for name, value in args.items()
    }
