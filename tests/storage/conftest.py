"""A history on one file; a database of one small table, and ways to hold its writer still."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.storage.history_bench import Bench, register_devices
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sqlite.engine.database import SqliteDatabase, connect


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with the table ``t (n INTEGER PRIMARY KEY)``; its name has characters that mean something in a URI."""
    path = tmp_path / "100% a?b#c.db"
    connection = connect(path)
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, body BLOB)")
    connection.close()
    return path


@pytest.fixture
async def database(path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(path, busy_timeout_ms=50)
    yield database
    await database.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A history of two devices, in a file of its own."""
    path = tmp_path / "history.db"
    register_devices(path)
    bench = await Bench(path).open()
    yield bench
    await bench.close()


@contextmanager
def writer_held(database: SqliteDatabase) -> Iterator[None]:
    """Whatever is asked for within waits, and then shares one commit."""
    release = threading.Event()
    held = threading.Event()

    def hold(connection: Connection) -> None:
        held.set()
        assert release.wait(30)

    database.submit(hold, lambda result, error: None)
    assert held.wait(30)
    try:
        yield
    finally:
        release.set()


def put(number: int) -> Callable[[Connection], int]:
    """A job that adds a row."""

    def run(connection: Connection) -> int:
        connection.execute("INSERT INTO t (n) VALUES (?)", (number,))
        return number

    return run


def kept(path: Path) -> list[int]:
    """The rows on disk, as another program sees them."""
    connection = connect(path, read_only=True)
    try:
        return [row[0] for row in connection.execute("SELECT n FROM t ORDER BY n")]
    finally:
        connection.close()
