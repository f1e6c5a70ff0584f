"""Exact sums of numbers in any order; they do not overflow."""

import math
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from fractions import Fraction
from itertools import repeat
from operator import truediv

from thingstead.storage.blocks import EXACT_BELOW, FLOATS, INTEGERS, Column

LARGEST = sys.float_info.max
INTEGERS_FROM, INTEGERS_BELOW = -(2**63), 2**64  # range of JSON writers and of the store
WAITING = 4_000  # floats of a sum that are kept before they are combined

Ratio = tuple[int, int]  # a rational number: numerator and denominator, not reduced


class ExactSum:
    """Exact sum of integers and floats of any size.

    Attributes:
        whole: whether all numbers were integers.
    """

    __slots__ = ("_beyond", "_floats", "_integers", "whole")

    def __init__(self) -> None:
        self._integers = 0
        self._floats: list[float] = []  # their exact sum is that of all added floats
        self._beyond = Fraction(0)
        self.whole = True

    def add(self, column: Column, begin: int, end: int) -> None:
        """Adds numbers of a column."""
        content = column.content[begin:end]
        if column.kind == INTEGERS:
            self._integers += sum(content)
        elif column.kind == FLOATS:
            self._add_floats(map(truediv, content, repeat(column.divisor)))
        else:
            self.add_numbers(list(map(column.value, content)) if column.divisor != 1 else content)

    def add_numbers(self, numbers: Sequence[int | float]) -> None:
        """Adds integers and floats."""
        floats = [number for number in numbers if type(number) is float]
        if len(floats) < len(numbers):
            self._integers += sum(number for number in numbers if type(number) is int)
        if floats:
            self._add_floats(floats)

    def add_exact(self, number: Fraction) -> None:
        """Adds a number beyond the range of floats; its denominator must be a power of two."""
        self.whole = False
        self._beyond += number

    def _add_floats(self, floats: Iterable[float]) -> None:
        self.whole = False
        self._floats += floats
        if len(self._floats) > WAITING:
            self._make_fewer()

    def _make_fewer(self) -> None:
        """Replaces the floats by a few with the same exact sum: the rounded sum, the remainder, and so on."""
        floats = self._floats
        try:
            parts, left = [], floats.copy()
            while rest := math.fsum(left):
                parts.append(rest)
                left.append(-rest)
        except OverflowError:
            self._beyond += sum(map(Fraction, floats))
            parts = []
        self._floats = parts

    def rounded(self) -> int | float:
        """The sum, rounded to an integer or float."""
        if not self._integers and not self._beyond and not self.whole:
            with suppress(OverflowError):
                return math.fsum(self._floats)
        return as_number(self.ratio(), whole=self.whole)

    def mean(self, count: int) -> int | float:
        """The sum divided by ``count``; exact to twice the digits of a float, then rounded. A large integer if the
        result is one and all numbers were integers."""
        numerator, denominator = self._nearly() or self.ratio()
        denominator *= count
        large = abs(numerator) >= EXACT_BELOW * denominator
        return as_number((numerator, denominator), whole=large and self.whole)

    def _nearly(self) -> Ratio | None:
        """The sum of floats alone as the nearest float and the remainder: half the work of :meth:`ratio`."""
        if self.whole or self._integers or self._beyond:
            return None
        try:
            total = math.fsum(self._floats)
            rest = math.fsum([*self._floats, -total])
        except OverflowError:
            return None
        (above, below), (more, scale) = total.as_integer_ratio(), rest.as_integer_ratio()
        return (above * (scale // below) + more, scale) if scale > below else (above + more * (below // scale), below)

    def ratio(self) -> Ratio:
        """The exact sum."""
        if not self._floats and not self._beyond:
            return self._integers, 1
        self._make_fewer()
        ratios = [part.as_integer_ratio() for part in self._floats]
        if self._beyond or not ratios:
            ratios.append(self._beyond.as_integer_ratio())
        denominator = max(below for _, below in ratios)  # all are powers of two
        return self._integers * denominator + sum(
            above * (denominator // below) for above, below in ratios
        ), denominator


def as_number(ratio: Ratio, *, whole: bool = False) -> int | float:
    """Converts an exact value for JSON: the nearest finite float; with ``whole`` an integer if it fits into 64 bits."""
    numerator, denominator = ratio
    if whole and numerator % denominator == 0:
        number = numerator // denominator
        if INTEGERS_FROM <= number < INTEGERS_BELOW:
            return number
    try:
        return numerator / denominator
    except OverflowError:
        return LARGEST if numerator > 0 else -LARGEST
