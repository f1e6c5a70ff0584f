"""A check finds what is wrong, and nothing where nothing is."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.nouns import project_of
from tests.storage.history_bench import Bench, make_blocks, pack
from tests.storage.test_damage import spoil_page_with
from thingstead.clock import ManualClock
from thingstead.errors import ConfigError
from thingstead.model.report import Report
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.history import compaction
from thingstead.storage.sqlite.engine.database import connect
from thingstead.storage.sqlite.offline.check import check
from thingstead.storage.sqlite.store import SqliteStore


@pytest.fixture(scope="module")
def sound_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two devices with points in the log, in the spool and in blocks."""
    path = tmp_path_factory.mktemp("sound") / "history.db"
    asyncio.run(_fill(path))
    return path


async def _fill(path: Path) -> None:
    store = await SqliteStore.open(path, ManualClock())
    await store.projects.create(*project_of("p"))
    await store.close()
    _register(path)
    bench = await Bench(path).open()
    for number in (1, 2):
        for ts in range(2 * compaction.BLOCK_POINTS):
            commit = bench.history.append(Report(number, ts, 5_000, {"x": ts, "spoiled": "t"}))
        await settled(commit)
    await make_blocks(bench)
    await bench.report(10_000, x=1)
    await pack(bench)
    await bench.report(10_001, x=2)
    await bench.close()


@pytest.fixture
async def sound(tmp_path: Path, sound_file: Path) -> AsyncIterator[Bench]:
    path = Path(shutil.copy(sound_file, tmp_path))
    bench = await Bench(path).open()
    yield bench
    await bench.close()


def _register(path: Path) -> None:
    connection = connect(path)
    for number in (1, 2):
        connection.execute(
            "INSERT INTO devices (number, id, project_id, name, descr, tags, access_token, view_token, device_code,"
            " create_time, search_text) VALUES (?, ?, 'p', 'n', '', '{}', ?, ?, 'c', 0, '')",
            (number, f"device{number}", f"token{number}", f"view{number}"),
        )
    connection.close()


def problems(path: Path, *, quick: bool = False) -> dict[str, str]:
    """The first problem of each part that has one."""
    return {finding.part: finding.problems[0] for finding in check(path, quick=quick) if finding.problems}


async def test_a_sound_database_has_no_problems_while_it_is_written(sound: Bench) -> None:
    findings = list(check(sound.path))
    assert [finding.part for finding in findings] == [
        "pages", "references", "log", "spool", "states", "blocks", "totals", "quarantine",
    ]  # fmt: skip
    assert all(not finding.problems for finding in findings)
    looked_at = {finding.part: finding.looked_at for finding in findings}
    assert looked_at["log"] == 1
    assert looked_at["spool"] == 1
    assert looked_at["blocks"] >= 4
    assert "blocks" not in {finding.part for finding in check(sound.path, quick=True)}


@pytest.mark.parametrize(
    ("sql", "part", "text"),
    [
        ("UPDATE block SET data = substr(data, 2) WHERE device_number = 2 AND identifier = 'x'", "blocks", "checksum"),
        ("UPDATE block SET points = points + 1 WHERE device_number = 2", "blocks", "content differs"),
        ("UPDATE block SET points = points + 1 WHERE device_number = 2", "totals", "totals differ from the blocks"),
        ("UPDATE block SET last_ts = 2 * last_ts", "blocks", "content differs"),
        ("UPDATE report_log SET entries = x'00'", "log", "checksum"),
        ("UPDATE spool SET reports = x'0011223344'", "spool", "checksum"),
        ("UPDATE spool SET points = 7", "states", "are counted in the spool"),
        ("UPDATE device_state SET active = x'00'", "states", "checksum"),
        ("DELETE FROM history_hours", "totals", "totals differ from the blocks"),
        ("DELETE FROM devices WHERE number = 2", "references", "device 2 does not exist"),
        ("UPDATE devices SET type_id = 'nosuch'", "references", "does not exist"),
    ],
)
async def test_what_is_wrong_is_found_and_named(sound: Bench, sql: str, part: str, text: str) -> None:
    connection = connect(sound.path)
    connection.execute("PRAGMA foreign_keys=OFF")
    connection.execute(sql)
    connection.close()
    assert text in problems(sound.path)[part]


async def test_blocks_that_reach_into_each_other_are_found(sound: Bench) -> None:
    connection = connect(sound.path)
    connection.execute(
        "INSERT INTO block SELECT device_number, identifier, first_ts + 1, last_ts, points, data FROM block LIMIT 1"
    )
    connection.close()
    assert "overlaps the block before it" in problems(sound.path)["blocks"]


async def test_a_damaged_page_is_found(sound: Bench) -> None:
    await sound.close()
    spoil_page_with(sound.path, b"spoiled", without=b"attributes")
    assert "pages" in problems(sound.path)
    assert "pages" in problems(sound.path, quick=True)
    await sound.open()


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(ConfigError, match="cannot be read as a database"):
        list(check(path))
    connection = connect(tmp_path / "other.db")
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(ConfigError, match="not a database of Thingstead"):
        list(check(tmp_path / "other.db"))
