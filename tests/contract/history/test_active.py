"""When devices were last heard of, and what is seen as soon as a commit has ended."""

from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from tests.storage.history_bench import (
    Bench,
    Step,
    leave,
    make_blocks,
    pack,
    pack_and_restart,
    restart,
    settle_later,
)
from thingstead.model.report import Report
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.history.history import _count_active

T = TypeVar("T")

between = pytest.mark.parametrize("step", [leave, pack, make_blocks, settle_later, restart, pack_and_restart])


@between
async def test_uplinks_are_noted_by_kind_with_the_time_of_receipt(bench: Bench, step: Step) -> None:
    await bench.report(100, received_at=7_000, x=1)
    await settled(bench.history.touch(1, "event", 8_000))
    await settled(bench.history.touch(1, "event", 6_000))
    await settled(bench.history.append(Report(1, 9_000, 9_000, {"x": 2}, "push")))
    await step(bench)
    assert await bench.history.active_of([1, 2]) == {1: {"attributes": 7_000, "event": 8_000}, 2: {}}
    assert await bench.history.count_active("p", 8_000) == 1
    assert await bench.history.count_active("p", 8_001) == 0
    assert await bench.history.count_active("another project", 0) == 0


@between
async def test_the_newest_uplink_is_that_of_any_kind(bench: Bench, step: Step) -> None:
    await settled(bench.history.touch(1, "event", 8_000))
    await settled(bench.history.touch(1, "connect", 6_000))
    await step(bench)
    assert await bench.history.newest_uplink() == 8_000
    assert await bench.history.count_active("p", 8_000) == 1


@between
async def test_a_device_is_active_since_the_instant_of_its_newest_uplink_whatever_came_later(
    bench: Bench, step: Step
) -> None:
    await settled(bench.history.touch(1, "event", 8_000))
    await step(bench)
    await settled(bench.history.touch(1, "connect", 6_000))
    for again in (leave, step):
        await again(bench)
        assert await bench.history.newest_uplink() == 8_000
        assert [await bench.history.count_active("p", since) for since in (7_999, 8_000, 8_001)] == [1, 1, 0]
    await settled(bench.history.touch(1, "connect", 9_000))
    assert [await bench.history.count_active("p", since) for since in (8_000, 9_000, 9_001)] == [1, 1, 0]
    assert await bench.history.active_of([1, 2]) == {1: {"event": 8_000, "connect": 9_000}, 2: {}}


def at_once(read: Coroutine[Any, Any, T]) -> T:
    """What a read returns that does not suspend its caller."""
    try:
        read.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    read.close()
    raise AssertionError("it waits")


async def test_a_commit_that_has_ended_is_seen_by_every_read(bench: Bench) -> None:
    seen: list[Any] = []

    def look(error: Exception | None) -> None:
        """Reads within the callback, before anything else has its turn."""
        seen.append({name: known.value for name, known in at_once(bench.history.current(1)).items()})
        seen.append(at_once(bench.history.active_of([1])))

    commit = bench.history.append(Report(1, 1_000, 5_000, {"x": 1}))
    commit.on_done(look)
    await settled(commit)
    assert seen == [{"x": 1}, {1: {"attributes": 5_000}}]


async def test_a_device_that_is_packed_while_the_active_are_counted_counts_once(bench: Bench) -> None:
    await settled(bench.history.touch(1, "event", 8_000))
    await settled(bench.history.touch(2, "event", 7_999))
    await pack(bench)
    fresh = [1, 2]  # of both there was something newer in memory when the count began
    assert await bench.database.read(lambda connection: _count_active(connection, "p", 8_000, fresh)) == 2
