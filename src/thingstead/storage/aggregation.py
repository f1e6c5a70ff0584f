"""Aggregate functions over spans of time, in one pass over columns in order of time.

A slice at a time: the loops over points are those of ``fsum``, ``min`` and ``max``. Sums are exact and rounded once, so
that the same points give the same, however they are packed.
"""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import Counter
from fractions import Fraction
from itertools import accumulate
from typing import Any, NamedTuple

from thingstead.errors import InvalidInput
from thingstead.model.report import AggregateFunction
from thingstead.storage.blocks import ANY, EXACT_BELOW, Column
from thingstead.storage.exact_sums import ExactSum, as_number

Held = tuple[int, Any] | None  # a point: ts (ms) and value
DIFFERENT_VALUES = 500_000  # maximum number of distinct values in a span for a percentile
NUMBERS = {int, float}


class Scope(NamedTuple):
    """What an accumulator knows of a span beside its points."""

    begin: int  # ms
    end: int  # ms, exclusive
    before: Held  # the newest number before the span


class Accumulator(ABC):
    """Computes one function over the points of one span. ``take`` gets them in order of time."""

    numeric = True  # whether only points with numbers count

    @classmethod
    def within(cls, scope: Scope) -> "Accumulator":
        """Makes an accumulator for a span."""
        return cls()

    @abstractmethod
    def take(self, column: Column, begin: int, end: int) -> None:
        """Adds the points of a column from index ``begin`` up to, but not including, ``end``; at least one."""

    @abstractmethod
    def value(self) -> Any:
        """The result for the points so far."""


class _Count(Accumulator):
    numeric = False

    def __init__(self) -> None:
        self._count = 0

    def take(self, column: Column, begin: int, end: int) -> None:
        self._count += end - begin

    def value(self) -> int:
        return self._count


class _First(Accumulator):
    numeric = False

    def __init__(self) -> None:
        self._value: Any = None
        self._empty = True

    def take(self, column: Column, begin: int, end: int) -> None:
        if self._empty:
            self._value = column.value(column.content[begin])
            self._empty = False

    def value(self) -> Any:
        return self._value


class _Last(Accumulator):
    numeric = False

    def __init__(self) -> None:
        self._value: Any = None

    def take(self, column: Column, begin: int, end: int) -> None:
        self._value = column.value(column.content[end - 1])

    def value(self) -> Any:
        return self._value


class _Sum(Accumulator):
    """Exact sum, independent of the order and form of the points, rounded once."""

    def __init__(self) -> None:
        self._total = ExactSum()

    def take(self, column: Column, begin: int, end: int) -> None:
        self._total.add(column, begin, end)

    def value(self) -> int | float:
        return self._total.rounded()


class _Avg(_Sum):
    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    def take(self, column: Column, begin: int, end: int) -> None:
        super().take(column, begin, end)
        self._count += end - begin

    def value(self) -> int | float:
        return self._total.mean(self._count)


class _Min(Accumulator):
    def __init__(self) -> None:
        self._value: int | float | None = None

    def take(self, column: Column, begin: int, end: int) -> None:
        value = column.value(min(column.content[begin:end]))
        if self._value is None or value < self._value:
            self._value = value

    def value(self) -> int | float | None:
        return self._value


class _Max(Accumulator):
    def __init__(self) -> None:
        self._value: int | float | None = None

    def take(self, column: Column, begin: int, end: int) -> None:
        value = column.value(max(column.content[begin:end]))
        if self._value is None or value > self._value:
            self._value = value

    def value(self) -> int | float | None:
        return self._value


class _Percentile(Accumulator):
    """Percentile with linear interpolation between the closest ranks, as SQL's ``percentile_cont``.

    Counts equal values, which takes far less memory than keeping all of them, because sensors repeat values. Over
    :data:`DIFFERENT_VALUES` distinct values the percentile is refused.
    """

    share: float

    def __init__(self) -> None:
        self._counts: dict[tuple[Any, int], Counter[Any]] = {}  # by block kind and divisor of the numbers

    def take(self, column: Column, begin: int, end: int) -> None:
        meaning = column.kind, column.divisor
        counts = self._counts.get(meaning)
        if counts is None:
            counts = self._counts[meaning] = Counter()
        counts.update(column.content[begin:end])
        if len(counts) > DIFFERENT_VALUES:
            limit = f"{DIFFERENT_VALUES:,}"
            raise InvalidInput.field("interval", "interval_too_many_values", maximum=limit)

    def value(self) -> int | float:
        if len(self._counts) == 1:
            ((kind, divisor), counts), *_ = self._counts.items()
        else:
            kind, divisor, counts = ANY, 1, self._as_values()
        numbers = sorted(counts)
        ends = list(accumulate(map(counts.__getitem__, numbers)))  # cumulative number of points
        value = Column([], kind, divisor, []).value
        rank = (ends[-1] - 1) * self.share
        below = int(rank)
        low: int | float = value(numbers[bisect_right(ends, below)])
        if below == rank:
            return low
        high: int | float = value(numbers[bisect_right(ends, below + 1)])
        if low == high:
            return low
        if low > -EXACT_BELOW and high < EXACT_BELOW:
            return low + (high - low) * (rank - below)
        between = Fraction(low) + (Fraction(high) - Fraction(low)) * Fraction(rank - below)
        return as_number(between.as_integer_ratio(), whole={type(low), type(high)} == {int})

    def _as_values(self) -> Counter[Any]:
        counts: Counter[Any] = Counter()
        for (kind, divisor), found in self._counts.items():
            value = Column([], kind, divisor, []).value
            for number, count in found.items():
                counts[value(number)] += count
        return counts


class _P50(_Percentile):
    share = 0.5


class _P95(_Percentile):
    share = 0.95


ACCUMULATORS: dict[AggregateFunction, type[Accumulator]] = {
    "avg": _Avg,
    "min": _Min,
    "max": _Max,
    "sum": _Sum,
    "count": _Count,
    "first": _First,
    "last": _Last,
    "p50": _P50,
    "p95": _P95,
}


def numbers_of(column: Column, numbers: set[type] = NUMBERS) -> Column:
    """Points of a column whose value is a number. Returns the same column if all are."""
    if column.kind != ANY or set(map(type, column.content)) <= numbers:
        return column
    kept = [index for index, value in enumerate(column.content) if type(value) in numbers]
    return Column([column.timestamps[index] for index in kept], ANY, 1, [column.content[index] for index in kept])
