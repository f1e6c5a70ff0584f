"""Whatever is appended, packed, removed and restarted in whatever order: history equals a list, current its maximum."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.storage.test_history import Bench, register_devices
from thingstead.storage.sqlite import compaction

reports = st.tuples(
    st.just("report"),
    st.integers(0, 30),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 9) | st.sampled_from([1.5, True, "x", None]), min_size=1),
)
steps = st.lists(
    reports
    | st.tuples(st.just("pack"), st.booleans())
    | st.just(("restart",))
    | st.tuples(st.just("remove"), st.sampled_from("abc")),
    max_size=40,
)


class Naive:
    """The same in ten lines: all points in order of appending."""

    def __init__(self) -> None:
        self.points: list[tuple[int, str, Any]] = []

    def series(self, identifier: str, start: int, end: int) -> list[tuple[int, Any]]:
        mine: dict[str, tuple[int, Any]] = {}
        for ts, name, value in reversed(self.points):
            if name == identifier and start <= ts <= end:
                mine.setdefault(repr((ts, value)), (ts, value))  # of equal points the last
        return sorted(mine.values(), key=lambda point: -point[0])

    def current(self) -> dict[str, tuple[int, Any]]:
        names = {name for _, name, _ in self.points}
        return {name: self.series(name, 0, 2**53)[0] for name in names}


async def run(path: Path, actions: list[Any], window: tuple[int, int]) -> None:
    register_devices(path)
    bench = await Bench(path).open()
    naive = Naive()
    try:
        for action in actions:
            if action[0] == "report":
                await bench.report(action[1], **action[2])
                naive.points.extend((action[1], name, value) for name, value in action[2].items())
            elif action[0] == "pack":
                await bench.history.packer.pack(whole=action[1])
            elif action[0] == "restart":
                await bench.reopen()
            else:
                await bench.history.remove_attributes(1, [action[1]])
                naive.points = [point for point in naive.points if point[1] != action[1]]
            assert repr(sorted((await bench.current()).items())) == repr(sorted(naive.current().items()))
            assert bench.hours() == bench.hours_of_blocks()
            for identifier in "abc":
                assert repr(await bench.points(identifier, *window)) == repr(naive.series(identifier, *window))
    finally:
        await bench.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps, st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (min(pair), max(pair))))
def test_history_equals_a_plain_list_under_any_sequence_of_steps(actions: list[Any], window: tuple[int, int]) -> None:
    before = compaction.BLOCK_POINTS
    compaction.BLOCK_POINTS = 3  # so that a few points make several blocks
    try:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(run(Path(folder) / "history.db", actions, window))
    finally:
        compaction.BLOCK_POINTS = before


distinct_reports = st.dictionaries(
    st.integers(0, 2**40),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 9) | st.sampled_from([1.5, "x", None]), min_size=1),
    min_size=1,
    max_size=12,
).map(lambda reports: list(reports.items()))


async def state_after(path: Path, reports: list[tuple[int, dict[str, Any]]], pack_every: int) -> Any:
    register_devices(path)
    bench = await Bench(path).open()
    for at, (ts, values) in enumerate(reports, 1):
        await bench.report(ts, **values)
        if at % pack_every == 0:
            await bench.history.packer.pack(whole=True)
    await bench.reopen()
    state = sorted((await bench.current()).items()), [await bench.points(identifier) for identifier in "abc"]
    await bench.close()
    return state


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    distinct_reports.flatmap(lambda reports: st.tuples(st.just(reports), st.permutations(reports))), st.integers(1, 5)
)
def test_every_order_of_the_same_reports_ends_in_the_same_state(
    orders: tuple[list[tuple[int, dict[str, Any]]], list[tuple[int, dict[str, Any]]]], pack_every: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first, second = (
            asyncio.run(state_after(Path(folder) / f"{name}.db", order, pack_every))
            for name, order in enumerate(orders)
        )
    assert repr(first) == repr(second)
    assert dict(first[0]) == {
        name: max((ts, values[name]) for ts, values in orders[0] if name in values) for name in dict(first[0])
    }
