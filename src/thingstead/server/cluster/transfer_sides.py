"""The two stores of a transfer: an SQLite file, and a PostgreSQL database."""

import itertools
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from thingstead.errors import ConfigError, Unavailable
from thingstead.server.cluster.transfer import Row, Table
from thingstead.storage.postgres.engine.connection import connect as connect_postgres
from thingstead.storage.postgres.engine.connection import translate
from thingstead.storage.sqlite.engine.database import connect

ROWS_AT_ONCE = 1_000  # of a big result that PostgreSQL sends

_names = itertools.count()


class FileSide:
    """An SQLite file, which nobody else uses."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self._read_only = read_only
        self._connection = connect(path, read_only=read_only)
        self._connection.execute("PRAGMA foreign_keys=OFF")  # rows of one table may refer to each other

    def close(self) -> None:
        if not self._read_only:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> list[Row]:
        return self._connection.execute(statement, parameters).fetchall()

    def read(self, statement: str, parameters: Sequence[Any], /) -> Generator[Row, None, None]:
        with closing(self._connection.cursor()) as cursor:
            yield from cursor.execute(statement, parameters)

    def begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        self._connection.execute("ROLLBACK")

    def insert(self, table: Table, rows: Iterator[Row]) -> None:
        triggers = self.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table.name,)
        )
        for name, _ in triggers:
            self._connection.execute(f"DROP TRIGGER {name}")
        marks = ", ".join("?" * len(table.columns))
        insert = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({marks})"  # noqa: S608 - ours
        self._connection.executemany(insert, rows)
        for _, create in triggers:
            self._connection.execute(create)

    def exists(self, table: str) -> bool:
        return bool(self.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)))

    def last_number(self, table: Table) -> int:
        given = self.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,))
        kept = self.execute(f"SELECT coalesce(max({table.counted}), 0) FROM {table.name}")  # noqa: S608 - ours
        return max(int(row[0]) for row in (*given, *kept))

    def set_last_number(self, table: Table, number: int) -> None:
        self.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ? AND seq < ?", (number, table.name, number))

    def finish(self) -> None:
        strays = self.execute("PRAGMA foreign_key_check")
        if strays:
            raise ConfigError(f"a row of the table {strays[0][0]} refers to one of {strays[0][2]} that does not exist")


class DatabaseSide:
    """A PostgreSQL database.

    Args:
        stream: of this process, which is the active node; None: it is only read.
    """

    def __init__(self, conninfo: str, name: str, stream: int | None) -> None:
        self._connection = connect_postgres(conninfo, name, 0)
        self._reader = connect_postgres(conninfo, name, 0)
        self._stream = stream
        for connection in (self._connection, self._reader):
            connection.execute("SET idle_in_transaction_session_timeout = 0")
        # A step reads few rows behind a key: by the index, not by sorting all that follow.
        self._reader.execute("SET cursor_tuple_fraction = 0.0001")

    def close(self) -> None:
        self._connection.close()
        self._reader.close()

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> list[Row]:
        with psycopg.RawCursor(self._connection) as cursor:
            cursor.execute(translate(statement), parameters or None, binary=True)
            return cursor.fetchall() if cursor.description is not None else []

    def read(self, statement: str, parameters: Sequence[Any], /) -> Generator[Row, None, None]:
        with (
            self._reader.transaction(),
            psycopg.RawServerCursor(self._reader, f"rows_{next(_names)}") as cursor,
        ):
            cursor.itersize = ROWS_AT_ONCE
            cursor.execute(translate(statement), parameters, binary=True)
            yield from cursor

    def begin(self) -> None:
        self.execute("BEGIN")
        if self._stream is not None:
            self.execute("SELECT fence(?)", (self._stream,))

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        if not self._connection.closed:
            self.execute("ROLLBACK")

    def insert(self, table: Table, rows: Iterator[Row]) -> None:
        name, columns = sql.Identifier(table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
        with self._connection.cursor() as cursor:
            cursor.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(name))
            with cursor.copy(sql.SQL("COPY {} ({}) FROM STDIN").format(name, columns)) as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(name))

    def exists(self, table: str) -> bool:
        return self.execute("SELECT to_regclass(?) IS NOT NULL", (table,)) == [(True,)]

    def last_number(self, table: Table) -> int:
        numbers = [self.execute(f"SELECT coalesce(max({table.counted}), 0) FROM {table.name}")[0][0]]  # noqa: S608 - ours
        sequence = self._sequence(table)
        if sequence is not None:
            numbers += [row[0] for row in self.execute(f"SELECT last_value FROM {sequence} WHERE is_called")]  # noqa: S608
        return int(max(numbers))

    def set_last_number(self, table: Table, number: int) -> None:
        sequence = self._sequence(table)
        if sequence is not None and number > 0:
            self.execute("SELECT setval(CAST(? AS regclass), ?)", (sequence, number))

    def _sequence(self, table: Table) -> str | None:
        name: str | None = self.execute("SELECT pg_get_serial_sequence(?, ?)", (table.name, table.counted))[0][0]
        return name

    def finish(self) -> None:
        self.execute("ANALYZE")


@contextmanager
def driver_errors() -> Iterator[None]:
    """Translates what the drivers raise inside."""
    try:
        yield
    except psycopg.DataError as exc:
        raise ConfigError(f"PostgreSQL cannot keep a value, which --rehearse finds: {_text(exc)}") from exc
    except (psycopg.Error, sqlite3.Error) as exc:
        raise Unavailable("not_done", detail=f"a store failed: {_text(exc)}") from exc


def _text(exc: Exception) -> str:
    return " ".join(str(exc).split())
