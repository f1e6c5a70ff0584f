"""Stores for tests of what stands on them."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, cast

import pytest

from tests.postgres_server import PostgresServer
from thingstead.clock import Clock
from thingstead.storage.postgres.engine.connection import PostgresConnection
from thingstead.storage.postgres.engine.connection import connect as postgres_connect
from thingstead.storage.postgres.store import PostgresStore
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.store import SqlStore
from thingstead.storage.sqlite.engine.database import connect
from thingstead.storage.sqlite.engine.schema import prepare
from thingstead.storage.sqlite.store import SqliteStore


@contextmanager
def connection_to(store: SqlStore) -> Iterator[Connection]:
    """A connection to the database of an open store, of whichever engine."""
    if isinstance(store, SqliteStore):
        connection: Connection = connect(store.path)
    else:
        assert isinstance(store, PostgresStore), "there is no other engine"
        conninfo = store._database._conninfo
        connection = PostgresConnection(lambda: postgres_connect(conninfo, "tests", 60_000))
    try:
        yield connection
    finally:
        connection.close()


def ask(store: SqlStore, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Rows of a statement, of what is committed."""
    with connection_to(store) as connection:
        return connection.execute(sql, parameters).fetchall()


def written(store: SqlStore) -> bytes:
    """Everything that is stored: the files, or the rows of every table."""
    if isinstance(store, SqliteStore):
        return b"".join(path.read_bytes() for path in store.path.parent.glob(f"{store.path.name}*"))
    tables = ask(store, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    rows = [row for (table,) in tables for row in ask(store, f"SELECT * FROM {table}")]
    return b"\n".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)


@contextmanager
def held_writes(store: SqlStore) -> Iterator[None]:
    """Inside the block no commit can end; what is committed can be read."""
    with connection_to(store) as connection:
        if isinstance(store, SqliteStore):
            connection.execute("BEGIN IMMEDIATE")
        else:
            connection.execute("BEGIN")
            names = [
                name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            ]
            connection.execute(f"LOCK TABLE {', '.join(names)} IN SHARE MODE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def warnings_of(lines: Iterable[Any]) -> list[Any]:
    """The warnings among lines of the log. That a database of tests runs without fsync is none."""
    return [line for line in lines if line["log_level"] == "warning" and line.get("code") != "database_unsafe"]


@contextmanager
def without_table(store: SqlStore, name: str) -> Iterator[None]:
    """Inside the block whatever needs a table fails."""
    with connection_to(store) as connection:
        connection.execute(f"ALTER TABLE {name} RENAME TO gone")
        try:
            yield
        finally:
            connection.execute(f"ALTER TABLE gone RENAME TO {name}")


async def open_store(path: Path, clock: Clock) -> SqliteStore:
    """Opens the file. A new one begins as a copy, because running every migration takes longer than most tests.

    With ``--postgres`` it is a database of PostgreSQL that stands for the file.
    """
    if (server := Postgres.server) is not None:
        url = Postgres.urls.get(path) or Postgres.urls.setdefault(path, server.new_database())
        return cast(SqliteStore, await StandIn.open(url, clock))
    _begin(path)
    return await SqliteStore.open(path, clock)


class Postgres:
    """What ``--postgres`` opens stores over: the server, and the database that stands for each file of this test."""

    server: ClassVar[PostgresServer | None] = None
    urls: ClassVar[dict[Path, str]] = {}

    @classmethod
    def drop(cls) -> None:
        """Deletes the databases of a test that has ended."""
        while cls.urls and cls.server is not None:
            cls.server.drop_database(cls.urls.popitem()[1])


class StandIn(PostgresStore):
    """A store over PostgreSQL in a test that was written for the embedded one."""

    @property
    def path(self) -> Path:
        """There is none: what needs it is a matter of the embedded store."""
        needs_embedded_store(self)
        raise AssertionError("the test was skipped")


def needs_embedded_store(store: SqlStore) -> None:
    """Skips a test over PostgreSQL."""
    if not isinstance(store, SqliteStore):
        pytest.skip("a matter of the embedded store")


def _begin(path: Path) -> None:
    if not path.exists():
        path.write_bytes(_new_database())


@cache
def _new_database() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "new.db")
        prepare(path)
        return path.read_bytes()
