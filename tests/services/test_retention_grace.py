"""Rules and settings that would drop history wait, and can be taken back meanwhile."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.contract.nouns import project_of
from tests.services.archive import Archive
from tests.stores import warnings_of
from thingstead.config import StorageSettings
from thingstead.errors import NotFound
from thingstead.model.retention import DAY_MS, RetentionPolicy, RetentionRule


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
        [line] = warnings_of(lines)
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


async def test_rules_come_into_force_each_at_its_own_time_and_those_taken_back_never(archive: Archive) -> None:
    store, now = archive.store.retention, archive.clock.now_ms()
    policy = RetentionPolicy(rules=(RetentionRule(days=10),), max_bytes=5_000)
    await archive.store.projects.create(*project_of("third"))
    for project_id, at in (("ours", now + 1), ("theirs", now + 2), ("third", now)):
        await store.put_pending(project_id, policy, at)
    assert await store.drop_pending("third") is True
    assert await store.drop_pending("third") is False
    assert await store.apply_pending(now) == []
    assert await store.apply_pending(now + 1) == ["ours"]
    assert await store.policy("ours") == policy
    assert await store.pending("ours") is None
    assert await store.policy("theirs") == RetentionPolicy()
    assert await store.pending("theirs") == (policy, now + 2)
    assert await store.policy("third") == RetentionPolicy()
