"""Reads the history of a file from another process, while a server runs or not."""

import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path

from thingstead.errors import ConfigError
from thingstead.storage.sql.archive import SqlArchive
from thingstead.storage.sqlite.engine.database import connect
from thingstead.storage.sqlite.engine.schema import require_newest


class SqliteArchive(SqlArchive):
    """See :class:`~thingstead.storage.base.Archive`. A context manager.

    Raises:
        ConfigError: the file cannot be opened, or its schema is not the newest one.
    """

    def __init__(self, path: Path) -> None:
        try:
            with ExitStack() as stack:
                self._file = stack.enter_context(closing(connect(path, read_only=True)))
                require_newest(self._file, path)
                super().__init__(self._file)
                stack.pop_all()  # success: the connection stays open
        except sqlite3.Error as exc:
            raise ConfigError(f"{path}: cannot be used as a database: {exc}") from exc

    def close(self) -> None:
        self._file.close()
