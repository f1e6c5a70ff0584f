"""Queries that the tables share: by id, with the cache, with translated errors."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from thingstead.errors import InvalidInput
from thingstead.model.audit.log import CONTROL_ACTIONS, Author, Edit, present_author
from thingstead.model.retention import LogKind
from thingstead.storage.sql.access.audit import Edits, collecting
from thingstead.storage.sql.access.cache import Cache, Caches
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.database import Database
from thingstead.storage.sql.access.transactions import snapshot

T = TypeVar("T")
Row = tuple[Any, ...]

READS_AGAIN_COUNT = 3  # of a row to be cached, while others of its kind change


class LogRows:
    """Rows added to the logs of devices since the store was opened: their number, and the devices since the last
    check."""

    def __init__(self) -> None:
        self.added = 0
        self.devices: dict[LogKind, set[str]] = {"event": set(), "command": set(), "alarm": set(), "notice": set()}

    def note(self, kind: LogKind, device_id: str) -> None:
        """Counts a new row of a device."""
        self.added += 1
        self.devices[kind].add(device_id)


class Queries:
    """The database with its caches, shared by all tables of the store."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.caches = Caches()
        self.log_rows = LogRows()
        self.audit_rows_added = 0
        self.on_edits: Callable[[Sequence[Edit], str], None] = lambda edits, by: None  # what was committed, by whom

    async def one(self, sql: str, parameters: Sequence[Any] = ()) -> Row | None:
        """First row of a small indexed read; None if there is none. A text with the character NUL is in no row of an
        engine that cannot store it."""
        try:
            row: Row | None = await self.database.read_now(lambda reader: reader.execute(sql, parameters).fetchone())
        except InvalidInput as exc:
            if exc.reason.code != "has_nul":
                raise
            return None
        return row

    async def current_one(
        self, cache: Cache[Any, Any], sql: str, parameters: Sequence[Any] = ()
    ) -> tuple[Row | None, bool]:
        """:meth:`one`, read again if a row of the cache was changed meanwhile; and whether it may be cached."""
        for _ in range(READS_AGAIN_COUNT):
            drops = cache.drops
            row = await self.one(sql, parameters)
            if cache.drops == drops:
                return row, True
        return row, False

    async def count(self, table: str) -> int:
        """Number of rows of a table."""
        row = await self.one(f"SELECT count(*) FROM {table}")  # noqa: S608 - names of our tables
        assert row is not None, "a count has a row"
        return int(row[0])

    async def all(self, sql: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """All rows of a small indexed read."""
        return await self.database.read_now(lambda reader: reader.execute(sql, parameters).fetchall())

    async def read(self, run: Callable[[Connection], T]) -> T:
        """Runs a read that may take long in a thread; all its statements see the same snapshot."""
        return await self.database.read(lambda connection: _in_snapshot(connection, run))

    async def write(self, run: Callable[[Connection], T], committed: Callable[[T], None] | None = None) -> T:
        """Runs ``run`` in the writer thread; returns its result once that is on disk.

        Args:
            committed: called on the event loop with the result before the caller continues, to drop rows from the
                caches. Also called if the caller was cancelled.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def deliver(result: T, error: Exception | None) -> None:
            if error is None and committed is not None:
                committed(result)
            if future.done():  # the awaiter was cancelled; the change is kept all the same
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.submit(run, deliver)
        return await future

    def submit(self, run: Callable[[Connection], T], deliver: Callable[[T, Exception | None], None]) -> None:
        """Like :meth:`write`, without waiting: ``deliver(result, error)`` is called on the event loop. What is changed
        is recorded for the author of this call, in the same transaction."""
        author = present_author()
        edits = Edits(detailed=author is not None)
        recorded = collecting(run, edits, author)

        def delivered(result: T, error: Exception | None) -> None:
            deliver(result, error)
            if error is None and edits:
                self._tell(edits, author)

        self.database.submit(lambda connection: _translating(connection, recorded), delivered)

    def _tell(self, edits: Edits, author: Author | None) -> None:
        if author is not None:
            self.audit_rows_added += len(edits)
        by = "" if author is None else edits.actor or author.kind
        told = [edit for edit in edits if edit.action not in CONTROL_ACTIONS]
        if told:
            self.on_edits(told, by)


def _translating(connection: Connection, run: Callable[[Connection], T]) -> T:
    try:
        return run(connection)
    except connection.dialect.driver_errors as exc:
        if connection.dialect.ends_all(exc):
            raise  # the writer decides whether it concerns only this job
        raise connection.dialect.translated(exc) from exc


def _in_snapshot(connection: Connection, run: Callable[[Connection], T]) -> T:
    with snapshot(connection):
        return run(connection)
