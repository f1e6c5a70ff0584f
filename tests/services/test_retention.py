"""History goes when its time is over, and only then; the disk gets back what it took."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.contract.nouns import device, device_type, project_of
from tests.storage.history_bench import HOURS_OF_BLOCKS
from thingstead.clock import ManualClock
from thingstead.config import StorageSettings
from thingstead.errors import InvalidInput, NotFound
from thingstead.model.device import Device
from thingstead.model.report import Report
from thingstead.model.retention import DAY_MS, Cutoff, RetentionPolicy, RetentionRule
from thingstead.services.history.retention import SETTLE_AFTER_MS, RetentionService
from thingstead.services.shared.commits import committed
from thingstead.storage.sqlite.history import removal
from thingstead.storage.sqlite.history import retention as sqlite_retention
from thingstead.storage.sqlite.store import SqliteStore
from thingstead.storage.sqlite.tables import devices as sqlite_devices

NOW = 1_700_000_000_000 // DAY_MS * DAY_MS
HOUR = 3_600_000


class Archive:
    """A store with a device of each of two projects, the first of a type."""

    def __init__(self, store: SqliteStore, clock: ManualClock) -> None:
        self.store = store
        self.clock = clock
        self.settings = StorageSettings()
        self.devices: dict[str, Device] = {}

    @property
    def service(self) -> RetentionService:
        return RetentionService(self.store, self.clock, self.settings)

    async def fill(self, project_id: str, identifier: str, days: int, step_ms: int = HOUR, text: bool = False) -> None:
        """Points from so many days ago until now, in blocks."""
        noise = random.Random(1)
        number = self.devices[project_id].number
        now = self.clock.now_ms()
        for ts in range(now - days * DAY_MS, now, step_ms):
            value = noise.randbytes(200).hex() if text else ts % 1000
            commit = self.store.history.append(Report(number, ts, now, {identifier: value}))
            if self.store.history.congested:
                await committed(commit)
        await committed(commit)
        await self.store.history.packer.pack(whole=True)

    async def ages(self, project_id: str, identifier: str) -> list[float]:
        """Ages in days of what is kept, oldest first."""
        number = self.devices[project_id].number
        points = await self.store.history.series(number, identifier, 0, 2**53, offset=0, limit=10**6)
        return [(self.clock.now_ms() - point.ts) / DAY_MS for point in reversed(points)]

    async def put(self, project_id: str, *rules: RetentionRule, max_bytes: int = 0) -> None:
        await self.service.put_policy(project_id, RetentionPolicy(rules=rules, max_bytes=max_bytes), grace_days=0)

    def hours(self) -> list[tuple[Any, ...]]:
        return self.query("SELECT project_id, hour, points, bytes, begins FROM history_hours ORDER BY 1, 2")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.store._database.reader.execute(sql).fetchall()


@asynccontextmanager
async def archive_in(folder: Path) -> AsyncIterator[Archive]:
    clock = ManualClock(NOW)
    store = await SqliteStore.open(folder / "thingstead.db", clock)
    archive = Archive(store, clock)
    for project_id in ("ours", "theirs"):
        await store.projects.create(*project_of(project_id))
        await store.device_types.create(device_type(f"{project_id}-type", project_id))
        archive.devices[project_id] = await store.devices.create(
            device(project_id=project_id, type_id=f"{project_id}-type")
        )
    yield archive
    await store.close()


@pytest.fixture
async def archive(tmp_path: Path) -> AsyncIterator[Archive]:
    async with archive_in(tmp_path) as archive:
        yield archive


def check_hours(archive: Archive) -> None:
    """What is counted is what is there."""
    assert archive.hours() == archive.query(HOURS_OF_BLOCKS)


async def test_history_older_than_its_rule_goes_and_the_rest_stays(archive: Archive) -> None:
    for identifier in ("x", "y"):
        await archive.fill("ours", identifier, days=40)
    await archive.fill("theirs", "x", days=40)
    await archive.put("ours", RetentionRule(days=10))
    await archive.service.run()
    for identifier in ("x", "y"):
        ages = await archive.ages("ours", identifier)
        assert 10 <= max(ages) <= 10 + 10 / 32 + 0.1
        assert min(ages) < 0.1
        assert len(ages) == round(max(ages) * 24)
    assert max(await archive.ages("theirs", "x")) == 40
    check_hours(archive)


async def test_each_run_follows_the_clock(archive: Archive) -> None:
    await archive.fill("ours", "x", days=10)
    await archive.put("ours", RetentionRule(days=10))
    service = archive.service
    for day in range(1, 10):
        archive.clock.advance(DAY_MS)
        await service.run()
        assert max(await archive.ages("ours", "x")) <= 10 + 10 / 32 + 0.1, day
        assert service.extent.oldest_ts is not None
    archive.clock.advance(2 * DAY_MS)
    await service.run()
    assert await archive.ages("ours", "x") == []
    assert service.extent == (0, 0, None)
    assert service.points_dropped == 240


async def test_the_most_particular_rule_counts(archive: Archive) -> None:
    for identifier in ("a", "b", "c"):
        await archive.fill("ours", identifier, days=8, step_ms=HOUR)
    await archive.put(
        "ours",
        RetentionRule(days=1),
        RetentionRule(device_type="ours-type", days=2),
        RetentionRule(identifier="b", days=4),
        RetentionRule(device_type="ours-type", identifier="c", days=0),
        RetentionRule(identifier="c", days=1),
    )
    await archive.service.run()
    oldest = {identifier: max(await archive.ages("ours", identifier)) for identifier in ("a", "b", "c")}
    assert 2 <= oldest["a"] < 2.2
    assert 4 <= oldest["b"] < 4.3
    assert oldest["c"] == 8
    days = {
        item.identifier: item.days for item in await archive.service.series_info("ours", archive.devices["ours"].id)
    }
    assert days == {"a": 2, "b": 4, "c": 0}


async def test_the_setting_of_the_server_holds_where_no_rule_does(archive: Archive) -> None:
    archive.settings = StorageSettings(retention_days=5)
    await archive.fill("ours", "x", days=20)
    await archive.fill("theirs", "x", days=20)
    await archive.put("theirs", RetentionRule(identifier="x", days=0))
    await archive.service.run()
    assert max(await archive.ages("ours", "x")) < 5.3
    assert max(await archive.ages("theirs", "x")) == 20


async def test_over_its_size_a_project_loses_its_oldest_history(archive: Archive) -> None:
    await archive.fill("ours", "x", days=20, step_ms=HOUR // 4, text=True)
    await archive.fill("theirs", "x", days=20, step_ms=HOUR // 4, text=True)
    before = await archive.store.retention.extent("ours")
    await archive.put("ours", max_bytes=before.size_bytes // 2)
    service = archive.service
    for _ in range(3):
        await service.run()
    after = await archive.store.retention.extent("ours")
    assert before.size_bytes * 0.1 < after.size_bytes <= before.size_bytes // 2
    ages = await archive.ages("ours", "x")
    assert 2 < max(ages) < 11
    assert min(ages) < 0.1
    assert max(await archive.ages("theirs", "x")) == 20
    check_hours(archive)


async def test_over_the_size_of_all_everybody_loses_what_is_oldest(archive: Archive) -> None:
    await archive.fill("ours", "x", days=20, step_ms=HOUR // 4, text=True)
    await archive.fill("theirs", "x", days=10, step_ms=HOUR // 4, text=True)
    size = (await archive.store.retention.extent()).size_bytes
    archive.settings = StorageSettings(history_max_bytes=size // 2)
    service = archive.service
    for _ in range(3):
        await service.run()
    assert service.extent.size_bytes <= size // 2
    assert abs(max(await archive.ages("ours", "x")) - max(await archive.ages("theirs", "x"))) <= 8  # a block's length


async def test_the_file_gives_the_disk_back_what_was_dropped(archive: Archive) -> None:
    path = archive.store._database.path
    await archive.fill("ours", "x", days=60, step_ms=HOUR // 12, text=True)

    async def size() -> int:
        await archive.store._database.write(lambda connection: None)
        archive.store._database._writer_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return path.stat().st_size

    full = await size()
    await archive.put("ours", RetentionRule(days=1))
    await archive.service.run()
    left = await size()
    assert full > 10_000_000
    assert left < full / 3
    (free,) = archive.query("PRAGMA freelist_count")[0]
    assert free <= sqlite_retention.FREE_PAGES_KEPT


async def test_dropping_takes_many_small_transactions(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_retention, "BLOCKS_PER_STEP", 3)
    monkeypatch.setattr(sqlite_retention, "DEVICES_PER_STEP", 1)
    await archive.fill("ours", "x", days=100, step_ms=HOUR)
    await archive.fill("ours", "y", days=100, step_ms=HOUR)
    await archive.fill("theirs", "y", days=100, step_ms=HOUR)
    for project_id in ("ours", "theirs"):
        await archive.put(project_id, RetentionRule(days=3))
    await archive.service.run()
    assert max(await archive.ages("ours", "y")) < 3.3
    assert max(await archive.ages("theirs", "y")) < 3.3
    check_hours(archive)


async def test_points_that_wait_to_fill_a_block_are_brought_into_one_after_a_while(archive: Archive) -> None:
    number = archive.devices["ours"].number
    await committed(archive.store.history.append(Report(number, NOW, NOW, {"x": 1})))
    await archive.store.history.packer.pack()
    await archive.service.run()
    assert archive.query("SELECT count(*) FROM block") == [(0,)]
    archive.clock.advance(SETTLE_AFTER_MS + 1)
    await archive.service.run()
    assert archive.query("SELECT (SELECT count(*) FROM block), (SELECT count(*) FROM spool)") == [(1, 0)]
    assert await archive.ages("ours", "x") == [(SETTLE_AFTER_MS + 1) / DAY_MS]


async def test_the_history_of_a_removed_device_is_dropped_in_steps(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "BLOCKS_PER_DELETE", 2)
    monkeypatch.setattr(sqlite_devices, "STEPS_AT_ONCE", 1)
    await archive.fill("ours", "x", days=100, step_ms=HOUR)
    await archive.fill("theirs", "x", days=100, step_ms=HOUR)
    await archive.store.devices.delete("ours", archive.devices["ours"].id)
    await archive.service.run()
    assert archive.query("SELECT DISTINCT device_number FROM block") == [(archive.devices["theirs"].number,)]
    assert archive.query("SELECT count(*) FROM removed_devices") == [(0,)]
    assert {row[0] for row in archive.hours()} == {"theirs"}


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (RetentionRule(days=-1), "rules[0].days"),
        (RetentionRule(days=36_501), "rules[0].days"),
        (RetentionRule(days=float("nan")), "rules[0].days"),
        (RetentionRule(days=1, identifier="a b"), "rules[0].identifier"),
        (RetentionRule(days=1, device_type="theirs-type"), "rules[0].device_type"),
    ],
)
async def test_a_bad_rule_is_refused_and_named(archive: Archive, rule: RetentionRule, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await archive.put("ours", rule)
    assert [error.field for error in caught.value.errors] == [field]
    assert (await archive.service.info("ours")).rules == ()


async def test_two_rules_for_the_same_are_refused(archive: Archive) -> None:
    with pytest.raises(InvalidInput, match="another rule"):
        await archive.put("ours", RetentionRule(days=1, identifier="x"), RetentionRule(days=2, identifier="x"))


async def test_rules_are_kept_over_a_restart_and_for_their_project_alone(archive: Archive) -> None:
    rule = RetentionRule(device_type="ours-type", identifier="x", days=1.5)
    await archive.put("ours", rule, max_bytes=123)
    archive.store = await _reopened(archive.store, archive.clock)
    info = await archive.service.info("ours")
    assert (info.rules, info.max_bytes, info.points, info.oldest_ts) == ((rule,), 123, 0, None)
    assert (await archive.service.info("theirs")).rules == ()
    with pytest.raises(NotFound):
        await archive.service.series_info("theirs", archive.devices["ours"].id)
    await archive.store.close()


async def _reopened(store: SqliteStore, clock: ManualClock) -> SqliteStore:
    await store.close()
    return await SqliteStore.open(store._database.path, clock)


async def test_the_task_runs_until_it_is_closed(archive: Archive) -> None:
    service = archive.service
    waiting: list[Callable[[], bool]] = [lambda: service.runs > 0]
    service.start()
    while not waiting[0]():
        await archive.store._database.write(lambda connection: None)
    await service.close()
    assert service.runs == 1


async def test_a_block_that_ends_where_the_time_begins_is_kept(archive: Archive) -> None:
    await archive.fill("ours", "x", days=1)
    [(last_ts,)] = archive.query("SELECT max(last_ts) FROM block")
    for drop_before, kept in ((last_ts, 1), (last_ts + 1, 0)):
        cutoff = Cutoff(drop_before, 0, 0)
        step = await archive.store.retention.drop_expired(0, lambda _, cutoff=cutoff: lambda _: cutoff)  # type: ignore[misc]
        assert step.go_on_after is None
        assert archive.query("SELECT count(*) > 0 FROM block") == [(kept,)]


async def test_history_of_exactly_the_size_that_is_allowed_is_kept(archive: Archive) -> None:
    await archive.fill("ours", "x", days=10)
    size = (await archive.store.retention.extent()).size_bytes
    assert await archive.store.retention.size_cutoff(size) == 0
    assert await archive.store.retention.size_cutoff(size - 1) > 0


async def test_rules_that_would_drop_history_wait_and_are_in_force_after_the_grace_period(archive: Archive) -> None:
    await archive.fill("ours", "t", days=20)
    service = archive.service
    policy = RetentionPolicy(rules=(RetentionRule(days=10),))
    change = await service.put_policy("ours", policy)
    assert change.effective_at == archive.clock.now_ms() + 7 * DAY_MS
    assert change.would_drop.complete
    assert change.would_drop.devices == 1
    assert abs(change.would_drop.points - 10 * 24) < 24
    await service.run()
    assert len(await archive.ages("ours", "t")) == 20 * 24
    info = await service.info("ours")
    assert (info.rules, info.pending is not None) == ((), True)
    archive.clock.advance(7 * DAY_MS)
    await service.run()
    info = await service.info("ours")
    assert (info.rules, info.pending) == (policy.rules, None)
    assert max(await archive.ages("ours", "t")) < 11


async def test_rules_that_wait_can_be_taken_back(archive: Archive) -> None:
    await archive.fill("ours", "t", days=20)
    service = archive.service
    await service.put_policy("ours", RetentionPolicy(rules=(RetentionRule(days=10),)))
    await service.changes.take_back("ours")
    archive.clock.advance(30 * DAY_MS)
    await service.run()
    assert len(await archive.ages("ours", "t")) == 20 * 24
    with pytest.raises(NotFound):
        await service.changes.take_back("ours")


async def test_the_rules_in_force_put_again_end_those_that_wait(archive: Archive) -> None:
    await archive.fill("ours", "t", days=20)
    service = archive.service
    await service.put_policy("ours", RetentionPolicy(rules=(RetentionRule(days=10),)))
    await service.put_policy("ours", RetentionPolicy())
    assert (await service.info("ours")).pending is None


@pytest.mark.parametrize("days", [0, 30])
async def test_rules_that_would_drop_nothing_are_in_force_at_once(archive: Archive, days: float) -> None:
    await archive.fill("ours", "t", days=20)
    policy = RetentionPolicy(rules=(RetentionRule(days=days),))
    change = await archive.service.put_policy("ours", policy)
    assert (change.effective_at, change.would_drop.points) == (archive.clock.now_ms(), 0)
    assert (await archive.service.info("ours")).rules == policy.rules


async def test_what_is_kept_for_less_than_a_day_waits_although_nothing_is_there_yet(archive: Archive) -> None:
    change = await archive.service.put_policy("ours", RetentionPolicy(rules=(RetentionRule(days=0.01),)))
    assert change.effective_at > archive.clock.now_ms()


async def test_what_would_be_dropped_is_about_what_is_dropped_then(archive: Archive) -> None:
    await archive.fill("ours", "t", days=20)
    await archive.fill("theirs", "t", days=20)
    service = archive.service
    for policy in (
        RetentionPolicy(rules=(RetentionRule(days=15),)),
        RetentionPolicy(rules=(RetentionRule(identifier="t", days=9),)),
        RetentionPolicy(max_bytes=500),
    ):
        expected = (await service.changes.test("ours", policy)).points
        await service.put_policy("ours", policy, grace_days=0)
        before = service.points_dropped
        await service.run()
        assert abs((service.points_dropped - before) - expected) <= 0.25 * expected + 24
    assert len(await archive.ages("theirs", "t")) == 20 * 24


async def test_rules_wait_over_a_restart(archive: Archive) -> None:
    await archive.fill("ours", "t", days=20)
    await archive.service.put_policy("ours", RetentionPolicy(rules=(RetentionRule(days=10),)))
    [(rules, at)] = archive.query("SELECT pending_rules, pending_at FROM retention")
    assert (rules, at) == ('[{"days":10}]', archive.clock.now_ms() + 7 * DAY_MS)


@pytest.mark.parametrize("bound", [{"retention_days": 5}, {"history_max_bytes": 1}])
async def test_settings_that_would_drop_what_was_kept_wait_and_the_log_tells_of_it(
    archive: Archive, bound: dict[str, Any]
) -> None:
    await archive.fill("ours", "t", days=20)
    await archive.service.run()  # as delivered, where all is kept
    archive.settings = StorageSettings(**bound)
    for _ in range(2):  # over a restart
        with capture_logs() as lines:
            await archive.service.run()
        [line] = [line for line in lines if line["log_level"] == "warning"]
        assert line["would_drop_points"] > 0
        assert len(await archive.ages("ours", "t")) == 20 * 24
    archive.clock.advance(7 * DAY_MS)
    service = archive.service
    await service.run()
    assert service.points_dropped > 0


async def test_settings_that_are_taken_back_in_time_drop_nothing(archive: Archive) -> None:
    await archive.fill("ours", "t", days=20)
    as_delivered = archive.settings
    await archive.service.run()
    archive.settings = StorageSettings(retention_days=5)
    await archive.service.run()
    archive.settings = as_delivered
    archive.clock.advance(30 * DAY_MS)
    await archive.service.run()
    archive.settings = StorageSettings(retention_days=25)
    await archive.service.run()  # waits anew
    assert len(await archive.ages("ours", "t")) == 20 * 24


async def test_settings_of_which_one_more_keeps_even_less_wait_anew(archive: Archive) -> None:
    await archive.fill("ours", "t", days=20)
    await archive.service.run()
    archive.settings = StorageSettings(retention_days=15)
    await archive.service.run()
    archive.clock.advance(6 * DAY_MS)
    archive.settings = StorageSettings(retention_days=1)
    await archive.service.run()
    archive.clock.advance(2 * DAY_MS)
    await archive.service.run()
    assert len(await archive.ages("ours", "t")) == 20 * 24


async def test_settings_without_grace_hold_at_once(archive: Archive) -> None:
    await archive.fill("ours", "t", days=20)
    await archive.service.run()
    archive.settings = StorageSettings(retention_days=5, retention_grace_days=0)
    await archive.service.run()
    assert max(await archive.ages("ours", "t")) < 6


async def test_the_operator_bounds_a_project_whatever_its_own_rules_allow(archive: Archive) -> None:
    await archive.fill("ours", "x", days=60)
    size = (await archive.store.retention.extent("ours")).size_bytes
    await archive.put("ours", max_bytes=10 * size)
    archive.settings = StorageSettings(project_history_max_bytes=size // 2)
    await archive.service.run()
    assert (await archive.store.retention.extent("ours")).size_bytes <= size // 2
    assert min(await archive.ages("ours", "x")) < 0.1
