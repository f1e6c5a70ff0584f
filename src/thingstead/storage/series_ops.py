"""Operations on a series as two columns: slice, merge, deduplicate.

A point with a timestamp of its own (*timed*) is its timestamp and its value: reported again with both the same, it is
the same point, and kept once, where it came last. One that bears the time of its receipt is always a point more.
Different values at one timestamp are all kept, in the order in which they were last appended.
"""

from collections.abc import Iterable
from itertools import compress
from operator import gt
from typing import Any, NamedTuple

import msgspec

identity = msgspec.msgpack.Encoder().encode  # tells 1 from 1.0 and from true, which Python takes for equal


class Series(NamedTuple):
    """Points by time; of equal timestamps in the order in which they were appended."""

    timestamps: list[int]
    values: list[Any]
    timed: list[bool] | None = None  # which of them may repeat one before them; None: none does

    def part(self, begin: int, end: int | None = None) -> "Series":
        """The points from ``begin`` up to, but not including, ``end``."""
        timed = None if self.timed is None else self.timed[begin:end]
        return Series(self.timestamps[begin:end], self.values[begin:end], timed)

    def cut(self, at: int) -> "tuple[Series, Series]":
        """The first ``at`` points, and the others."""
        if at >= len(self.timestamps):
            return self, Series([], [])
        return self.part(0, at), self.part(at)


def series_of(points: Iterable[tuple[int, Any, bool]]) -> Series:
    """Points (``ts``, value, whether it is timed) in the order in which they were appended, as a series."""
    timestamps: list[int] = []
    values: list[Any] = []
    timed: list[bool] = []
    for ts, value, one in points:
        timestamps.append(ts)
        values.append(value)
        timed.append(one)
    return in_order(timestamps, values, timed if True in timed else None)


def in_order(timestamps: list[int], values: list[Any], timed: list[bool] | None = None) -> Series:
    """Columns in the order in which they were appended, as a series. May return what it was given."""
    if not any(map(gt, timestamps, timestamps[1:])):
        return Series(timestamps, values, timed)
    order = sorted(range(len(timestamps)), key=timestamps.__getitem__)
    return Series(
        [timestamps[index] for index in order],
        [values[index] for index in order],
        None if timed is None else [timed[index] for index in order],
    )


def merged(earlier: Series, later: Series) -> Series:
    """Both together, where ``later`` was appended after ``earlier``, which has no repeats. Nor has the outcome."""
    timed = None if later.timed is None else [*[False] * len(earlier.timestamps), *later.timed]
    return without_repeats(in_order([*earlier.timestamps, *later.timestamps], [*earlier.values, *later.values], timed))


def without_repeats(series: Series) -> Series:
    """The points without those that a later one repeats. Returns the same object where there is nothing to drop."""
    timestamps, values, timed = series
    if timed is None or len(set(timestamps)) == len(timestamps):
        return series
    timed, kept, repeats = timed.copy(), [True] * len(timestamps), Repeats()
    for index in range(len(timestamps) - 1, -1, -1):
        later = repeats.repeated_by(index, timestamps[index], values[index], timed[index])
        if later is not None:
            kept[index] = False
            timed[later] = timed[later] and timed[index]  # whose place it takes: no repeat of an earlier one
    if all(kept):
        return series
    return Series(*(list(compress(column, kept)) for column in (timestamps, values, timed)))


class Repeats:
    """Notices points that a later one repeats, in a series that is read from its end."""

    def __init__(self) -> None:
        self.at: int | None = None  # the timestamp of the last point
        self._last: tuple[int, Any, bool] = (0, None, False)  # the first point that was read of those at it
        self._later: dict[bytes, int] | None = None  # timed points at it by value, where there is more than one point

    def repeated_by(self, number: int, ts: int, value: Any, timed: bool) -> int | None:
        """The number of the later point that the next one, going back, is the same as; None: there is none."""
        if ts != self.at:
            self.at, self._last, self._later = ts, (number, value, timed), None
            return None
        if self._later is None:
            last, of_last, is_timed = self._last
            self._later = {identity(of_last): last} if is_timed else {}
        key = identity(value)
        if not timed:
            return self._later.pop(key, None)  # it is one point, and so takes one place
        later = self._later.get(key)
        if later is None:
            self._later[key] = number
        return later
