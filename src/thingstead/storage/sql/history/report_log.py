"""Replays the report log at a start as far as it is readable, and replaces a log with a damaged page."""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import structlog

from thingstead.storage.frames import Damaged
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.history.quarantine import UnreadableRow, set_aside
from thingstead.storage.sql.history.records import LogEntry, decode_entries

log = structlog.get_logger("thingstead.history")


STEP_BYTES = 8_388_608  # of the log that are read and applied at once


LogRow = tuple[int, list[LogEntry]]  # seq and entries


class Log(NamedTuple):
    """Rows of the log to be applied, and the seq from which to continue."""

    rows: list[LogRow]  # in order
    findings: list[UnreadableRow]
    newest_seq: int
    lost: int  # rows in such pages, as far as known


class _Damage:
    """Damage that was found while reading a log."""

    met = False
    lost = 0


class LogReader:
    """Reads the log in steps. :meth:`read` may run in any thread. Damaged rows are skipped."""

    def __init__(self, bytes_limit: int = STEP_BYTES) -> None:
        self._bytes_limit = bytes_limit
        self._damage = _Damage()
        self._newest: int | None = None  # greatest seq so far
        self._after = -1
        self.ended = False

    @property
    def broken(self) -> bool:
        """Whether a page of the log is damaged, so that appends or deletions may fail."""
        return self._damage.met

    def read(self, connection: Connection) -> Log:
        """The next rows, up to about ``bytes_limit`` bytes."""
        rows: list[LogRow] = []
        findings: list[UnreadableRow] = []
        newest = _newest_packed(connection) if self._newest is None else self._newest
        size = 0
        self.ended = True
        for seq, data in _rows(connection, self._damage, self._after):
            newest = max(newest, seq)
            size += len(data)
            try:
                rows.append((seq, decode_entries(data)))
            except Damaged as exc:
                findings.append(UnreadableRow("report_log", (seq,), None, None, str(exc), data))
            if size >= self._bytes_limit:
                self._after, self.ended = seq, False
                break
        self._newest = newest
        return Log(rows, findings, newest, self._damage.lost)


def read_log(connection: Connection) -> Log:
    """The whole log."""
    return LogReader(bytes_limit=2**63).read(connection)


def readable_rows(connection: Connection) -> list[tuple[int, bytes]]:
    """The readable rows of a log with a damaged page, undecoded."""
    return list(_rows(connection, _Damage()))


def renew(connection: Connection, rows: Sequence[tuple[int, bytes]], found_at: int) -> None:
    """Replaces a log with a damaged page by a new one with these rows. The old table is renamed, because dropping it
    would fail. The rows are a parameter, because a connection that met the damage cannot do both."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    name = next(name for name in map("report_log_damaged_{}".format, itertools.count(1)) if name not in tables)
    (create,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'report_log'").fetchone()
    connection.execute(f"ALTER TABLE report_log RENAME TO {name}")
    connection.execute(create)
    connection.executemany("INSERT INTO report_log (seq, entries) VALUES (?, ?)", rows)
    reason = f"a page of the report log is damaged; the damaged table was renamed to {name}"
    set_aside(connection, [UnreadableRow("log", (name,), None, None, reason, b"")], found_at)


def _rows(connection: Connection, damage: _Damage, after: int = -1) -> Iterator[tuple[int, bytes]]:
    """Readable rows of the log after ``after``; notes in ``damage`` what is not readable."""
    seq = after
    try:
        for seq, data in connection.stream("SELECT seq, entries FROM report_log WHERE seq > ? ORDER BY seq", (after,)):
            yield seq, data
    except connection.dialect.driver_errors as exc:
        if not connection.dialect.is_damage(exc):
            raise
        damage.met = True
        log.error("a page of the report log is damaged; later rows are read one by one", after_seq=seq, error=str(exc))
        yield from _rows_one_by_one(connection, seq, damage)


def _rows_one_by_one(connection: Connection, after: int, damage: _Damage) -> Iterator[tuple[int, bytes]]:
    try:
        last = connection.execute("SELECT max(seq) FROM report_log").fetchone()[0] or 0
    except connection.dialect.driver_errors:
        damage.lost += 1  # at least
        return
    for seq in range(after + 1, last + 1):  # seq has no large gaps: every commit takes the next number
        try:
            row = connection.execute("SELECT entries FROM report_log WHERE seq = ?", (seq,)).fetchone()
        except connection.dialect.driver_errors:
            damage.lost += 1
            continue
        if row is not None:
            yield seq, row[0]
    log.error("rows of the report log cannot be read", rows=damage.lost)


def _newest_packed(connection: Connection) -> int:
    """The greatest ``packed_seq``. Later reports must get greater numbers, otherwise they would count as packed."""
    try:
        return connection.execute("SELECT max(packed_seq) FROM device_state").fetchone()[0] or 0
    except connection.dialect.driver_errors as exc:
        if not connection.dialect.is_damage(exc):
            raise
        log.error("a page of the table of device states is damaged", error=str(exc))
    newest = 0
    for (number,) in connection.execute("SELECT number FROM devices"):
        try:
            row = connection.execute(
                "SELECT packed_seq FROM device_state WHERE device_number = ?", (number,)
            ).fetchone()
        except connection.dialect.driver_errors:
            continue
        newest = max(newest, row[0] if row else 0)
    return newest
