"""What SQLite has and other databases have not, for code that runs on all of them."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from thingstead.storage.sql.access.connection import Connection, Dialect
from thingstead.storage.sqlite.engine.errors import DRIVER_ERRORS, is_damage, translated

STEPS_COUNT = 100_000  # instructions of SQLite's virtual machine between two checks for cancellation
PAGES_PER_STEP = 500  # returned to the disk in one transaction
FREE_PAGES_KEPT = 256  # free pages left in the file for new data


@contextmanager
def interrupting(connection: sqlite3.Connection, abandoned: Callable[[], bool]) -> Iterator[None]:
    """Interrupts statements inside once ``abandoned`` returns True."""
    connection.set_progress_handler(abandoned, STEPS_COUNT)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


def give_back(connection: Connection) -> int:
    """Returns some free pages of the file to the disk. Returns their bytes; 0: there are none to spare."""
    (page_size,) = connection.execute("PRAGMA page_size").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    pages = min(PAGES_PER_STEP, free - FREE_PAGES_KEPT)
    if pages <= 0:
        return 0
    connection.execute(f"PRAGMA incremental_vacuum({pages})").fetchall()
    (left,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int((free - left) * page_size)


SQLITE = Dialect(
    name="sqlite",
    driver_errors=DRIVER_ERRORS,
    translated=translated,
    is_damage=is_damage,
    ends_all=lambda exc: isinstance(exc, sqlite3.OperationalError),
    begin_read="BEGIN",
    insert_log="INSERT INTO report_log (seq, entries) VALUES (?, ?)",
    interrupting=interrupting,
    give_back=give_back,
    savepoints=False,
    tells_numbers=True,
)


class SqliteConnection(sqlite3.Connection):
    """Connection that names its dialect. Its cursors read rows when they are needed, so any of them is a stream."""

    dialect = SQLITE

    def stream(self, sql: str, parameters: Sequence[Any] = (), /) -> sqlite3.Cursor:
        """See :class:`~thingstead.storage.sql.access.connection.Connection`."""
        return self.execute(sql, parameters)
