"""Copies everything of one store into another of the other engine: table by table, in steps that can be resumed, and
compares both at the end.

Both engines have the same tables and columns. Big tables are copied in the order of their keys, that of devices, some
thousand rows a transaction, each with the key from which the next one goes on; other tables whole, each in one.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from thingstead.errors import ConfigError, Conflict
from thingstead.storage.postgres.schema import UNFINISHED
from thingstead.storage.sqlite.engine.database import connect
from thingstead.storage.sqlite.engine.schema import prepare

STATE = UNFINISHED  # table of the target: where to go on with each table
ROWS_PER_STEP = 5_000
STEP_BYTES = 8 << 20
# Tables that grow with time: they are copied in steps.
STEPWISE = (
    *("alarm_logs", "alarms", "audit_logs", "block", "commands", "device_logs", "device_state", "events"),
    *("message_hours", "message_minutes", "mqtt_queue", "notices", "notify_logs", "report_log", "spool"),
    *("forward_dead", "forward_segments", "message_rule_evaluations", "message_rule_work", "outgoing_messages"),
    *("ota_pieces", "ota_upgrades", "task_results", "task_run_parts", "task_runs"),
)
_CREATE_STATE = """
CREATE TABLE store_migration (name TEXT NOT NULL, copied BIGINT NOT NULL, last TEXT NOT NULL, ended BIGINT NOT NULL)
"""
_encode = msgspec.msgpack.Encoder().encode

Row = tuple[Any, ...]
Progress = Callable[[int, int], None]  # rows done, and their total


class Table(NamedTuple):
    """A table as both engines have it."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    counted: str  # column whose numbers the database gives; empty: none

    @property
    def stepwise(self) -> bool:
        """Whether it is copied in several steps, because it may be large."""
        return self.name in STEPWISE


class TableMoved(NamedTuple):
    """A table that was copied."""

    rows: int
    sha256: str  # of its rows, in the order of their keys


class Side(Protocol):
    """A store that is read or filled."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> list[Row]:
        """Runs a statement with the placeholder ``?``, in the open transaction if there is one."""
        ...

    def read(self, sql: str, parameters: Sequence[Any], /) -> Generator[Row, None, None]:
        """Rows of a statement, of which few are in memory at once."""
        ...

    def begin(self) -> None:
        """Begins a transaction. Raises Unavailable if this process may not write."""
        ...

    def commit(self) -> None:
        """Keeps what the open transaction did."""
        ...

    def rollback(self) -> None:
        """Undoes it."""
        ...

    def insert(self, table: Table, rows: Iterator[Row]) -> None:
        """Adds rows in the open transaction, without triggers."""
        ...

    def exists(self, table: str) -> bool:
        """Whether there is such a table."""
        ...

    def last_number(self, table: Table) -> int:
        """The greatest number that a table has given, also to rows that are no more."""
        ...

    def set_last_number(self, table: Table, number: int) -> None:
        """Numbers after this one are given next."""
        ...

    def finish(self) -> None:
        """Completes a store that was filled."""
        ...


def tables_in_order(folder: Path) -> list[Table]:
    """All tables, each behind those to which it refers."""
    path = folder / "schema.sqlite"
    prepare(path)
    with closing(connect(path)) as connection:
        names = [
            row[0]
            for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            if not row[0].startswith("sqlite_")
        ]
        found = {name: _table(connection, name) for name in names}
        needs = {
            name: {row[2] for row in connection.execute(f"PRAGMA foreign_key_list({name})")} - {name} for name in names
        }
    ordered: list[Table] = []
    while needs:
        ready = sorted(name for name, missing in needs.items() if not missing)
        ordered += [found[name] for name in ready]
        needs = {name: missing - set(ready) for name, missing in needs.items() if name not in ready}
    return ordered


def _table(connection: sqlite3.Connection, name: str) -> Table:
    rows = connection.execute(f"PRAGMA table_info({name})").fetchall()
    columns = tuple(row[1] for row in rows)
    in_key = sorted((row[5], row[1]) for row in rows if row[5])
    (create,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    counted = "" if "WITHOUT ROWID" in create or len(in_key) != 1 else in_key[0][1]
    if any(row[1] == counted and row[2] != "INTEGER" for row in rows):
        counted = ""
    return Table(name, columns, tuple(column for _, column in in_key) or columns, counted)


def count_rows(side: Side, tables: Sequence[Table]) -> dict[str, int]:
    """Number of rows of each table."""
    return {table.name: side.execute(f"SELECT count(*) FROM {table.name}")[0][0] for table in tables}  # noqa: S608 - ours


def move(source: Side, target: Side, tables: Sequence[Table], progress: Progress) -> dict[str, TableMoved]:
    """Copies what is not in the target yet, compares all, and makes the target usable.

    Raises:
        Conflict: the target holds a store already, or one that is being filled from another; or the source is itself
            being filled.
        ConfigError: a row cannot be kept in the target, or the target differs at the end.
    """
    if source.exists(STATE):
        detail = (
            "the source is being filled from another store: call migrate-store in that direction until it has ended"
        )
        raise Conflict("not_done", detail=detail)
    counts = count_rows(source, tables)
    total, done = 2 * sum(counts.values()), 0
    state = _begin(source, target, tables)
    for table in tables:
        copied, last, ended = state[table.name]
        if not ended:
            for now in _copy(source, target, table, copied, last):
                progress(done + now, total)
            target.begin()
            target.execute("UPDATE store_migration SET ended = 1 WHERE name = ?", (table.name,))
            target.commit()
        done += counts[table.name]
    moved = {}
    for table in tables:
        moved[table.name] = digest(source, table)
        if digest(target, table) != moved[table.name]:
            raise ConfigError(
                f"the copy of the table {table.name} differs from its source, which was changed meanwhile: "
                "remove the unfinished copy, and begin again"
            )
        done += counts[table.name]
        progress(done, total)
    target.begin()
    for table in tables:
        if table.counted:
            target.set_last_number(table, source.last_number(table))
    target.execute("DROP TABLE store_migration")
    target.commit()
    target.finish()
    return moved


def _begin(source: Side, target: Side, tables: Sequence[Table]) -> dict[str, tuple[int, str, int]]:
    """Where to go on with each table."""
    origin = hashlib.sha256(_encode(source.execute("SELECT id, project_key FROM projects ORDER BY id"))).hexdigest()
    if target.exists(STATE):
        state = {row[0]: row[1:] for row in target.execute("SELECT name, copied, last, ended FROM store_migration")}
        if state.pop("")[1] != origin:
            raise Conflict("not_done", detail="the target is being filled from another store; nothing was changed")
        return state
    if target.execute("SELECT 1 FROM projects LIMIT 1"):
        raise Conflict("not_done", detail="the target holds a project already; nothing was changed")
    target.begin()
    target.execute(_CREATE_STATE)
    for name, last in [("", origin), *((table.name, "") for table in tables)]:
        target.execute("INSERT INTO store_migration (name, copied, last, ended) VALUES (?, 0, ?, 0)", (name, last))
    for table in tables:
        target.execute(f"DELETE FROM {table.name}")  # noqa: S608 - rows that every new store has
    target.commit()
    return {table.name: (0, "", 0) for table in tables}


def _copy(source: Side, target: Side, table: Table, copied: int, last: str) -> Iterator[int]:
    """Copies rows behind the key ``last``. Yields the number of rows after each transaction."""
    places = [table.columns.index(column) for column in table.key]
    while True:
        with closing(source.read(*_rows_behind(table, last))) as rows:
            step = _Rows(rows, table.stepwise)
            target.begin()
            try:
                target.insert(table, iter(step))
                copied += step.rows
                if step.row is not None and table.stepwise:
                    last = msgspec.json.encode([step.row[place] for place in places]).decode()
                target.execute(
                    "UPDATE store_migration SET copied = ?, last = ? WHERE name = ?", (copied, last, table.name)
                )
            except BaseException:
                target.rollback()
                raise
        target.commit()
        yield copied
        if not step.more:
            return


class _Rows:
    """Rows of one transaction."""

    def __init__(self, rows: Iterator[Row], bounded: bool) -> None:
        self._rows = rows
        self._bounded = bounded
        self.rows = 0
        self.row: Row | None = None
        self.more = False

    def __iter__(self) -> Iterator[Row]:
        size_bytes = 0
        for row in self._rows:
            self.rows += 1
            self.row = row
            yield row
            size_bytes += sum(len(value) for value in row if isinstance(value, str | bytes))
            if self._bounded and (self.rows >= ROWS_PER_STEP or size_bytes >= STEP_BYTES):
                self.more = True
                return


def _rows_behind(table: Table, last: str) -> tuple[str, list[Any]]:
    key = ", ".join(table.key)
    sql = f"SELECT {', '.join(table.columns)} FROM {table.name}"  # noqa: S608 - ours
    if not last:
        return f"{sql} ORDER BY {key}", []
    values: list[Any] = msgspec.json.decode(last)
    return f"{sql} WHERE ({key}) > ({', '.join('?' * len(values))}) ORDER BY {key}", values


def digest(side: Side, table: Table) -> TableMoved:
    """The rows of a table, counted and summed up."""
    rows, sha256 = 0, hashlib.sha256()
    for row in side.read(*_rows_behind(table, "")):
        rows += 1
        sha256.update(_encode(row))
    return TableMoved(rows, sha256.hexdigest())


def unkeepable(side: Side, tables: Sequence[Table]) -> list[str]:
    """Rows whose texts have the character NUL, which PostgreSQL does not keep: table and key of each, at most ten."""
    found: list[str] = []
    for table in tables:
        places = [table.columns.index(column) for column in table.key]
        for row in side.read(*_rows_behind(table, "")):
            if any(isinstance(value, str) and "\0" in value for value in row):
                found.append(f"{table.name} {[row[place] for place in places]!r}")
                if len(found) == 10:
                    return found
    return found
