"""Current values and history in SQLite: a log row per commit, heads in memory, blocks for what is older.

* *Append*: reports between two turns of the event loop form a batch; a batch is one row of ``report_log`` in one
  transaction. While one batch is being committed the next one fills. When it is on disk it is applied to the heads,
  then its callbacks run, so whoever is acknowledged reads what was acknowledged.
* *Pack* (``packer.py``): when enough points are pending, or after a while, the heads move them into the spool or into
  blocks, and their log rows are deleted.
* *Start*: state rows are read when a device is first seen; log rows that are not packed yet are applied again.
"""

import asyncio
import gc
import sqlite3
from collections.abc import Callable, Mapping, Sequence

from thingstead.clock import Clock, SystemClock
from thingstead.errors import InvalidInput, ThingsteadError, Unavailable
from thingstead.model.device import AttributeValue, UplinkKind
from thingstead.model.report import Report, SeriesPoint
from thingstead.storage.sqlite.batch import Batch, Run
from thingstead.storage.sqlite.database import Database
from thingstead.storage.sqlite.head_cache import HeadCache
from thingstead.storage.sqlite.heads import Head
from thingstead.storage.sqlite.log import Log, read_log, readable_rows, renew
from thingstead.storage.sqlite.packer import Packer
from thingstead.storage.sqlite.quarantine import Finding, Quarantine
from thingstead.storage.sqlite.records import (
    REMOVE_CODE,
    SOURCE_CODES,
    TOUCH_CODES,
    LogEntry,
    Pending,
    encode_entries,
    encode_values,
)
from thingstead.storage.sqlite.removal import remove_blocks, remove_device
from thingstead.storage.sqlite.series import BlockStream, newest_points
from thingstead.storage.sqlite.snapshots import snapshot
from thingstead.storage.sqlite.spool import Unpacked, remove_attributes

MAX_ATTRIBUTES = 2_000  # of one device: a device that makes up identifiers cannot fill memory
INLINE_POINTS = 1_000  # a series read up to this deep runs on the event loop, a deeper one in a thread
DUE_LIMIT = 5_000_000  # points that wait to become blocks, at which producers are held back
INLINE_UNPACKED = 10_000  # points of a device in no block, over which a read runs in a thread too
REFUSED_KINDS = ("event", "data")  # uplinks that are refused where reports are; the others need next to no room
INSERT_LOG = "INSERT INTO report_log (seq, entries) VALUES (?, ?)"


class SqliteHistory:
    """The ``HistoryStore`` of one SQLite file. Use :meth:`open`."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock | None = None,
        pack_points: int = 300_000,
        pack_interval_s: float = 300.0,
        waiting_limit: int = 50_000,
        head_limit: int = 20_000,
    ) -> None:
        self._database = database
        self._loop = asyncio.get_running_loop()
        self._pending_limit = 4 * pack_points  # pending points at which producers are held back
        self._waiting_limit = waiting_limit  # reports that wait for a commit at which producers are held back
        self._open: Batch | None = None
        self._committing: Batch | None = None
        self._seq = 0  # the newest log row that was begun
        self._relief: list[Callable[[], None]] = []
        self.now_ms = now_ms = (clock or SystemClock()).now_ms
        self.quarantine = Quarantine(database, now_ms)
        self.packer = Packer(
            database,
            self.quarantine,
            now_ms,
            self._relieve,
            pack_points=pack_points,
            pack_interval_s=pack_interval_s,
        )
        self.heads = HeadCache(database, self.quarantine, self._busy, self.packer.touched, head_limit)
        self._head = self.heads.get
        self.refusal: str | None = None  # why nothing is appended now
        self.waiting = 0  # reports not yet on disk
        self.commits = 0
        self.points_committed = 0
        self.reports_committed = 0

    async def open(self) -> None:
        """Applies the log that the last run left, and starts packing."""
        log = await self._database.read(read_log)
        self.quarantine.found(log.findings)
        if log.broken:
            now, rows = self.now_ms(), await self._database.read(readable_rows)
            await self._database.write(lambda connection: renew(connection, rows, now))
            self.quarantine.rows += 1
        self._seq = log.newest_seq
        self._replay(log)
        self.packer.applied_seq = self._seq
        self.packer.added(sum(head.points for head in self.packer.dirty.values()))
        self.packer.start()

    def _replay(self, log: Log) -> None:
        """Applies the log to the heads."""
        dirty = self.packer.dirty
        collecting = gc.isenabled()
        gc.disable()  # hundreds of thousands of objects that stay: looking for garbage among them costs a quarter
        try:
            for seq, entries in log.rows:
                for entry in entries:
                    head = self._head(entry[0])
                    head.replay(seq, entry)
                    dirty[head.number] = head
        finally:
            if collecting:
                gc.enable()

    async def close(self) -> None:
        """Commits what was appended. What is pending stays in the log for the next start."""
        await self.packer.close()
        while (batch := self._committing or self._open) is not None:
            ended = asyncio.Event()
            batch.on_done(lambda error, ended=ended: ended.set())  # type: ignore[misc]
            await ended.wait()

    # Appending

    def append(self, report: Report) -> Batch:
        _, batch = self.append_run((report,))
        if batch is None:
            if not _has_room(self._head(report.device_number), (report,)):
                raise InvalidInput(f"a device has at most {MAX_ATTRIBUTES} attributes")
            raise InvalidInput("an integer needs more than 64 bits")
        return batch

    def append_run(self, reports: Sequence[Report]) -> tuple[int, Batch | None]:
        if self.refusal is not None:
            raise Unavailable(self.refusal)
        number, code = reports[0].device_number, SOURCE_CODES[reports[0].source]
        head = self._head(number)
        entries: list[LogEntry] = []
        points = 0
        try:
            for upto, report in enumerate(reports, 1):
                attributes = report.attributes
                points += len(attributes)
                if head.names_bound + points > MAX_ATTRIBUTES and not _has_room(head, reports[:upto]):
                    points -= len(attributes)
                    break
                body = encode_values(attributes)
                entries.append((number, report.ts, report.received_at, code, body))
        except OverflowError:  # an integer needs more than 64 bits
            points -= len(attributes)
        if not entries:
            return 0, None
        batch = self._open or self._opened()
        self._extend_run(batch, head, code, entries, points).reports += reports[: len(entries)]
        return len(entries), batch

    def touch(self, device_number: int, kind: UplinkKind, ts: int) -> Batch:
        if self.refusal is not None and kind in REFUSED_KINDS:
            raise Unavailable(self.refusal)
        return self._add(self._head(device_number), (device_number, ts, ts, TOUCH_CODES[kind], b""))

    def also(self, write: Callable[[sqlite3.Connection], None]) -> Batch:
        """Puts a further write into the open commit."""
        batch = self._opened()
        batch.extras.append(write)
        return batch

    def _add(self, head: Head, entry: LogEntry) -> Batch:
        """Appends an entry that is no report."""
        batch = self._open or self._opened()
        self._extend_run(batch, head, entry[3], [entry], 0)
        return batch

    def _extend_run(self, batch: Batch, head: Head, code: int, entries: list[LogEntry], points: int) -> Run:
        run = batch.runs[-1] if batch.runs else None
        if run is None or run.head is not head or run.code != code:
            run = Run(head, code)
            batch.runs.append(run)
        run.entries += entries
        run.points += points
        self.waiting += len(entries)
        return run

    def _opened(self) -> Batch:
        batch = self._open
        if batch is None:
            batch = self._open = Batch()
            if self._committing is None:
                self._loop.call_soon(self._commit)
        return batch

    def _commit(self) -> None:
        batch = self._open
        if batch is None or self._committing is not None:
            return
        self._open, self._committing = None, batch
        self._seq = seq = self._seq + 1
        runs, extras = batch.runs, batch.extras

        def insert(connection: sqlite3.Connection) -> None:
            for extra in extras:
                extra(connection)
            if runs:
                connection.execute(INSERT_LOG, (seq, encode_entries(batch.entries())))

        def deliver(_: None, error: Exception | None) -> None:
            self._committed(batch, seq, error)

        try:
            self._database.submit(insert, deliver, single_statement=not extras)
        except ThingsteadError as exc:
            self._loop.call_soon(self._committed, batch, seq, exc)

    def _committed(self, batch: Batch, seq: int, error: Exception | None) -> None:
        self._committing = None
        if self._open is not None:
            self._commit()  # first of all, so that the writer works while this batch is applied
        self.waiting -= sum(len(run.entries) for run in batch.runs)
        if error is None:
            self._apply(batch, seq)
        self.packer.applied_seq = seq
        batch.end(error)
        self._relieve()

    def _apply(self, batch: Batch, seq: int) -> None:
        dirty = self.packer.dirty
        points = reports = 0
        for run in batch.runs:
            head = run.head
            before = head.points
            if run.reports:
                head.take(seq, run.entries, run.reports, run.points)
            else:
                for entry in run.entries:
                    head.replay(seq, entry)
            points += head.points - before
            reports += len(run.entries)
            dirty[head.number] = head
        self.commits += 1
        self.reports_committed += reports
        self.points_committed += points
        self.packer.added(points)

    # Back-pressure

    def refuse(self, reason: str | None) -> None:
        """From now on nothing is appended, for this reason; None: everything is again."""
        self.refusal = reason

    @property
    def congested(self) -> bool:
        return (
            self.waiting >= self._waiting_limit
            or self.packer.pending_points >= self._pending_limit
            or self.packer.due_points >= DUE_LIMIT
        )

    def on_relief(self, callback: Callable[[], None]) -> None:
        if self.congested:
            self._relief.append(callback)
        else:
            self._loop.call_soon(callback)

    def _relieve(self) -> None:
        if self._relief and not self.congested:
            relieved, self._relief = self._relief, []
            for callback in relieved:
                self._loop.call_soon(callback)

    def _busy(self) -> set[int]:
        """Devices whose heads must stay: they are dirty, or wait for a commit."""
        batches = [batch for batch in (self._open, self._committing) if batch]
        return self.packer.busy.union(run.head.number for batch in batches for run in batch.runs)

    # Reading

    async def current(self, device_number: int) -> Mapping[str, AttributeValue]:
        return self._head(device_number).current

    def pending(self, device_number: int) -> list[Pending]:
        """Reports of a device that may not be packed yet, in the order in which they were appended."""
        return list(self._head(device_number).pending)

    def active_of(self, device_numbers: Sequence[int]) -> dict[int, dict[str, int]]:
        """The newest uplink (ms) by kind, of each device."""
        return self.heads.active_of(device_numbers)

    def count_active(self, project_id: str, since: int) -> int:
        """How many devices of a project have an uplink at or after ``since`` (ms)."""
        reader = self._database.reader
        stored: int = reader.execute(
            "SELECT count(*) FROM device_state JOIN devices ON devices.number = device_state.device_number"
            " WHERE devices.project_id = ? AND newest_uplink >= ?",
            (project_id, since),
        ).fetchone()[0]
        fresh = [
            head.number
            for head in self.packer.dirty.values()
            if head.newest_uplink >= since and head.stored_uplink < since
        ]
        if not fresh:
            return stored
        found: int = reader.execute(
            "SELECT count(*) FROM devices WHERE project_id = ? AND number IN (SELECT value FROM json_each(?))",
            (project_id, str(fresh)),
        ).fetchone()[0]
        return stored + found

    async def series(
        self, device_number: int, identifier: str, start: int, end: int, *, offset: int, limit: int
    ) -> list[SeriesPoint]:
        head = self._head(device_number)
        pending = list(head.pending)

        def read(connection: sqlite3.Connection) -> tuple[list[SeriesPoint], list[Finding]]:
            with snapshot(connection):
                unpacked = Unpacked(connection, device_number, pending)
                blocks = BlockStream(connection, device_number, identifier, start, end)
                points = newest_points(blocks, unpacked.newest_points(identifier, start, end), offset, limit)
                return points, unpacked.findings + blocks.findings

        if offset + limit <= INLINE_POINTS and head.points + head.spooled <= INLINE_UNPACKED:
            points, findings = self._database.read_now(read)
        else:
            points, findings = await self._database.read(read)
        self.quarantine.found(findings)
        return points

    async def settle(self, device_numbers: Sequence[int]) -> bool:
        """Makes blocks of what the spool holds of these devices; whether there was something to do."""
        heads = [self._head(number) for number in device_numbers if self.packer.can_settle(number)]
        await self.packer.settle(heads)
        return bool(heads)

    # Removing

    async def remove_attributes(self, device_number: int, identifiers: Sequence[str]) -> None:
        names = list(identifiers)
        left: list[int] = []  # points of the device that are left in the spool

        def some(connection: sqlite3.Connection) -> bool:
            return remove_blocks(connection, device_number, names)

        def rest(connection: sqlite3.Connection) -> None:
            some(connection)
            left.append(remove_attributes(connection, device_number, set(names)))

        async with self.packer.still():  # none of their points may be on its way
            while await self._database.write(some):
                pass
            head = self._head(device_number)
            batch = self._add(head, (device_number, 0, 0, REMOVE_CODE, encode_values(names)))
            batch.extras.append(rest)
            ended: asyncio.Future[None] = self._loop.create_future()
            batch.on_done(lambda error: ended.set_exception(error) if error else ended.set_result(None))
            await asyncio.shield(ended)
            head.spooled = left[-1]

    @staticmethod
    def delete_in(connection: sqlite3.Connection, device_number: int) -> None:
        """Deletes what is kept of a device, within the transaction that deletes the device."""
        remove_device(connection, device_number)

    def forget(self, device_number: int) -> None:
        """Drops what is in memory of a device that was deleted."""
        self.heads.forget(device_number)
        self.packer.forget(device_number)


def _has_room(head: Head, reports: Sequence[Report]) -> bool:
    """Whether a device has few enough attributes with these reports."""
    return len(set(head.current).union(*(report.attributes for report in reports))) <= MAX_ATTRIBUTES
