"""Parses and checks many reports of a device at once."""

from collections.abc import Callable, Sequence
from typing import Any

from thingstead.errors import FieldError
from thingstead.model.limits import JSON_DEPTH
from thingstead.model.values.quick_checks import QuickCheck
from thingstead.services.shared.payloads import DECODE_ERRORS, may_be_deep, read_object

MAX_ATTRIBUTES_PER_REPORT = 1_000


def read_quickly(
    payloads: Sequence[bytes],
    quick_check: Callable[[dict[str, Any]], QuickCheck],
    process: Callable[[dict[str, Any]], Sequence[FieldError]] | None,
) -> tuple[list[dict[str, Any]], bool]:
    """Parses and checks reports from the front, until one needs the full check.

    Returns:
        The attributes of the valid reports, and whether none of their values is an array or object.
    """
    together = b"".join(payloads)
    brackets = together.count(b"{") + together.count(b"[")
    shallow = brackets <= JSON_DEPTH
    found: list[dict[str, Any]] = []
    try:
        for payload in payloads:
            attributes = read_object(payload)
            if (not shallow and may_be_deep(payload)) or len(attributes) > MAX_ATTRIBUTES_PER_REPORT:
                break
            if process is not None and process(attributes):
                break
            if not quick_check(attributes)(attributes):
                break
            found.append(attributes)
    except DECODE_ERRORS:  # handled individually by the caller
        pass
    # One bracket per report: no nested values, unless the processing made some.
    return found, process is None and brackets == len(payloads) == len(found)
