"""Whatever is appended, packed, removed and restarted in whatever order, on whatever clock: history equals a list,
and the current value is what was received last, or what bears the greatest timestamp since.
"""

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.storage.history_bench import Base, Bench, NewBase, examples_of, new_sqlite
from thingstead.model.report import RECEIVED, Report
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.history import compaction
from thingstead.storage.sql.history.ranges import SqlRanges

NAMES = "ab"
reports = st.tuples(
    st.sampled_from(["series", "report", "push"]),
    st.integers(0, 4) | st.integers(0, 30),  # of what is received too: the clock may be set back
    st.dictionaries(st.sampled_from(NAMES), st.integers(0, 9) | st.sampled_from([1.5, True, "x", None]), min_size=1),
)
rounds = st.lists(
    st.tuples(
        st.lists(reports, min_size=1, max_size=12),
        st.sampled_from([("pack", True)] * 6 + [("pack", False)] * 2 + [("restart",)])
        | st.tuples(st.just("remove"), st.sampled_from(NAMES)),
    ),
    min_size=4,
    max_size=8,
)
WHAT_MATTERS = (
    "several blocks",
    "merged into a block",
    "late, before another block",
    "blocks larger than usual, for the sake of one timestamp",
)
REACHED = Counter[str]()  # how often by all examples


class Naive:
    """The same in twenty lines: all points, and what is current."""

    def __init__(self) -> None:
        self.points: list[tuple[str, int, Any]] = []
        self.current: dict[str, tuple[int, Any]] = {}

    def report(self, name: str, ts: int, value: Any, received: bool) -> None:
        if not received and (
            same := [at for at, one in enumerate(self.points) if repr(one) == repr((name, ts, value))]
        ):
            del self.points[same[-1]]  # it is the same point, and was appended last now
        self.points.append((name, ts, value))
        if received or ts >= self.current.get(name, (0, None))[0]:
            self.current[name] = ts, value

    def remove(self, name: str) -> None:
        self.points = [point for point in self.points if point[0] != name]
        self.current.pop(name, None)

    def series(self, identifier: str, start: int, end: int) -> list[tuple[int, Any]]:
        mine = [(ts, value) for name, ts, value in reversed(self.points) if name == identifier and start <= ts <= end]
        return sorted(mine, key=lambda point: -point[0])


Block = tuple[int, int, int]  # first and last timestamp, points


def blocks_of(bench: Bench) -> dict[str, list[Block]]:
    """By attribute, in order of time."""
    found: dict[str, list[Block]] = {name: [] for name in NAMES}
    for name, *block in bench.ask(
        "SELECT identifier, first_ts, last_ts, points FROM block WHERE device_number = 1 ORDER BY first_ts"
    ):
        found[name].append((block[0], block[1], block[2]))
    return found


def note(before: list[Block], after: list[Block]) -> None:
    """Counts what a step made of the blocks of an attribute."""
    gone, new = set(before) - set(after), set(after) - set(before)
    if not new:
        return
    REACHED["several blocks"] += len(new) > len(gone) + 1
    REACHED["merged into a block"] += bool(gone)
    REACHED["late, before another block"] += any(block != before[-1] for block in gone)
    REACHED["blocks larger than usual, for the sake of one timestamp"] += any(
        points > compaction.BLOCK_POINTS for _, _, points in new
    )


async def run(base: Base, actions: list[Any], window: tuple[int, int]) -> None:
    bench = await Bench(base).open()
    naive = Naive()
    blocks = blocks_of(bench)
    try:
        for reported, (step, *of) in actions:
            commits = [bench.history.append(Report(1, ts, ts, values, source)) for source, ts, values in reported]
            for commit in commits:
                await settled(commit)
            for source, ts, values in reported:
                for name, value in values.items():
                    naive.report(name, ts, value, source in RECEIVED)
            await compare(bench, naive, window)
            if step == "pack":
                await bench.history.packer.pack(whole=of[0])
                if of[0]:
                    left = bench.ask("SELECT count(*) FROM spool")
                    assert left == [(0,)], "something could not be made into blocks"
            elif step == "restart":
                await bench.reopen()
            else:
                await bench.history.remove_attributes(1, of)
                naive.remove(of[0])
            await compare(bench, naive, window)
            before, blocks = blocks, blocks_of(bench)
            for name in NAMES:
                note(before[name], blocks[name])
                assert all(one[1] < two[0] for one, two in pairwise(blocks[name])), "blocks share a timestamp"
    finally:
        await bench.close()


async def compare(bench: Bench, naive: Naive, window: tuple[int, int]) -> None:
    assert repr(sorted((await bench.current()).items())) == repr(sorted(naive.current.items()))
    hours, of_blocks = bench.hours()
    assert hours == of_blocks
    for name in NAMES:
        expected = naive.series(name, *window)
        assert repr(await bench.points(name, *window)) == repr(expected)
        (whole,) = await SqlRanges(bench.database, bench.history).sample(
            1, [name], *window, points=1_000, method="lttb", points_limit=1_000
        )
        assert repr(whole.points) == repr(expected[::-1])


def test_history_equals_a_plain_list_under_any_sequence_of_steps(
    new_base: NewBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "BLOCK_POINTS", 3)  # so that a few points make several blocks
    REACHED.clear()

    @settings(max_examples=examples_of(new_base, 60), suppress_health_check=[HealthCheck.too_slow])
    @given(rounds, st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (min(pair), max(pair))))
    def history_equals_a_plain_list(actions: list[Any], window: tuple[int, int]) -> None:
        with new_base() as base:
            asyncio.run(run(base, actions, window))

    history_equals_a_plain_list()
    if new_base is new_sqlite:  # others try fewer
        assert all(REACHED[what] >= 5 for what in WHAT_MATTERS), f"the examples did not reach what matters: {REACHED}"


@pytest.mark.parametrize("late", [5, 10, 15, 25, 30, 31])
async def test_a_late_point_within_a_full_block_is_merged_into_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    monkeypatch.setattr(compaction, "BLOCK_POINTS", 3)
    for timestamps in ((10, 20, 30), (late,)):
        for ts in timestamps:
            await bench.report(ts, a=ts + len(timestamps))
        await bench.history.packer.pack(whole=True)
    expected = sorted([(30, 33), (20, 23), (10, 13), (late, late + 1)], reverse=True)
    assert sorted(await bench.points("a"), reverse=True) == expected
    blocks = blocks_of(bench)["a"]
    assert sum(points for _, _, points in blocks) == 4
    assert all(one[1] < two[0] for one, two in pairwise(blocks)), "blocks share a timestamp"


distinct_reports = st.dictionaries(
    st.integers(0, 2**40),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 9) | st.sampled_from([1.5, "x", None]), min_size=1),
    min_size=1,
    max_size=12,
).map(lambda reports: list(reports.items()))


async def state_after(base: Base, reports: list[tuple[int, dict[str, Any]]], pack_every: int) -> Any:
    bench = await Bench(base).open()
    for at, (ts, values) in enumerate(reports, 1):
        await bench.report(ts, **values)
        if at % pack_every == 0:
            await bench.history.packer.pack(whole=True)
    await bench.reopen()
    state = sorted((await bench.current()).items()), [await bench.points(identifier) for identifier in "abc"]
    await bench.close()
    return state


Orders = tuple[list[tuple[int, dict[str, Any]]], list[tuple[int, dict[str, Any]]]]
orders_of_reports = distinct_reports.flatmap(lambda reports: st.tuples(st.just(reports), st.permutations(reports)))


def test_every_order_of_the_same_reports_ends_in_the_same_state(new_base: NewBase) -> None:
    @settings(max_examples=examples_of(new_base, 30), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(orders_of_reports, st.integers(1, 5))
    def the_state_is_the_same(orders: Orders, pack_every: int) -> None:
        states = []
        for order in orders:
            with new_base() as base:
                states.append(asyncio.run(state_after(base, order, pack_every)))
        first, second = states
        assert repr(first) == repr(second)
        assert dict(first[0]) == {
            name: max((ts, values[name]) for ts, values in orders[0] if name in values) for name in dict(first[0])
        }

    the_state_is_the_same()
