"""What waits for a device is counted and matched without reading what it carries, however much there was before."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from thingstead.storage.sql.tables import commands
from thingstead.storage.sqlite.engine.schema import prepare


@pytest.mark.parametrize(
    "statement",
    [
        f"SELECT count(*), coalesce(sum(size_bytes), 0) {commands._OPEN}",
        f"SELECT id, state, size_bytes, expire_time, sent_qos {commands._OPEN} ORDER BY seq",
        f"SELECT id {commands._OPEN} AND command_id = 7 AND method = 'm' ORDER BY seq DESC LIMIT 1",
    ],
)
def test_open_commands_are_looked_at_in_their_index_alone(tmp_path: Path, statement: str) -> None:
    prepare(tmp_path / "thingstead.db")
    with closing(sqlite3.connect(tmp_path / "thingstead.db")) as connection:
        [(*_, plan)] = connection.execute(f"EXPLAIN QUERY PLAN {statement}", ("device",))
    assert plan == "SEARCH commands USING COVERING INDEX commands_open (device_id=?)"
