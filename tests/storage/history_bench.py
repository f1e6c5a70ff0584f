"""A history on a database of any engine, and what may happen to it between writing and reading."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from tests.postgres_server import PostgresServer
from thingstead.model.report import Report
from thingstead.services.shared.commits import settled
from thingstead.storage.postgres.engine import database as postgres
from thingstead.storage.postgres.engine.connection import PostgresConnection
from thingstead.storage.postgres.engine.connection import connect as postgres_connect
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.transactions import snapshot
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.store import OpenDatabase
from thingstead.storage.sqlite.engine.database import SqliteDatabase, connect
from thingstead.storage.sqlite.engine.schema import prepare

HOURS_OF_BLOCKS = (
    "SELECT project_id, hour, sum(points), sum(bytes), sum(begins) FROM ("
    "SELECT device_number, last_ts / 3600000 AS hour, points, length(data) + length(identifier) + 24 AS bytes,"
    " 0 AS begins FROM block UNION ALL SELECT device_number, first_ts / 3600000, 0, 0, 1 FROM block)"
    " ends JOIN devices ON number = device_number GROUP BY 1, 2 ORDER BY 1, 2"
)


DEVICE = (
    "INSERT INTO devices (number, id, project_id, name, descr, tags, access_token, view_token, device_code,"
    " create_time, search_text) VALUES (?, ?, 'p', 'n', '', '{}', ?, ?, 'c', 0, '')"
)


def device_of(number: int) -> tuple[Any, ...]:
    """Parameters of :data:`DEVICE`."""
    return number, f"device{number}", f"token{number}", f"view{number}"


class Base(Protocol):
    """A database of an engine with two registered devices, numbers 1 and 2."""

    def prepare(self) -> None:
        """Creates or migrates its schema."""
        ...

    def open(self) -> OpenDatabase:
        """Opens it, on the event loop."""
        ...

    def connect(self) -> Connection:
        """A connection to it, for the test."""
        ...


class SqliteFile:
    """A SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> None:
        prepare(self.path)

    def open(self) -> SqliteDatabase:
        return SqliteDatabase(self.path)

    def connect(self) -> Connection:
        return connect(self.path)


class PostgresBase:
    """A PostgreSQL database with the newest schema."""

    def __init__(self, url: str) -> None:
        self.url = url

    def prepare(self) -> None:
        """It is there."""

    def open(self) -> postgres.PostgresDatabase:
        return postgres.PostgresDatabase(self.url)

    def connect(self) -> Connection:
        return PostgresConnection(lambda: postgres_connect(self.url, "tests", 60_000))

    def register_devices(self) -> "PostgresBase":
        """Puts in the two devices, and nothing that they belong to."""
        connection = self.connect()
        connection.execute("SET session_replication_role = replica")
        for number in (1, 2):
            connection.execute(DEVICE, device_of(number))
        connection.close()
        return self


class Bench:
    """A history on a database with two registered devices (numbers 1 and 2), closed and opened at will."""

    database: Any

    def __init__(self, base: Path | Base) -> None:
        self.base = SqliteFile(base) if isinstance(base, Path) else base

    @property
    def path(self) -> Path:
        """Of a SQLite file."""
        assert isinstance(self.base, SqliteFile), "the test is of that engine"
        return self.base.path

    async def open(self) -> "Bench":
        self.base.prepare()
        self.database = self.base.open()
        self.history = SqlHistory(self.database, pack_interval_s=3600)
        await self.history.open()
        return self

    def ask(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Rows that are committed."""
        connection = self.base.connect()
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()

    async def close(self) -> None:
        await self.history.close()
        await self.database.close()

    async def reopen(self) -> None:
        await self.close()
        await self.open()

    async def report(self, ts: int, number: int = 1, received_at: int = 5_000, **attributes: Any) -> None:
        await settled(self.history.append(Report(number, ts, received_at, attributes)))

    async def points(self, identifier: str, start: int = 0, end: int = 2**53, number: int = 1) -> list[tuple[int, Any]]:
        found = await self.history.series(number, identifier, start, end, offset=0, limit=10_000)
        return [(point.ts, point.value) for point in found]

    def hours(self) -> tuple[list[Any], list[Any]]:
        """What is counted of the blocks, and the same from the blocks, at one instant: they are made in the background,
        too."""
        connection = self.base.connect()
        try:
            with snapshot(connection):
                counted = connection.execute("SELECT * FROM history_hours ORDER BY 1, 2").fetchall()
                return counted, connection.execute(HOURS_OF_BLOCKS).fetchall()
        finally:
            connection.close()

    async def current(self, number: int = 1) -> dict[str, tuple[int, Any]]:
        return {name: (known.ts, known.value) for name, known in (await self.history.current(number)).items()}


def register_devices(path: Path) -> None:
    """A new file with the two devices."""
    path.write_bytes(_file_with_devices())


@cache
def _file_with_devices() -> bytes:
    """Made once: the migrations of a new file take longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "history.db")
        prepare(path)
        connection = connect(path)
        connection.execute("PRAGMA foreign_keys=OFF")
        for number in (1, 2):
            connection.execute(DEVICE, device_of(number))
        connection.close()
        return path.read_bytes()


NewBase = Callable[[], AbstractContextManager[Base]]


@contextmanager
def new_sqlite() -> Iterator[Base]:
    """A database of the embedded engine with the two devices."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "history.db")
        register_devices(path)
        yield SqliteFile(path)


def new_postgres(server: PostgresServer) -> NewBase:
    """Makes databases of PostgreSQL with the two devices."""

    @contextmanager
    def new() -> Iterator[Base]:
        url = server.new_database()
        try:
            yield PostgresBase(url).register_devices()
        finally:
            server.drop_database(url)

    return new


def examples_of(new_base: NewBase, most: int) -> int:
    """How many examples of a property are tried on an engine: a database of PostgreSQL takes longer to make."""
    return most if new_base is new_sqlite else most // 10


Step = Callable[[Bench], Any]


async def leave(bench: Bench) -> None:
    """Nothing happens between writing and reading."""


async def pack(bench: Bench) -> None:
    await bench.history.packer.pack()


async def make_blocks(bench: Bench) -> None:
    await bench.history.packer.pack(whole=True)


async def settle_later(bench: Bench) -> None:
    await pack(bench)
    await bench.history.packer.compactor.compact(list(bench.history.heads._heads.values()))


async def restart(bench: Bench) -> None:
    await bench.reopen()


async def pack_and_restart(bench: Bench) -> None:
    await pack(bench)
    await restart(bench)
