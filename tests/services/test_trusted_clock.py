"""Nothing is dropped for its age by a clock that jumped ahead, until it has gone on from there for a while."""

from structlog.testing import capture_logs

from tests.services.archive import HOUR, NOW, Archive
from tests.stores import warnings_of
from thingstead.model.retention import DAY_MS, RetentionRule
from thingstead.services.history.trusted_clock import HOLD_MS, JUMP_MS, TrustedClock

YEARS = 1_000 * DAY_MS


async def test_history_outlives_a_start_with_a_clock_that_is_years_ahead(archive: Archive) -> None:
    await archive.fill("ours", "x", days=5)
    await archive.put("ours", RetentionRule(days=10))
    archive.clock.advance(YEARS)
    service = archive.service
    with capture_logs() as lines:
        await service.run()
    assert len(await archive.ages("ours", "x")) == 5 * 24
    assert [line["event"] for line in warnings_of(lines)] == ["the clock jumped ahead; nothing is dropped by age"]
    assert [warning.code for warning in service.trusted_clock.warnings()] == ["clock_jumped_ahead"]

    archive.clock.advance(HOLD_MS - 1)
    await archive.service.run()  # another start, within the day
    assert len(await archive.ages("ours", "x")) == 5 * 24
    archive.clock.advance(1)
    await archive.service.run()
    assert await archive.ages("ours", "x") == []


async def test_a_clock_that_is_set_right_again_is_believed_at_once(archive: Archive) -> None:
    trusted = TrustedClock(archive.store, archive.clock)
    assert await trusted.now_ms() == NOW
    archive.clock.advance(YEARS)
    assert await trusted.now_ms() == NOW
    archive.clock.advance(HOUR - YEARS)
    assert (await trusted.now_ms(), trusted.warnings()) == (NOW + HOUR, [])
    archive.clock.advance(HOLD_MS)
    assert await trusted.now_ms() == NOW + HOUR + HOLD_MS


async def test_a_server_that_was_off_for_a_week_believes_its_clock(archive: Archive) -> None:
    trusted = TrustedClock(archive.store, archive.clock)
    assert await trusted.now_ms() == NOW
    archive.clock.advance(JUMP_MS)
    assert await trusted.now_ms() == NOW + JUMP_MS
    archive.clock.advance(JUMP_MS + 1)
    assert await trusted.now_ms() == NOW + JUMP_MS
    assert trusted.warnings()


async def test_a_second_jump_begins_its_day_anew(archive: Archive) -> None:
    trusted = TrustedClock(archive.store, archive.clock)
    await trusted.now_ms()
    for _ in range(2):
        archive.clock.advance(YEARS)
        assert await trusted.now_ms() == NOW
    archive.clock.advance(HOLD_MS)
    assert await trusted.now_ms() == NOW + 2 * YEARS + HOLD_MS
