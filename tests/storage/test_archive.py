"""History read from outside a server, while it writes."""

from pathlib import Path
from typing import Any

import pytest

from tests.storage.history_bench import Bench, Step, leave, make_blocks, pack, register_devices
from thingstead.errors import ConfigError
from thingstead.storage.sqlite.engine.database import connect
from thingstead.storage.sqlite.offline.archive import SqliteArchive
from thingstead.storage.sqlite.offline.check import check


def points(archive: SqliteArchive, number: int, identifier: str, *window: int) -> list[tuple[int, Any]]:
    return [
        point
        for timestamps, values in archive.points(number, identifier, *window)
        for point in zip(timestamps, values, strict=True)
    ]


@pytest.mark.parametrize("step", [leave, pack, make_blocks])
async def test_everything_committed_is_read_in_order_while_the_store_is_open(bench: Bench, step: Step) -> None:
    for ts in (3, 1, 2):
        await bench.report(ts, x=ts, y="a")
    await step(bench)
    await bench.report(2, x=2)
    await bench.report(4, x=True)
    await bench.report(1, number=2, z=None)
    with SqliteArchive(bench.path) as archive:
        assert archive.identifiers(1) == ["x", "y"]
        assert points(archive, 1, "x") == [(1, 1), (2, 2), (3, 3), (4, True)]
        assert points(archive, 1, "x", 2, 3) == [(2, 2), (3, 3)]
        assert points(archive, 2, "z") == [(1, None)]
        assert points(archive, 2, "x") == []
        assert [device.id for device in archive.devices("p")] == ["device1", "device2"]
        assert [device.id for device in archive.devices(device_ids=["device2"])] == ["device2"]
        assert archive.devices("another") == []


async def test_what_is_packed_after_the_archive_was_opened_is_read_once(bench: Bench) -> None:
    for ts in range(10):
        await bench.report(ts, x=ts)
    with SqliteArchive(bench.path) as archive:
        for step in (pack, make_blocks):
            await step(bench)
            assert [ts for ts, _ in points(archive, 1, "x")] == list(range(10))


async def test_removed_attributes_are_not_read(bench: Bench) -> None:
    await bench.report(1, x=1, y=1)
    await bench.history.remove_attributes(1, ["x"])
    await bench.report(2, y=2)
    with SqliteArchive(bench.path) as archive:
        assert archive.identifiers(1) == ["y"]
        assert points(archive, 1, "x") == []


async def test_damaged_rows_are_counted_and_left_where_they_are(bench: Bench) -> None:
    await bench.report(1, x=1)
    await make_blocks(bench)
    connection = connect(bench.path)
    connection.execute("UPDATE block SET data = substr(data, 1, 8)")
    connection.close()
    with SqliteArchive(bench.path) as archive:
        assert points(archive, 1, "x") == []
        assert archive.damaged_rows == 1
    assert bench.database.reader.execute("SELECT count(*) FROM block").fetchone() == (1,)


async def test_damaged_rows_of_the_log_and_of_the_spool_are_counted_once(bench: Bench) -> None:
    await bench.report(1, x=1, y=1)
    await pack(bench)
    for ts in (2, 3):
        await bench.report(ts, x=ts)
    connection = connect(bench.path)
    connection.execute("UPDATE spool SET reports = substr(reports, 1, 8)")
    connection.execute("UPDATE report_log SET entries = substr(entries, 1, 8) WHERE seq = 2")
    connection.close()
    with SqliteArchive(bench.path) as archive:
        assert archive.damaged_rows == 1
        assert archive.identifiers(1) == ["x"]
        assert archive.damaged_rows == 2
        assert points(archive, 1, "x") == [(3, 3)]
        assert points(archive, 1, "y") == []
        assert archive.damaged_rows == 2


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    register_devices(path)
    connection = connect(path)
    for version, advice in ((1, "start the server once"), (999, "use a newer release")):
        connection.execute(f"PRAGMA user_version={version}")
        with pytest.raises(ConfigError, match=advice):
            SqliteArchive(path)
        with pytest.raises(ConfigError, match=advice):
            list(check(path))
    connection.close()
