"""Reads the history of a database while nodes are active or not."""

from contextlib import ExitStack, closing

from thingstead.errors import ConfigError
from thingstead.storage.migrate import load_migrations
from thingstead.storage.postgres.engine.connection import PostgresConnection, connect
from thingstead.storage.postgres.engine.errors import DRIVER_ERRORS, translated
from thingstead.storage.postgres.schema import check_complete, version_of
from thingstead.storage.sql.archive import SqlArchive

NAME = "thingstead/export"  # of the connection, for people who look at the server
_NO_TIME_LIMITS = "SET idle_in_transaction_session_timeout = 0"  # the table is written while points are read


class PostgresArchive(SqlArchive):
    """See :class:`~thingstead.storage.base.Archive`. A context manager.

    Raises:
        ConfigError: the database is empty, of another program, or its schema is not the newest one.
        Unavailable: it cannot be reached.
    """

    def __init__(self, conninfo: str) -> None:
        self._open = PostgresConnection(lambda: connect(conninfo, NAME, 0))
        try:
            with ExitStack() as stack:
                stack.enter_context(closing(self._open))
                self._open.raw.execute(_NO_TIME_LIMITS)
                found = version_of(self._open.raw)
                newest = len(load_migrations("thingstead.storage.postgres"))
                if found is None or found[0] != newest:
                    version = "none" if found is None else found[0]
                    raise ConfigError(f"the database has schema version {version}; this release reads {newest}")
                check_complete(self._open.raw)
                super().__init__(self._open)
                stack.pop_all()  # success: the connection stays open
        except DRIVER_ERRORS as exc:
            raise translated(exc) from exc

    def close(self) -> None:
        self._open.close()
