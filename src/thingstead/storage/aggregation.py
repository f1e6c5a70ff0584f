"""Points into buckets of equal width, in one pass over columns in order of time.

Numbers are aggregated as they stand in blocks, whole and not yet divided, a slice a bucket at a time: the loops over
points are those of ``sum``, ``min`` and ``max``.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections import Counter
from itertools import accumulate
from typing import Any

from thingstead.errors import InvalidInput
from thingstead.model.report import AggregateFunction, Bucket
from thingstead.storage.blocks import ANY, Column

INT64 = 2**63
DIFFERENT_VALUES = 500_000  # of one bucket, of which a percentile is taken
NUMBERS = {int, float}


class Accumulator(ABC):
    """The points of one bucket, as far as they were seen. ``take`` is given runs in order of time."""

    numeric = True  # whether only numbers count

    @abstractmethod
    def take(self, column: Column, begin: int, end: int) -> None:
        """Takes the points of a column from ``begin`` up to, but not including, ``end``; at least one."""

    @abstractmethod
    def value(self) -> Any:
        """The value of what was taken."""


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
    def __init__(self) -> None:
        self._total: int | float = 0

    def take(self, column: Column, begin: int, end: int) -> None:
        total = sum(column.content[begin:end])
        self._total += total if column.divisor == 1 else total / column.divisor

    def value(self) -> int | float:
        total = self._total
        return total if isinstance(total, float) or -INT64 <= total < INT64 else float(total)


class _Avg(_Sum):
    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    def take(self, column: Column, begin: int, end: int) -> None:
        super().take(column, begin, end)
        self._count += end - begin

    def value(self) -> float:
        return float(self._total / self._count)


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
    """With linear interpolation between the closest ranks, as SQL's ``percentile_cont``.

    Sensors send the same values again and again, so that counting these takes far less memory than keeping them all;
    of more than :data:`DIFFERENT_VALUES` no percentile is taken.
    """

    share: float

    def __init__(self) -> None:
        self._counts: dict[tuple[Any, int], Counter[Any]] = {}  # by kind and divisor of the numbers

    def take(self, column: Column, begin: int, end: int) -> None:
        meaning = column.kind, column.divisor
        counts = self._counts.get(meaning)
        if counts is None:
            counts = self._counts[meaning] = Counter()
        counts.update(column.content[begin:end])
        if len(counts) > DIFFERENT_VALUES:
            limit = f"{DIFFERENT_VALUES:,}"
            raise InvalidInput.field("interval", f"a bucket has more than {limit} different values; shorten it")

    def value(self) -> int | float:
        if len(self._counts) == 1:
            ((kind, divisor), counts), *_ = self._counts.items()
        else:
            kind, divisor, counts = ANY, 1, self._as_values()
        numbers = sorted(counts)
        ends = list(accumulate(map(counts.__getitem__, numbers)))  # how many points there are up to each of them
        value = Column([], kind, divisor, []).value
        rank = (ends[-1] - 1) * self.share
        below = int(rank)
        low: int | float = value(numbers[bisect_right(ends, below)])
        return low if below == rank else low + (value(numbers[bisect_right(ends, below + 1)]) - low) * (rank - below)

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


class Aggregation:
    """Buckets ``[start + n * interval, start + (n + 1) * interval)`` over columns given in order of time."""

    def __init__(self, function: AggregateFunction, start: int, interval: int) -> None:
        self._make = ACCUMULATORS[function]
        self._start = start
        self._interval = interval
        self._open: Accumulator = self._make()
        self._at = -1  # the number of the open bucket
        self._count = 0  # points in it
        self._buckets: list[Bucket] = []

    def add(self, column: Column) -> None:
        """Takes the next column; it begins at or after ``start``."""
        if self._make.numeric:
            column = numbers_of(column)
        timestamps, start, interval = column.timestamps, self._start, self._interval
        begin, points = 0, len(timestamps)
        while begin < points:
            at = (timestamps[begin] - start) // interval
            end = bisect_left(timestamps, start + (at + 1) * interval, begin)
            if at != self._at:
                self._close()
                self._at = at
            self._open.take(column, begin, end)
            self._count += end - begin
            begin = end

    def buckets(self) -> list[Bucket]:
        """Those that have points which count, by time."""
        self._close()
        return self._buckets

    def _close(self) -> None:
        if self._count:
            self._buckets.append(Bucket(self._start + self._at * self._interval, self._open.value(), self._count))
            self._open, self._count = self._make(), 0


def numbers_of(column: Column, numbers: set[type] = NUMBERS) -> Column:
    """The points of a column whose value is a number; the column itself where all are."""
    if column.kind != ANY or set(map(type, column.content)) <= numbers:
        return column
    kept = [index for index, value in enumerate(column.content) if type(value) in numbers]
    return Column([column.timestamps[index] for index in kept], ANY, 1, [column.content[index] for index in kept])
