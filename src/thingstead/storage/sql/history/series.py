"""Reads one series newest first: pending points, spool and blocks as one stream."""

from collections.abc import Iterator
from itertools import starmap
from typing import Any

from thingstead.model.report import SeriesPoint
from thingstead.storage.blocks import decode_block
from thingstead.storage.frames import Damaged
from thingstead.storage.series_ops import Repeats
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.history.quarantine import UnreadableRow
from thingstead.storage.sql.history.spool import Point

BlockData = tuple[int, int, int, bytes]  # first_ts, last_ts, points, data

# Blocks do not overlap, so all blocks in a range begin at or after the one that covers its start.
IN_RANGE = (
    "SELECT first_ts, last_ts, points, data FROM block WHERE device_number = ?1 AND identifier = ?2 AND first_ts <= ?4"
    " AND last_ts >= ?3 AND first_ts >= coalesce((SELECT max(first_ts) FROM block"
    " WHERE device_number = ?1 AND identifier = ?2 AND first_ts <= ?3), ?3) ORDER BY first_ts"
)


def select_blocks(
    connection: Connection, number: int, identifier: str, start: int, end: int, *, newest_first: bool
) -> Iterator[BlockData]:
    """Blocks with points in ``start <= ts <= end``, in order of time or in reverse."""
    rows: Iterator[BlockData] = connection.stream(
        IN_RANGE + (" DESC" if newest_first else ""), (number, identifier, start, end)
    )
    return rows


class BlockStream:
    """Points of a series' blocks with ``start <= ts <= end``, newest first, block by block.

    Damaged blocks are skipped and collected in ``findings``.
    """

    def __init__(self, connection: Connection, number: int, identifier: str, start: int, end: int) -> None:
        self._rows = select_blocks(connection, number, identifier, start, end, newest_first=True)
        self._number = number
        self._identifier = identifier
        self._start = start
        self._end = end
        self._row: BlockData | None = next(self._rows, None)
        self.findings: list[UnreadableRow] = []

    @property
    def newest_ts(self) -> int | None:
        """``last_ts`` of the next block; None at the end."""
        return None if self._row is None else self._row[1]

    def skip(self, limit: int) -> int:
        """Skips the next block without decoding it, if it is completely in the range and has at most ``limit`` points.
        Returns the number of its points; 0 if it was not skipped."""
        if self._row is None:
            return 0
        first_ts, last_ts, points, _ = self._row
        if points > limit or first_ts < self._start or last_ts > self._end:
            return 0
        self._row = next(self._rows, None)
        return points

    def take(self) -> list[tuple[int, Any]]:
        """Points of the next block that are in the range, oldest first."""
        assert self._row is not None, "newest_ts says whether there is a block"
        first_ts, last_ts, _, data = self._row
        self._row = next(self._rows, None)
        try:
            timestamps, values = decode_block(data)
        except Damaged as exc:
            key = (self._number, self._identifier, first_ts)
            self.findings.append(UnreadableRow("block", key, self._number, self._identifier, str(exc), data))
            return []
        points = zip(timestamps, values, strict=True)
        if last_ts > self._end or first_ts < self._start:
            return [point for point in points if self._start <= point[0] <= self._end]
        return list(points)


def newest_points(blocks: BlockStream, unpacked: Iterator[Point], offset: int, limit: int) -> list[SeriesPoint]:
    """Merges points of blocks with points in no block (newest first), skips ``offset`` and returns up to ``limit``.

    Each point is returned once. Of equal timestamps, the points in no block come first, because they were appended
    later.
    """
    found: list[SeriesPoint] = []
    buffer: list[tuple[int, Any]] = []  # points of the block that is being merged, oldest first
    waiting = next(unpacked, None)
    repeats = Repeats()
    while len(found) < limit:
        newest = blocks.newest_ts
        if not buffer and newest is not None and (waiting is None or waiting[0] < newest):
            # A block with the present timestamp may contain a point that was returned already, so it must be decoded.
            skipped = blocks.skip(offset) if waiting is None and repeats.at != newest else 0
            offset -= skipped
            if not skipped:
                buffer = blocks.take()
            continue
        if buffer and (waiting is None or waiting[0] < buffer[0][0]) and repeats.at != buffer[-1][0]:
            # Nothing to merge: take the whole block, or as much as is needed.
            end = max(0, len(buffer) - offset)
            begin = max(0, end - (limit - len(found)))
            offset -= len(buffer) - end
            found.extend(starmap(SeriesPoint, reversed(buffer[begin:end])))
            buffer = []
            continue
        if waiting is not None and (not buffer or waiting[0] >= buffer[-1][0]):
            (ts, value, timed), waiting = waiting, next(unpacked, None)
        elif buffer:
            (ts, value), timed = buffer.pop(), False
        else:
            break
        if repeats.repeated_by(0, ts, value, timed) is not None:
            continue
        if offset:
            offset -= 1
        else:
            found.append(SeriesPoint(ts, value))
    return found
