"""Whatever is appended, packed, removed and restarted in whatever order, on whatever clock: history equals a list,
and the current value is what was received last, or what bears the greatest timestamp since.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.storage.history_bench import Bench, register_devices
from thingstead.model.report import RECEIVED, Report
from thingstead.services.shared.commits import committed
from thingstead.storage.sqlite.history import compaction
from thingstead.storage.sqlite.history.ranges import SqliteRanges

reports = st.tuples(
    st.sampled_from(["series", "report", "push"]),
    st.integers(0, 2) | st.integers(0, 30),  # of what is received too: the clock may be set back
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


async def run(path: Path, actions: list[Any], window: tuple[int, int]) -> None:
    register_devices(path)
    bench = await Bench(path).open()
    naive = Naive()
    try:
        for action in actions:
            if len(action) == 3:
                source, ts, values = action
                await committed(bench.history.append(Report(1, ts, ts, values, source)))
                for name, value in values.items():
                    naive.report(name, ts, value, source in RECEIVED)
            elif action[0] == "pack":
                await bench.history.packer.pack(whole=action[1])
            elif action[0] == "restart":
                await bench.reopen()
            else:
                await bench.history.remove_attributes(1, [action[1]])
                naive.remove(action[1])
            assert repr(sorted((await bench.current()).items())) == repr(sorted(naive.current.items()))
            assert bench.hours() == bench.hours_of_blocks()
            for identifier in "abc":
                expected = naive.series(identifier, *window)
                assert repr(await bench.points(identifier, *window)) == repr(expected)
                (whole,) = await SqliteRanges(bench.database, bench.history).sample(
                    1, [identifier], *window, points=1_000, method="lttb", points_limit=1_000
                )
                assert repr(whole.points) == repr(expected[::-1])
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
