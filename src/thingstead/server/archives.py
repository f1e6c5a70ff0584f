"""Reads and checks what a server keeps from outside, while it runs or not."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from thingstead.config import Config
from thingstead.errors import ConfigError
from thingstead.server.composition import opening
from thingstead.server.folder import DataFolder
from thingstead.storage.base import Archive
from thingstead.storage.sqlite.offline.archive import SqliteArchive
from thingstead.storage.sqlite.offline.check import CheckedPart, check


@contextmanager
def open_archive(config: Config) -> Iterator[Archive]:
    """Opens the history in the data folder or in the database for reading.

    Raises:
        ConfigError: there is none, or its schema is not that of this release.
        Unavailable: the database cannot be reached.
    """
    opened: AbstractContextManager[Archive] = (
        opening().open_database_archive(config) if config.database else SqliteArchive(_database(config.data_path))
    )
    with opened as archive:
        yield archive


def check_folder(data_dir: Path, *, quick: bool = False) -> Iterator[CheckedPart]:
    """Checks a data folder part by part; see :func:`~thingstead.storage.sqlite.offline.check.check`."""
    return check(_database(data_dir), quick=quick)


def _database(data_dir: Path) -> Path:
    folder = DataFolder(data_dir)
    if not folder.initialized:
        raise ConfigError(f"{data_dir} is not a data folder yet; thingstead init creates one")
    return folder.database
