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

identity = msgspec.msgpack.Encoder().encode  # distinguishes 1, 1.0 and true, which are equal in Python


class Series(NamedTuple):
    """Points in order of time; of equal timestamps in the order in which they were appended."""

    timestamps: list[int]
    values: list[Any]
    timed: list[bool] | None = None  # which points may repeat an earlier one; None: none

    def part(self, begin: int, end: int | None = None) -> "Series":
        """The points from index ``begin`` up to, but not including, ``end``."""
        timed = None if self.timed is None else self.timed[begin:end]
        return Series(self.timestamps[begin:end], self.values[begin:end], timed)

    def cut(self, at: int) -> "tuple[Series, Series]":
        """The first ``at`` points, and the rest."""
        if at >= len(self.timestamps):
            return self, Series([], [])
        return self.part(0, at), self.part(at)


def series_of(points: Iterable[tuple[int, Any, bool]]) -> Series:
    """Makes a series of points (``ts``, value, whether it is timed) in the order in which they were appended."""
    timestamps: list[int] = []
    values: list[Any] = []
    timed: list[bool] = []
    for ts, value, one in points:
        timestamps.append(ts)
        values.append(value)
        timed.append(one)
    return in_order(timestamps, values, timed if True in timed else None)


def in_order(timestamps: list[int], values: list[Any], timed: list[bool] | None = None) -> Series:
    """Makes a series of columns in the order in which they were appended. May return the given lists."""
    if not any(map(gt, timestamps, timestamps[1:])):
        return Series(timestamps, values, timed)
    order = sorted(range(len(timestamps)), key=timestamps.__getitem__)
    return Series(
        [timestamps[index] for index in order],
        [values[index] for index in order],
        None if timed is None else [timed[index] for index in order],
    )


def merged(earlier: Series, later: Series) -> Series:
    """Merges two series of which ``later`` was appended after ``earlier``. ``earlier`` has no repeats, and neither has
    the result."""
    timed = None if later.timed is None else [*[False] * len(earlier.timestamps), *later.timed]
    return without_repeats(in_order([*earlier.timestamps, *later.timestamps], [*earlier.values, *later.values], timed))


def without_repeats(series: Series) -> Series:
    """Removes points that a later one repeats. Returns the same object if there are none."""
    timestamps, values, timed = series
    if timed is None or len(set(timestamps)) == len(timestamps):
        return series
    timed, kept, repeats = timed.copy(), [True] * len(timestamps), Repeats()
    for index in range(len(timestamps) - 1, -1, -1):
        later = repeats.repeated_by(index, timestamps[index], values[index], timed[index])
        if later is not None:
            kept[index] = False
            timed[later] = timed[later] and timed[index]  # replaces that point, which repeats no earlier one
    if all(kept):
        return series
    return Series(*(list(compress(column, kept)) for column in (timestamps, values, timed)))


class Repeats:
    """Finds points that a later one repeats, in a series that is read from its end."""

    def __init__(self) -> None:
        self.at: int | None = None  # the timestamp of the last point
        self._last: tuple[int, Any, bool] = (0, None, False)  # the first point that was read at that timestamp
        self._later: dict[bytes, int] | None = None  # timed points at it by value, if there are several points

    def repeated_by(self, number: int, ts: int, value: Any, timed: bool) -> int | None:
        """Number of the later point that repeats this one; None if there is none. To be called from the end of the
        series."""
        if ts != self.at:
            self.at, self._last, self._later = ts, (number, value, timed), None
            return None
        if self._later is None:
            last, of_last, is_timed = self._last
            self._later = {identity(of_last): last} if is_timed else {}
        key = identity(value)
        if not timed:
            return self._later.pop(key, None)  # one later point repeats at most one earlier point
        later = self._later.get(key)
        if later is None:
            self._later[key] = number
        return later
