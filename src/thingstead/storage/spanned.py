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
    """What the functions of a track make of a span."""

    end: int
    values: dict[AggregateFunction, Any]
    points: int  # that counted
    held: Held


class _Track:
    """The functions that count the same points, in one walk over them."""

    def __init__(
        self, functions: Sequence[AggregateFunction], spans: Spans, start: int, until: int, held: Held
    ) -> None:
        self._makers = {function: FUNCTIONS[function] for function in functions}
        self._spans = spans
        self._start, self._until = start, until
        self._held = held  # the newest point so far
        self._open: dict[AggregateFunction, Accumulator] = {}
        self._begin = self._end = -1  # of the open span
        self._count = 0  # points in it
        self.spans: dict[int, SpanValues] = {}  # by where each begins

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
    """Spans of time over columns that are given in order of time, with what some functions make of each, in one pass.

    Args:
        start: the first instant.
        until: the instant up to which a value holds that has no successor.
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
        """Takes the next column; it begins at or after ``start``."""
        for track in self._tracks:
            track.add(numbers_of(column) if track is self._numbers else column)

    def buckets(self, *, gaps_to: int | None = None) -> list[SpanBucket]:
        """Those in which something counts, by time; with ``gaps_to`` also those up to this instant in which nothing
        does."""
        for track in self._tracks:
            track.close()
        if gaps_to is None and len(self._tracks) == 1:  # nearly always, and all is there
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
    """What a function makes of a span without a point that counts."""
    if function == "count":
        return 0
    if function == "twa" and held is not None and begin < until:
        return held[1]  # the value holds
    return None
