"""Bytes are bounded as well as points: of a value, a report, a device's state, of what waits, and of a start."""

import asyncio
import contextlib
import gc
import random
import threading
from typing import Any

import pytest

from tests.storage.history_bench import Bench, settle_later
from thingstead.errors import InvalidInput
from thingstead.model.limits import DEVICE_STATE_BYTES, REPORT_BYTES, VALUE_BYTES
from thingstead.model.report import Report
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.history import compaction, compactor, heads, history, packer
from thingstead.storage.sql.history import flush as spooling
from thingstead.storage.sql.history.head_cache import HeadCache
from thingstead.storage.sql.history.records import decode_spooled, nested_bytes
from thingstead.storage.sql.history.report_log import LogReader

NOISE = random.Random(1)


def text(size: int) -> str:
    """Nothing that could be compressed much."""
    return NOISE.randbytes(size // 2).hex()


def refused(bench: Bench, **attributes: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as raised:
        bench.history.append(Report(1, 1, 1, attributes))
    return raised.value


async def test_a_value_that_is_too_long_is_refused_by_its_name(bench: Bench) -> None:
    error = refused(bench, short="x", long="x" * VALUE_BYTES)
    assert [each.field for each in error.errors] == ["long"]
    await bench.report(1, long="x" * (VALUE_BYTES - 10))
    assert len((await bench.current())["long"][1]) == VALUE_BYTES - 10


async def test_a_report_of_many_long_values_is_refused(bench: Bench) -> None:
    many = {f"a{n}": "x" * (VALUE_BYTES // 2) for n in range(2 * REPORT_BYTES // VALUE_BYTES)}
    assert "a report has at most" in refused(bench, **many).message


async def test_a_report_that_is_refused_leaves_nothing_behind(bench: Bench) -> None:
    """Not even until somebody looks for garbage: a device that is refused again and again would fill memory."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            with contextlib.suppress(InvalidInput):
                bench.history.append(Report(1, 1, 1, {"long": "x" * VALUE_BYTES}))
        assert gc.collect() < 10
    finally:
        gc.enable()


async def test_what_stands_within_arrays_counts_for_what_it_takes_in_memory(bench: Bench) -> None:
    nothing: list[Any] = [[] for _ in range(20_000)]
    assert nested_bytes([nothing]) == nested_bytes([{str(n): {} for n in range(20_000)}]) == 640_000
    assert nested_bytes([[[1, {"a": [2]}]], 5, "x"]) == 32 * 5
    assert "a report has at most" in refused(bench, a=nothing).message
    await bench.report(1, a=[0.5] * 4_096)


@pytest.mark.parametrize("together", [False, True])
async def test_the_state_of_a_device_is_bounded_however_it_comes_about(bench: Bench, together: bool) -> None:
    """Also where all of it waits for one commit, where no head knows of it yet."""
    size = VALUE_BYTES - 100
    room = DEVICE_STATE_BYTES // (size + 20)
    for n in range(room):
        commit = bench.history.append(Report(1, n, n, {f"a{n}": "x" * size}))
        if not together:
            await settled(commit)
    assert "the values of a device" in refused(bench, one_more="x" * size).message
    for n in range(3 * room):  # what takes the place of others is taken
        commit = bench.history.append(Report(1, 100 + n, n, {f"a{n % room}": "y" * size}))
    await settled(commit)
    assert {value[0] for _, value in (await bench.current()).values()} == {"y"}
    await bench.reopen()
    assert "the values of a device" in refused(bench, one_more="x" * size).message


async def test_attributes_that_wait_for_a_commit_count(bench: Bench) -> None:
    for n in range(4):
        bench.history.append(Report(1, n, n, {f"a{n}-{m}": m for m in range(500)}))
    assert "2000 attributes" in refused(bench, one_more=1).message
    bench.history.append(Report(1, 5, 5, {"a0-0": 5}))
    commit = bench.history.append(Report(2, 5, 5, {"one_more": 5}))
    await settled(commit)


async def test_bytes_start_a_packing_and_hold_producers_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packer, "PACK_BYTES", 100_000)
    monkeypatch.setattr(history, "PENDING_BYTES", 200_000)
    relieved = asyncio.Event()
    async with bench.history.packer.still():
        for ts in range(6):
            await bench.report(ts, number=1 + ts % 2, a=text(40_000))
        assert bench.history.congested
        bench.history.when_room(relieved.set)
    await asyncio.wait_for(relieved.wait(), 30)  # without anything more that comes
    assert bool(bench.history.congested) is False  # bool: mypy would take the value for final


async def test_bytes_that_wait_for_a_commit_hold_producers_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "WAITING_BYTES", 100_000)
    commits = [bench.history.append(Report(1 + n % 2, n, n, {"a": "x" * 40_000})) for n in range(3)]
    commits.append(bench.history.add_write(lambda connection: None, 10))
    assert bench.history.congested
    for commit in commits:
        await settled(commit)
    assert bool(bench.history.congested) is False
    assert bench.history.appends.waiting_bytes == 0
    heads = [bench.history.heads.get(number) for number in (1, 2)]
    assert [(head.waiting_bytes, head.waiting_points) for head in heads] == [(0, 0), (0, 0)]


async def test_large_states_that_are_to_be_written_count_as_pending(bench: Bench) -> None:
    await bench.report(1, a="x" * 60_000)
    await bench.history.packer.pack()
    assert bench.history.packer.pending_bytes == 0
    await bench.report(2, b=1)
    assert bench.history.packer.pending_bytes > 60_000
    await bench.history.packer.pack()
    assert bench.history.packer.pending_bytes == 0


async def test_a_device_over_its_share_holds_back_its_own_producers_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "DEVICE_UNPACKED_POINTS", 1_000)
    monkeypatch.setattr(compactor, "SPOOL_POINTS", 400)
    relieved = asyncio.Event()
    async with bench.history.packer.compactor.lock:  # blocks are made more slowly than points come
        for ts in range(1_000):
            bench.history.append(Report(1, ts, 1, {"x": ts}))
        await bench.report(0, number=2, x=0)
        await bench.history.packer.pack()
        assert [bench.history.crowded(number) for number in (1, 2, 3)] == [True, False, False]
        assert not bench.history.congested
        bench.history.when_room(relieved.set, 1)
        other = asyncio.Event()
        bench.history.when_room(other.set, 2)
        await asyncio.wait_for(other.wait(), 30)
        assert not relieved.is_set()
    await asyncio.wait_for(relieved.wait(), 30)
    assert not bench.history.crowded(1)


async def test_bytes_of_a_device_that_wait_for_a_commit_are_a_share_too(bench: Bench) -> None:
    for n in range(heads.DEVICE_WAITING_BYTES // 50_000 + 1):
        commit = bench.history.append(Report(1, n, n, {"a": "x" * 50_000}))
    assert bench.history.crowded(1)
    relieved = asyncio.Event()
    bench.history.when_room(relieved.set, 1)
    await settled(commit)
    await asyncio.wait_for(relieved.wait(), 30)


async def test_what_waits_of_one_device_is_cut_into_rows_and_steps(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "SPOOL_ROW_BYTES", 50_000)
    monkeypatch.setattr(spooling, "CHUNK_BYTES", 120_000)
    monkeypatch.setattr(compaction, "COMPACTION_BYTES", 100_000)
    monkeypatch.setattr(compaction, "BLOCK_BYTES", 30_000)
    values = [text(10_000) for _ in range(40)]
    for ts, value in enumerate(values):
        await bench.report(ts, a=value, b=ts)
    await bench.history.packer.pack()
    rows = bench.database.reader.execute("SELECT points, reports FROM spool ORDER BY id").fetchall()
    assert len(rows) >= 8
    for points, data in rows:
        reports = decode_spooled(data)
        assert points == 2 * len(reports)
        assert sum(len(report.body) for report in reports) <= 50_000
    expected = list(reversed(list(enumerate(values))))
    assert await bench.points("a") == expected
    await settle_later(bench)
    assert bench.database.reader.execute("SELECT count(*) FROM spool").fetchone() == (0,)
    sizes = bench.database.reader.execute("SELECT max(points) FROM block WHERE identifier = 'a'").fetchone()
    assert sizes[0] <= 3
    assert await bench.points("a") == expected
    assert bench.history.heads.get(1).spooled == 0
    counted, of_blocks = bench.hours()
    assert counted == of_blocks


async def test_what_comes_into_the_spool_while_blocks_are_made_has_its_turn_after_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a device that is held back for it would wait until somebody else fills the log."""
    monkeypatch.setattr(compactor, "SPOOL_POINTS", 400)
    packer, database = bench.history.packer, bench.database

    async def until_waiting(writes: int) -> None:
        async with asyncio.timeout(30):
            while database.writer.waiting < writes:
                await asyncio.to_thread(int)

    async with packer.compactor.lock:
        for first in (0, 500):
            for ts in range(first, first + 500):
                bench.history.append(Report(1, ts, 1, {"x": ts}))
            await bench.report(first, x=first)
            if not first:
                await packer.pack()
        release = threading.Event()
        database.submit(lambda connection: release.wait(30), lambda result, error: None)
        packing = asyncio.create_task(packer.pack())
        await until_waiting(2)
    await until_waiting(3)  # blocks of the first half are made, before the second half is seen
    release.set()
    await packing
    async with asyncio.timeout(30):
        while bench.history.heads.get(1).spooled:
            await asyncio.to_thread(int)
    assert len(await bench.points("x")) == 1_000
    assert packer.compactor.due_points == 0


async def test_of_too_many_values_of_one_millisecond_the_last_are_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MILLISECOND_COUNT", 10)
    for ts, count in ((1, 3), (2, 25), (3, 10), (4, 11), (5, 1)):
        for value in range(count):
            bench.history.append(Report(1, ts, 1, {"x": value}))
    await bench.report(6, x=0)
    await bench.history.packer.pack()
    await settle_later(bench)
    expected = [(6, 0), (5, 0)]
    expected += [(4, value) for value in range(10, 0, -1)] + [(3, value) for value in range(9, -1, -1)]
    expected += [(2, value) for value in range(24, 14, -1)] + [(1, value) for value in range(2, -1, -1)]
    assert await bench.points("x") == expected
    for value in range(100, 103):  # they come into what is in blocks already
        await bench.report(2, x=value)
    await bench.history.packer.pack()
    await settle_later(bench)
    assert [value for ts, value in await bench.points("x") if ts == 2] == [102, 101, 100, *range(24, 17, -1)]
    counted, of_blocks = bench.hours()
    assert counted == of_blocks


async def test_a_part_of_what_waits_is_packed_and_the_rest_is_applied_after_a_crash(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "CHUNK_POINTS", 10)
    for ts in range(25):
        await bench.report(ts // 2, x=ts, **{f"y{ts}": 1})
    head = bench.history.heads.get(1)
    await bench.history.packer._spool([head])
    assert 0 < head.points < 50
    assert bench.history.packer.pending_points == head.points
    expected = [(ts // 2, ts) for ts in range(24, -1, -1)]
    assert await bench.points("x") == expected
    await bench.reopen()  # as after a crash: the log is as it was
    assert await bench.points("x") == expected
    assert (await bench.current())["x"] == (12, 24)
    await bench.history.packer.pack(whole=True)
    assert await bench.points("x") == expected


async def test_a_long_log_is_read_in_steps_and_packed_on_the_way(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [text(20_000) for _ in range(40)]
    for ts, value in enumerate(values):
        await bench.report(ts, a=value)
    monkeypatch.setattr(history, "PENDING_BYTES", 100_000)
    monkeypatch.setattr(LogReader.__init__, "__defaults__", (50_000,))
    await bench.reopen()
    assert bench.history.packer.pending_bytes <= 250_000
    (left,) = bench.database.reader.execute("SELECT count(*) FROM report_log").fetchone()
    assert left < 13
    assert await bench.points("a") == list(reversed(list(enumerate(values))))
    await bench.report(100, a="newest")
    await bench.reopen()
    assert (await bench.current())["a"] == (100, "newest")
    assert len(await bench.points("a")) == 41


async def test_a_log_that_may_be_held_in_memory_is_not_packed_at_the_start(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LogReader.__init__, "__defaults__", (50_000,))
    for ts in range(10):
        await bench.report(ts, a=text(20_000))
    await bench.reopen()
    assert bench.database.reader.execute("SELECT count(*) FROM spool").fetchone() == (0,)
    assert len(await bench.points("a")) == 10


async def test_the_log_is_deleted_in_steps_of_bytes(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packer, "LOG_BYTES_PER_DELETE", 50_000)
    for ts in range(10):
        await bench.report(ts, a=text(20_000))
    await bench.history.packer.pack()
    assert bench.database.reader.execute("SELECT count(*) FROM report_log").fetchone() == (0,)


async def test_heads_with_large_states_leave_memory(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thingstead.storage.sql.history.head_cache.HEADS_BYTES", 100_000)
    for number in (1, 2):
        await bench.report(1, number=number, a="x" * 60_000)
    await bench.history.packer.pack()
    cache = HeadCache(bench.database, bench.history.quarantine, set, lambda head: None, 100)
    for number in (1, 2, 1, 2):
        assert len(cache.get(number).current["a"].value) == 60_000
        assert cache.size_bytes <= 130_000
    assert len(cache) == 1
