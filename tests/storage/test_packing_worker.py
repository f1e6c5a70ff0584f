"""A flood is packed by a process of its own; whatever happens to that process, nothing is lost."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.storage.history_bench import Bench
from thingstead.model.report import Report
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.access.database import Program
from thingstead.storage.sql.history import compactor
from thingstead.storage.sql.history.packing_worker import PackingWorker


@pytest.fixture(autouse=True)
def all_is_a_flood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compactor, "MANY_POINTS", 1)


async def flood(bench: Bench, first: int) -> None:
    for ts in range(first, first + 1000):
        commit = bench.history.append(Report(1 + ts % 2, ts, 1, {"x": ts}))
    await settled(commit)


def worker_of(bench: Bench) -> PackingWorker:
    return bench.history.packer.compactor.worker


async def test_the_process_builds_what_is_then_read(bench: Bench) -> None:
    await flood(bench, 0)
    await bench.history.packer.pack(whole=True)
    assert worker_of(bench)._process is not None
    await flood(bench, 500)
    await bench.history.packer.pack(whole=True)
    assert bench.history.packer.pending_points == 0
    odd = [ts for ts in range(1500) if ts % 2]
    assert [ts for ts, _ in await bench.points("x", number=2)] == sorted(odd, reverse=True)


async def test_packing_goes_on_without_a_process_that_was_killed(bench: Bench) -> None:
    await flood(bench, 0)
    await bench.history.packer.pack(whole=True)
    process = worker_of(bench)._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    await flood(bench, 1000)
    await bench.history.packer.pack(whole=True)
    assert bench.history.packer.pending_points == 0
    assert len(await bench.points("x")) == len(await bench.points("x", number=2)) == 1000
    await flood(bench, 2000)
    await bench.history.packer.pack(whole=True)
    assert worker_of(bench)._process not in (None, process)


def test_a_process_that_cannot_work_is_ended_and_makes_no_file(tmp_path: Path) -> None:
    worker = PackingWorker(Program("thingstead.storage.sqlite.packing", (str(tmp_path / "there is no such file"),), {}))
    assert asyncio.run(worker.build([1])) is None
    assert worker._process is None
    assert list(tmp_path.iterdir()) == []


async def test_the_process_ends_with_the_store(bench: Bench) -> None:
    await flood(bench, 0)
    await bench.history.packer.pack(whole=True)
    process = worker_of(bench)._process
    assert process is not None
    await bench.reopen()
    async with asyncio.timeout(30):
        assert await process.wait() == 0
