"""One SQLite file: a writer thread with group commit, and read connections.

All writes go through one thread, in the order in which they were asked for. Every job that waits when the thread
becomes free shares the next transaction, each in a savepoint of its own, so that one failing job does not fail its
neighbors; their awaiters go on when the transaction is on disk (WAL, ``synchronous=FULL``: the commit is an fsync).

Small indexed reads run on the event loop's own connection (tens of microseconds, never waiting for the writer);
reads that may take long run in threads, in lanes of their own: small ones, those of packing, and large ones.
"""

import asyncio
import collections
import queue
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import structlog

from thingstead.clock import Clock, SystemClock
from thingstead.errors import ThingsteadError, Unavailable
from thingstead.metrics import COMMIT_BOUNDS_S, Histogram
from thingstead.model.tenant import TENANT
from thingstead.model.values.unicode_text import search_form
from thingstead.refusals import Reason, reason
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.database import Program
from thingstead.storage.sql.access.errors import DamagedFile
from thingstead.storage.sql.access.read_lanes import (
    SMALL_READS_PER_PROJECT,
    SMALL_READS_WAITING_COUNT,
    Lane,
    Prepare,
    Run,
    SharedReads,
)
from thingstead.storage.sqlite.engine.errors import DRIVER_ERRORS, SqliteConnection, is_damage, translated

T = TypeVar("T")
log = structlog.get_logger("thingstead.storage")

READ_THREADS, PACKING_THREADS, LARGE_READ_THREADS = 3, 1, 2
READ_QUEUE_LIMIT = 1_000  # reads that wait for a thread; over it a read raises Unavailable
WRITE_QUEUE_LIMIT = 50_000  # jobs that wait for the writer; over it a write raises Unavailable
JOBS_PER_COMMIT = 2_000
BUSY_TIMEOUT_MS = 5_000
ROOM_BYTES = 1 << 20  # free disk space needed to end trouble, even if a commit succeeds
WAL_BYTES = 64 << 20  # to which the -wal file is truncated; it grows during long reads


class _Job:
    """A write, and the callback for its outcome. ``deliver`` runs on the event loop, with the result or the error."""

    __slots__ = ("deliver", "error", "result", "run", "single_statement")

    def __init__(
        self,
        run: Callable[[Connection], Any],
        deliver: Callable[[Any, Exception | None], None],
        single_statement: bool,
    ) -> None:
        self.run = run
        self.single_statement = single_statement  # it needs no BEGIN and COMMIT
        self.deliver = deliver
        self.result: Any = None
        self.error: Exception | None = None


def connect(path: Path, *, read_only: bool = False, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> SqliteConnection:
    """Opens a connection in autocommit mode (the caller begins transactions): WAL, synchronous=FULL, foreign keys."""
    connection: SqliteConnection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
        factory=SqliteConnection,
    )
    try:
        _set_up(connection, busy_timeout_ms, read_only=read_only)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection, busy_timeout_ms: int, *, read_only: bool) -> None:
    connection.execute(f"PRAGMA busy_timeout={busy_timeout_ms}")
    if not read_only:
        connection.execute("PRAGMA page_size=8192")
        # Has an effect on a new file only: free pages can be returned to the disk in small steps.
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        # The -wal file grows during long reads; it is truncated afterwards.
        connection.execute(f"PRAGMA journal_size_limit={WAL_BYTES}")
    connection.execute("PRAGMA cache_size=-8192")
    connection.create_function("search_form", 1, search_form, deterministic=True)


class Database:
    """The database file and its threads. Must be made on the event loop; :meth:`close` must be awaited."""

    def __init__(self, path: Path, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS, clock: Clock | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._path = path
        self._writer_connection = connect(path, busy_timeout_ms=busy_timeout_ms)
        try:
            self.reader = connect(path, read_only=True)  # for small indexed reads on the event loop
        except BaseException:
            self._writer_connection.close()
            raise
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting = 0
        self._monotonic_s = (clock or SystemClock()).monotonic_s
        self.commit_seconds = Histogram(COMMIT_BOUNDS_S)
        self.commits_failed = 0
        self._closing = False
        self._trouble: Reason | None = None
        self.damage: str | None = None  # message of the last statement that met a damaged page of the file
        self.damage_met = 0  # number of statements that met one
        self.on_commit: Callable[[], None] | None = None  # called on the event loop after each commit; must not raise
        self._small = Lane("thingstead-read", READ_THREADS, self._connect_reader)
        self._packing = Lane("thingstead-pack", PACKING_THREADS, self._connect_reader)
        self._large = Lane("thingstead-large", LARGE_READ_THREADS, self._connect_reader)
        self._small_reads = SharedReads(self._small, SMALL_READS_PER_PROJECT, SMALL_READS_WAITING_COUNT)
        self._large_reads = SharedReads(self._large)
        self._reads_waiting = 0
        self._thread = threading.Thread(target=self._write_loop, name="thingstead-write", daemon=True)
        self._thread.start()

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self._path

    @property
    def packing_program(self) -> Program:
        return Program("thingstead.storage.sqlite.packing", (str(self._path),), {})

    def trouble(self) -> Reason | None:
        """Why the last commit failed; None: it succeeded."""
        return self._trouble

    @property
    def writes_waiting(self) -> int:
        """Number of writes that wait for the writer thread or for the delivery of their outcome."""
        return self._waiting

    async def write(self, run: Callable[[Connection], T]) -> T:
        """Runs ``run`` in the writer thread inside a transaction; returns its result once that is committed.

        Raises:
            Unavailable: it could not be committed, too many writes wait, or the store is closing.
            ThingsteadError: ``run`` raised it; its savepoint was rolled back.
        """
        future: asyncio.Future[T] = self._loop.create_future()

        def deliver(result: T, error: Exception | None) -> None:
            if future.done():  # the caller was cancelled; the change is committed all the same
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.submit(run, deliver)
        return await future

    async def probe(self) -> None:
        """Rewrites an existing value, so that :meth:`trouble` shows whether writing works again.

        Raises:
            Unavailable: writing fails.
        """

        def rewrite(connection: Connection) -> None:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute(f"PRAGMA user_version={version}")

        await self.write(rewrite)

    def submit(
        self,
        run: Callable[[Connection], Any],
        deliver: Callable[[Any, Exception | None], None],
        *,
        single_statement: bool = False,
    ) -> None:
        """Like :meth:`write`, without waiting: ``deliver(result, error)`` is called on the event loop.

        Args:
            single_statement: if the job is alone in its commit, it runs without BEGIN and COMMIT: the thread then
                releases the interpreter lock once instead of three times.
        """
        if self._closing:
            raise Unavailable("store_closing")
        if self._waiting >= WRITE_QUEUE_LIMIT:
            raise Unavailable("too_many_writes")
        self._waiting += 1
        self._jobs.put(_Job(run, deliver, single_statement))

    async def read(self, run: Callable[[Connection], T]) -> T:
        """Runs a read of some milliseconds in a thread, on that thread's own connection. Projects take turns.

        Raises:
            Unavailable: too many reads wait, of the project or in total.
        """
        if self._reads_waiting >= READ_QUEUE_LIMIT:
            raise Unavailable("too_many_reads")
        self._reads_waiting += 1
        try:
            return await self._small_reads.read(
                TENANT.get(), lambda: lambda connection, _: self._noting(run, connection)
            )
        finally:
            self._reads_waiting -= 1

    async def read_for_packing(self, run: Callable[[Connection], T]) -> T:
        """Runs a read for packing, in a lane of its own."""
        return await asyncio.wrap_future(self._packing.submit(lambda connection: self._noting(run, connection)))

    async def read_large(self, device_number: int, prepare: Prepare[T]) -> T:
        """Runs a read that may take long, one at a time for each project (:meth:`SharedReads.read`). It is interrupted
        when its caller is cancelled.

        Raises:
            Unavailable: too many reads of the project wait.
        """

        def prepare_noting() -> Run[T]:
            run = prepare()
            return lambda connection, go_on: self._noting(lambda connection: run(connection, go_on), connection)

        row = self.reader.execute("SELECT project_id FROM devices WHERE number = ?", (device_number,)).fetchone()
        return await self._large_reads.read(None if row is None else row[0], prepare_noting)

    def _connect_reader(self) -> SqliteConnection:
        return connect(self._path, read_only=True)

    def _noting(self, run: Callable[[Connection], T], connection: Connection) -> T:
        """Runs a read, and notes if it meets a damaged page of the file."""
        try:
            return run(connection)
        except sqlite3.DatabaseError as exc:
            if is_damage(exc):
                raise self.translated(exc) from exc
            raise
        except DamagedFile as exc:
            self._met(exc)
            raise

    def read_now(self, run: Callable[[Connection], T]) -> T:
        """Runs a small read at once, on the event loop's connection."""
        try:
            return run(self.reader)
        except DRIVER_ERRORS as exc:
            raise self.translated(exc) from exc
        except DamagedFile as exc:
            self._met(exc)
            raise

    def translated(self, exc: Exception) -> ThingsteadError:
        """The ThingsteadError for a driver's error. Damage of the file is noted."""
        error = translated(exc)
        if isinstance(error, DamagedFile):
            self._met(error)
        return error

    def _met(self, error: DamagedFile) -> None:
        self.damage = error.message
        self.damage_met += 1

    async def close(self) -> None:
        """Commits waiting writes, then ends the threads and closes the file."""
        if self._closing:
            return
        self._closing = True
        self._jobs.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        await asyncio.sleep(0)  # delivers the outcomes of the last commit
        self._small_reads.close()
        self._large_reads.close()
        for lane in (self._small, self._packing, self._large):
            await self._loop.run_in_executor(None, lane.close)
        self.reader.close()
        try:
            self._writer_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as exc:  # a full or failing disk; no loss: the next start reads the -wal file
            log.warning("the write-ahead log could not be removed", error=str(exc))
        self._writer_connection.close()

    # The writer thread. It ends only in close(): whatever a job raises is delivered to the job's caller.

    def _write_loop(self) -> None:
        running = True
        while running:
            jobs: collections.deque[_Job] = collections.deque()
            first = self._jobs.get()
            if first is None:
                return
            jobs.append(first)
            while len(jobs) < JOBS_PER_COMMIT:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    running = False
                    break
                jobs.append(job)
            begun_s = self._monotonic_s()
            self._commit(jobs)
            self.commit_seconds.observe(self._monotonic_s() - begun_s)
            try:
                self._loop.call_soon_threadsafe(self._deliver, jobs)
            except RuntimeError:  # the loop is closed; no caller waits
                return

    def _commit(self, jobs: collections.deque[_Job]) -> None:
        connection = self._writer_connection
        alone = len(jobs) == 1
        try:
            if alone and jobs[0].single_statement:
                self._run_job(connection, jobs[0], savepoint=False)
                self._succeeded()
                return
            connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                self._run_job(connection, job, savepoint=not alone)
            if alone and jobs[0].error is not None:
                connection.execute("ROLLBACK")
            else:
                connection.execute("COMMIT")
            self._succeeded()
        except Exception as exc:
            # Not only errors of SQLite: the thread continues after any error.
            self.commits_failed += 1
            self._trouble = reason("database_unwritable", detail=str(exc))
            bug = None if isinstance(exc, sqlite3.Error) else exc
            log.error("a commit failed", error=str(exc), jobs=len(jobs), exc_info=bug)
            if connection.in_transaction:
                try:
                    connection.execute("ROLLBACK")
                except sqlite3.Error as rollback_exc:
                    log.error("a rollback failed", error=str(rollback_exc))
            for job in jobs:
                if job.error is None:
                    job.error = Unavailable(self._trouble)

    def _succeeded(self) -> None:
        if self._trouble is None:
            return
        with suppress(OSError):  # on a full disk a small commit may still fit into the existing -wal file
            if shutil.disk_usage(self._path.parent).free >= ROOM_BYTES:
                self._trouble = None

    def _run_job(self, connection: Connection, job: _Job, *, savepoint: bool) -> None:
        if savepoint:
            connection.execute("SAVEPOINT job")
        try:
            job.result = job.run(connection)
        except sqlite3.OperationalError as exc:
            if getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) != sqlite3.SQLITE_ERROR:
                raise  # a full or failing disk: the whole transaction fails
            job.error = exc  # invalid SQL: a bug in this job only
        except ThingsteadError as exc:
            if isinstance(exc, DamagedFile):
                self._met(exc)
            job.error = exc
        except sqlite3.DatabaseError as exc:
            job.error = self.translated(exc) if is_damage(exc) else exc
        except Exception as exc:  # noqa: BLE001 - a bug in one job goes to its caller and spares the others
            job.error = exc
        if savepoint:
            if job.error is not None:
                connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")

    def _deliver(self, jobs: collections.deque[_Job]) -> None:
        self._waiting -= len(jobs)
        for job in jobs:
            try:
                job.deliver(job.result, job.error)
            except Exception:
                log.exception("a callback for the outcome of a write failed")
        if self.on_commit is not None:
            self.on_commit()
