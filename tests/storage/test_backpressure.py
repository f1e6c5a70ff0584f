"""Whoever reports is held back while much waits to be committed or packed, and released after."""

import asyncio
from pathlib import Path

import pytest

from tests.storage.history_bench import Bench, register_devices
from thingstead.model.report import Report
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.history.compaction import BLOCK_POINTS
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sqlite.engine.database import SqliteDatabase


async def test_producers_are_held_back_while_much_waits_and_released_after(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    register_devices(path)
    database = SqliteDatabase(path)
    history = SqlHistory(database, waiting_limit=10)
    await history.open()
    for ts in range(10):
        commit = history.append(Report(1, ts, 1, {"x": ts}))
    assert history.congested
    relieved: list[bool] = []
    history.when_room(lambda: relieved.append(history.congested))
    await settled(commit)
    await settled(history.append(Report(1, 11, 1, {"x": 1})))
    assert relieved == [False]
    await history.close()
    await database.close()


async def test_producers_held_back_by_unpacked_points_are_released_by_packing_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    register_devices(path)
    database = SqliteDatabase(path)
    history = SqlHistory(database, pack_points=10, pack_interval_s=3600)
    await history.open()
    await history.packer.compactor.lock.acquire()  # nothing is packed before everything is committed
    for ts in range(50):
        commit = history.append(Report(1, ts, 1, {"x": ts}))
    await settled(commit)
    assert bool(history.congested) is True  # bool: mypy would take the value for final
    relieved = asyncio.Event()
    history.when_room(relieved.set)
    history.packer.compactor.lock.release()
    await asyncio.wait_for(relieved.wait(), 30)
    assert bool(history.congested) is False
    await history.close()
    await database.close()


async def test_devices_that_fill_their_blocks_at_the_same_time_hold_nobody_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thingstead.storage.sql.history.history.OVERDUE_LIMIT", 100)
    history = bench.history
    relieved = asyncio.Event()
    async with history.packer.compactor.lock:  # blocks are made more slowly than points come
        for ts in range(2 * BLOCK_POINTS):
            history.append(Report(1 + ts % 2, ts, 1, {"x": ts}))
        await bench.report(0, x=0)
        await history.packer.pack()
        assert history.packer.compactor.due_points == 2 * BLOCK_POINTS + 1
        before = history.congested
        for ts in range(100):
            history.append(Report(1 + ts % 2, 10_000 + ts, 1, {"x": ts}))
        await bench.report(20_000, x=0)
        await history.packer.pack()
        assert (before, history.congested) == (False, True)
        history.when_room(relieved.set)
    await asyncio.wait_for(relieved.wait(), 30)
