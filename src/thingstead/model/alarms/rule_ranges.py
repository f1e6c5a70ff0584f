"""Ranges of numbers that satisfy comparisons, to detect conditions that exclude or contain each other."""

from math import inf
from typing import Any, NamedTuple

from thingstead.model.alarms.rule import Condition


class Range(NamedTuple):
    """A range of numbers; a bound is included unless it is open."""

    low: float
    low_open: bool
    high: float
    high_open: bool

    def meets(self, other: "Range") -> "Range":
        """The intersection of two ranges."""
        low = max((self.low, self.low_open), (other.low, other.low_open))
        high = min((self.high, not self.high_open), (other.high, not other.high_open))
        return Range(*low, high[0], not high[1])

    @property
    def empty(self) -> bool:
        """Whether no value is in the range."""
        return self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))


EVERYTHING = Range(-inf, False, inf, False)


def range_of(condition: Condition) -> Range | None:
    """The range of numbers for which a comparison holds; None if it does not compare numbers or is not a single
    range."""
    value: Any = condition.value
    if condition.op == "between" and isinstance(value, tuple) and len(value) == 2:
        return Range(value[0], False, value[1], False)
    if not is_number(value):
        return None
    return {
        ">": Range(value, True, inf, False),
        ">=": Range(value, False, inf, False),
        "<": Range(-inf, False, value, True),
        "<=": Range(-inf, False, value, False),
        "==": Range(value, False, value, False),
    }.get(condition.op or "")


def is_number(value: Any) -> bool:
    """Whether the value is a number; booleans are not."""
    return type(value) is int or type(value) is float
