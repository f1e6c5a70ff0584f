"""Aggregate functions that depend on consecutive points: increase of counters, time-weighted values."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import isfinite
from operator import gt, mul, sub
from typing import Any

from thingstead.model.report import AggregateFunction
from thingstead.storage.aggregation import Accumulator, Scope
from thingstead.storage.blocks import Column
from thingstead.storage.exact_sums import ExactSum, as_number


class _Increase(Accumulator):
    """Increase of a counter since the point before the span, or since the first point in it if there is none before.

    A value lower than its predecessor means that the counter restarted at 0.
    """

    def __init__(self, scope: Scope) -> None:
        self._first = self._last = scope.before
        self._restarts = ExactSum()  # values of the counter before each restart
        self._steps = 0

    @classmethod
    def within(cls, scope: Scope) -> "Accumulator":
        return cls(scope)

    def take(self, column: Column, begin: int, end: int) -> None:
        values = list(map(column.value, column.content[begin:end]))
        if self._first is None or self._last is None:
            self._first = column.timestamps[begin], values[0]
        else:
            self._steps += 1
            values.insert(0, self._last[1])
        self._steps += end - begin - 1
        if any(map(gt, values, values[1:])):
            self._restarts.add_numbers([value for value, following in pairwise(values) if following < value])
        self._last = column.timestamps[end - 1], values[-1]

    def increase(self) -> Fraction | None:
        """Exact increase; None if there is only one point and none before it."""
        if not self._steps or self._first is None or self._last is None:
            return None
        return Fraction(self._last[1]) - Fraction(self._first[1]) + Fraction(*self._restarts.ratio())


class _Delta(_Increase):
    def value(self) -> int | float | None:
        increase = self.increase()
        if increase is None or self._first is None or self._last is None:
            return None
        ends_whole = type(self._first[1]) is int and type(self._last[1]) is int
        return as_number(increase.as_integer_ratio(), whole=ends_whole and self._restarts.whole)


class _Rate(_Increase):
    """Increase per second."""

    def value(self) -> float | None:
        increase = self.increase()
        if increase is None or self._first is None or self._last is None or self._last[0] == self._first[0]:
            return None
        return as_number((increase * 1000 / (self._last[0] - self._first[0])).as_integer_ratio())


class _TimeWeightedAverage(Accumulator):
    """Average over time of a value that holds until the next point."""

    def __init__(self, scope: Scope) -> None:
        self._end = scope.end
        before = scope.before
        self._since = None if before is None else scope.begin  # since when the present value holds in the span
        self._at = scope.begin
        self._held: Any = None if before is None else before[1]
        self._area = ExactSum()

    @classmethod
    def within(cls, scope: Scope) -> "Accumulator":
        return cls(scope)

    def take(self, column: Column, begin: int, end: int) -> None:
        timestamps = column.timestamps[begin:end]
        values: list[Any] = list(map(column.value, column.content[begin:end]))
        newest, at = values[-1], timestamps[-1]
        if self._since is None:
            self._since = timestamps[0]
        else:
            timestamps.insert(0, self._at)
            values.insert(0, self._held)
        self._hold(values[:-1], list(map(sub, timestamps[1:], timestamps)))
        self._at, self._held = at, newest

    def _hold(self, values: Sequence[int | float], lengths: Sequence[int]) -> None:
        areas = list(map(mul, values, lengths))
        if all(map(isfinite, areas)):
            self._area.add_numbers(areas)
        else:
            self._area.add_exact(sum(map(mul, map(Fraction, values), lengths), Fraction(0)))

    def value(self) -> int | float | None:
        if self._since is None or self._held is None:
            return None
        if self._end <= self._since:
            return as_number(Fraction(self._held).as_integer_ratio())
        area = Fraction(*self._area.ratio()) + Fraction(self._held) * (self._end - self._at)
        return as_number((area / (self._end - self._since)).as_integer_ratio())


COUNTERS: dict[AggregateFunction, type[Accumulator]] = {
    "delta": _Delta,
    "rate": _Rate,
    "twa": _TimeWeightedAverage,
}
