"""The spool: reports of a device that have left the log and are in no block yet.

A packing finds a few reports of each device. Merging them into blocks at once would rewrite a block of every series for
a few points; so they wait here, a row a packing, until they fill blocks.
"""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from thingstead.storage.frames import Damaged
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.history.heads import without_attributes
from thingstead.storage.sql.history.quarantine import UnreadableRow
from thingstead.storage.sql.history.records import (
    PendingReport,
    decode_spooled,
    decode_values,
    encode_spooled,
    is_flat,
    nested_bytes,
)

Point = tuple[int, Any, bool]  # ts, value, timed

SELECT_SPOOL = "SELECT id, points, reports FROM spool WHERE device_number = ? ORDER BY id"
SELECT_ROWS = (
    "SELECT id, last_ts FROM spool WHERE device_number = ? AND last_ts >= ? AND first_ts <= ? ORDER BY last_ts, id"
)
SELECT_PACKED = "SELECT packed_seq, spooled FROM device_state WHERE device_number = ?"

_Next = tuple[int, int, Any, bool, Iterator[Point]]  # -ts, -order of its source, value, timed, rest of the source

PENDING_ORDER = 2**63 - 1  # greater than the id of any row
EVER = (0, 2**63 - 1)

_ts = attrgetter("ts")
_encode_name = msgspec.msgpack.Encoder().encode


class Spooled(NamedTuple):
    """Spooled reports of a device, or the oldest of them, in the order in which they were appended."""

    timestamps: list[int]  # one for each report
    values: list[dict[str, Any]]  # one for each report
    timed: list[bool]  # one for each report: whether it has its own timestamp
    points: int
    size_bytes: int  # size of the reports, without the overhead of nested values
    last_id: int  # id of the newest row; 0: there is none
    more: bool  # there are further rows
    findings: list[UnreadableRow]  # rows that could not be read


def read_spool(connection: Connection, number: int, points_limit: int, bytes_limit: int) -> Spooled:
    """Reads the oldest rows of a device until a limit is reached."""
    timestamps: list[int] = []
    values: list[dict[str, Any]] = []
    timed: list[bool] = []
    findings: list[UnreadableRow] = []
    points = size = nested = last_id = 0
    rows = connection.stream(SELECT_SPOOL, (number,))
    for row_id, row_points, data in rows:
        last_id = row_id
        try:
            reports = decode_spooled(data)
        except Damaged as exc:
            findings.append(UnreadableRow("spool", (row_id,), number, None, str(exc), data))
            continue
        decoded = [decode_values(report.body) for report in reports]
        timestamps += [report.ts for report in reports]
        values += decoded
        timed += [report.timed for report in reports]
        points += row_points
        size += sum(len(report.body) for report in reports)
        nested += sum(nested_bytes(each.values()) for each in decoded if not is_flat(map(type, each.values())))
        if points >= points_limit or size + nested >= bytes_limit:
            break
    return Spooled(timestamps, values, timed, points, size, last_id, next(rows, None) is not None, findings)


class Unpacked:
    """Points of a device that are in no block: the spool, and pending reports that were not spooled meanwhile.

    Must be made and used, and the blocks read, within one transaction, so that each report is seen once. Rows are read
    when needed; damaged ones are skipped and collected in ``findings``.
    """

    def __init__(self, connection: Connection, number: int, pending: Sequence[PendingReport]) -> None:
        packed_seq, spooled = connection.execute(SELECT_PACKED, (number,)).fetchone() or (-1, 0)
        self._connection = connection
        self._number = number
        self._pending = [report for report in pending if report.seq > packed_seq]
        self._spooled = spooled
        self._rows: dict[int, list[PendingReport]] = {}
        self.findings: list[UnreadableRow] = []

    def points(self, identifier: str, start: int, end: int) -> Iterator[Point]:
        """Points of one attribute with ``start <= ts <= end``, in the order in which they were appended."""
        for row_id, _ in sorted(self._rows_in(start, end)):
            yield from _points_of(_in_range(self._row(row_id), start, end), identifier)
        yield from _points_of(_in_range(self._pending, start, end), identifier)

    def newest_points(self, identifier: str, start: int, end: int) -> Iterator[Point]:
        """The same points, newest first; of equal ``ts`` the last appended first. Decodes only as much as is
        consumed."""
        pending = _in_range(self._pending, start, end)
        rows = [(last_ts, row_id) for row_id, last_ts in self._rows_in(start, end)]
        active: list[_Next] = []  # heap: newest first, then last appended
        _advance(active, _newest_first(pending, identifier), PENDING_ORDER)
        while active or rows:
            while rows and (not active or rows[-1][0] >= -active[0][0]):
                row_id = rows.pop()[1]
                _advance(active, _newest_first(_in_range(self._row(row_id), start, end), identifier), row_id)
            if active:
                negative_ts, negative_order, value, timed, rest = heappop(active)
                yield -negative_ts, value, timed
                _advance(active, rest, -negative_order)

    def identifiers(self) -> set[str]:
        """Attributes with points in no block."""
        reports = self._pending + [report for row_id, _ in self._rows_in(*EVER) for report in self._row(row_id)]
        return {identifier for report in reports for identifier in decode_values(report.body)}

    def _rows_in(self, start: int, end: int) -> list[tuple[int, int]]:
        """Id and ``last_ts`` of rows with reports in the range, by ``last_ts``."""
        if not self._spooled:
            return []
        return self._connection.execute(SELECT_ROWS, (self._number, start, end)).fetchall()

    def _row(self, row_id: int) -> list[PendingReport]:
        reports = self._rows.get(row_id)
        if reports is None:
            (data,) = self._connection.execute("SELECT reports FROM spool WHERE id = ?", (row_id,)).fetchone()
            try:
                reports = decode_spooled(data)
            except Damaged as exc:
                self.findings.append(UnreadableRow("spool", (row_id,), self._number, None, str(exc), data))
                reports = []
            self._rows[row_id] = reports
        return reports


def _in_range(reports: list[PendingReport], start: int, end: int) -> list[PendingReport]:
    return [report for report in reports if start <= report.ts <= end]


def _points_of(reports: Sequence[PendingReport], identifier: str) -> Iterator[Point]:
    name = _encode_name(identifier)
    for report in reports:
        if name in report.body:
            values = decode_values(report.body)
            if identifier in values:
                yield report.ts, values[identifier], report.timed


def _newest_first(reports: list[PendingReport], identifier: str) -> Iterator[Point]:
    reports.sort(key=_ts)
    reports.reverse()
    return _points_of(reports, identifier)


def _advance(active: list[_Next], points: Iterator[Point], order: int) -> None:
    """Adds the next point of a source to the heap. Orders are unique, so values are never compared."""
    for ts, value, timed in points:
        heappush(active, (-ts, -order, value, timed, points))
        return


def remove_attributes(connection: Connection, number: int, identifiers: set[str]) -> int:
    """Removes attributes from the spool. Returns the number of points of the device that are left in it."""
    left = 0
    for row_id, row_points, data in connection.execute(SELECT_SPOOL, (number,)).fetchall():
        try:
            reports = decode_spooled(data)
        except Damaged:
            left += row_points
            continue  # damaged; readers move it to the quarantine
        kept, points = without_attributes(reports, identifiers)
        left += points
        if kept:
            connection.execute(
                "UPDATE spool SET points = ?, reports = ? WHERE id = ?", (points, encode_spooled(kept), row_id)
            )
        else:
            connection.execute("DELETE FROM spool WHERE id = ?", (row_id,))
    connection.execute("UPDATE device_state SET spooled = ? WHERE device_number = ?", (left, number))
    return left
