"""A full or failing disk: nothing is acknowledged that is not kept, reads go on, and it recovers without a restart."""

import asyncio
import random
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.contract.nouns import device, project_of
from thingstead.clock import ManualClock
from thingstead.config import StorageSettings
from thingstead.errors import Unavailable
from thingstead.model.device import Page
from thingstead.model.mqtt_session import KeptMessage, QueuedMessage, SessionRecord
from thingstead.model.report import EventRecord, Report
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.history import appends
from thingstead.storage.sqlite.engine import database, disk
from thingstead.storage.sqlite.engine.disk import DiskWatch
from thingstead.storage.sqlite.store import SqliteStore


class House:
    """A store with one device, on a file."""

    def __init__(self, store: SqliteStore, path: Path, number: int) -> None:
        self.store = store
        self.path = path
        self.number = number
        self.acknowledged: list[int] = []

    async def report(self, ts: int, size: int = 10) -> None:
        await settled(
            self.store.history.append(Report(self.number, ts, 1, {"x": random.Random(ts).randbytes(size // 2).hex()}))
        )
        self.acknowledged.append(ts)

    async def kept(self) -> list[int]:
        points = await self.store.history.series(self.number, "x", 0, 10**9, offset=0, limit=10_000)
        return sorted(point.ts for point in points)


async def open_house(path: Path) -> House:
    store = await SqliteStore.open(path, ManualClock())
    await store.projects.create(*project_of("ours"))
    kept = await store.devices.create(device())
    return House(store, path, kept.number)


async def open_again(house: House) -> House:
    return House(await SqliteStore.open(house.path, ManualClock()), house.path, house.number)


@pytest.fixture
async def house(tmp_path: Path) -> Any:
    house = await open_house(tmp_path / "thingstead.db")
    yield house
    await house.store.close()


async def no_page_more(house: House, pages: int | None) -> None:
    """Lets the file have no page more than it has and some; None lets it grow again."""

    def limit(connection: Connection) -> None:
        (present,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={2**31 if pages is None else present + pages}").fetchone()

    await house.store._database.write(limit)


async def fill(house: House) -> None:
    """Reports until one is refused."""
    for ts in range(100, 10_000):
        try:
            await house.report(ts, size=2_000)
        except Unavailable:
            return
    raise AssertionError("the file was never full")


async def test_a_full_database_acknowledges_nothing_more_says_so_and_recovers(house: House) -> None:
    await house.report(1)
    await no_page_more(house, 20)
    await fill(house)
    assert "full" in str(house.store.trouble())
    assert await house.kept() == house.acknowledged
    with pytest.raises(Unavailable):
        await house.report(20_000, size=20_000)
    assert await house.kept() == house.acknowledged
    await no_page_more(house, None)
    await house.report(20_001, size=20_000)
    assert house.store.trouble() is None
    assert await house.kept() == house.acknowledged


async def test_packing_on_a_full_disk_fails_without_loss_and_works_when_there_is_room(house: House) -> None:
    for ts in range(50):
        await house.report(ts, size=2_000)
    await no_page_more(house, 0)
    with pytest.raises(Unavailable):
        await house.store.history.packer.pack(whole=True)
    assert house.store.history.packer.pending_points == 50
    assert await house.kept() == house.acknowledged
    await no_page_more(house, None)
    await house.store.history.packer.pack(whole=True)
    assert house.store.history.packer.pending_points == 0
    assert await house.kept() == house.acknowledged


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """Every write of this process that makes a file longer fails, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_write_that_the_system_refuses_is_not_acknowledged(house: House) -> None:
    for ts in range(5):
        await house.report(ts)
    wal = house.path.with_name(house.path.name + "-wal")
    with files_no_longer_than(wal.stat().st_size):
        for ts in (10, 11):
            with pytest.raises(Unavailable):
                await house.report(ts, size=50_000)
        assert house.store.trouble() is not None
        assert await house.kept() == house.acknowledged
    await house.report(12, size=50_000)
    assert house.store.trouble() is None
    await house.store.close()
    again = await SqliteStore.open(house.path, ManualClock())
    points = await again.history.series(house.number, "x", 0, 10**9, offset=0, limit=100)
    assert sorted(point.ts for point in points) == house.acknowledged
    await again.close()


async def test_a_store_on_a_full_disk_can_be_closed_and_has_everything_when_it_is_opened_again(house: House) -> None:
    await house.store._database.write(lambda connection: connection.execute("PRAGMA wal_autocheckpoint=0").fetchone())
    for ts in range(60):
        await house.report(ts, size=10_000)
    with files_no_longer_than(house.path.stat().st_size):
        await house.store.close()
    again = await open_again(house)
    assert await again.kept() == house.acknowledged
    await again.store.close()


async def test_trouble_ends_with_the_first_write_that_works_even_without_reports(house: House) -> None:
    await house.report(1)
    wal = house.path.with_name(house.path.name + "-wal")
    with files_no_longer_than(wal.stat().st_size):
        with pytest.raises(Unavailable):
            await house.report(2, size=50_000)
        with pytest.raises(Unavailable):
            await house.store._database.probe()
        assert house.store.trouble() is not None
    await house.store._database.probe()
    assert house.store.trouble() is None


async def test_reports_are_refused_before_the_disk_is_full_and_taken_when_there_is_room(house: House) -> None:
    room = [1000]
    watch = DiskWatch(house.store._database, house.store.history.refuse, 1000, lambda path: room[0])
    watch.look()
    await house.report(1)
    room[0] = 999
    watch.look()
    with pytest.raises(Unavailable, match="the disk has only"):
        house.store.history.append(Report(house.number, 2, 1, {"x": 1}))
    with pytest.raises(Unavailable):
        house.store.events.append(EventRecord(id="e", device_id="d", method="m", ts=1), house.number)
    assert await house.kept() == [1]
    await settled(house.store.history.touch(house.number, "connect", 5))  # devices may still come and go
    room[0] = 1020
    watch.look()
    with pytest.raises(Unavailable):  # not at once, or it would flutter
        house.store.history.append(Report(house.number, 2, 1, {"x": 1}))
    room[0] = 1100
    watch.look()
    await house.report(3)


async def test_what_is_written_between_two_regular_looks_is_noticed_by_the_commit_that_writes_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "CHECK_INTERVAL_S", 3_600)
    monkeypatch.setattr(disk, "COMMIT_CHECK_INTERVAL_S", 0)
    before = house.path.stat().st_size + wal_bytes(house)
    watch = DiskWatch(
        house.store._database,
        house.store.history.refuse,
        1 << 20,
        lambda path: (2 << 20) - (path.stat().st_size + wal_bytes(house) - before),
    )
    watch.start()

    async def flood() -> None:
        for ts in range(100):
            await house.report(ts, size=50_000)

    with pytest.raises(Unavailable, match="MiB left"):
        await flood()
    assert 10 < len(house.acknowledged) < 40  # a second MiB would have been written by then
    assert await house.kept() == house.acknowledged
    await watch.close()


def wal_bytes(house: House) -> int:
    return Path(f"{house.path}-wal").stat().st_size


async def test_the_store_says_that_the_disk_is_low(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "a.db", ManualClock(), StorageSettings(low_disk_bytes=2**60))
    assert "reports are refused below" in str(store.trouble())
    assert (store.figures().disk_free_bytes or 0) > 0
    await store.close()


async def test_memory_is_bounded_while_nothing_can_be_written(house: House) -> None:
    wal = house.path.with_name(house.path.name + "-wal")
    await house.report(1)
    with files_no_longer_than(wal.stat().st_size):
        for ts in range(100, 400):
            commit = house.store.history.append(Report(house.number, ts, 1, {"x": "x" * 5_000}))
            if ts % 20 == 0:
                await asyncio.wait([asyncio.ensure_future(settled(commit))])
        await asyncio.wait([asyncio.ensure_future(settled(commit))])
        assert house.store.history.appends.waiting == 0
        assert house.store.history.packer.pending_points == 1
    assert await house.kept() == house.acknowledged


async def until(condition: Callable[[], bool]) -> None:
    """Returns when the condition holds."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.005)


@contextmanager
def nothing_can_be_written(path: Path) -> Iterator[None]:
    """Every commit to this database fails in the block."""
    with files_no_longer_than(Path(f"{path}-wal").stat().st_size):
        yield


async def test_a_small_commit_that_finds_room_does_not_end_the_trouble_of_a_full_disk(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.report(1)
    with nothing_can_be_written(house.path), pytest.raises(Unavailable):
        await house.report(2)
    monkeypatch.setattr(database, "ROOM_BYTES", 1 << 62)
    await house.report(3)
    assert house.store.trouble() is not None
    monkeypatch.undo()
    await house.report(4)
    assert house.store.trouble() is None


async def test_what_nobody_waits_for_goes_into_a_later_commit_in_its_order(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appends, "RETRY_S", 0.05)
    logs = house.store.device_logs
    await house.report(1)
    with nothing_can_be_written(house.path):
        first = logs.append(house.number, "rejected", 1, {"n": 1})
        lost = logs.append(house.number, "data", 1, {"n": 1})  # its sender waits, and hears of it
        with pytest.raises(Unavailable):
            await settled(first)
        second = logs.append(house.number, "rejected", 2, {"n": 2})
        with pytest.raises(Unavailable):
            await settled(second)
    assert lost.error is not None
    async with asyncio.timeout(30):
        while await logs.newest_ts(house.number, "rejected") != 2:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.005)
    entries, _ = await logs.list_page(house.number, "rejected", Page())
    assert [entry.body["n"] for entry in entries] == [2, 1]
    assert await logs.list_page(house.number, "data", Page()) == ([], 0)


async def test_of_very_many_writes_that_nobody_waits_for_the_newest_are_kept(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appends, "WRITES_BEHIND_LIMIT", 2)
    await house.report(1)
    with nothing_can_be_written(house.path):
        for n in range(3):
            commit = house.store.device_logs.append(house.number, "rejected", n, {"n": n})
        with pytest.raises(Unavailable):
            await settled(commit)
    await house.report(2)
    entries, _ = await house.store.device_logs.list_page(house.number, "rejected", Page())
    assert [entry.body["n"] for entry in entries] == [2, 1]


async def test_how_a_session_was_left_and_what_it_settled_is_kept_when_there_is_room(house: House) -> None:
    sessions = house.store.mqtt_sessions
    record = SessionRecord(
        number=1, client_id="c", device_id="", expiry_s=60, expires_at=None, connected=True, will=b"", will_delay_s=0,
        will_at=None, sent_seq=0,
    )  # fmt: skip
    sessions.put_session(record)
    queued = QueuedMessage(
        session=1, seq=1, message=1, packet_id=1, qos=1, retain=False, identifiers=(), share="", released=False
    )
    await settled(sessions.enqueue(KeptMessage(1, b"packet", None), [queued]))
    with nothing_can_be_written(house.path):
        sessions.delete_queued(1, 1)
        left = sessions.put_session(msgspec.structs.replace(record, connected=False, expires_at=99), behind=True)
        with pytest.raises(Unavailable):
            await settled(left)
    (kept,) = (await sessions.load()).sessions
    assert (kept.queue, kept.record.connected, kept.record.expires_at) == ((), False, 99)
