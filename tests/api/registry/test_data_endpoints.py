"""Attributes with their current values, and their history."""

from typing import Any

import pytest

from tests.api.registry.house import Api, House

DAY = 24 * 3600 * 1000
DEFINED = [
    {"identifier": "z", "name": "Zeta", "attr_type": "report", "data_type": "number", "data_options": {"unit": "V"}},
    {"identifier": "a", "attr_type": "both", "data_type": "switch"},
    {"identifier": "never", "name": "Never"},
]


async def typed_device(api: Api) -> str:
    return await api.new_device(type=await api.new_type(functions={"attributes": DEFINED}))


async def test_defined_attributes_come_first_in_the_order_of_their_definition(api: Api, house: House) -> None:
    device_id = await typed_device(api)
    now = house.clock.now_ms()
    await house.report(device_id, y="text", b=[1], a=True, z=1.5, c={"lat": 1, "lng": 2})
    zeta = {"name": "Zeta", "attr_type": "report", "data_type": "number", "data_options": {"unit": "V"}}
    relay = {"name": "a", "attr_type": "both", "data_type": "switch", "data_options": {}}
    never = {"name": "Never", "attr_type": "report", "data_type": "number", "data_options": {}}
    from_device = {"ts": now, "source": "report"}
    assert await api.get(f"device/{device_id}/attributes") == [
        {"identifier": "z", "value": 1.5, "attr_type": "report", "data_type": "number", **from_device, "model": zeta},
        {"identifier": "a", "value": True, "attr_type": "both", "data_type": "switch", **from_device, "model": relay},
        {"identifier": "never", "value": None, "attr_type": "report", "data_type": "number", "ts": 0, "model": never},
        {"identifier": "b", "value": [1], "attr_type": "report", "data_type": "list", **from_device},
        {
            "identifier": "c",
            "value": {"lat": 1, "lng": 2},
            "attr_type": "report",
            "data_type": "map_point",
            **from_device,
        },
        {"identifier": "y", "value": "text", "attr_type": "report", "data_type": "text", **from_device},
    ]


async def test_a_device_without_type_shows_what_it_reported(api: Api, house: House) -> None:
    device_id = await api.new_device()
    assert await api.get(f"device/{device_id}/attributes") == []
    await house.report(device_id, t=1)
    await house.reopen()
    [item] = await api.get(f"device/{device_id}/attributes")
    assert "model" not in item


async def test_late_data_enters_history_and_spares_the_current_value(api: Api, house: House) -> None:
    device_id = await api.new_device()
    await house.report(device_id, ts=2000, t=2)
    await house.report(device_id, ts=1000, t=1)
    [item] = await api.get(f"device/{device_id}/attributes")
    assert (item["value"], item["ts"]) == (2, 2000)
    assert [point["value"] for point in await api.get(f"device/{device_id}/attribute/t/series")] == [2, 1]


async def test_a_point_of_a_series(api: Api, house: House) -> None:
    device_id = await typed_device(api)
    await house.report(device_id, ts=1_714_550_400_007, z=1, s="on")
    point = {"ts": 1_714_550_400_007, "timestamp": "2024-05-01T08:00:00.007Z"}
    assert await api.get(f"device/{device_id}/attribute/z/series") == [
        point | {"name": "z", "value": 1, "type": "number"}
    ]
    assert await api.get(f"device/{device_id}/attribute/s/series") == [
        point | {"name": "s", "value": "on", "type": "text"}
    ]
    assert await api.get(f"device/{device_id}/attribute/a/series") == []
    assert await api.get(f"device/{device_id}/attribute/unknown/series") == []


async def test_a_series_is_paged_from_the_newest(api: Api, house: House) -> None:
    device_id = await api.new_device()
    for ts in range(600):
        await house.report(device_id, ts=ts, t=ts)
    path = f"device/{device_id}/attribute/t/series"

    async def values(**query: Any) -> list[int]:
        return [point["value"] for point in await api.get(path, **query)]

    assert await values() == list(range(599, 579, -1))
    assert await values(page=2) == list(range(579, 559, -1))
    assert await values(page_records=500) == list(range(599, 99, -1))
    assert await values(page_records=500, page=2) == list(range(99, -1, -1))
    assert await values(page_records=500, page=1_000_000) == []
    await house.reopen()
    assert await values(start_time=10, end_time=12) == [12, 11, 10]
    assert await values(start_time=10) == await values(end_time=12) == await values()


async def test_a_time_range_is_inclusive_and_may_have_fractions(api: Api, house: House) -> None:
    device_id = await api.new_device()
    for ts in (0, 1000, 1001, 30 * DAY, 30 * DAY + 1):
        await house.report(device_id, ts=ts, t=ts)
    path = f"device/{device_id}/attribute/t/series"

    async def times(start: float, end: float) -> list[int]:
        return [point["ts"] for point in await api.get(path, start_time=start, end_time=end)]

    assert await times(1000.0, 1000.9) == [1000]
    assert await times(1000.1, 1001) == [1001]
    assert await times(1000.1, 1000.2) == []
    assert await times(0, 30 * DAY) == [30 * DAY, 1001, 1000, 0]
    assert await times(1.5, 30 * DAY + 1.5) == [30 * DAY + 1, 30 * DAY, 1001, 1000]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"start_time": 2, "end_time": 1}, "start_time"),
        ({"start_time": 0, "end_time": 30 * DAY + 1}, "end_time"),
        ({"start_time": 0.5, "end_time": 30 * DAY + 0.75}, "end_time"),
        ({"start_time": -1, "end_time": 1}, "start_time"),
        ({"start_time": "nan", "end_time": 1}, "start_time"),
        ({"start_time": 0, "end_time": "inf"}, "end_time"),
        ({"start_time": 0, "end_time": 1e300}, "end_time"),
        ({"start_time": "yesterday", "end_time": 1}, "start_time"),
        ({"page_records": 501}, "page_records"),
        ({"page_records": 0}, "page_records"),
        ({"page": 0}, "page"),
        ({"page": 10**40}, "page"),
    ],
)
async def test_an_impossible_part_of_history_is_refused(api: Api, query: dict[str, Any], field: str) -> None:
    path = f"device/{await api.new_device()}/attribute/t/series"
    refusal = await api.refusal("GET", path, **query)
    assert (refusal.errcode, refusal.fields) == (400, {field})


async def test_an_identifier_that_cannot_be_one_is_not_found(api: Api) -> None:
    device_id = await api.new_device()
    assert (await api.refusal("GET", f"device/{device_id}/attribute/a b/series")).errcode == 404


async def test_removed_attributes_lose_value_and_history(api: Api, house: House) -> None:
    device_id = await typed_device(api)
    await house.report(device_id, z=1, x=1, y=1)
    path = f"device/{device_id}/attributes_remove"
    assert await api.call("POST", path, {"keys": ["z", "x", "unknown", "\0"]}) == {}
    assert await api.call("POST", path, {"keys": ["not an identifier"]}) == {}
    await house.reopen()
    items = await api.get(f"device/{device_id}/attributes")
    assert {item["identifier"]: item["value"] for item in items} == {"z": None, "a": None, "never": None, "y": 1}
    assert await api.get(f"device/{device_id}/attribute/z/series") == []
    assert await api.get(f"device/{device_id}/attribute/x/series") == []
    assert len(await api.get(f"device/{device_id}/attribute/y/series")) == 1


@pytest.mark.parametrize("keys", [[], None, "t", [1], ["t"] * 1001])
async def test_what_to_remove_must_be_a_list_of_keys(api: Api, keys: Any) -> None:
    device_id = await api.new_device()
    refusal = await api.refusal("POST", f"device/{device_id}/attributes_remove", {"keys": keys})
    assert len(refusal.fields) == 1
    assert next(iter(refusal.fields)) in ("keys", "keys[0]")


async def test_values_of_any_json_kind_come_back_as_they_were(api: Api, house: House) -> None:
    device_id = await api.new_device()
    values: dict[str, Any] = {
        "n": None,
        "i": -(2**63),
        "f": 1e-300,
        "s": "零\u0000",
        "o": {"a": [{"b": None}]},
        "l": [],
        "b": False,
    }
    await house.report(device_id, **values)
    await house.reopen()
    items = await api.get(f"device/{device_id}/attributes")
    assert {item["identifier"]: item["value"] for item in items} == values
    for identifier, value in values.items():
        [point] = await api.get(f"device/{device_id}/attribute/{identifier}/series")
        assert point["value"] == value
