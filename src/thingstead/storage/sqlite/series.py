"""Reads one series: blocks and pending points as one stream, newest first."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import structlog

from thingstead.model.report import SeriesPoint
from thingstead.storage.blocks import DamagedBlock, decode_block

log = structlog.get_logger("thingstead.history")

Point = tuple[int, Any]

SELECT_BLOCKS = (
    "SELECT first_ts, last_ts, points, data FROM block"
    " WHERE device_number = ? AND identifier = ? AND first_ts <= ? AND last_ts >= ? ORDER BY first_ts DESC"
)


class BlockStream:
    """The points of a series' blocks within ``start <= ts <= end``, newest first, block by block."""

    def __init__(self, connection: sqlite3.Connection, number: int, identifier: str, start: int, end: int) -> None:
        self._rows: Iterator[tuple[int, int, int, bytes]] = connection.execute(
            SELECT_BLOCKS, (number, identifier, end, start)
        )
        self._where = {"device_number": number, "identifier": identifier}
        self._start = start
        self._end = end
        self._row: tuple[int, int, int, bytes] | None = next(self._rows, None)

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

    def take(self) -> list[Point]:
        """The points of the next block that lie in the range, newest first; of equal ``ts`` the last appended first."""
        assert self._row is not None, "newest_ts says whether there is a block"
        data = self._row[3]
        self._row = next(self._rows, None)
        try:
            timestamps, values = decode_block(data)
        except DamagedBlock as exc:
            log.error("a damaged block was passed over", error=str(exc), **self._where)
            return []
        points = list(zip(timestamps, values, strict=True))
        points.reverse()
        if timestamps[-1] > self._end or timestamps[0] < self._start:
            points = [point for point in points if self._start <= point[0] <= self._end]
        return points


def newest_points(stream: BlockStream, pending: list[Point], offset: int, limit: int) -> list[SeriesPoint]:
    """Merges blocks with pending points (newest first), passes over ``offset`` points and returns up to ``limit``.

    Where a pending point has the timestamp of one in a block, it was appended later and so comes first.
    """
    found: list[SeriesPoint] = []
    buffer: list[Point] = []  # of the block that is being merged
    at, waiting = 0, 0  # positions in buffer and pending
    while len(found) < limit:
        if at == len(buffer):
            newest = stream.newest_ts
            if newest is None and waiting == len(pending):
                break
            if newest is not None and (waiting == len(pending) or pending[waiting][0] < newest):
                skipped = stream.skip(offset) if waiting == len(pending) else 0
                offset -= skipped
                if not skipped:
                    buffer, at = stream.take(), 0
                continue
        if at == len(buffer) or (waiting < len(pending) and pending[waiting][0] >= buffer[at][0]):
            point = pending[waiting]
            waiting += 1
        else:
            point = buffer[at]
            at += 1
        if offset:
            offset -= 1
        else:
            found.append(SeriesPoint(point[0], point[1]))
    return found
