"""One SQLite file: a writer thread with group commit, and read connections.

All writes go through one thread, in the order in which they were asked for. Every job that waits when the thread
becomes free shares the next transaction, each in a savepoint of its own, so that one failing job does not fail its
neighbors; their awaiters go on when the transaction is on disk (WAL, ``synchronous=FULL``: the commit is an fsync).

Small indexed reads run on the event loop's own connection (tens of microseconds, never waiting for the writer);
reads that may take long run in threads, in lanes of their own: small ones, those of packing, and large ones.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import structlog

from thingstead.clock import Clock
from thingstead.errors import ThingsteadError, Unavailable
from thingstead.model.values.unicode_text import search_form
from thingstead.refusals import Reason, reason
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.database import Program
from thingstead.storage.sql.access.errors import DamagedFile
from thingstead.storage.sql.access.read_lanes import Prepare
from thingstead.storage.sql.access.reads import Reads
from thingstead.storage.sql.access.writer import Jobs, WriteJob, Writer
from thingstead.storage.sqlite.engine.dialect import SqliteConnection
from thingstead.storage.sqlite.engine.errors import DRIVER_ERRORS, is_damage, translated

T = TypeVar("T")
log = structlog.get_logger("thingstead.storage")

BUSY_TIMEOUT_MS = 5_000
ROOM_BYTES = 1 << 20  # free disk space needed to end trouble, even if a commit succeeds
WAL_BYTES = 64 << 20  # to which the -wal file is truncated; it grows during long reads


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


class SqliteDatabase:
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
        self.commits_failed = 0
        self._closing = False
        self._trouble: Reason | None = None
        self.damage: str | None = None  # message of the last statement that met a damaged page of the file
        self.damage_met = 0  # number of statements that met one
        self._reads = Reads(lambda: connect(path, read_only=True), self._noting)
        self.writer = Writer(self._commit, clock)
        self.write, self.submit = self.writer.write, self.writer.submit

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

    async def probe(self) -> None:
        """Rewrites an existing value, so that :meth:`trouble` shows whether writing works again.

        Raises:
            Unavailable: writing fails.
        """

        def rewrite(connection: Connection) -> None:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            connection.execute(f"PRAGMA user_version={version}")

        await self.write(rewrite)

    async def read(self, run: Callable[[Connection], T]) -> T:
        return await self._reads.small(run)

    async def read_for_packing(self, run: Callable[[Connection], T]) -> T:
        return await self._reads.packing(run)

    async def read_large(self, device_number: int, prepare: Prepare[T]) -> T:
        row = self.reader.execute("SELECT project_id FROM devices WHERE number = ?", (device_number,)).fetchone()
        return await self._reads.large(None if row is None else row[0], prepare)

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

    async def read_now(self, run: Callable[[Connection], T]) -> T:
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
        await self.writer.close()
        await self._reads.close()
        self.reader.close()
        try:
            self._writer_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as exc:  # a full or failing disk; no loss: the next start reads the -wal file
            log.warning("the write-ahead log could not be removed", error=str(exc))
        self._writer_connection.close()

    # In the writer thread.

    def _commit(self, jobs: Jobs) -> None:
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

    def _run_job(self, connection: Connection, job: WriteJob, *, savepoint: bool) -> None:
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
