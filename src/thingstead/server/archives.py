"""Reads and checks a data folder from outside, while a server runs or not."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from thingstead.errors import ConfigError
from thingstead.server.folder import DataFolder
from thingstead.storage.base import Archive
from thingstead.storage.sqlite.offline.archive import SqliteArchive
from thingstead.storage.sqlite.offline.check import CheckedPart, check


@contextmanager
def open_archive(data_dir: Path) -> Iterator[Archive]:
    """Opens the history in a data folder for reading.

    Raises:
        ConfigError: there is no data folder, or its schema is not that of this release.
    """
    with SqliteArchive(_database(data_dir)) as archive:
        yield archive


def check_folder(data_dir: Path, *, quick: bool = False) -> Iterator[CheckedPart]:
    """Checks a data folder part by part; see :func:`~thingstead.storage.sqlite.offline.check.check`."""
    return check(_database(data_dir), quick=quick)


def _database(data_dir: Path) -> Path:
    folder = DataFolder(data_dir)
    if not folder.initialized:
        raise ConfigError(f"{data_dir} is not a data folder yet; thingstead init creates one")
    return folder.database
