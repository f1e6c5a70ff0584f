"""Named devices are found by their ids, however many the project has."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from thingstead.model.device import DeviceFilter, Page
from thingstead.storage.sql.console import registry_changes
from thingstead.storage.sql.tables import commands
from thingstead.storage.sql.tables.device_filter import select
from thingstead.storage.sqlite.engine.database import connect
from thingstead.storage.sqlite.engine.schema import prepare

BY_ID = "sqlite_autoindex_devices_1 (id=?)"


def plan(connection: sqlite3.Connection, sql: str, parameters: tuple[object, ...]) -> str:
    return " ".join(str(row[-1]) for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    prepare(tmp_path / "store.sqlite")
    return tmp_path / "store.sqlite"


def test_no_read_of_named_devices_walks_over_the_project(path: Path) -> None:
    with closing(connect(path)) as connection:
        selection = select(connection, "p", DeviceFilter(ids=("a", "b")), rows=True)
        assert selection is not None
        assert BY_ID in plan(connection, *selection.numbers(Page()))
        for sql in (registry_changes._ROWS, commands._ONLINE):
            assert BY_ID in plan(connection, sql, ("p", '["a"]'))
