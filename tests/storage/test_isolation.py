"""A device that cannot be packed costs the others nothing; packing that fails altogether is said, and tried again."""

import asyncio
from pathlib import Path

import pytest

from tests.storage.history_bench import Bench, pack, settle_later
from tests.storage.test_damage import quarantine
from thingstead import repeating
from thingstead.clock import SystemClock
from thingstead.errors import Unavailable
from thingstead.model.report import Report
from thingstead.repeating import Repeating
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.history.records import decode_spooled
from thingstead.storage.sqlite.engine.database import connect
from thingstead.storage.sqlite.store import SqliteStore


def refuse(path: Path, table: str, device_number: int | None) -> None:
    """From now on the file takes no rows of a device, or none at all."""
    condition = "" if device_number is None else f"WHEN NEW.device_number = {device_number}"
    connection = connect(path)
    connection.execute(
        f"CREATE TRIGGER refuse_{table} BEFORE INSERT ON {table} {condition} BEGIN SELECT RAISE(ABORT, 'too big'); END"
    )
    connection.close()


def accept(path: Path, table: str) -> None:
    connection = connect(path)
    connection.execute(f"DROP TRIGGER refuse_{table}")
    connection.close()


async def test_reports_that_cannot_be_spooled_are_set_aside_and_those_of_others_packed(bench: Bench) -> None:
    for ts in range(3):
        await bench.report(ts, number=1, x=ts)
        await bench.report(ts, number=2, x=ts)
    refuse(bench.path, "spool", 2)
    await pack(bench)
    assert bench.history.packer.pending_points == 0
    assert bench.database.reader.execute("SELECT count(*) FROM report_log").fetchone() == (0,)
    [(kind, data)] = await quarantine(bench)
    assert (kind, [report.ts for report in decode_spooled(data)]) == ("reports", [0, 1, 2])
    assert len(await bench.points("x")) == 3
    accept(bench.path, "spool")
    await bench.report(10, number=2, x=10)
    await pack(bench)
    await bench.reopen()
    assert await bench.points("x", number=2) == [(10, 10)]


async def test_a_device_of_which_no_blocks_can_be_made_keeps_its_reports_in_the_spool(bench: Bench) -> None:
    for ts in range(3):
        await bench.report(ts, number=1, x=ts)
        await bench.report(ts, number=2, x=ts)
    refuse(bench.path, "block", 2)
    await pack(bench)
    await settle_later(bench)
    assert bench.database.reader.execute("SELECT DISTINCT device_number FROM block").fetchall() == [(1,)]
    assert bench.history.packer.compactor.failing == 1
    assert len(await bench.points("x", number=2)) == 3
    assert not bench.history.crowded(2)
    await bench.report(10, number=1, x=10)
    await pack(bench)
    await settle_later(bench)
    accept(bench.path, "block")
    await bench.reopen()  # and is tried again after a start
    await settle_later_all(bench)
    assert len(await bench.points("x", number=2)) == 3
    assert bench.database.reader.execute("SELECT count(*) FROM spool").fetchone() == (0,)


async def settle_later_all(bench: Bench) -> None:
    await bench.history.packer.compactor.compact([bench.history.heads.get(number) for number in (1, 2)])


async def test_packing_that_fails_is_said_and_goes_on_by_itself(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "RETRY_S", 0.01)
    await bench.close()
    store = await SqliteStore.open(bench.path, SystemClock())
    refuse(bench.path, "spool", None)
    refuse(bench.path, "quarantine", None)
    await settled(store.history.append(Report(1, 1, 1, {"x": 1})))
    packer = store.history.packer
    assert not await packer.task.attempt()
    assert [(each.code, each.message) for each in store.warnings()] == [
        ("packing_failing", "reports cannot be packed: IntegrityError: too big")
    ]
    assert store.trouble() is None
    assert store.figures().packings_failed == 1
    bench.history = store.history
    assert await bench.points("x") == [(1, 1)]
    for table in ("spool", "quarantine"):
        accept(bench.path, table)
    assert await packer.task.attempt()
    assert (store.warnings(), packer.pending_points) == ([], 0)
    await store.close()
    await bench.open()
    assert await bench.points("x") == [(1, 1)]


async def test_what_failed_is_tried_again_without_being_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeating, "RETRY_S", 0.01)
    ended = asyncio.Event()
    attempts: list[int] = []

    async def work() -> None:
        attempts.append(1)
        if len(attempts) == 1:
            raise Unavailable("store_closing")
        if len(attempts) == 2:
            raise ValueError("a bug")
        ended.set()

    task = Repeating("work", work, 3600)
    task.start()
    task.want()
    async with asyncio.timeout(30):
        await ended.wait()
    await task.close()
    assert (len(attempts), task.failures) == (3, 2)
