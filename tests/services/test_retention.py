"""History goes when its time is over, and only then; the disk gets back what it took."""

from collections.abc import Callable

import pytest

from tests.services.archive import HOUR, NOW, Archive, check_hours
from thingstead.bus.local import LocalBus
from thingstead.config import StorageSettings
from thingstead.errors import InvalidInput, NotFound
from thingstead.model import limits
from thingstead.model.report import Report
from thingstead.model.retention import DAY_MS, Cutoff, RetentionRule
from thingstead.services.history.removal import RemovalService
from thingstead.services.history.retention import COMPACT_AFTER_MS
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.history import removal
from thingstead.storage.sql.history import retention as sqlite_retention
from thingstead.storage.sql.tables import devices as sqlite_devices
from thingstead.storage.sqlite.engine import dialect
from thingstead.storage.sqlite.store import SqliteStore


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
    if not isinstance(archive.store, SqliteStore):
        pytest.skip("autovacuum gives back")
    database = archive.store._database
    path = database.path
    await archive.fill("ours", "x", days=60, step_ms=HOUR // 12, text=True)

    async def size() -> int:
        await database.write(lambda connection: None)
        database._writer_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return path.stat().st_size

    full = await size()
    await archive.put("ours", RetentionRule(days=1))
    await archive.service.run()
    left = await size()
    assert full > 10_000_000
    assert left < full / 3
    (free,) = archive.query("PRAGMA freelist_count")[0]
    assert free <= dialect.FREE_PAGES_KEPT


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
    await settled(archive.store.history.append(Report(number, NOW, NOW, {"x": 1})))
    await archive.store.history.packer.pack()
    await archive.service.run()
    assert archive.query("SELECT count(*) FROM block") == [(0,)]
    archive.clock.advance(COMPACT_AFTER_MS + 1)
    await archive.service.run()
    assert archive.query("SELECT (SELECT count(*) FROM block), (SELECT count(*) FROM spool)") == [(1, 0)]
    assert await archive.ages("ours", "x") == [(COMPACT_AFTER_MS + 1) / DAY_MS]


async def test_the_history_of_a_removed_device_is_dropped_in_steps(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "BLOCKS_PER_DELETE", 2)
    monkeypatch.setattr(sqlite_devices, "STEPS_AT_ONCE", 1)
    await archive.fill("ours", "x", days=100, step_ms=HOUR)
    await archive.fill("theirs", "x", days=100, step_ms=HOUR)
    await archive.store.devices.delete("ours", archive.devices["ours"].id)
    await RemovalService(archive.store, LocalBus()).run()
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


async def test_a_size_that_is_none_is_refused_with_the_bounds(archive: Archive) -> None:
    for size in (-1, limits.SIZE_BYTES + 1):
        with pytest.raises(InvalidInput) as caught:
            await archive.put("ours", max_bytes=size)
        assert [(error.field, error.reason.args) for error in caught.value.errors] == [
            ("max_bytes", {"minimum": 0, "maximum": limits.SIZE_BYTES})
        ]


async def test_two_rules_for_the_same_are_refused(archive: Archive) -> None:
    with pytest.raises(InvalidInput, match="another rule"):
        await archive.put("ours", RetentionRule(days=1, identifier="x"), RetentionRule(days=2, identifier="x"))


async def test_rules_are_kept_over_a_restart_and_for_their_project_alone(archive: Archive) -> None:
    rule = RetentionRule(device_type="ours-type", identifier="x", days=1.5)
    await archive.put("ours", rule, max_bytes=123)
    await archive.store.close()
    archive.store = await archive.reopen(archive.clock)
    info = await archive.service.info("ours")
    assert (info.rules, info.max_bytes, info.points, info.oldest_ts) == ((rule,), 123, 0, None)
    assert (await archive.service.info("theirs")).rules == ()
    with pytest.raises(NotFound):
        await archive.service.series_info("theirs", archive.devices["ours"].id)


async def test_the_task_runs_until_it_is_closed(archive: Archive) -> None:
    service = archive.service
    waiting: list[Callable[[], bool]] = [lambda: service.runs > 0]
    service.start()
    while not waiting[0]():
        await archive.store.database.write(lambda connection: None)
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


async def test_the_operator_bounds_a_project_whatever_its_own_rules_allow(archive: Archive) -> None:
    await archive.fill("ours", "x", days=60)
    size = (await archive.store.retention.extent("ours")).size_bytes
    await archive.put("ours", max_bytes=10 * size)
    archive.settings = StorageSettings(project_history_max_bytes=size // 2)
    await archive.service.run()
    assert (await archive.store.retention.extent("ours")).size_bytes <= size // 2
    assert min(await archive.ages("ours", "x")) < 0.1
