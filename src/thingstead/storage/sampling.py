"""Downsampling for charts: fewer points with the shape of all, in one pass, in memory proportional to the result.

*Min-max* divides the range into spans of equal length and takes the lowest and the highest point of each: no peak is
ever lost. *LTTB* (largest triangle three buckets, S. Steinarsson 2013) takes the points that shape the line most, out
of four times as many that min-max has chosen, as MinMaxLTTB does.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from thingstead.model.report import SampleMethod
from thingstead.storage.aggregation import NUMBERS
from thingstead.storage.blocks import ANY, Column

PRESELECTED = 4  # points that min-max selects for each point that LTTB returns
COMPARABLE: set[type] = NUMBERS | {bool}

Point = tuple[int, Any]


def sample(columns: Iterable[Column], start: int, end: int, most: int, method: SampleMethod) -> tuple[list[Point], int]:
    """Selects at most ``most`` points (at least 2) of columns in order of time. Returns them, and how many there were.

    Args:
        start, end: instants (ms) between which, both inclusive, all points lie.
    """
    everything: list[Point] | None = []
    spans = MinMax(start, end, most if method == "minmax" else PRESELECTED * most)
    count = 0
    for column in columns:
        count += len(column.timestamps)
        spans.add(column)
        if everything is not None:
            everything.extend(zip(column.timestamps, column.values(), strict=True))
            if count > most:
                everything = None
    if everything is not None:
        return everything, count
    points = spans.points()
    return (lttb(points, most) if method == "lttb" else points), count


class MinMax:
    """Selects the lowest and the highest point of each span. If values cannot be compared: the first and the last
    point."""

    def __init__(self, start: int, end: int, most: int) -> None:
        self._start = start
        self._width = -(-(end - start + 1) // max(1, most // 2))
        self._at = -1  # number of the open span
        self._chosen: list[Point] = []  # one or two points of the open span, in order of time
        self._points: list[Point] = []

    def add(self, column: Column) -> None:
        """Adds the next column."""
        timestamps, start, width = column.timestamps, self._start, self._width
        comparable = column.kind != ANY or set(map(type, column.content)) <= COMPARABLE
        begin, points = 0, len(timestamps)
        while begin < points:
            at = (timestamps[begin] - start) // width
            end = bisect_left(timestamps, start + (at + 1) * width, begin)
            if at != self._at:
                self._points += self._chosen
                self._at, self._chosen = at, []
            first, second = _extremes(column.content[begin:end]) if comparable else (0, end - begin - 1)
            chosen = [begin + first] if first == second else [begin + first, begin + second]
            self._chosen = _joined(self._chosen, [(timestamps[i], column.value(column.content[i])) for i in chosen])
            begin = end

    def points(self) -> list[Point]:
        """The selected points, in order of time."""
        self._points += self._chosen
        self._chosen = []
        return self._points


def _extremes(run: list[Any]) -> tuple[int, int]:
    """Indexes of the lowest and the highest element, in ascending order."""
    low, high = run.index(min(run)), run.index(max(run))
    return (low, high) if low < high else (high, low)


def _joined(before: list[Point], after: list[Point]) -> list[Point]:
    """Selects one or two points from two selections of the same span."""
    points = before + after
    if len(points) <= 2:
        return points
    if all(type(value) in COMPARABLE for _, value in points):
        first, second = _extremes([value for _, value in points])
        return [points[first]] if first == second else [points[first], points[second]]
    return [points[0], points[-1]]


def lttb(points: list[Point], most: int) -> list[Point]:
    """Largest-Triangle-Three-Buckets: at most ``most`` of the points. Keeps the first and the last one; values that are
    not numbers count as 0."""
    if len(points) <= most or most < 3:
        return points[:1] + points[-1:] if most < len(points) else points
    numbers = [value if type(value) in COMPARABLE else 0 for _, value in points]
    inner = len(points) - 2
    edges = [1 + inner * at // (most - 2) for at in range(most - 1)]  # bounds of the inner buckets
    chosen = [0]
    for (begin, end), following in zip(pairwise(edges), [*edges[2:], len(points)], strict=True):
        average_ts = sum(ts for ts, _ in points[end:following]) / (following - end)
        average = sum(numbers[end:following]) / (following - end)
        chosen.append(_largest_triangle(points, numbers, chosen[-1], range(begin, end), (average_ts, average)))
    chosen.append(len(points) - 1)
    return [points[index] for index in chosen]


def _largest_triangle(
    points: list[Point], numbers: list[Any], before: int, candidates: range, after: tuple[float, float]
) -> int:
    base_ts, base = points[before][0], numbers[before]
    span, rise = after[0] - base_ts, after[1] - base
    return max(candidates, key=lambda index: abs(span * (numbers[index] - base) - (points[index][0] - base_ts) * rise))
