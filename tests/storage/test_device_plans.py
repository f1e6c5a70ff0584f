"""Plans of the embedded engine: named devices are found by their ids, however many the project has."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from thingstead.model.alarms.alarm import AlarmFilter
from thingstead.model.device import DeviceFilter, Page
from thingstead.storage.sql.console import registry_changes
from thingstead.storage.sql.tables import commands, notify
from thingstead.storage.sql.tables.alarms import alarm_actions
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


def test_the_first_view_of_alarms_and_its_counts_read_an_index_of_what_needs_attention(path: Path) -> None:
    with closing(connect(path)) as connection:
        statement, parameters = alarm_actions.where_of_alarms("ours", AlarmFilter(attention=True))
        assert "alarms_attention" in plan(
            connection, f"SELECT count(*) FROM alarms a WHERE {statement}", tuple(parameters)
        )


def test_channels_with_waiting_notices_are_found_by_an_index_of_these(path: Path) -> None:
    with closing(connect(path)) as connection:
        for sql, parameters in ((notify._PROJECTS, ()), (notify._DUE, ("p", 1, 1)), (notify._NEXT_TRY, ("p",))):
            assert "notify_channels_waiting" in plan(connection, sql, parameters)


def test_a_page_of_devices_reads_the_rows_of_the_page_alone(path: Path) -> None:
    with closing(connect(path)) as connection:
        selection = select(connection, "p", DeviceFilter())
        assert selection is not None
        numbers, parameters = selection.numbers(Page())
        found = plan(
            connection, f"SELECT d.id FROM ({numbers}) p LEFT JOIN devices d ON d.number = p.number", parameters
        )
        assert "devices_in_order" in found
        assert "SEARCH d USING INTEGER PRIMARY KEY" in found
