"""Samples are points of the series, no more than were asked for, with every extreme."""

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.model.report import SampleMethod
from thingstead.storage.blocks import ANY, Column, decode_column, encode_block
from thingstead.storage.sampling import lttb, sample

METHODS: list[SampleMethod] = ["minmax", "lttb"]


def columns_of(points: list[tuple[int, Any]], run: int) -> list[Column]:
    """Runs of the points, encoded and plain in turn."""
    runs = [points[at : at + run] for at in range(0, len(points), run)]
    columns = []
    for number, part in enumerate(runs):
        timestamps, values = [ts for ts, _ in part], [value for _, value in part]
        columns.append(
            decode_column(encode_block(timestamps, values)) if number % 2 else Column(timestamps, ANY, 1, values)
        )
    return columns


numbers = st.integers(-100, 100) | st.integers(-1000, 1000).map(lambda whole: whole / 10)
series_of_numbers = st.lists(st.tuples(st.integers(0, 10_000), numbers), min_size=1, max_size=200).map(
    lambda points: sorted(dict(points).items())
)


@pytest.mark.parametrize("method", METHODS)
@given(points=series_of_numbers, most=st.integers(2, 50), run=st.integers(1, 60))
def test_a_sample_has_points_of_the_series_in_order_and_its_count(
    method: SampleMethod, points: list[tuple[int, Any]], most: int, run: int
) -> None:
    sampled, count = sample(columns_of(points, run), 0, 10_000, most, method)
    assert count == len(points)
    assert len(sampled) <= most
    assert sampled == sorted(set(sampled)) or len(points) <= most
    assert set(sampled) <= set(points)
    if len(points) <= most:
        assert sampled == points


@given(points=series_of_numbers, most=st.integers(2, 50), run=st.integers(1, 60))
def test_min_max_keeps_the_lowest_and_the_highest_value(points: list[tuple[int, Any]], most: int, run: int) -> None:
    sampled, _ = sample(columns_of(points, run), 0, 10_000, most, "minmax")
    values = [value for _, value in sampled]
    assert min(values) == min(value for _, value in points)
    assert max(values) == max(value for _, value in points)


@given(points=series_of_numbers, most=st.integers(3, 50), run=st.integers(1, 60))
def test_lttb_keeps_as_many_as_were_asked_for_with_both_ends(
    points: list[tuple[int, Any]], most: int, run: int
) -> None:
    chosen = lttb(points, most)
    assert len(chosen) == min(most, len(points))
    assert chosen[0] == points[0]
    assert chosen[-1] == points[-1]


def test_lttb_follows_a_single_peak() -> None:
    points: list[tuple[int, Any]] = [(ts, 0 if ts != 577 else 10) for ts in range(1000)]
    assert (577, 10) in lttb(points, 20)


@pytest.mark.parametrize("method", METHODS)
def test_a_wave_keeps_its_shape(method: SampleMethod) -> None:
    points: list[tuple[int, Any]] = [(ts, round(math.sin(ts / 100), 4)) for ts in range(10_000)]
    sampled, _ = sample(columns_of(points, 400), 0, 9_999, 200, method)
    worst = 0.0
    for (before_ts, before), (after_ts, after) in pairwise(sampled):
        middle = (before_ts + after_ts) // 2
        line = before + (after - before) * (middle - before_ts) / max(1, after_ts - before_ts)
        worst = max(worst, abs(points[middle][1] - line))
    assert worst < 0.6


@pytest.mark.parametrize("method", METHODS)
def test_values_that_are_no_numbers_are_sampled_too(method: SampleMethod) -> None:
    points: list[tuple[int, Any]] = [(ts, ["on", "off", None, {"a": 1}][ts // 50 % 4]) for ts in range(1000)]
    sampled, count = sample(columns_of(points, 70), 0, 999, 40, method)
    assert count == 1000
    assert 2 <= len(sampled) <= 40
    assert all(point in points for point in sampled)


def test_numbers_of_every_kind_are_compared_with_each_other() -> None:
    points: list[tuple[int, Any]] = [(ts, (1, 1.5, True)[ts % 3]) for ts in range(999)]
    points[500], points[700] = (500, 9), (700, -9.5)
    sampled, _ = sample(
        [Column([ts for ts, _ in points], ANY, 1, [value for _, value in points])], 0, 998, 10, "minmax"
    )
    assert {(500, 9), (700, -9.5)} <= set(sampled)


def test_switches_keep_both_states() -> None:
    points: list[tuple[int, Any]] = [(ts, ts == 500) for ts in range(1000)]
    sampled, _ = sample(columns_of(points, 70), 0, 999, 10, "minmax")
    assert (500, True) in sampled
    assert any(value is False for _, value in sampled)


def areas(points: list[tuple[int, Any]], before: int, candidates: range, after: tuple[float, float]) -> list[float]:
    """Of the triangles with the point before and the average after them, as Steinarsson's thesis writes it."""
    (ax, ay), (cx, cy) = points[before], after
    return [abs((ax - cx) * (points[at][1] - ay) - (ax - points[at][0]) * (cy - ay)) / 2 for at in candidates]


@given(points=series_of_numbers, most=st.integers(3, 20))
def test_lttb_chooses_a_largest_triangle_of_each_bucket(points: list[tuple[int, Any]], most: int) -> None:
    chosen = lttb(points, most)
    if len(points) <= most:
        return
    places = [points.index(point) for point in chosen]
    inner = len(points) - 2
    edges = [1 + inner * at // (most - 2) for at in range(most - 1)]
    for number, (begin, end) in enumerate(pairwise(edges)):
        following = edges[number + 2] if number + 2 < len(edges) else len(points)
        bucket = points[end:following]
        average = sum(ts for ts, _ in bucket) / len(bucket), sum(value for _, value in bucket) / len(bucket)
        found = areas(points, places[number], range(begin, end), average)
        assert begin <= places[number + 1] < end
        assert found[places[number + 1] - begin] == pytest.approx(max(found))
