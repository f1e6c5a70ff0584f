"""Aggregates, charts and the values at an instant, over HTTP."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.api.registry.house import Api, House, administrator

HOUR = 3_600_000


async def device_with_hours(api: Api, house: House) -> str:
    """A device that reported ``t`` = 0, 1, 2… and a text, each half hour of five hours."""
    device_id = await api.new_device()
    for number in range(10):
        await house.report(device_id, ts=number * HOUR // 2, t=number, mode="auto")
    return device_id


async def test_an_aggregate_has_buckets_from_the_start_of_the_range_on(api: Api, house: House) -> None:
    device_id = await device_with_hours(api, house)
    path = f"device/{device_id}/attribute/t/aggregate"
    assert await api.get(path, start_time=HOUR, end_time=3 * HOUR - 1, interval=HOUR, fn="avg") == [
        {"ts": HOUR, "timestamp": "1970-01-01T01:00:00.000Z", "value": 2.5, "count": 2},
        {"ts": 2 * HOUR, "timestamp": "1970-01-01T02:00:00.000Z", "value": 4.5, "count": 2},
    ]


@pytest.mark.parametrize(
    ("fn", "value"),
    [("avg", 4.5), ("min", 0), ("max", 9), ("sum", 45), ("count", 10), ("first", 0), ("last", 9), ("p50", 4.5)],
)
async def test_every_function_of_numbers(api: Api, house: House, fn: str, value: Any) -> None:
    device_id = await device_with_hours(api, house)
    await house.reopen()
    path = f"device/{device_id}/attribute/t/aggregate"
    [bucket] = await api.get(path, start_time=0, end_time=5 * HOUR, interval=5 * HOUR, fn=fn)
    assert bucket["value"] == value


async def test_texts_are_counted_and_have_a_first_and_a_last(api: Api, house: House) -> None:
    device_id = await device_with_hours(api, house)
    path = f"device/{device_id}/attribute/mode/aggregate"
    whole = {"start_time": 0, "end_time": 5 * HOUR, "interval": 5 * HOUR}
    assert [bucket["value"] for bucket in await api.get(path, **whole, fn="count")] == [10]
    assert [bucket["value"] for bucket in await api.get(path, **whole, fn="last")] == ["auto"]
    assert await api.get(path, **whole, fn="avg") == []


async def test_an_aggregate_names_each_bad_field(api: Api, house: House) -> None:
    path = f"device/{await device_with_hours(api, house)}/attribute/t/aggregate"
    good: dict[str, Any] = {"start_time": 0, "end_time": HOUR, "interval": HOUR, "fn": "avg"}
    for field, value in (
        ("fn", "median"), ("interval", 0), ("interval", 1), ("start_time", -1), ("end_time", 1e16),
        ("start_time", 2 * HOUR), ("start_time", "nan"),
    ):  # fmt: skip
        assert (await api.refusal("GET", path, **good | {field: value})).fields == {field}
    for field in good:
        missing = {name: value for name, value in good.items() if name != field}
        assert (await api.refusal("GET", path, **missing)).fields == {field}


async def test_a_chart_has_all_points_or_a_selection_and_says_how_many_there_are(api: Api, house: House) -> None:
    device_id = await device_with_hours(api, house)
    path = f"device/{device_id}/history"
    items = await api.get(path, identifiers="mode, t,unknown,t", start_time=0, end_time=HOUR)
    assert items == [
        {"identifier": "mode", "timestamps": [0, HOUR // 2, HOUR], "values": ["auto"] * 3, "total": 3},
        {"identifier": "t", "timestamps": [0, HOUR // 2, HOUR], "values": [0, 1, 2], "total": 3},
        {"identifier": "unknown", "timestamps": [], "values": [], "total": 0},
    ]
    for method in ("minmax", "lttb"):
        query: dict[str, Any] = {"identifiers": "t", "start_time": 0, "end_time": 9 * HOUR, "points": 4}
        answer = await api.client.get(f"/api/v1/{path}", params=query | {"method": method})
        [item] = answer.json()["info"]
        assert (item["total"], len(item["timestamps"]), len(item["values"])) == (10, 4, 4)
        assert (item["timestamps"][0], item["timestamps"][-1]) == (0, 9 * HOUR // 2)
        assert (item["values"][0], item["values"][-1]) == (0, 9)


async def test_a_chart_names_each_bad_field(api: Api, house: House) -> None:
    path = f"device/{await device_with_hours(api, house)}/history"
    good: dict[str, Any] = {"identifiers": "t", "start_time": 0, "end_time": HOUR}
    for field, value in (
        ("identifiers", ","), ("identifiers", "a b"), ("identifiers", ",".join(f"a{i}" for i in range(21))),
        ("points", 1), ("points", 10_001), ("end_time", -1),
    ):  # fmt: skip
        assert (await api.refusal("GET", path, **good | {field: value})).fields == {field}


async def test_attributes_show_the_values_of_an_instant(api: Api, house: House) -> None:
    type_id = await api.new_type(functions={"attributes": [{"identifier": "never"}, {"identifier": "t"}]})
    device_id = await api.new_device(type=type_id)
    for ts, value in ((1000, 1), (2000, 2), (3000, 3)):
        await house.report(device_id, ts=ts, t=value)
    await house.report(device_id, ts=2500, later=True)
    path = f"device/{device_id}/attributes"

    async def at(instant: float) -> list[tuple[str, Any, int]]:
        return [(item["identifier"], item["value"], item["ts"]) for item in await api.get(path, at=instant)]

    assert await at(999) == [("never", None, 0), ("t", None, 0)]
    assert await at(2499.9) == [("never", None, 0), ("t", 2, 2000)]
    assert await at(9000) == [("never", None, 0), ("t", 3, 3000), ("later", True, 2500)]
    assert (await api.refusal("GET", path, at=-1)).fields == {"at"}


async def test_the_history_of_other_projects_is_not_found(api: Api, stranger: Api, house: House) -> None:
    device_id = await device_with_hours(api, house)
    span: dict[str, Any] = {"start_time": 0, "end_time": HOUR}
    aggregate = f"device/{device_id}/attribute/t/aggregate"
    assert (await stranger.refusal("GET", aggregate, **span, interval=HOUR, fn="avg")).errcode == 404
    assert (await stranger.refusal("GET", f"device/{device_id}/history", **span, identifiers="t")).errcode == 404
    assert (await stranger.refusal("GET", f"device/{device_id}/attributes", at=HOUR)).errcode == 404


async def test_retention_shows_rules_and_what_is_kept(api: Api, stranger: Api, house: House) -> None:
    device_id = await device_with_hours(api, house)
    await house.store.history.packer.pack(whole=True)
    info = await api.get("retention")
    assert {name: info[name] for name in ("rules", "max_bytes", "default_days", "points", "oldest_ts")} == {
        "rules": [], "max_bytes": 0, "default_days": 0, "points": 20, "oldest_ts": 0,
    }  # fmt: skip
    assert (await stranger.get("retention"))["oldest_ts"] is None
    [mode, t] = await api.get(f"device/{device_id}/retention")
    assert (mode["identifier"], t["identifier"], t["points"], t["days"]) == ("mode", "t", 10, 0)
    assert (t["oldest_ts"], t["newest_ts"]) == (0, 9 * HOUR // 2)
    assert (await stranger.refusal("GET", f"device/{device_id}/retention")).errcode == 404
    assert await api.get(f"device/{device_id}/retention", page="2", page_records="1") == [t]


async def test_only_an_administrator_sets_retention(api: Api, house: House) -> None:
    body = {"rules": [{"identifier": "t", "days": 30}, {"days": 90.5}], "max_bytes": 10**9}
    assert (await api.refusal("PUT", "retention", body)).errcode == 403
    headers = await administrator(api, house)
    answer = await api.client.put("/api/v1/retention", json=body, headers=headers)
    assert answer.json()["result"] is True, answer.text
    await house.reopen()
    info = await api.get("retention")
    assert info["rules"] == [{"identifier": "t", "days": 30.0}, {"days": 90.5}]
    bad = {"rules": [{"days": -1}, {"identifier": "a b", "days": 1}], "max_bytes": -1}
    refused = (await api.client.put("/api/v1/retention", json=bad, headers=headers)).json()
    assert {error["field"] for error in refused["errors"]} == {"rules[0].days", "rules[1].identifier", "max_bytes"}
    unknown = {"rules": [{"device_type": "nosuch", "days": 1}]}
    refused = (await api.client.put("/api/v1/retention", json=unknown, headers=headers)).json()
    assert [error["field"] for error in refused["errors"]] == ["rules[0].device_type"]


async def test_days_are_those_of_the_projects_time_zone_or_of_the_one_that_is_named(api: Api, house: House) -> None:
    zone = ZoneInfo("Europe/Berlin")
    start, end = (round(datetime(2026, 10, day, tzinfo=zone).timestamp() * 1000) for day in (24, 28))
    device_id = await api.new_device()
    for ts in (*range(start, start + 49 * HOUR, HOUR), end - HOUR):
        await house.report(device_id, ts, kwh=1)
    path = f"device/{device_id}/attribute/kwh/aggregate"
    span = {"start_time": start, "end_time": end - 1, "fn": "sum"}

    async def days(**more: Any) -> list[tuple[Any, int]]:
        return [(each["value"], each["count"]) for each in await api.get(path, **span, **more)]

    expected = [(24, 24), (25, 25), (None, 0), (1, 1)]
    assert await days(interval="1d", timezone="Europe/Berlin") == expected
    assert await days(interval=24 * HOUR, timezone="Europe/Berlin") == expected
    assert await days(interval="1d", timezone="Europe/Berlin", gaps="false") == [expected[0], expected[1], expected[3]]
    assert await days(interval="1w") == [(49, 49), (1, 1)]
    headers, body = await administrator(api, house), {"timezone": "Europe/Berlin"}
    answer = (await api.client.put("/api/v1/project", json=body, headers=headers)).json()
    assert answer["info"]["timezone"] == "Europe/Berlin"
    assert (await api.get("project"))["timezone"] == "Europe/Berlin"
    assert await days(interval="1d") == expected
    several = await api.get(path, **{**span, "fn": "count,sum,delta"}, interval="2d")
    assert several[0] == {
        "ts": start, "timestamp": "2026-10-23T22:00:00.000Z", "end_ts": start + 49 * HOUR,
        "value": 49, "count": 49, "values": {"count": 49, "sum": 49, "delta": 0},
    }  # fmt: skip


async def test_what_is_wrong_with_an_interval_a_function_or_a_time_zone_is_named(api: Api, house: House) -> None:
    path = f"device/{await api.new_device()}/attribute/kwh/aggregate"
    span = {"start_time": 0, "end_time": 10 * HOUR, "interval": "1h", "fn": "sum"}
    for wrong, message in (
        ({"interval": "1y"}, "must be milliseconds"),
        ({"interval": "0"}, "must be 1 to"),
        ({"interval": "7h"}, "must divide a day"),
        ({"interval": "1000", "timezone": "+08:00"}, "must be whole minutes"),
        ({"timezone": "Europe/Nowhere"}, "there is no time zone"),
        ({"fn": "sum,median"}, "must be one or several of avg, min"),
        ({"end_time": 253_000_000_000_000, "interval": "900mo"}, "must be at most"),
        ({"end_time": 10**12, "interval": "1m"}, "is too short"),
    ):
        refusal = await api.refusal("GET", path, **{**span, **wrong})
        assert refusal.errcode == 400
        assert message in refusal.message
    assert (await api.refusal("PUT", "project", {"timezone": "+08:00"})).errcode == 403
    headers, body = await administrator(api, house), {"timezone": "Mars"}
    answer = (await api.client.put("/api/v1/project", json=body, headers=headers)).json()
    assert (answer["errcode"], answer["errors"][0]["field"]) == (400, "timezone")


async def test_what_rules_of_retention_would_drop_is_shown_and_can_be_taken_back(api: Api, house: House) -> None:
    await device_with_hours(api, house)  # of 1970
    await house.store.history.packer.pack(whole=True)
    headers = await administrator(api, house)

    async def answer(method: str, path: str, body: Any = None) -> Any:
        return (await api.client.request(method, f"/api/v1/{path}", json=body, headers=headers)).json()

    body = {"rules": [{"days": 30}]}
    tested = (await answer("POST", "retention_test", body))["info"]
    assert tested == {"points": 20, "size_bytes": tested["size_bytes"], "devices": 1, "complete": True}
    change = (await answer("PUT", "retention", body))["info"]
    assert change == {"effective_at": house.clock.now_ms() + 7 * 86_400_000, "would_drop": tested}
    info = await api.get("retention")
    assert info["rules"] == []
    assert info["pending"] == {"rules": [{"days": 30.0}], "max_bytes": 0, "effective_at": change["effective_at"]}
    assert (await answer("PUT", "retention", info))["result"] is True  # what was read may be sent back
    assert (await api.get("retention"))["pending"] is None
    await answer("PUT", "retention", body)
    assert (await answer("DELETE", "retention/pending"))["result"] is True
    assert (await answer("DELETE", "retention/pending"))["errcode"] == 404
    assert (await api.refusal("DELETE", "retention/pending")).errcode == 403
    at_once = (await answer("PUT", "retention", body | {"grace_days": 0}))["info"]
    assert at_once["effective_at"] == house.clock.now_ms()
    assert (await answer("PUT", "retention", body | {"grace_days": 400}))["errors"][0]["field"] == "grace_days"
