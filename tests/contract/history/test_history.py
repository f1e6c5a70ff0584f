"""Current values and history: what was committed is read, packed or not, restarted or not."""

import asyncio
import itertools
from typing import Any

import pytest

from tests.storage.history_bench import (
    Base,
    Bench,
    SqliteFile,
    Step,
    leave,
    make_blocks,
    pack,
    pack_and_restart,
    restart,
    settle_later,
)
from thingstead.errors import InvalidInput
from thingstead.model.report import RECEIVED, Report
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.history.admission import MAX_ATTRIBUTES
from thingstead.storage.sql.history.compaction import BLOCK_POINTS
from thingstead.storage.sql.history.head_cache import HeadCache
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.history.records import count_values, encode_entries, encode_values
from thingstead.storage.sql.history.series import IN_RANGE, select_blocks

ALL = (0, 2**53)


between = pytest.mark.parametrize("step", [leave, pack, make_blocks, settle_later, restart, pack_and_restart])


@between
async def test_points_come_back_newest_first(bench: Bench, step: Step) -> None:
    for ts in (1000, 2000, 3000):
        await bench.report(ts, temperature=ts / 100)
    await step(bench)
    assert await bench.points("temperature") == [(3000, 30.0), (2000, 20.0), (1000, 10.0)]
    assert await bench.current() == {"temperature": (3000, 30.0)}


@between
async def test_late_data_enters_history_but_never_the_current_value(bench: Bench, step: Step) -> None:
    await bench.report(2000, temperature=20, humidity=50)
    await step(bench)
    await bench.report(1000, temperature=10)
    await step(bench)
    assert await bench.current() == {"temperature": (2000, 20), "humidity": (2000, 50)}
    assert await bench.points("temperature") == [(2000, 20), (1000, 10)]


@between
async def test_of_equal_timestamps_the_last_appended_comes_first_and_is_current(bench: Bench, step: Step) -> None:
    await bench.report(1000, mode="a")
    await step(bench)
    await bench.report(1000, mode="b")
    await step(bench)
    assert await bench.points("mode") == [(1000, "b"), (1000, "a")]
    assert await bench.current() == {"mode": (1000, "b")}


@between
async def test_what_is_received_last_is_current_although_the_clock_was_set_back(bench: Bench, step: Step) -> None:
    for now, value in ((9000, 1), (5000, 2), (6000, 3)):
        commit = bench.history.append(Report(1, now, now, {"x": value, f"only{value}": value}, "report"))
    await settled(commit)
    await step(bench)
    expected = {"x": (6000, 3), "only1": (9000, 1), "only2": (5000, 2), "only3": (6000, 3)}
    assert await bench.current() == expected


@between
async def test_what_is_received_is_current_although_a_point_lies_ahead(bench: Bench, step: Step) -> None:
    await bench.report(9_000, temperature=20, humidity=50)
    await step(bench)
    for source in RECEIVED:
        await settled(bench.history.append(Report(1, 5_000, 5_000, {"temperature": source}, source)))
        await step(bench)
        assert await bench.current() == {"temperature": (5_000, source), "humidity": (9_000, 50)}
    await bench.report(4_999, temperature="late")
    await step(bench)
    assert (await bench.current())["temperature"][0] == 5_000
    await bench.report(5_001, temperature="newer")
    await step(bench)
    assert await bench.current() == {"temperature": (5_001, "newer"), "humidity": (9_000, 50)}


@between
async def test_reports_of_one_millisecond_without_timestamps_are_points_each(bench: Bench, step: Step) -> None:
    for source in ("report", "series", "report", "series", "push"):
        await settled(bench.history.append(Report(1, 5_000, 5_000, {"pulse": 1}, source)))
        await step(bench)
    assert await bench.points("pulse") == [(5_000, 1)] * 3  # what bears its own timestamp is there already, or was


async def test_a_log_of_an_earlier_release_keeps_its_order(bench: Bench) -> None:
    entries = [(1, 9_000, 5_000, 0, encode_values({"x": 1})), (1, 5_000, 5_000, 0, encode_values({"x": 2}))]
    row = encode_entries([*entries, (1, 4_000, 6_000, 0, encode_values({"x": 3}))])
    await bench.database.write(lambda connection: connection.execute("INSERT INTO report_log VALUES (1, ?)", (row,)))
    await bench.reopen()
    assert await bench.current() == {"x": (5_000, 2)}
    assert await bench.history.active_of([1]) == {1: {"attributes": 6_000}}


@between
async def test_start_and_end_are_both_inclusive(bench: Bench, step: Step) -> None:
    for ts in (1000, 2000, 3000, 4000):
        await bench.report(ts, x=ts)
    await step(bench)
    assert [ts for ts, _ in await bench.points("x", 2000, 3000)] == [3000, 2000]
    assert await bench.points("x", 3001, 3999) == []


@between
async def test_removed_attributes_are_gone_from_current_values_and_history(bench: Bench, step: Step) -> None:
    await bench.report(1000, x=1, y=1)
    await step(bench)
    await bench.history.remove_attributes(1, ["x", "unknown"])
    await step(bench)
    assert await bench.points("x") == []
    assert await bench.points("y") == [(1000, 1)]
    assert await bench.current() == {"y": (1000, 1)}
    await bench.report(500, x=2)
    await step(bench)
    assert await bench.current() == {"y": (1000, 1), "x": (500, 2)}


@between
async def test_deep_pages_continue_where_the_one_before_ended(bench: Bench, step: Step) -> None:
    total = 3 * BLOCK_POINTS
    for ts in range(total):
        bench.history.append(Report(1, ts, 1, {"x": ts}))
    await bench.report(total, x=total)
    await step(bench)
    await bench.report(BLOCK_POINTS, x="late")
    expected = sorted([*((ts, ts) for ts in range(total + 1)), (BLOCK_POINTS, "late")], key=lambda p: -p[0])
    at = expected.index((BLOCK_POINTS, BLOCK_POINTS))
    expected[at], expected[at + 1] = (BLOCK_POINTS, "late"), (BLOCK_POINTS, BLOCK_POINTS)
    read: list[tuple[int, Any]] = []
    while page := await bench.history.series(1, "x", *ALL, offset=len(read), limit=97):
        read.extend((point.ts, point.value) for point in page)
    assert read == expected


@pytest.mark.parametrize("step", [make_blocks, settle_later])
async def test_packing_leaves_log_and_spool_empty_and_blocks_that_never_overlap(bench: Bench, step: Step) -> None:
    for round_ in range(3):
        for ts in range(round_, 3 * BLOCK_POINTS, 3):
            bench.history.append(Report(1, ts * 10, 1, {"x": ts}))
        await bench.report(5, y=round_)
        await step(bench)
    for table in ("report_log", "spool"):
        assert bench.ask(f"SELECT count(*) FROM {table}") == [(0,)]
    rows = bench.ask("SELECT first_ts, last_ts, points FROM block WHERE identifier = 'x' ORDER BY first_ts")
    assert sum(points for _, _, points in rows) == 3 * BLOCK_POINTS
    assert all(before[1] < after[0] for before, after in itertools.pairwise(rows))
    assert all(points <= 2 * BLOCK_POINTS for _, _, points in rows)
    assert bench.history.packer.pending_points == 0
    assert [value for _, value in await bench.points("y")] == [2, 1, 0]


async def test_few_points_wait_in_the_spool_until_they_fill_blocks(bench: Bench) -> None:
    blocks = "SELECT points FROM block ORDER BY identifier, first_ts"
    for ts in range(2 * BLOCK_POINTS):
        bench.history.append(Report(1, ts, 1, {"x": ts, "y": 0}))
        if ts % 100 == 99:
            await bench.report(ts, z=1)
            await pack(bench)
        if ts == BLOCK_POINTS:
            assert bench.ask(blocks) == []
    assert [points for (points,) in bench.ask(blocks)][:2] == [600, 600]
    assert [ts for ts, _ in await bench.points("x")] == list(range(2 * BLOCK_POINTS - 1, -1, -1))


@between
async def test_a_report_that_is_resent_is_stored_once(bench: Bench, step: Step) -> None:
    for _ in range(2):
        await bench.report(1000, temperature=20.5, switch=True)
        await bench.report(2000, temperature=21)
    await step(bench)
    await bench.report(1000, temperature=20.5, switch=True)
    assert await bench.points("temperature") == [(2000, 21), (1000, 20.5)]
    await step(bench)
    assert await bench.points("temperature") == [(2000, 21), (1000, 20.5)]
    assert await bench.points("switch") == [(1000, True)]
    await settle_later(bench)
    assert bench.ask("SELECT sum(points) FROM block") == [(3,)]


async def test_packing_counts_the_points_that_were_there_already(bench: Bench) -> None:
    await bench.report(1000, x=1)
    await make_blocks(bench)
    for _ in range(3):
        await bench.report(1000, x=1, y=2)
    await make_blocks(bench)
    assert bench.history.packer.compactor.points_repeated == 3 + 2


@between
async def test_different_values_of_one_millisecond_are_all_kept_and_the_last_is_current(
    bench: Bench, step: Step
) -> None:
    for value in (1, True, 1.0, "1", 1):
        await bench.report(1000, x=value)
        await step(bench)
    assert repr(await bench.points("x")) == repr([(1000, 1), (1000, "1"), (1000, 1.0), (1000, True)])
    assert repr(await bench.current()) == repr({"x": (1000, 1)})


@pytest.mark.parametrize("offset", range(5))
async def test_pages_pass_over_points_and_not_over_their_repeats(bench: Bench, offset: int) -> None:
    for ts in range(4):
        await bench.report(ts, x=ts)
    await make_blocks(bench)
    for ts in (3, 2, 3):
        await bench.report(ts, x=ts)
    found = await bench.history.series(1, "x", *ALL, offset=offset, limit=10)
    assert [point.ts for point in found] == [3, 2, 1, 0][offset:]


async def test_a_narrow_range_of_a_long_series_reads_only_the_blocks_that_cover_it(bench: Bench) -> None:
    for ts in range(4 * BLOCK_POINTS):
        commit = bench.history.append(Report(1, ts, 1, {"x": ts}))
        if ts % BLOCK_POINTS == BLOCK_POINTS - 1:
            await settled(commit)
            await make_blocks(bench)
    read = await bench.database.read(
        lambda connection: list(
            select_blocks(connection, 1, "x", BLOCK_POINTS + 5, BLOCK_POINTS + 9, newest_first=True)
        )
    )
    assert [(first_ts, last_ts) for first_ts, last_ts, _, _ in read] == [(BLOCK_POINTS, 2 * BLOCK_POINTS - 1)]
    explain = "EXPLAIN QUERY PLAN" if isinstance(bench.base, SqliteFile) else "EXPLAIN"
    plan = await bench.database.read(
        lambda connection: connection.execute(f"{explain} {IN_RANGE}", (1, "x", 0, 1)).fetchall()
    )
    assert all("SCAN block" not in str(line) and "Seq Scan" not in str(line) for line in plan)


async def test_reports_of_one_turn_share_one_commit_and_end_in_order(bench: Bench) -> None:
    order: list[int] = []
    first = bench.history.append(Report(1, 1000, 1, {"x": 1}))
    second = bench.history.append(Report(2, 1000, 1, {"x": 2}))
    assert first is second
    first.on_done(lambda error: order.append(1))
    second.on_done(lambda error: order.append(2))
    await settled(second)
    third = bench.history.append(Report(1, 2000, 1, {"x": 3}))
    assert third is not first
    await settled(third)
    assert order == [1, 2]


async def test_what_waits_is_committed_on_close(bench: Bench) -> None:
    commit = bench.history.append(Report(1, 1000, 1, {"x": 1}))
    await bench.reopen()
    assert (commit.done, commit.error) == (True, None)
    assert await bench.points("x") == [(1000, 1)]


async def test_an_integer_that_no_store_can_hold_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidInput):
        bench.history.append(Report(1, 1000, 1, {"x": 2**64}))


async def test_a_device_cannot_make_up_attributes_without_end(bench: Bench) -> None:
    await bench.report(1000, **{f"a{index}": index for index in range(MAX_ATTRIBUTES)})
    with pytest.raises(InvalidInput):
        await bench.report(1001, one_more=1)
    await bench.report(1001, a0="still accepted")
    assert (await bench.current())["a0"] == (1001, "still accepted")


async def test_packing_ends_although_it_was_just_asked_for(base: Base) -> None:
    database = base.open()
    for turns in range(6):
        history = SqlHistory(database, pack_points=1)
        await history.open()
        for _ in range(turns):
            await asyncio.sleep(0)
        history.packer.added(1, 0)
        async with asyncio.timeout(30):
            await history.close()
        history.packer.added(-1, 0)
    await database.close()


async def test_points_pending_and_packed_meanwhile_are_never_read_twice(bench: Bench) -> None:
    for ts in range(1500):
        bench.history.append(Report(1, ts, 1, {"x": ts}))
    await bench.report(1500, x=1500)
    pending = bench.history.series(1, "x", *ALL, offset=0, limit=5000)  # deep: reads in a thread
    packing = pack(bench)
    read = (await asyncio.gather(pending, packing))[0]
    assert [point.ts for point in read] == list(range(1500, -1, -1))


async def test_heads_that_hold_nothing_unpacked_leave_memory(base: Base) -> None:
    database = base.open()
    history = SqlHistory(database, head_limit=1)
    await history.open()
    await settled(history.append(Report(1, 1000, 1, {"x": 1})))
    for number in range(10, 20):
        assert await history.current(number) == {}
    assert (await history.current(1))["x"].value == 1
    assert len(history.heads) <= 4
    await history.close()
    await database.close()


@pytest.mark.parametrize("count", [0, 1, 15, 16, 255, 65_535, 65_536])
def test_the_values_of_a_report_are_counted_without_decoding_it(count: int) -> None:
    assert count_values(encode_values(dict.fromkeys(map(str, range(count)), 1.5))) == count


async def test_a_long_log_is_applied_again_in_its_order(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thingstead.storage.sql.history.heads.UNREAD_LIMIT", 10)
    for at in range(35):
        await bench.report(at // 2, x=at, **{f"y{at}": at})
    await bench.report(3, x="late")
    expected = {"x": (17, 34)} | {f"y{at}": (at // 2, at) for at in range(35)}
    await bench.reopen()
    assert bench.history.packer.pending_points == 71
    await bench.report(4, late=1)
    assert await bench.current() == expected | {"late": (4, 1)}
    await pack(bench)
    await bench.reopen()
    assert await bench.current() == expected | {"late": (4, 1)}


async def test_heads_that_must_all_stay_are_not_looked_through_for_every_new_one(bench: Bench) -> None:
    looks = 0

    def all_busy() -> range:
        nonlocal looks
        looks += 1
        return range(5_000)

    heads = HeadCache(bench.database, bench.history.quarantine, all_busy, lambda head: None, 100)
    for number in range(5_000):
        heads.get(number)
    assert len(heads) == 5_000
    assert looks <= 5_000 / 100


async def test_a_deleted_device_leaves_nothing_and_is_not_written_again(bench: Bench) -> None:
    await bench.report(1000, x=1)
    await pack(bench)
    await bench.report(2000, x=2)

    def delete(connection: Any) -> None:
        bench.history.delete_in(connection, 1)
        connection.execute("DELETE FROM devices WHERE number = 1")

    late = bench.history.append(Report(1, 3000, 1, {"x": 3}))
    await bench.database.write(delete)
    bench.history.forget(1)
    await settled(late)
    await pack(bench)
    for table in ("block", "spool", "device_state", "report_log"):
        assert bench.ask(f"SELECT count(*) FROM {table}") == [(0,)]
    assert bench.ask("SELECT * FROM removed_devices") == [(1, "p", "device1")]
    assert bench.history.packer.pending_points == 0
