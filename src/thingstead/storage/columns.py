"""Points of one series as two columns: cut, merged, and each point once.

A point is its timestamp and its value: what is reported again with both the same is the same point, and kept once.
Different values at one timestamp are all kept, in the order in which they were last appended, so that the last one of a
series is always the current value.
"""

from collections.abc import Iterable, Sequence
from operator import gt
from typing import Any, NamedTuple

import msgspec

identity = msgspec.msgpack.Encoder().encode  # tells 1 from 1.0 and from true, which Python takes for equal


class Series(NamedTuple):
    """Points by time; of equal timestamps in the order in which they were appended."""

    timestamps: list[int]
    values: list[Any]

    def cut(self, at: int) -> "tuple[Series, Series]":
        """The first ``at`` points, and the others."""
        if at >= len(self.timestamps):
            return self, Series([], [])
        return Series(self.timestamps[:at], self.values[:at]), Series(self.timestamps[at:], self.values[at:])


def series_of(points: Iterable[tuple[int, Any]]) -> Series:
    """Points in the order in which they were appended, as a series."""
    timestamps: list[int] = []
    values: list[Any] = []
    for ts, value in points:
        timestamps.append(ts)
        values.append(value)
    return in_order(timestamps, values)


def in_order(timestamps: list[int], values: list[Any]) -> Series:
    """Columns in the order in which they were appended, as a series. May return what it was given."""
    if not any(map(gt, timestamps, timestamps[1:])):
        return Series(timestamps, values)
    order = sorted(range(len(timestamps)), key=timestamps.__getitem__)
    return Series([timestamps[index] for index in order], [values[index] for index in order])


def merged(earlier: Series, later: Series) -> Series:
    """Both together, each point once, where ``later`` was appended after ``earlier``."""
    return without_repeats(in_order([*earlier.timestamps, *later.timestamps], [*earlier.values, *later.values]))


def without_repeats(series: Series) -> Series:
    """Each point once: of equal ones the last. Returns the same object where there is nothing to drop."""
    timestamps, values = series
    if len(set(timestamps)) == len(timestamps):
        return series
    kept = last_of_each(timestamps, values)
    if len(kept) == len(timestamps):
        return series
    return Series([timestamps[index] for index in kept], [values[index] for index in kept])


def last_of_each(timestamps: Sequence[int], values: Sequence[Any]) -> list[int]:
    """Which points of a series to keep, ascending: the last one of those that are equal."""
    kept: list[int] = []
    at: int | None = None
    seen: set[bytes] = set()
    for index in range(len(timestamps) - 1, -1, -1):
        if timestamps[index] != at:
            at, seen = timestamps[index], set()
        key = identity(values[index])
        if key not in seen:
            seen.add(key)
            kept.append(index)
    kept.reverse()
    return kept
