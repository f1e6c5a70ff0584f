"""Reads one series newest first: pending points, spool and blocks as one stream."""

import sqlite3
from collections.abc import Iterator
from itertools import starmap
from typing import Any

from thingstead.model.report import SeriesPoint
from thingstead.storage.blocks import decode_block
from thingstead.storage.frames import Damaged
from thingstead.storage.series_ops import Repeats
from thingstead.storage.sqlite.history.quarantine import UnreadableRow
from thingstead.storage.sqlite.history.spool import Point

BlockData = tuple[int, int, int, bytes]  # first_ts, last_ts, points, data

# Blocks do not overlap, so all of them in a range begin at or after the one that covers its start.
IN_RANGE = (
    "SELECT first_ts, last_ts, points, data FROM block WHERE device_number = ?1 AND identifier = ?2 AND first_ts <= ?4"
    " AND last_ts >= ?3 AND first_ts >= coalesce((SELECT max(first_ts) FROM block"
    " WHERE device_number = ?1 AND identifier = ?2 AND first_ts <= ?3), ?3) ORDER BY first_ts"
)


def select_blocks(
    connection: sqlite3.Connection, number: int, identifier: str, start: int, end: int, *, newest_first: bool
) -> Iterator[BlockData]:
    """The blocks with points in ``start <= ts <= end``, in order of time or against it."""
    rows: Iterator[BlockData] = connection.execute(
        IN_RANGE + (" DESC" if newest_first else ""), (number, identifier, start, end)
    )
    return rows


class BlockStream:
    """The points of a series' blocks within ``start <= ts <= end``, newest first, block by block.

    Damaged blocks are passed over and gathered in ``findings``.
    """

    def __init__(self, connection: sqlite3.Connection, number: int, identifier: str, start: int, end: int) -> None:
        self._rows = select_blocks(connection, number, identifier, start, end, newest_first=True)
        self._number = number
        self._identifier = identifier
        self._start = start
        self._end = end
        self._row: BlockData | None = next(self._rows, None)
        self.findings: list[UnreadableRow] = []

    @property
    def newest_ts(self) -> int | None:
        """The ``last_ts`` of the next block, or None at the end."""
        return None if self._row is None else self._row[1]

    def skip(self, limit: int) -> int:
        """Passes over the next block without unpacking it, where it lies in the range as a whole and has at most
        ``limit`` points; returns how many it had, 0 where it was not passed over."""
        if self._row is None:
            return 0
        first_ts, last_ts, points, _ = self._row
        if points > limit or first_ts < self._start or last_ts > self._end:
            return 0
        self._row = next(self._rows, None)
        return points

    def take(self) -> list[tuple[int, Any]]:
        """The points of the next block that lie in the range, oldest first."""
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
    """Merges blocks with points of no block (newest first), passes over ``offset`` and returns up to ``limit``.

    Each point once. Where one that is in no block has the timestamp of one in a block, it was appended later and so
    comes first.
    """
    found: list[SeriesPoint] = []
    buffer: list[tuple[int, Any]] = []  # of the block that is being merged, oldest first
    waiting = next(unpacked, None)
    repeats = Repeats()
    while len(found) < limit:
        newest = blocks.newest_ts
        if not buffer and newest is not None and (waiting is None or waiting[0] < newest):
            # A block at whose timestamp we are may hold a point that was seen already, so it has to be looked into.
            skipped = blocks.skip(offset) if waiting is None and repeats.at != newest else 0
            offset -= skipped
            if not skipped:
                buffer = blocks.take()
            continue
        if buffer and (waiting is None or waiting[0] < buffer[0][0]) and repeats.at != buffer[-1][0]:
            # Nothing is to be merged, so the block is taken as a whole, or as much of it as is wanted.
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
