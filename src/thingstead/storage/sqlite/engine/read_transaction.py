"""Read transaction: all statements inside see one snapshot."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from thingstead.storage.sqlite.engine.errors import DRIVER_ERRORS, translated


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Read transaction: all statements inside see one snapshot. Errors of the driver are translated."""
    try:
        connection.execute("BEGIN")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
    except DRIVER_ERRORS as exc:
        raise translated(exc) from exc
