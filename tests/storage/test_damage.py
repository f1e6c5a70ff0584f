"""Damaged rows and pages are noticed, set aside and reported; the rest is served, and the server starts."""

import asyncio
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.storage.history_bench import Bench, make_blocks, pack, register_devices
from thingstead.clock import SystemClock
from thingstead.errors import Unavailable
from thingstead.model.report import Report
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.history import compaction
from thingstead.storage.sql.history.ranges import SqlRanges
from thingstead.storage.sql.history.records import decode_spooled, decode_values
from thingstead.storage.sqlite.engine.database import connect
from thingstead.storage.sqlite.store import SqliteStore

PAGE_BYTES = 8192
LEAVES = (10, 13)  # first bytes of leaf pages of SQLite's trees (https://www.sqlite.org/fileformat.html, 1.6)


def damage(path: Path, table: str, column: str, where: str = "1") -> bytes:
    """Flips a bit in the middle of a value of the first row that is meant; returns what stands there now."""
    connection = connect(path)
    rowid = "device_number" if table == "block" else "rowid"
    key, data = connection.execute(f"SELECT {rowid}, {column} FROM {table} WHERE {where} LIMIT 1").fetchone()
    spoiled = bytearray(data)
    spoiled[len(spoiled) // 2] ^= 4
    connection.execute(f"UPDATE {table} SET {column} = ? WHERE {rowid} = ? AND {where}", (bytes(spoiled), key))
    connection.close()
    return bytes(spoiled)


async def quarantine(bench: Bench) -> list[tuple[str, bytes]]:
    """What was set aside, once everything that was asked for before is written."""
    await bench.database.write(lambda connection: None)
    return bench.ask("SELECT kind, data FROM quarantine")


async def two_blocks(bench: Bench) -> None:
    for half in (0, 1):
        for ts in range(half * compaction.BLOCK_POINTS, (half + 1) * compaction.BLOCK_POINTS):
            bench.history.append(Report(1, ts, 1, {"x": ts}))
        await bench.report(half, y=half)
        await make_blocks(bench)


async def test_a_damaged_block_is_set_aside_and_the_others_are_read(bench: Bench) -> None:
    await two_blocks(bench)
    spoiled = damage(bench.path, "block", "data", "identifier = 'x' AND first_ts = 0")
    rest = list(range(2 * compaction.BLOCK_POINTS - 1, compaction.BLOCK_POINTS - 1, -1))
    assert [ts for ts, _ in await bench.points("x")] == rest
    assert await quarantine(bench) == [("block", spoiled)]
    assert bench.history.quarantine.rows == 1
    assert [ts for ts, _ in await bench.points("x")] == rest
    assert len(await quarantine(bench)) == 1
    await bench.reopen()
    assert bench.history.quarantine.rows == 1


async def test_a_range_passes_over_a_damaged_block_and_sets_it_aside(bench: Bench) -> None:
    await two_blocks(bench)
    damage(bench.path, "block", "data", "identifier = 'x' AND first_ts = 0")
    ranges = SqlRanges(bench.database, bench.history)
    [bucket] = await ranges.aggregate(1, "x", 0, 999, interval=1000, function="count", points_limit=10_000)
    assert bucket.value == compaction.BLOCK_POINTS
    assert [kind for kind, _ in await quarantine(bench)] == ["block"]


async def test_late_points_take_the_place_of_the_damaged_block_that_covered_them(bench: Bench) -> None:
    await two_blocks(bench)
    spoiled = damage(bench.path, "block", "data", "identifier = 'x' AND first_ts = 0")
    await bench.report(0, x="late")
    await make_blocks(bench)
    assert (await bench.points("x"))[-2:] == [(compaction.BLOCK_POINTS, compaction.BLOCK_POINTS), (0, "late")]
    assert await quarantine(bench) == [("block", spoiled)]
    assert bench.history.quarantine.rows == 1


async def test_a_damaged_row_of_the_log_does_not_keep_the_server_from_starting(bench: Bench) -> None:
    for ts in (1, 2, 3):
        await bench.report(ts, x=ts)
    await bench.close()
    spoiled = damage(bench.path, "report_log", "entries", "seq = 2")
    await bench.open()
    assert await bench.points("x") == [(3, 3), (1, 1)]
    assert await quarantine(bench) == [("report_log", spoiled)]
    await bench.report(4, x=4)
    await pack(bench)
    await bench.reopen()
    assert [ts for ts, _ in await bench.points("x")] == [4, 3, 1]


@pytest.mark.parametrize("compacting", [False, True])
async def test_a_damaged_row_of_the_spool_is_set_aside(bench: Bench, compacting: bool) -> None:
    for ts in (1, 2, 3):
        await bench.report(ts, x=ts)
        await pack(bench)
    spoiled = damage(bench.path, "spool", "reports", "first_ts = 2")
    if compacting:
        await bench.history.packer.compactor.compact(list(bench.history.heads._heads.values()))
    assert await bench.points("x") == [(3, 3), (1, 1)]
    assert await quarantine(bench) == [("spool", spoiled)]
    left = bench.database.reader.execute("SELECT spooled FROM device_state WHERE device_number = 1").fetchone()
    assert left == (0 if compacting else 2,)


@pytest.mark.parametrize("column", ["attributes", "active"])
@pytest.mark.parametrize("step", [pack, make_blocks])
async def test_a_damaged_state_is_made_again_from_the_history(bench: Bench, column: str, step: Any) -> None:
    await bench.report(1000, x=1, y="a")
    await bench.report(2000, x=2)
    await step(bench)
    await bench.close()
    damage(bench.path, "device_state", column)
    await bench.open()
    await bench.report(3000, z=3)
    expected = {"x": (2000, 2), "y": (1000, "a"), "z": (3000, 3)}
    assert await bench.current() == expected
    assert [kind for kind, _ in await quarantine(bench)] == ["device_state"]
    await pack(bench)
    await bench.reopen()
    assert await bench.current() == expected
    assert await bench.points("x") == [(2000, 2), (1000, 1)]


async def test_a_list_shows_the_values_of_a_device_whose_state_is_damaged(bench: Bench) -> None:
    for number in (1, 2):
        await bench.report(1000, number, x=number)
    await pack(bench)
    await bench.close()
    damage(bench.path, "device_state", "attributes", "device_number = 1")
    await bench.open()
    known = await bench.history.known_of([1, 2], ["x", "y"])
    assert {number: {name: each.value.value for name, each in values.items()} for number, values in known.items()} == {
        1: {"x": 1},
        2: {"x": 2},
    }
    assert [kind for kind, _ in await quarantine(bench)] == ["device_state"]


def spoil_page_with(path: Path, text: bytes, without: bytes) -> None:
    """Overwrites a page of the file in which a text stands, and another one does not: a leaf of a tree."""
    content = bytearray(path.read_bytes())
    every = {at: content[at : at + PAGE_BYTES] for at in range(PAGE_BYTES, len(content), PAGE_BYTES)}
    pages = [at for at, page in every.items() if text in page and without not in page and page[0] in LEAVES]
    at = pages[len(pages) // 2]
    content[at : at + PAGE_BYTES] = random.Random(at).randbytes(PAGE_BYTES)
    path.write_bytes(content)


async def test_a_damaged_page_of_blocks_fails_what_needs_it_and_nothing_else(bench: Bench) -> None:
    noise = random.Random(1)
    for ts in range(20 * compaction.BLOCK_POINTS):
        bench.history.append(Report(1, ts, 1, {"spoiled": noise.random(), "steady": noise.random()}))
        bench.history.append(Report(2, ts, 1, {"steady": noise.random()}))
    await bench.report(0, number=2, steady=0)
    await make_blocks(bench)
    await bench.close()
    spoil_page_with(bench.path, b"spoiled", without=b"attributes")  # the latter stands in states
    await bench.open()
    with pytest.raises(Unavailable, match="damaged"):
        await bench.points("spoiled")
    assert len(await bench.points("steady", number=2)) == 20 * compaction.BLOCK_POINTS + 1
    for number in (1, 2):
        await bench.report(10**6, number=number, steady=1, spoiled=1)
    await bench.history.packer.pack(whole=True)
    assert bench.history.packer.pending_points == 0
    assert (await bench.points("steady", start=10**6, number=2)) == [(10**6, 1)]
    await bench.report(10**6 + 1, number=1, steady=2)
    assert (await bench.current())["steady"] == (10**6 + 1, 2)


async def test_reports_that_a_damaged_page_keeps_from_being_packed_are_set_aside(bench: Bench) -> None:
    await bench.report(1, x=1)
    await pack(bench)
    (row,) = bench.database.reader.execute("SELECT reports FROM spool").fetchone()
    await bench.close()
    spoil_page_with(bench.path, row[:12], without=b"CREATE")
    await bench.open()
    await bench.report(2, number=2, x=2)
    await bench.report(3, number=2, y="kept")
    await pack(bench)
    assert bench.history.packer.pending_points == 0
    assert bench.history.heads.get(2).spooled == 0
    assert bench.database.reader.execute("SELECT count(*) FROM report_log").fetchone() == (0,)
    [(kind, data)] = await quarantine(bench)
    assert kind == "reports"
    assert [(report.ts, decode_values(report.body)) for report in decode_spooled(data)] == [
        (2, {"x": 2}),
        (3, {"y": "kept"}),
    ]


async def test_a_damaged_page_of_the_log_costs_what_stood_in_it_and_reports_are_taken_and_packed(bench: Bench) -> None:
    noise = random.Random(1)
    for ts in range(60):
        await bench.report(ts, x=ts, text=noise.randbytes(200).hex())
    await bench.close()
    with closing(connect(bench.path)) as connection:
        (entries,) = connection.execute("SELECT entries FROM report_log WHERE seq = 30").fetchone()
    spoil_page_with(bench.path, entries[-40:-10], without=b"CREATE")
    await bench.open()
    kept = [ts for ts, _ in await bench.points("x")]
    assert 60 - 2 * PAGE_BYTES // 400 < len(kept) < 60
    await bench.report(100, x=100)
    await pack(bench)
    assert bench.database.reader.execute("SELECT count(*) FROM report_log").fetchone() == (0,)
    await bench.reopen()
    assert [ts for ts, _ in await bench.points("x")] == [100, *kept]
    [(kind, _)] = await quarantine(bench)
    assert (kind, bench.history.quarantine.rows) == ("log", 1)


@pytest.mark.parametrize("garbled", [False, True])
async def test_a_torn_end_of_the_last_write_loses_only_what_was_torn(tmp_path: Path, garbled: bool) -> None:
    """What a loss of power leaves: the end of the file is missing, or is what stood on the disk before."""
    path = tmp_path / "history.db"
    register_devices(path)
    bench = await Bench(path).open()
    wal = path.with_name(path.name + "-wal")
    ends: list[int] = []  # of the file after each commit
    for ts in range(8):
        await settled(bench.history.append(Report(1, ts, 1, {"x": ts, "text": "t" * 500})))
        ends.append(wal.stat().st_size)
    copies = tmp_path / "copies"
    copies.mkdir()
    cuts = random.Random(1).sample(range(ends[0], ends[-1]), 8)
    for cut in cuts:
        shutil.copy(path, copies / f"{cut}.db")
        rest = random.Random(cut).randbytes(ends[-1] - cut) if garbled else b""
        (copies / f"{cut}.db-wal").write_bytes(wal.read_bytes()[:cut] + rest)
    await bench.close()
    for cut in cuts:
        torn = await Bench(copies / f"{cut}.db").open()
        kept = [ts for ts, _ in await torn.points("x")]
        assert kept == list(range(len(kept) - 1, -1, -1))
        assert len(kept) >= sum(end <= cut for end in ends)
        await torn.report(100, x=100)
        await torn.close()


async def test_a_reader_that_finds_damage_while_it_is_set_aside_reports_it_once(bench: Bench) -> None:
    await two_blocks(bench)
    damage(bench.path, "block", "data", "identifier = 'x' AND first_ts = 0")
    await asyncio.gather(*(bench.points("x") for _ in range(5)))
    assert len(await quarantine(bench)) == 1


def test_the_damage_of_these_tests_is_what_sqlite_calls_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    connection = connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.executemany("INSERT INTO t VALUES (?)", [("marker" * 1000,) for _ in range(100)])
    connection.close()
    spoil_page_with(path, b"marker", without=b"CREATE")
    connection = connect(path, read_only=True)
    with pytest.raises(sqlite3.DatabaseError, match="malformed"):
        connection.execute("SELECT sum(length(x || x)) FROM t").fetchone()
    connection.close()


async def test_a_damaged_page_of_the_quarantine_is_said_and_keeps_nothing_from_starting(tmp_path: Path) -> None:
    path = tmp_path / "thingstead.sqlite"
    async with await SqliteStore.open(path, SystemClock()):
        pass
    with closing(connect(path)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'quarantine'").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * PAGE_BYTES)
        file.write(b"\xff" * 100)
    async with await SqliteStore.open(path, SystemClock()) as store:
        assert any("damaged" in warning.message for warning in store.warnings())
        assert store.history.quarantine.rows == 0
