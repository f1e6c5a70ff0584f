"""Appends to history: the open commit, back-pressure, and the path to the disk.

Reports between two turns of the event loop form a batch, which is one row of ``report_log`` in one transaction. While
one batch is being committed the next one fills. When it is on disk it is applied to the heads, then its callbacks run,
so whoever is acknowledged reads what was acknowledged.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator, Sequence

import structlog

from thingstead.errors import InvalidInput, ThingsteadError, Unavailable
from thingstead.model.device import UplinkKind
from thingstead.model.limits import DEVICE_STATE_BYTES, VALUE_BYTES
from thingstead.model.report import Report
from thingstead.refusals import Reason
from thingstead.storage.commit import ended
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.database import Database
from thingstead.storage.sql.access.errors import DamagedFile
from thingstead.storage.sql.history.admission import MAX_ATTRIBUTES, size_of, state_with
from thingstead.storage.sql.history.batch import Batch, Run, Write
from thingstead.storage.sql.history.head_cache import HeadCache, read_heads
from thingstead.storage.sql.history.heads import Head
from thingstead.storage.sql.history.packer import Packer
from thingstead.storage.sql.history.quarantine import UnreadableRow
from thingstead.storage.sql.history.records import (
    SOURCE_CODES,
    TOUCH_CODES,
    LogEntry,
    encode_entries,
    encode_values,
    is_flat,
)

log = structlog.get_logger("thingstead.history")

Found = Sequence[tuple[Head, UnreadableRow | None]]

REFUSED_KINDS = ("event", "data")  # uplinks that are refused when reports are; the others need almost no disk space
WRITES_BEHIND_LIMIT = 20_000  # failed writes that wait for a retry; over it the oldest are lost
SELECT_LOG = "SELECT 1 FROM report_log WHERE seq = ?"
RETRY_S = 5.0  # until failed writes are retried, if there is no other commit before


class Appends:
    """The open batch, the batch that is being committed, and the application of committed batches.

    Args:
        heads: heads in memory, by device number.
        ended: called after every commit, successful or not.
    """

    def __init__(self, database: Database, packer: Packer, heads: HeadCache, ended: Callable[[], None]) -> None:
        self._database = database
        self._packer = packer
        self._head = heads.get
        self._find = heads.find
        self._loaded = heads.loaded
        self._ended = ended
        self._reads_at_once = database.reader is not None
        self._loop = asyncio.get_running_loop()
        self._open: Batch | None = None
        self._behind: list[Write] = []  # failed writes that wait for the next batch
        self._retry: asyncio.TimerHandle | None = None  # opens a batch for them if nothing else does
        self._committing: Batch | None = None
        self.seq = 0  # seq of the newest log row
        self.refusal: Reason | None = None  # why appends are refused; None: they are accepted
        self.waiting = 0  # reports not yet on disk
        self.waiting_bytes = 0  # of these and of other waiting writes
        self.commits = 0
        self.points_committed = 0
        self.reports_committed = 0

    def append(self, report: Report) -> Batch:
        """See :meth:`~thingstead.storage.base.HistoryStore.append`."""
        _, batch, problem = self._append((report,), flat=False)
        if batch is None:
            assert problem is not None  # set if nothing was appended
            try:
                raise problem
            finally:
                del problem  # breaks a reference cycle through this frame, which would keep the report in memory
        return batch

    def append_run(self, reports: Sequence[Report], *, flat: bool = False) -> tuple[int, Batch | None]:
        count, batch, _ = self._append(reports, flat=flat)
        return count, batch

    def _append(self, reports: Sequence[Report], *, flat: bool) -> tuple[int, Batch | None, InvalidInput | None]:
        """Appends reports from the front. Returns how many, their batch, and the error of the first invalid one, if
        known."""
        if self.refusal is not None:
            raise Unavailable(self.refusal)
        number, code = reports[0].device_number, SOURCE_CODES[reports[0].source]
        head = self._find(number) or self._head(number)
        entries: list[LogEntry] = []
        points = size = 0
        problem: InvalidInput | None = None
        all_flat = True
        try:
            for report in reports:
                attributes = report.attributes
                if not flat:
                    all_flat = all_flat and is_flat(map(type, attributes.values()))
                body = encode_values(attributes)
                entries.append((number, report.ts, report.received_at, code, body))
                points += len(attributes)
                size += len(body)
            names_bound, state_bound = head.names_bound + points, head.state_bound + size
            # Usually one check of all of them is enough.
            roomy = size <= VALUE_BYTES and names_bound <= MAX_ATTRIBUTES and state_bound <= DEVICE_STATE_BYTES
        except OverflowError:
            roomy = False
        if roomy and all_flat:
            head.names_bound, head.state_bound = names_bound, state_bound
        else:
            bodies, points, size, problem = self._admit(head, reports)
            if not bodies:
                return 0, None, problem
            reports = reports[: len(bodies)]
            entries = [
                (number, each.ts, each.received_at, code, body) for each, body in zip(reports, bodies, strict=True)
            ]
        batch = self._open or self._opened()
        self._extend_run(batch, head, code, entries, points, size).reports += reports
        return len(entries), batch, problem

    def _admit(self, head: Head, reports: Sequence[Report]) -> tuple[list[bytes], int, int, InvalidInput | None]:
        """Checks reports one by one. Returns the encoded values of those from the front that fit, the number of their
        points, their size, and the error of the next one."""
        bodies: list[bytes] = []
        points = size = 0
        names_room, state_room = MAX_ATTRIBUTES - head.names_bound, DEVICE_STATE_BYTES - head.state_bound
        problem: InvalidInput | None = None
        try:
            for upto, report in enumerate(reports, 1):
                body = encode_values(report.attributes)
                with_points = points + len(report.attributes)
                with_size = size + size_of(report.attributes, body)
                if with_points > names_room or with_size > state_room:
                    # names_room and state_room are lower bounds: compute exact values, with waiting reports.
                    coming = itertools.chain(self._waiting_of(head), reports[:upto])
                    names, state = state_with(head, coming, measured=with_size > state_room)
                    names_room = MAX_ATTRIBUTES - names + with_points
                    if with_size > state_room:
                        state_room = DEVICE_STATE_BYTES - state + with_size
                points, size = with_points, with_size
                bodies.append(body)
        except InvalidInput as exc:
            problem = exc.with_traceback(None)  # the traceback refers to this frame
        except OverflowError:
            problem = InvalidInput("wide_integer")
        head.names_bound = MAX_ATTRIBUTES - names_room + points
        head.state_bound = DEVICE_STATE_BYTES - state_room + size
        return bodies, points, size, problem

    def _waiting_of(self, head: Head) -> Iterator[Report]:
        """Reports of a device that wait for a commit, in order."""
        for batch in (self._committing, self._open):
            if batch is not None:
                yield from (report for run in batch.runs if run.head is head for report in run.reports)

    def touch(self, device_number: int, kind: UplinkKind, ts: int, size_bytes: int = 0) -> Batch:
        if self.refusal is not None and kind in REFUSED_KINDS:
            raise Unavailable(self.refusal)
        return self.add(self._head(device_number), (device_number, ts, ts, TOUCH_CODES[kind], b""), size_bytes)

    def add_write(self, write: Write, size_bytes: int = 0, *, behind: bool = False) -> Batch:
        """Adds another write of about ``size_bytes`` to the open commit. ``behind``: no caller waits for it; if the
        commit fails because of the store, it is retried in the next one."""
        batch = self._opened()
        batch.writes.append(write)
        batch.size_bytes += size_bytes
        self.waiting_bytes += size_bytes
        if behind:
            batch.behind.append(write)
        return batch

    def add(self, head: Head, entry: LogEntry, size_bytes: int = 0) -> Batch:
        """Adds an entry that is not a report; ``size_bytes`` of other data of the device wait with it."""
        batch = self._open or self._opened()
        self._extend_run(batch, head, entry[3], [entry], 0, size_bytes)
        return batch

    def _extend_run(
        self, batch: Batch, head: Head, code: int, entries: list[LogEntry], points: int, size_bytes: int
    ) -> Run:
        run = batch.runs[-1] if batch.runs else None
        if run is None or run.head is not head or run.code != code:
            run = Run(head, code)
            batch.runs.append(run)
        run.entries += entries
        run.points += points
        run.size_bytes += size_bytes
        head.waiting_points += points
        head.waiting_bytes += size_bytes
        batch.size_bytes += size_bytes
        self.waiting += len(entries)
        self.waiting_bytes += size_bytes
        return run

    def _opened(self) -> Batch:
        batch = self._open
        if batch is None:
            batch = self._open = Batch()
            if self._behind:
                batch.writes, batch.behind, self._behind = self._behind.copy(), self._behind, []
            if self._retry is not None:
                self._retry.cancel()
            if self._committing is None:
                self._loop.call_soon(self._commit)
        return batch

    def _commit(self) -> None:
        batch = self._open
        if batch is None or self._committing is not None:
            return
        self._open, self._committing = None, batch
        self.seq = seq = self.seq + 1
        runs, writes = batch.runs, batch.writes
        # Heads that are not loaded are loaded in the transaction: nothing of theirs can be committed in between.
        cold = [] if self._reads_at_once else [run.head.number for run in runs if not run.head.loaded]

        def insert(connection: Connection) -> Found:
            for extra in writes:
                extra(connection)
            if runs:
                connection.execute(connection.dialect.insert_log, (seq, encode_entries(batch.entries())))
            return read_heads(connection, cold) if cold else []

        def deliver(found: Found, error: Exception | None) -> None:
            self._committed(batch, seq, error, found)

        try:
            proof = (SELECT_LOG, (seq,)) if runs else None
            self._database.submit(insert, deliver, single_statement=not writes and not cold, proof=proof)
        except ThingsteadError as exc:
            self._loop.call_soon(self._committed, batch, seq, exc)

    def _committed(self, batch: Batch, seq: int, error: Exception | None, found: Found = ()) -> None:
        self._committing = None
        if batch.behind and isinstance(error, Unavailable) and not isinstance(error, DamagedFile):
            self._make_again(batch.behind)
        if self._open is not None:
            self._commit()  # first, so that the writer thread works while this batch is applied
        self.waiting_bytes -= batch.size_bytes
        for run in batch.runs:
            self.waiting -= len(run.entries)
            run.head.waiting_points -= run.points
            run.head.waiting_bytes -= run.size_bytes
        if error is None:
            try:
                for head in found:
                    self._loaded(*head)
                self._apply(batch, seq)
            except Exception:
                # On disk but not in memory: the callers get the error, and the next batches continue.
                log.exception("a commit could not be applied")
                error = Unavailable("commit_not_applied")
        self._packer.applied_seq = seq
        batch.end(error)
        self._ended()

    def _make_again(self, writes: list[Write]) -> None:
        """Puts failed writes before later ones, and schedules a commit for them."""
        kept = writes[-WRITES_BEHIND_LIMIT:]
        if len(kept) < len(writes):
            log.error("writes without a waiting caller were lost", writes=len(writes) - len(kept))
        if self._open is not None:
            self._open.writes[:0] = kept
            self._open.behind[:0] = kept
        else:
            self._behind = kept
            self._retry = self._loop.call_later(RETRY_S, self._opened)

    def _apply(self, batch: Batch, seq: int) -> None:
        dirty, dirtied = self._packer.dirty, self._packer.touched
        points = reports = size = 0
        for run in batch.runs:
            head = run.head
            before, size_before = head.points, head.pending_bytes
            if run.reports:
                head.take(seq, run.entries, run.reports, run.points, run.size_bytes)
            else:
                for entry in run.entries:
                    head.replay(seq, entry)
            points += head.points - before
            size += head.pending_bytes - size_before
            reports += len(run.entries)
            if head.number not in dirty:
                dirtied(head)
        self.commits += 1
        self.reports_committed += reports
        self.points_committed += points
        self._packer.added(points, size)

    def busy(self) -> set[int]:
        """Devices with reports that wait for a commit."""
        batches = [batch for batch in (self._open, self._committing) if batch]
        return {run.head.number for batch in batches for run in batch.runs}

    async def close(self) -> None:
        """Commits all appended reports."""
        while (batch := self._committing or self._open) is not None:
            await ended(batch)
        if self._retry is not None:
            self._retry.cancel()
