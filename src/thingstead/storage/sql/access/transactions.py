"""Read transactions, and savepoints where a database needs them."""

from collections.abc import Iterator
from contextlib import contextmanager

from thingstead.storage.sql.access.connection import Connection


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """Read transaction: all statements inside see one snapshot. Errors of the driver are translated."""
    dialect = connection.dialect
    try:
        connection.execute(dialect.begin_read)
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
    except dialect.driver_errors as exc:
        raise dialect.translated(exc) from exc


@contextmanager
def savepoint(connection: Connection) -> Iterator[None]:
    """Lets a transaction go on after a statement inside has failed: it is rolled back to this point, unless the
    database undoes a failed statement by itself."""
    if not connection.dialect.savepoints:
        yield
        return
    connection.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK TO part")
        raise
    connection.execute("RELEASE part")
