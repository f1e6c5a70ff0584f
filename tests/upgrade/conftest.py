"""The data folder of an earlier release."""

import gzip
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from thingstead.storage.migrate import load_migrations

FIRST = Path(__file__).parent / "first"
NEWEST = load_migrations("thingstead.storage.sqlite")[-1].version
OLD = 8  # its schema version


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (folder / "thingstead.sqlite").write_bytes(gzip.decompress((FIRST / "thingstead.sqlite.gz").read_bytes()))
    (folder / "thingstead.sqlite").chmod(0o600)
    return folder


def schema_version(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
