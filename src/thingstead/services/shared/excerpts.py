"""Refusals and payloads, truncated for display."""

from contextlib import suppress
from typing import Any

from thingstead.errors import FieldError
from thingstead.refusals import Reason

REASON_CHARACTERS, ARG_CHARACTERS, ERRORS_NOTED = 512, 256, 20  # of a refusal
EXCERPT_BYTES = 1_024  # of a payload


def noted_field(error: FieldError) -> dict[str, Any]:
    """A refusal of a field: ``{"field", "message", "code", "args"}``."""
    return {"field": error.field, **noted_reason(error.reason)}


def noted_reason(why: Reason) -> dict[str, Any]:
    """A refusal: ``{"message", "code", "args"}``."""
    return {"message": why.message[:REASON_CHARACTERS], "code": why.code, "args": shortened_args(why)}


def shortened_args(why: Reason) -> dict[str, Any]:
    """The arguments of a reason, truncated."""
    return {name: arg[:ARG_CHARACTERS] if isinstance(arg, str) else arg for name, arg in why.args.items()}


def excerpt(payload: bytes) -> str:
    """The begin of a payload for display: as text if it is printable, otherwise ``hex:`` and its bytes."""
    beginning = bytes(payload[:EXCERPT_BYTES])
    try:
        text = beginning.decode("utf-8")
    except UnicodeDecodeError as exc:
        cut = len(payload) > EXCERPT_BYTES and exc.start > EXCERPT_BYTES - 4  # in the middle of a character
        text = beginning[: exc.start].decode("utf-8") if cut else "\0"
    if all(character.isprintable() or character in "\r\n\t" for character in text):
        return text
    return "hex:" + beginning.hex()


def whole(shown: str) -> bytes:
    """The payload that :func:`excerpt` shows, as far as it does."""
    if shown.startswith("hex:"):
        with suppress(ValueError):
            return bytes.fromhex(shown.removeprefix("hex:"))
    return shown.encode()
