"""Scaling of raw values: value * scale + offset, rounded as people write numbers."""

import math
from collections.abc import Callable

NUMBER_MIN, NUMBER_MAX = -(2**63), 2**64 - 1  # the integers that the stores and MessagePack can represent
DIGITS = 15  # significant ones that a binary fraction keeps of any decimal number
Number = int | float
Scale = Callable[[Number], Number]  # the result may be infinite


def scaling(scale: Number, offset: Number, precision: int | None) -> Scale | None:
    """The function that scales; None: it would change nothing. Without a ``precision`` (decimals) a result has 15
    significant digits, so that 3 with the scale 0.1 is 0.3."""
    if scale == 1 and offset == 0:
        return None if precision is None else lambda raw: round(raw, precision)
    if precision is not None:
        return lambda raw: round(raw * scale + offset, precision) if math.isfinite(raw) else raw
    return lambda raw: _tidy(raw * scale + offset)


def _tidy(value: Number) -> Number:
    return value if isinstance(value, int) else float(f"{value:.{DIGITS}g}")
