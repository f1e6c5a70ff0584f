"""A PostgreSQL database: a writer thread with group commit, and read lanes, each thread with a connection of its own.

Nothing is read on the event loop. All writes go through one thread, in the order in which they were asked for; a group
of them is one fenced transaction (:mod:`.committing`). If the database cannot be reached, writes wait for some seconds,
in a bounded queue, and reads fail; every connection is made again when it is needed.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
import structlog

from thingstead.clock import Clock
from thingstead.errors import ThingsteadError, Unavailable
from thingstead.refusals import Reason, reason
from thingstead.storage.postgres.engine.committing import Committing
from thingstead.storage.postgres.engine.connection import PostgresConnection, connect
from thingstead.storage.postgres.engine.errors import DRIVER_ERRORS, POSTGRES, fenced_dialect, translated
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.database import Program
from thingstead.storage.sql.access.read_lanes import Prepare
from thingstead.storage.sql.access.reads import Reads
from thingstead.storage.sql.access.writer import Writer

T = TypeVar("T")
log = structlog.get_logger("thingstead.storage")

INDEXED_THREADS = 4  # for reads of a few rows
READ_TIMEOUT_MS = 60_000  # of a statement that reads
WRITE_TIMEOUT_MS = 30_000  # of a statement that writes
CLOSE_TIMEOUT_S = 1.5  # until threads that wait for the server are left alone
CONNINFO = "THINGSTEAD_CONNINFO"  # environment of the program that compacts


class PostgresDatabase:
    """The database and its threads. Must be made on the event loop; :meth:`close` must be awaited.

    Args:
        conninfo: of libpq.
        stream: of the activity of this node, which every write holds open; None: nobody else writes.
        fenced: called on the event loop, once, when this activity must end, with the reason.
    """

    reader = None

    def __init__(
        self,
        conninfo: str,
        *,
        stream: int | None = None,
        fenced: Callable[[str], None] = lambda why: None,
        clock: Clock | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._conninfo = conninfo
        self._name = "thingstead" if stream is None else f"thingstead/{stream}"
        self._dialect = POSTGRES if stream is None else fenced_dialect(stream)
        self._on_fenced = fenced
        self._given_up: str | None = None  # why nothing is read or written any more
        self._closing = False
        self._connections: list[PostgresConnection] = []
        self._writing = self._connection(WRITE_TIMEOUT_MS)
        self._committing = Committing(
            self._writing, stream, self._fenced, lambda: self._given_up is not None or self._closing
        )
        self._reads = Reads(self._connect_reader, self._reading, INDEXED_THREADS)
        self.writer = Writer(self._committing.commit, clock)
        self.write, self.submit = self.writer.write, self.writer.submit

    @property
    def packing_program(self) -> Program:
        return Program("thingstead.storage.postgres.packing", (self._name,), {CONNINFO: self._conninfo})

    @property
    def commits_failed(self) -> int:
        """Number of failed transactions."""
        return self._committing.commits_failed

    def trouble(self) -> Reason | None:
        """Why the last commit failed, or the database cannot be reached; None: it succeeded."""
        return self._committing.trouble

    def _connection(self, statement_timeout_ms: int) -> PostgresConnection:
        def make() -> "psycopg.Connection[tuple[Any, ...]]":
            self._check_given_up()
            made = connect(self._conninfo, self._name, statement_timeout_ms)
            try:
                self._check_given_up()
            except psycopg.OperationalError:  # meanwhile, so that nobody else would close it
                made.close()
                raise
            return made

        connection = PostgresConnection(make, self._dialect)
        self._connections.append(connection)
        return connection

    def _check_given_up(self) -> None:
        if self._given_up is not None:
            raise psycopg.OperationalError(self._given_up)

    def _connect_reader(self) -> PostgresConnection:
        return self._connection(READ_TIMEOUT_MS)

    def _reading(self, run: Callable[[Connection], T], connection: Any) -> T:
        """Runs a read. If its connection turns out to be lost, it is made again, once."""
        if self._given_up is not None:
            raise Unavailable("database_unusable", detail=self._given_up)
        try:
            return run(connection)
        except (*DRIVER_ERRORS, Unavailable) as exc:
            if not connection.broken or self._given_up is not None:
                raise self.translated(exc) from exc
        connection.renew()
        try:
            return run(connection)
        except DRIVER_ERRORS as exc:
            raise self.translated(exc) from exc

    async def probe(self) -> None:
        """Commits nothing, so that :meth:`trouble` shows whether writing works again.

        Raises:
            Unavailable: writing fails.
        """
        await self.write(lambda connection: None)

    async def read(self, run: Callable[[Connection], T]) -> T:
        return await self._reads.small(run)

    async def read_now(self, run: Callable[[Connection], T]) -> T:
        return await self._reads.indexed(run)

    async def read_for_packing(self, run: Callable[[Connection], T]) -> T:
        return await self._reads.packing(run)

    async def read_large(self, device_number: int, prepare: Prepare[T]) -> T:
        sql = "SELECT project_id FROM devices WHERE number = ?"
        row = await self.read_now(lambda reader: reader.execute(sql, (device_number,)).fetchone())
        return await self._reads.large(None if row is None else row[0], prepare)

    def translated(self, exc: Exception) -> ThingsteadError:
        return exc if isinstance(exc, ThingsteadError) else translated(exc)

    # The end

    def _fenced(self, why: str) -> None:
        """Called in the writer's thread."""
        self._loop.call_soon_threadsafe(self._end_activity, why)

    def _end_activity(self, why: str) -> None:
        if self._given_up is None:
            log.error("this node may not write any more", reason=why)
            self.abandon(why)
            self._on_fenced(why)

    def abandon(self, why: str) -> None:
        """Fails every waiting and later read and write at once; nothing is waited for any more."""
        if self._given_up is None:
            self._given_up = why
            self.writer.refusal = reason("database_unusable", detail=why)
            for connection in list(self._connections):
                connection.sever()

    async def close(self) -> None:
        """Commits waiting writes, then ends the threads and connections. If the database does not answer, it is not
        waited for."""
        if self._closing:
            return
        if self._given_up is None:
            await self.writer.close(WRITE_TIMEOUT_MS / 1000)
        self._closing = True
        if self._given_up is not None:
            await self.writer.close(CLOSE_TIMEOUT_S)
        await self._reads.close(wait=self._given_up is None)
        for connection in self._connections:
            connection.close()
