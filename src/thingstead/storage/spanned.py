"""Groups points into spans of time, in one pass over columns in order of time."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any, NamedTuple

from thingstead.model.report import AggregateFunction, SpanBucket
from thingstead.model.spans import Spans
from thingstead.storage.aggregation import ACCUMULATORS, Accumulator, Held, Scope, numbers_of
from thingstead.storage.blocks import Column
from thingstead.storage.counters import COUNTERS

FUNCTIONS: dict[AggregateFunction, type[Accumulator]] = {**ACCUMULATORS, **COUNTERS}


class SpanValues(NamedTuple):
    """Results of the functions of a track for one span."""

    end: int
    values: dict[AggregateFunction, Any]
    points: int  # number of points used
    held: Held


class _Track:
    """Functions that use the same points, computed in one pass."""

    def __init__(
        self, functions: Sequence[AggregateFunction], spans: Spans, start: int, until: int, held: Held
    ) -> None:
        self._makers = {function: FUNCTIONS[function] for function in functions}
        self._spans = spans
        self._start, self._until = start, until
        self._held = held  # the newest point so far
        self._open: dict[AggregateFunction, Accumulator] = {}
        self._begin = self._end = -1  # bounds of the open span
        self._count = 0  # points in the open span
        self.spans: dict[int, SpanValues] = {}  # by begin of the span

    def add(self, column: Column) -> None:
        timestamps = column.timestamps
        begin, points = 0, len(timestamps)
        while begin < points:
            if timestamps[begin] >= self._end:
                self.close()
                self._begin, self._end = self._spans.around(timestamps[begin])
                scope = Scope(max(self._begin, self._start), min(self._end, self._until), self._held)
                self._open = {function: make.within(scope) for function, make in self._makers.items()}
            end = bisect_left(timestamps, self._end, begin)
            for accumulator in self._open.values():
                accumulator.take(column, begin, end)
            self._count += end - begin
            self._held = timestamps[end - 1], column.value(column.content[end - 1])
            begin = end

    def close(self) -> None:
        if self._count:
            values = {function: accumulator.value() for function, accumulator in self._open.items()}
            self.spans[self._begin] = SpanValues(self._end, values, self._count, self._held)
            self._count = 0


class Aggregation:
    """Computes functions over spans of time in one pass over columns in order of time.

    Args:
        start: the first instant.
        until: instant up to which the last value holds.
        before: the newest number before ``start``.
    """

    def __init__(
        self, functions: Sequence[AggregateFunction], spans: Spans, start: int, until: int, before: Held = None
    ) -> None:
        self._functions = functions
        self._spans = spans
        self._start, self._until, self._before = start, until, before
        numeric = [function for function in functions if FUNCTIONS[function].numeric]
        others = [function for function in functions if not FUNCTIONS[function].numeric]
        self._numbers = _Track(numeric, spans, start, until, before)
        self._all = _Track(others, spans, start, until, None)
        self._tracks = [track for track, wanted in ((self._numbers, numeric), (self._all, others)) if wanted]

    def add(self, column: Column) -> None:
        """Adds the next column; its points are at or after ``start``."""
        for track in self._tracks:
            track.add(numbers_of(column) if track is self._numbers else column)

    def buckets(self, *, gaps_to: int | None = None) -> list[SpanBucket]:
        """Spans with points, in order of time; with ``gaps_to`` also empty spans up to that instant."""
        for track in self._tracks:
            track.close()
        if gaps_to is None and len(self._tracks) == 1:  # the usual case: no merge of tracks
            spans = self._tracks[0].spans.items()
            return [SpanBucket(begin, span.end, span.values, span.points) for begin, span in spans]
        if gaps_to is None:
            begins = sorted({begin for track in self._tracks for begin in track.spans})
            return [self._bucket(begin, self._spans.around(begin)[1], None) for begin in begins]
        found, held = [], self._before
        begin, end = self._spans.around(self._start)
        while begin <= gaps_to:
            found.append(self._bucket(begin, end, held))
            known = self._numbers.spans.get(begin)
            held = held if known is None else known.held
            begin, end = self._spans.around(end)
        return found

    def _bucket(self, begin: int, end: int, held: Held) -> SpanBucket:
        values: dict[AggregateFunction, Any] = {}
        counts: dict[bool, int] = {}
        for track, numeric in ((self._numbers, True), (self._all, False)):
            known = track.spans.get(begin)
            counts[numeric] = 0 if known is None else known.points
            if known is not None:
                values |= known.values
        for function in self._functions:
            values.setdefault(function, nothing_of(function, begin, self._until, held))
        ordered = {function: values[function] for function in self._functions}
        return SpanBucket(begin, end, ordered, counts[FUNCTIONS[self._functions[0]].numeric])


def nothing_of(function: AggregateFunction, begin: int, until: int, held: Held) -> Any:
    """Result of a function for a span without points."""
    if function == "count":
        return 0
    if function == "twa" and held is not None and begin < until:
        return held[1]  # the value holds
    return None
