"""Aggregates, samples and values at an instant: what a plain list of the same points gives, packed or not."""

import asyncio
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.storage.history_bench import Base, Bench, NewBase, examples_of, make_blocks, pack
from thingstead.errors import InvalidInput
from thingstead.model.report import AggregateFunction, Bucket, Report, SpanBucket
from thingstead.model.spans import FixedSpans
from thingstead.services.shared.commits import settled
from thingstead.storage.aggregation import ACCUMULATORS
from thingstead.storage.counters import COUNTERS
from thingstead.storage.sql.history import compaction
from thingstead.storage.sql.history.ranges import SqlRanges

NO_LIMIT = 2**53

values = st.integers(-5, 5) | st.sampled_from([0.5, -2.25, 1e300, True, "x", None, [1]])
points = st.lists(st.tuples(st.integers(0, 60), values), max_size=40)


def ranges_of(bench: Bench) -> SqlRanges:
    return SqlRanges(bench.database, bench.history)


def kept(points: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """Each point once, by time."""
    last = {repr(point): (index, point) for index, point in enumerate(points)}
    return [point for _, point in sorted(last.values(), key=lambda entry: (entry[1][0], entry[0]))]


def naive(function: AggregateFunction, points: list[tuple[int, Any]], start: int, end: int, interval: int) -> Any:
    buckets: dict[int, list[Any]] = defaultdict(list)
    for ts, value in kept(points):
        if start <= ts <= end and (function in ("count", "first", "last") or type(value) in (int, float)):
            buckets[start + (ts - start) // interval * interval].append(value)
    return [Bucket(at, compute(function, found), len(found)) for at, found in buckets.items()]


def compute(function: AggregateFunction, found: list[Any]) -> Any:
    if function in ("p50", "p95"):
        if len(found) == 1:
            return found[0]
        ranks = statistics.quantiles(found, n=20, method="inclusive")
        return statistics.median(found) if function == "p50" else ranks[18]
    if function == "avg":
        return sum(found) / len(found)
    if function in ("first", "last"):
        return found[0 if function == "first" else -1]
    functions: dict[str, Callable[[list[Any]], Any]] = {"min": min, "max": max, "sum": sum, "count": len}
    return functions[function](found)


async def fill(bench: Bench, points: list[tuple[int, Any]], packed_at: list[int]) -> None:
    for index, (ts, value) in enumerate(points):
        await bench.report(ts, x=value)
        if index in packed_at:
            await (make_blocks if index % 3 else pack)(bench)


async def check(
    base: Base, points: list[tuple[int, Any]], packed_at: list[int], window: tuple[int, int], interval: int
) -> None:
    bench = await Bench(base).open()
    try:
        await fill(bench, points, packed_at)
        for function in ACCUMULATORS:
            found = await ranges_of(bench).aggregate(
                1, "x", *window, interval=interval, function=function, points_limit=NO_LIMIT
            )
            expected = naive(function, points, *window, interval)
            assert [(bucket.start, bucket.count) for bucket in found] == [(b.start, b.count) for b in expected]
            for bucket, wanted in zip(found, expected, strict=True):
                if function in ("first", "last"):
                    assert repr(bucket.value) == repr(wanted.value)
                else:
                    assert math.isclose(bucket.value, wanted.value, rel_tol=1e-9, abs_tol=1e290)
        (sampled,) = await ranges_of(bench).sample(
            1, ["x"], *window, points=1000, method="minmax", points_limit=NO_LIMIT
        )
        assert repr(sampled.points) == repr([p for p in kept(points) if window[0] <= p[0] <= window[1]])
    finally:
        await bench.close()


def test_aggregates_equal_those_of_a_plain_list(new_base: NewBase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "BLOCK_POINTS", 3)  # so that a few points make several blocks

    @settings(max_examples=examples_of(new_base, 60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        points,
        st.lists(st.integers(0, 40), max_size=4),
        st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair))),
        st.integers(1, 70),
    )
    def they_are_equal(
        points: list[tuple[int, Any]], packed_at: list[int], window: tuple[int, int], interval: int
    ) -> None:
        with new_base() as base:
            asyncio.run(check(base, points, packed_at, window, interval))

    they_are_equal()


@pytest.mark.parametrize("step", [pack, make_blocks])
async def test_numbers_keep_their_kind_through_aggregates(bench: Bench, step: Any) -> None:
    for ts, reported in enumerate([25, 25.5, 26, 26.5]):
        await bench.report(ts, x=reported, whole=ts)
    await step(bench)

    async def of(identifier: str, function: AggregateFunction) -> Any:
        (bucket,) = await ranges_of(bench).aggregate(
            1, identifier, 0, 3, interval=4, function=function, points_limit=NO_LIMIT
        )
        return bucket.value

    assert repr([await of("x", function) for function in ("min", "max", "sum", "first")]) == "[25, 26.5, 103.0, 25]"
    assert repr([await of("whole", function) for function in ("min", "sum", "avg", "p50")]) == "[0, 6, 1.5, 1.5]"


async def test_a_sum_that_no_integer_of_64_bits_can_hold_becomes_a_float(bench: Bench) -> None:
    for ts in range(3):
        await bench.report(ts, x=2**63 - 1)
    (bucket,) = await ranges_of(bench).aggregate(1, "x", 0, 9, interval=10, function="sum", points_limit=NO_LIMIT)
    assert repr(bucket.value) == repr(3.0 * 2**63)


async def test_a_range_with_too_many_points_is_refused_and_names_the_field(bench: Bench) -> None:
    for ts in range(10):
        await bench.report(ts, x=ts)
    await make_blocks(bench)
    await bench.report(10, x=1)
    assert await ranges_of(bench).aggregate(1, "x", 0, 10, interval=20, function="sum", points_limit=11)
    with pytest.raises(InvalidInput) as caught:
        await ranges_of(bench).aggregate(1, "x", 0, 10, interval=20, function="sum", points_limit=10)
    assert caught.value.errors[0].field == "end_time"


async def test_a_percentile_of_too_many_different_values_is_refused_and_names_the_field(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thingstead.storage.aggregation.DIFFERENT_VALUES", 10)
    for ts in range(30):
        await bench.report(ts, few=ts % 10, many=ts % 11)
    ranges = ranges_of(bench)
    [bucket] = await ranges.aggregate(1, "few", 0, 29, interval=30, function="p50", points_limit=NO_LIMIT)
    assert bucket.value == 4.5
    with pytest.raises(InvalidInput) as refused:
        await ranges.aggregate(1, "many", 0, 29, interval=30, function="p50", points_limit=NO_LIMIT)
    assert [error.field for error in refused.value.errors] == ["interval"]


async def test_the_bound_holds_for_all_attributes_of_a_sample_together(bench: Bench) -> None:
    for ts in range(10):
        await bench.report(ts, x=ts, y=ts)
    with pytest.raises(InvalidInput):
        await ranges_of(bench).sample(1, ["x", "y"], 0, 10, points=5, method="minmax", points_limit=19)


async def test_values_at_an_instant_are_the_newest_up_to_it(bench: Bench) -> None:
    await bench.report(1000, x=1, y="a")
    await make_blocks(bench)
    await bench.report(2000, x=2)
    await pack(bench)
    await bench.report(3000, x=3, z=True)

    async def at(instant: int) -> dict[str, tuple[int, Any]]:
        known = await ranges_of(bench).values_at(1, instant)
        return {identifier: (value.ts, value.value) for identifier, value in sorted(known.items())}

    assert await at(999) == {}
    assert await at(1000) == {"x": (1000, 1), "y": (1000, "a")}
    assert await at(2999) == {"x": (2000, 2), "y": (1000, "a")}
    assert await at(5000) == {"x": (3000, 3), "y": (1000, "a"), "z": (3000, True)}


async def test_what_is_appended_and_packed_during_a_read_is_seen_once(bench: Bench) -> None:
    for ts in range(3000):
        commit = bench.history.append(Report(1, ts, 1, {"x": ts}))
    await settled(commit)
    counting = ranges_of(bench).aggregate(1, "x", 0, 2999, interval=3000, function="count", points_limit=NO_LIMIT)
    buckets, _ = await asyncio.gather(counting, make_blocks(bench))
    assert [bucket.value for bucket in buckets] == [3000]


async def spans_of(
    bench: Bench, functions: list[AggregateFunction], *, interval: int, end: int, start: int = 0, **more: Any
) -> list[SpanBucket]:
    spans = FixedSpans(0, interval)
    more = {"gaps": False, "until": end + 1, "points_limit": NO_LIMIT, **more}
    return await ranges_of(bench).spans(1, "x", start, end, spans=spans, functions=functions, **more)


floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.1, 0.4])
reals = floats | st.integers(-(2**63), 2**64 - 1)


def test_sums_and_means_are_exact_and_rounded_once_packed_or_not(
    new_base: NewBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "BLOCK_POINTS", 3)

    async def run(base: Base, numbers: list[int | float], packed_at: list[int]) -> None:
        bench = await Bench(base).open()
        try:
            await fill(bench, list(enumerate(numbers)), packed_at)
            (found,) = await spans_of(bench, ["sum", "avg", "p50"], interval=100, end=99)
        finally:
            await bench.close()
        exact = sum(map(Fraction, numbers))
        largest = Fraction(sys.float_info.max)
        assert found.values["sum"] == (
            exact
            if set(map(type, numbers)) == {int} and -(2**63) <= exact < 2**64
            else float(max(-largest, min(largest, exact)))
        )
        mean = exact / len(numbers)
        assert found.values["avg"] in (float(mean), mean)
        assert min(numbers) <= found.values["avg"] <= max(numbers)
        assert min(numbers) <= found.values["p50"] <= max(numbers)

    @settings(max_examples=examples_of(new_base, 40), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(reals, min_size=1, max_size=30), st.lists(st.integers(0, 30), max_size=4))
    def they_are_exact(numbers: list[int | float], packed_at: list[int]) -> None:
        with new_base() as base:
            asyncio.run(run(base, numbers, packed_at))

    they_are_exact()


@pytest.mark.parametrize("step", [pack, make_blocks])
async def test_integers_stay_exact_and_nothing_overflows(bench: Bench, step: Any) -> None:
    for ts, (big, huge) in enumerate([(2**53 + 1, 1.7e308), (2**53 + 1, 1.7e308), (2**53 + 5, -1.7e308)]):
        await bench.report(ts, x=big)
        await bench.report(10 + ts, x=huge)
    await step(bench)
    functions: list[AggregateFunction] = ["sum", "avg", "p50", "p95", "delta", "twa"]
    integers, floats = await spans_of(bench, functions, interval=10, end=19)
    assert list(integers.values.values())[:3] == [3 * 2**53 + 7, (3 * 2**53 + 7) / 3, 2**53 + 1]
    assert floats.values["avg"] == 1.7e308 / 3
    assert all(math.isfinite(each) for each in floats.values.values())


async def test_several_functions_in_one_pass_give_what_each_gives_alone(bench: Bench) -> None:
    await fill(bench, [(ts, value) for ts, value in enumerate([1, "x", 2.5, True, 7, 3, 3, None, 4])], [3, 6])
    functions: list[AggregateFunction] = [*ACCUMULATORS, *COUNTERS]
    together = await spans_of(bench, functions, interval=4, end=11, gaps=True)
    for function in functions:
        alone = await spans_of(bench, [function], interval=4, end=11, gaps=True)
        assert [each.values[function] for each in alone] == [each.values[function] for each in together]


@pytest.mark.parametrize("step", [pack, make_blocks])
async def test_counters_go_up_since_the_point_before_and_begin_again_at_zero(bench: Bench, step: Any) -> None:
    for ts, count in ((900, 5), (1100, 7), (1900, 10), (2500, 12), (2600, 1), (2700, 3), (5000, 3.5)):
        await bench.report(ts, x=count)
    await step(bench)
    found = await spans_of(bench, ["delta", "rate"], interval=1000, start=1000, end=5999, gaps=True)
    assert [(each.start, *each.values.values(), each.count) for each in found] == [
        (1000, 5, 5.0, 2),  # 5 to 10 in one second
        (2000, 5, 5 * 1000 / 800, 3),  # 10 to 12, then 0 to 3
        (3000, None, None, 0),
        (4000, None, None, 0),
        (5000, 0.5, 0.5 * 1000 / 2300, 1),
    ]
    counts = await spans_of(bench, ["count", "avg"], interval=1000, start=2000, end=4999, gaps=True)
    assert [each.values for each in counts] == [{"count": 3, "avg": 16 / 3}, *[{"count": 0, "avg": None}] * 2]
    (first, *_) = await spans_of(bench, ["delta", "rate"], interval=1000, start=0, end=999)
    assert first.values == {"delta": None, "rate": None}  # nothing to compare it with


@pytest.mark.parametrize("step", [pack, make_blocks])
async def test_a_value_weighs_as_long_as_it_holds(bench: Bench, step: Any) -> None:
    for ts, value in ((500, 10), (1250, 20), (1500, 0), (4000, 8)):
        await bench.report(ts, x=value)
    await step(bench)
    found = await spans_of(bench, ["twa"], interval=1000, end=5999, until=5500, gaps=True)
    assert [(each.start, each.values["twa"], each.count) for each in found] == [
        (0, 10, 1),  # from the first point on
        (1000, (10 * 250 + 20 * 250) / 1000, 2),
        (2000, 0, 0),
        (3000, 0, 0),
        (4000, 8, 1),
        (5000, 8, 0),  # holds up to the present
    ]
    (later,) = await spans_of(bench, ["twa"], interval=1000, start=1400, end=1999)
    assert later.values["twa"] == 20 * 100 / 600
