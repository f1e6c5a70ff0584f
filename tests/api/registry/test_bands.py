"""Charts of many points: mean, lowest and highest value of spans, of several attributes in one pass."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.registry.house import Api, House
from thingstead.model.spans import LADDER, LADDER_MS, ladder_step, read_interval

MINUTE = 60_000
NOON = 1_714_564_800_000  # 2024-05-01T12:00Z


async def device_with_minutes(api: Api, house: House) -> str:
    """A device that reported ``t`` = 0, 1, 2…, ``h`` ten times that, each 10 s of half an hour, and a text once."""
    device_id = await api.new_device()
    for number in range(180):
        await house.report(device_id, ts=NOON + number * 10_000, t=number, h=10 * number)
    await house.report(device_id, ts=NOON + 1, mode="auto")
    return device_id


async def bands(api: Api, device_id: str, **query: Any) -> dict[str, Any]:
    asked = {"identifiers": "t,h,mode", "start_time": NOON, "end_time": NOON + 30 * MINUTE - 1, "method": "band"}
    return {each["identifier"]: each for each in await api.get(f"device/{device_id}/history", **{**asked, **query})}


async def test_a_band_has_mean_lowest_highest_and_number_of_spans_of_the_ladder(api: Api, house: House) -> None:
    device_id = await device_with_minutes(api, house)
    found = await bands(api, device_id, points=20)
    assert found["t"] == {
        "identifier": "t",
        "timestamps": [NOON + number * 2 * MINUTE for number in range(15)],
        "values": [5.5 + 12 * number for number in range(15)],
        "total": 180,
        "interval": "2m",
        "min": [12 * number for number in range(15)],
        "max": [11 + 12 * number for number in range(15)],
        "count": [12] * 15,
    }
    assert found["h"]["values"] == [10 * value for value in found["t"]["values"]]


async def test_few_points_are_given_as_they_are(api: Api, house: House) -> None:
    device_id = await device_with_minutes(api, house)
    found = await bands(api, device_id, points=180)
    assert found["t"]["values"] == list(range(180))
    assert found["mode"] == {"identifier": "mode", "timestamps": [NOON + 1], "values": ["auto"], "total": 1}


async def test_an_interval_that_is_named_makes_spans_of_few_points_too(api: Api, house: House) -> None:
    device_id = await device_with_minutes(api, house)
    found = await bands(api, device_id, interval="15m", points=1000)
    assert (found["t"]["timestamps"], found["t"]["values"]) == ([NOON, NOON + 15 * MINUTE], [44.5, 134.5])
    assert found["mode"]["values"] == [None]
    assert found["mode"]["count"] == [1]


async def test_spans_do_not_depend_on_where_a_range_begins(api: Api, house: House) -> None:
    device_id = await device_with_minutes(api, house)
    found = await bands(api, device_id, start_time=NOON + 17_000, interval=30_000, identifiers="t")
    assert found["t"]["timestamps"][:2] == [NOON, NOON + 30_000]
    assert found["t"]["count"][:2] == [1, 3]


async def test_days_are_those_of_a_time_zone(api: Api, house: House) -> None:
    device_id = await device_with_minutes(api, house)
    day = {"start_time": NOON - 1, "end_time": NOON + 1000 * MINUTE, "interval": "1d", "identifiers": "t"}
    found = await bands(api, device_id, timezone="+08:00", **day)
    assert found["t"]["timestamps"] == [NOON - 20 * 60 * MINUTE]


async def test_gaps_are_there_where_they_are_wanted(api: Api, house: House) -> None:
    device_id = await device_with_minutes(api, house)
    range_ = {"end_time": NOON + 60 * MINUTE - 1, "interval": "15m", "identifiers": "t"}
    assert (await bands(api, device_id, **range_))["t"]["count"] == [90, 90]
    found = await bands(api, device_id, gaps=1, **range_)
    assert (found["t"]["count"], found["t"]["min"]) == ([90, 90, 0, 0], [0, 90, None, None])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"interval": "7m"}, "interval"),
        ({"interval": 1, "end_time": NOON + 60 * MINUTE}, "interval"),
        ({"timezone": "Mars"}, "timezone"),
        ({"method": "minmax", "interval": "1h"}, "interval"),
        ({"method": "lttb", "gaps": 1}, "gaps"),
        ({"method": "mean"}, "method"),
    ],
)
async def test_what_a_band_cannot_be_is_named(api: Api, query: dict[str, Any], field: str) -> None:
    asked = {"identifiers": "t", "start_time": NOON, "end_time": NOON + 30 * MINUTE - 1, "method": "band", **query}
    refusal = await api.refusal("GET", f"device/{await api.new_device()}/history", **asked)
    assert (refusal.errcode, refusal.fields) == (400, {field})


@given(st.integers(1, 20 * 365 * 24 * 3_600_000), st.integers(2, 10_000))
def test_a_step_of_the_ladder_divides_a_range_into_no_more_than_are_wanted(length_ms: int, most: int) -> None:
    steps = [*map(str, LADDER_MS), *LADDER]
    lengths = [*LADDER_MS, *(read_interval(step).least_ms for step in LADDER)]
    at = steps.index(ladder_step(length_ms, most))
    assert at == len(steps) - 1 or length_ms <= most * lengths[at]
    assert at == 0 or length_ms > most * lengths[at - 1]
