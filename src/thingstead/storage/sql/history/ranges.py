"""Reads of long ranges: in a thread, in one pass, bounded."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from thingstead.errors import InvalidInput
from thingstead.model.device import AttributeValue
from thingstead.model.report import (
    BAND_FUNCTIONS,
    AggregateFunction,
    Band,
    Bucket,
    Sample,
    SampleMethod,
    SeriesPoint,
    SpanBucket,
)
from thingstead.model.spans import FixedSpans, Spans
from thingstead.storage.aggregation import NUMBERS
from thingstead.storage.blocks import ANY, Column, decode_column
from thingstead.storage.counters import COUNTERS
from thingstead.storage.frames import Damaged
from thingstead.storage.sampling import sample
from thingstead.storage.series_ops import Series, merged, series_of, without_repeats
from thingstead.storage.spanned import Aggregation
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.database import Database
from thingstead.storage.sql.access.read_lanes import GoOn, Run
from thingstead.storage.sql.access.transactions import snapshot
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.history.quarantine import UnreadableRow
from thingstead.storage.sql.history.series import BlockData, BlockStream, newest_points, select_blocks
from thingstead.storage.sql.history.spool import Unpacked

T = TypeVar("T")


class RangeReader:
    """History of one device within one read transaction."""

    def __init__(
        self,
        connection: Connection,
        number: int,
        unpacked: Unpacked,
        points_limit: int = 2**63,
        go_on: GoOn = lambda: None,
    ) -> None:
        self._connection = connection
        self._number = number
        self._unpacked = unpacked
        self._go_on = go_on
        self._points_left = points_limit
        self._points_limit = points_limit
        self._damaged_blocks: list[UnreadableRow] = []

    @property
    def findings(self) -> list[UnreadableRow]:
        """Damaged rows that were skipped."""
        return self._unpacked.findings + self._damaged_blocks

    def columns(self, identifier: str, start: int, end: int) -> Iterator[Column]:
        """Points of a series with ``start <= ts <= end``, each once, as columns in order of time.

        Raises:
            InvalidInput: there are more than the limit.
        """
        late = without_repeats(series_of(self._unpacked.points(identifier, start, end)))
        rows = select_blocks(self._connection, self._number, identifier, start, end, newest_first=False)
        row = next(rows, None)
        if row is None:
            yield self._counted(_plain(late))
        begin = 0  # index of the first late point that was not returned yet
        while row is not None:
            following = next(rows, None)
            edge = len(late.timestamps) if following is None else bisect_left(late.timestamps, following[0], begin)
            yield from map(self._counted, self._merged(identifier, row, late.part(begin, edge), start, end))
            begin, row = edge, following

    def newest(self, identifier: str, end: int) -> SeriesPoint | None:
        """The newest point at or before ``end``; None if there is none."""
        self._go_on()
        blocks = BlockStream(self._connection, self._number, identifier, 0, end)
        points = newest_points(blocks, self._unpacked.newest_points(identifier, 0, end), 0, 1)
        self._damaged_blocks += blocks.findings
        return points[0] if points else None

    def extent(self, identifier: str, start: int, end: int) -> tuple[int, int]:
        """A range within ``start`` and ``end`` that contains all their points and is not much wider than these."""
        first, last = end, start
        for newest_first in (False, True):
            block = next(
                select_blocks(self._connection, self._number, identifier, start, end, newest_first=newest_first),
                None,
            )
            if block is not None:
                first, last = min(first, max(start, block[0])), max(last, min(end, block[1]))
        for ts, _, _ in self._unpacked.points(identifier, start, end):
            first, last = min(first, ts), max(last, ts)
        return (first, last) if first <= last else (start, end)

    def _merged(self, identifier: str, row: BlockData, late: Series, start: int, end: int) -> list[Column]:
        first_ts, last_ts, _, data = row
        try:
            column = decode_column(data)
        except Damaged as exc:
            key = (self._number, identifier, first_ts)
            self._damaged_blocks.append(UnreadableRow("block", key, self._number, identifier, str(exc), data))
            return [_plain(late)]
        if first_ts < start or last_ts > end:
            column = _clipped(column, start, end)
        if not late.timestamps:
            return [column]
        if not column.timestamps or late.timestamps[0] > column.timestamps[-1]:
            return [column, _plain(late)]
        return [_plain(merged(Series(column.timestamps, column.values()), late))]

    def _counted(self, column: Column) -> Column:
        self._go_on()
        self._points_left -= len(column.timestamps)
        if self._points_left < 0:
            raise InvalidInput.field("end_time", "too_many_points", maximum=self._points_limit)
        return column


def _plain(series: Series) -> Column:
    return Column(series.timestamps, ANY, 1, series.values)


def _clipped(column: Column, start: int, end: int) -> Column:
    timestamps = column.timestamps
    begin, stop = bisect_left(timestamps, start), bisect_left(timestamps, end + 1)
    return column._replace(timestamps=timestamps[begin:stop], content=column.content[begin:stop])


class SqlRanges:
    """See :class:`~thingstead.storage.base.RangeStore`."""

    def __init__(self, database: Database, history: SqlHistory) -> None:
        self._database = database
        self._history = history

    async def aggregate(
        self,
        device_number: int,
        identifier: str,
        start: int,
        end: int,
        *,
        interval: int,
        function: AggregateFunction,
        points_limit: int,
    ) -> list[Bucket]:
        buckets = await self.spans(
            device_number,
            identifier,
            start,
            end,
            spans=FixedSpans(start, interval),
            functions=(function,),
            gaps=False,
            until=end + 1,
            points_limit=points_limit,
        )
        return [Bucket(each.start, each.values[function], each.count) for each in buckets]

    async def spans(
        self,
        device_number: int,
        identifier: str,
        start: int,
        end: int,
        *,
        spans: Spans,
        functions: Sequence[AggregateFunction],
        gaps: bool,
        until: int,
        points_limit: int,
    ) -> list[SpanBucket]:
        def run(reader: RangeReader) -> list[SpanBucket]:
            before = reader.newest(identifier, start - 1) if not COUNTERS.keys().isdisjoint(functions) else None
            number = before is not None and type(before.value) in NUMBERS
            held = (before.ts, before.value) if before is not None and number else None
            aggregation = Aggregation(functions, spans, start, until, held)
            for column in reader.columns(identifier, start, end):
                aggregation.add(column)
            return aggregation.buckets(gaps_to=end if gaps else None)

        return await self._read(device_number, points_limit, run)

    async def sample(
        self,
        device_number: int,
        identifiers: Sequence[str],
        start: int,
        end: int,
        *,
        points: int,
        method: SampleMethod,
        points_limit: int,
    ) -> list[Sample]:
        def run(reader: RangeReader) -> list[Sample]:
            samples = []
            for identifier in identifiers:
                first, last = reader.extent(identifier, start, end)
                chosen, count = sample(reader.columns(identifier, start, end), first, last, points, method)
                samples.append(Sample(identifier, chosen, count))
            return samples

        return await self._read(device_number, points_limit, run)

    async def bands(
        self,
        device_number: int,
        identifiers: Sequence[str],
        start: int,
        end: int,
        *,
        spans: Spans,
        raw_limit: int,
        gaps: bool,
        points_limit: int,
    ) -> list[Band]:
        def run(reader: RangeReader) -> list[Band]:
            return [band(reader, identifier) for identifier in identifiers]

        def band(reader: RangeReader, identifier: str) -> Band:
            aggregation = Aggregation(BAND_FUNCTIONS, spans, start, end + 1)
            for column in reader.columns(identifier, start, end):
                aggregation.add(column)
            buckets = aggregation.buckets()
            count = sum(bucket.count for bucket in buckets)
            if count <= raw_limit:
                columns = reader.columns(identifier, start, end)
                points = [pair for each in columns for pair in zip(each.timestamps, each.values(), strict=True)]
                return Band(identifier, points, [], count)
            return Band(identifier, [], aggregation.buckets(gaps_to=end) if gaps else buckets, count)

        return await self._read(device_number, points_limit, run)

    async def values_at(self, device_number: int, at: int) -> dict[str, AttributeValue]:
        current = dict(await self._history.current(device_number))

        def run(reader: RangeReader) -> dict[str, AttributeValue]:
            values = {}
            for identifier, known in current.items():
                if known.ts <= at:
                    values[identifier] = known
                elif (point := reader.newest(identifier, at)) is not None:
                    values[identifier] = AttributeValue(point.ts, point.value)
            return values

        return await self._read(device_number, 2**63, run)

    async def _read(self, number: int, points_limit: int, run: Callable[[RangeReader], T]) -> T:
        def prepare() -> Run[tuple[T, list[UnreadableRow]]]:
            pending = self._history.pending(number)

            def read(connection: Connection, go_on: GoOn) -> tuple[T, list[UnreadableRow]]:
                with snapshot(connection):
                    unpacked = Unpacked(connection, number, pending)
                    reader = RangeReader(connection, number, unpacked, points_limit, go_on)
                    return run(reader), reader.findings

            return read

        result, findings = await self._database.read_large(number, prepare)
        self._history.quarantine.found(findings)
        return result
