"""Filters, orders, values and facets of the list of devices that the reference does not have."""

from typing import Any

import pytest

from tests.api.registry.house import Api, House
from tests.api.registry.test_device_list import connect_device, names, raise_alarm

DAY = 24 * 3600 * 1000


@pytest.fixture
async def plant(api: Api, stranger: Api, house: House) -> dict[str, str]:
    """Four devices by name, and what they stand in; a stranger who has the like."""
    gateways = await api.new_type(name="gateways", conn_type="3")
    meters = await api.new_type(name="meters")
    group, below = await api.new_group(name="north"), ""
    below = await api.new_group(name="cellar", parent=group)
    ids: dict[str, str] = {"gateways": gateways, "meters": meters, "group": group, "below": below}
    for name, body in {
        "a": {"type": gateways, "tags": {"site": "x", "floor": "1"}},
        "b": {"type": meters, "tags": {"site": "x"}},
        "c": {"type": meters, "tags": {"site": "y"}},
        "d": {},
    }.items():
        ids[name] = await api.new_device(name=name, **body)
        house.clock.advance(1)
    await api.call("POST", f"device_group/{group}/devices", {"devices": [ids["a"]]})
    await api.call("POST", f"device_group/{below}/devices", {"devices": [ids["b"]]})
    await raise_alarm(house, api, ids["b"], 1, "low")
    await raise_alarm(house, api, ids["b"], 3, "high")
    await raise_alarm(house, api, ids["d"], 2)
    theirs = await stranger.new_device(name="theirs", tags={"site": "x"})
    await raise_alarm(house, stranger, theirs, 3)
    return ids


async def facets(api: Api, wanted: str, **query: Any) -> Any:
    return (await api.get("devices", facets=wanted, **query))["facets"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"alarm_level": 3}, "b"),
        ({"alarm_level": 1}, ""),
        ({"alarm_level": "any"}, "bd"),
        ({"alarm_level": "none"}, "ac"),
        ({"not_alarm_level": 3}, "acd"),
        ({"not_alarm_level": "none"}, "bd"),
        ({"conn_type": 3}, "a"),
        ({"conn_type": 1}, "bcd"),
        ({"tag": ["site:x", "floor"]}, "a"),
        ({"tag": ["site:x", "site:y"]}, ""),
        ({"not_tag": "site:x"}, "cd"),
        ({"not_tag": ["site:y", "floor:1"]}, "bd"),
        ({"not_type": "meters"}, "ad"),
        ({"not_type": "meters,gateways"}, "d"),
        ({"not_group": "group"}, "bcd"),
        ({"not_group": "group", "include_sub_groups": 1}, "cd"),
        ({"ids": "c,a,nosuch00"}, "ac"),
        ({"ids": "c,a", "tag": "site:x", "not_group": "group"}, ""),
        ({"group": "group", "include_sub_groups": 1, "alarm_level": 3}, "b"),
    ],
)
async def test_a_filter_shows_what_it_says(
    api: Api, plant: dict[str, str], query: dict[str, Any], expected: str
) -> None:
    def by_id(value: Any) -> Any:
        return ",".join(plant.get(each, each) for each in value.split(",")) if isinstance(value, str) else value

    named = {
        name: by_id(value) if name.startswith(("not_type", "not_group", "group", "ids")) else value
        for name, value in query.items()
    }
    assert await names(api, **named) == list(expected)
    assert (await api.get("devices", **named))["total"] == len(expected)


async def test_devices_by_the_protocol_of_their_connection(api: Api, house: House, plant: dict[str, str]) -> None:
    await connect_device(house, api, plant["c"])
    assert await names(api, protocol="mqtt") == ["c"]
    assert await names(api, protocol="tcp") == []


async def test_devices_that_sent_something_lately(api: Api, house: House, plant: dict[str, str]) -> None:
    await house.report(plant["a"], t=1)
    await house.reopen()
    house.clock.advance(DAY)
    await house.report(plant["b"], t=1)  # which only memory knows yet
    assert await names(api, active=1) == ["a", "b"]
    house.clock.advance(1)
    assert await names(api, active=1) == ["b"]
    assert await names(api, active=0) == ["a", "c", "d"]


@pytest.mark.parametrize("stored", [False, True])
async def test_devices_by_what_they_sent_last(api: Api, house: House, plant: dict[str, str], stored: bool) -> None:
    for name in "cab":
        await house.report(plant[name], t=1)
        house.clock.advance(1)
    if stored:
        await house.store.history.packer.pack()
    assert await names(api, sort="-active") == ["b", "a", "c", "d"]
    assert await names(api, sort="active", group=plant["group"], include_sub_groups=1) == ["a", "b"]


async def test_devices_by_their_alarms(api: Api, plant: dict[str, str]) -> None:
    order = sorted("ac", key=lambda name: plant[name])
    assert await names(api, sort="alarm_level") == [*order, "d", "b"]
    assert await names(api, sort="-alarm_level") == ["b", "d", *reversed(order)]


@pytest.mark.parametrize("sort", ["active", "-active", "alarm_level", "-alarm_level", "-name"])
async def test_a_cursor_leads_through_every_order(api: Api, house: House, plant: dict[str, str], sort: str) -> None:
    for name in "db":
        await house.report(plant[name], t=1)
        house.clock.advance(1)
    whole, cursor, found = await names(api, sort=sort), "start", []
    while cursor:
        page = await api.get("devices", sort=sort, page_records=1, cursor=cursor)
        found += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert found == whole


async def test_facets_count_without_their_own_filter(api: Api, house: House, plant: dict[str, str]) -> None:
    await connect_device(house, api, plant["c"])
    meters, gateways = ({"value": plant[name], "name": name} for name in ("meters", "gateways"))
    north: Any = {"value": plant["group"], "name": "north", "count": 1}
    cellar: Any = {"value": plant["below"], "name": "cellar", "count": 1}
    found = await facets(api, "type,online,alarm_level,tag:site,tag,conn_type,protocol,group")
    assert found == {
        "type": [meters | {"count": 2}, gateways | {"count": 1}],
        "online": [{"value": "0", "count": 3}, {"value": "1", "count": 1}],
        "alarm_level": [
            {"value": "none", "count": 2},
            {"value": "2", "count": 1},
            {"value": "3", "count": 1},
        ],
        "tag:site": [{"value": "x", "count": 2}, {"value": "y", "count": 1}],
        "tag": [{"value": "site", "count": 3}, {"value": "floor", "count": 1}],
        "conn_type": [{"value": "1", "count": 3}, {"value": "3", "count": 1}],
        "protocol": [{"value": "mqtt", "count": 1}],
        "group": sorted([north, cellar], key=lambda each: each["value"]),
    }
    found = await facets(api, "type,tag:site,alarm_level", type=plant["meters"], tag="site:x", alarm_level=3)
    assert found == {
        "type": [meters | {"count": 1}],
        "tag:site": [{"value": "x", "count": 1}],
        "alarm_level": [{"value": "3", "count": 1}],
    }
    found = await facets(api, "online,active", group=plant["group"], include_sub_groups=1, online=1)
    assert found == {"online": [{"value": "0", "count": 2}], "active": []}


async def test_facets_of_a_whole_project_are_those_of_its_devices_one_by_one(
    api: Api, house: House, plant: dict[str, str]
) -> None:
    customer = await api.call("POST", "customer", {"account": "acme", "password": "long enough", "name": "Acme"})
    await api.call("POST", f"customer/{customer['id']}/devices", {"devices": [plant["a"], plant["d"]]})
    await connect_device(house, api, plant["c"])
    wanted = "type,customer,group,online,alarm_level,conn_type,protocol"
    counted = await facets(api, wanted)
    assert all(counted.values())
    assert await facets(api, wanted, not_tag="nobody has it") == counted


async def test_facets_of_what_is_not_there_are_empty(api: Api, plant: dict[str, str]) -> None:
    assert await facets(api, "type,customer,gateway", keyword="nothing like it") == {
        "type": [],
        "customer": [],
        "gateway": [],
    }
    assert (await facets(api, "online", type="nosuch00")) == {"online": []}


async def test_a_list_has_the_values_that_were_asked_for(api: Api, house: House, plant: dict[str, str]) -> None:
    then = house.clock.now_ms()
    await house.report(plant["a"], t=20, humidity=40)
    await house.reopen()  # its state is read from disk
    await house.report(plant["b"], t=21)
    await api.call("POST", f"control/device/{plant['b']}/attributes", {"relay": True})
    found = await api.get("devices", attributes="relay,t,t,nothing")
    assert [item["values"] for item in found["items"]] == [
        {"t": {"value": 20, "ts": then, "source": "report"}},
        {
            "relay": {"value": True, "ts": then, "source": "push"},
            "t": {"value": 21, "ts": then, "source": "report"},
        },
        {},
        {},
    ]
    assert all("values" not in item for item in (await api.get("devices"))["items"])


@pytest.mark.parametrize("state", ["in memory", "in the log", "packed"])
async def test_an_attribute_says_where_its_value_is_from(api: Api, house: House, state: str) -> None:
    device_id = await api.new_device()
    path = f"device/{device_id}/attributes"

    async def shown() -> dict[str, Any]:
        if state == "packed":
            await house.store.history.packer.pack()
        if state != "in memory":
            await house.reopen()
        keys = ("value", "source", "reported")
        return {item["identifier"]: {key: item[key] for key in keys if key in item} for item in await api.get(path)}

    then = house.clock.now_ms()
    await house.report(device_id, setpoint=20, mode="auto")
    house.clock.advance(1000)
    await api.call("POST", f"control/{path}", {"setpoint": 22})
    await api.call("PUT", f"control/{path}", {"note": "checked"})
    reported = {"value": 20, "ts": then}
    assert await shown() == {
        "mode": {"value": "auto", "source": "report"},
        "note": {"value": "checked", "source": "cloud"},
        "setpoint": {"value": 22, "source": "push", "reported": reported},
    }
    await api.call("POST", f"control/{path}", {"setpoint": 23})
    assert (await shown())["setpoint"] == {"value": 23, "source": "push", "reported": reported}
    await house.report(device_id, ts=then + 500, setpoint=21)  # late: still covered
    assert (await shown())["setpoint"] == {
        "value": 23,
        "source": "push",
        "reported": {"value": 21, "ts": then + 500},
    }
    await house.report(device_id, mode="auto")
    assert (await shown())["setpoint"]["source"] == "push"
    house.clock.advance(1000)
    await house.report(device_id, setpoint=23)
    assert (await shown())["setpoint"] == {"value": 23, "source": "report"}
    await api.call("POST", f"{path}_remove", {"keys": ["note", "setpoint"]})
    assert await shown() == {"mode": {"value": "auto", "source": "report"}}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"attributes": ",".join("abcdefghijk")}, "attributes"),
        ({"facets": ",".join(f"tag:{name}" for name in "abcdefghijk")}, "facets"),
        ({"facets": "colour"}, "facets"),
        ({"facets": "tag:"}, "facets"),
        ({"alarm_level": 4}, "alarm_level"),
        ({"sort": "colour"}, "sort"),
        ({"active": "often"}, "active"),
    ],
)
async def test_what_a_list_does_not_know_is_refused_by_its_field(api: Api, query: dict[str, Any], field: str) -> None:
    refusal = await api.refusal("GET", "devices", **query)
    assert (refusal.errcode, refusal.fields) == (400, {field})
