"""Finds connections to a database that nobody closed, on every Python; CPython itself tells of them from 3.13 on."""

import sqlite3
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from thingstead.storage.sqlite.engine.dialect import SqliteConnection

TESTS = str(Path(__file__).parent)
OURS = (TESTS, str(Path(__file__).parents[1] / "src"))
_connect = sqlite3.connect


class Unclosed(Exception):
    """A connection was left to the garbage collector. This fails the test during which it is collected, which need not
    be the one that opened it: the message says where that was."""


class WatchedConnection(SqliteConnection):
    """A connection that must be closed; of the class that the product opens."""

    opened_at = ""  # empty: closed, or never opened

    def close(self) -> None:
        super().close()
        self.opened_at = ""

    def __del__(self) -> None:
        if opened_at := self.opened_at:
            with suppress(sqlite3.ProgrammingError):  # it may be collected in a thread that may not use it
                self.close()
            raise Unclosed(f"sqlite3 connection opened at {opened_at} was not closed; `with` alone does not close it")


def connect(*args: Any, **options: Any) -> sqlite3.Connection:
    """:func:`sqlite3.connect`; connections that code of ours opens are watched."""
    caller = sys._getframe(1)
    if not caller.f_code.co_filename.startswith(OURS):
        foreign: sqlite3.Connection = _connect(*args, **options)
        return foreign
    connection = WatchedConnection(*args, **{key: value for key, value in options.items() if key != "factory"})
    # A line of a test says more than the line of the product that it led to.
    place: FrameType | None = caller
    while place is not None and not place.f_code.co_filename.startswith(TESTS):
        place = place.f_back
    place = place or caller
    connection.opened_at = f"{place.f_code.co_filename}:{place.f_lineno}"
    return connection
