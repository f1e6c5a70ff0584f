"""One call changes many devices, and says what came of each."""

from typing import Any

import pytest

from tests.api.registry.house import Api, House
from tests.api.registry.test_device_list import connect_device
from thingstead.model import limits
from thingstead.model.console.bulk import BulkAttributes, BulkChange, BulkCommand, BulkRemoval, BulkTags
from thingstead.services.jobs.changes import PART_BYTES, PART_DEVICES, PART_DEVICES_SLOW, part_size


@pytest.fixture
async def plant(api: Api, house: House) -> dict[str, str]:
    """Three devices: two meters, one of them tagged, and one without a type."""
    meters = await api.new_type(name="meters")
    ids = {"meters": meters}
    bodies: dict[str, dict[str, Any]] = {
        "a": {"type": meters, "tags": {"site": "x", "floor": "1"}},
        "b": {"type": meters},
        "c": {},
    }
    for name, body in bodies.items():
        ids[name] = await api.new_device(name=name, **body)
        house.clock.advance(1)
    return ids


def results(info: Any) -> dict[str, str]:
    return {item["id"]: item.get("code") or item["result"] for item in info["items"]}


async def tags(api: Api, device_id: str) -> Any:
    return (await api.get(f"device/{device_id}"))["tags"]


async def test_each_device_is_answered_for_itself(api: Api, plant: dict[str, str]) -> None:
    body = {"devices": [plant["a"], plant["b"], "nobody"], "tags": {"site": "x"}}
    info = await api.call("POST", "devices_tags", body)
    assert results(info) == {plant["a"]: "unchanged", plant["b"]: "done", "nobody": "no_such_device"}
    assert (info["total"], info["done"], info["unchanged"], info["refused"]) == (3, 1, 1, 1)
    assert await tags(api, plant["b"]) == {"site": "x"}


async def test_tags_say_what_they_replaced(api: Api, plant: dict[str, str]) -> None:
    body = {"devices": [plant["a"]], "tags": {"site": "y", "new": "1", "floor": "1"}}
    [item] = (await api.call("POST", "devices_tags", body))["items"]
    assert item["before"] == {"site": "x", "new": None}
    [item] = (await api.call("POST", "devices_tags_remove", {"devices": [plant["a"]], "keys": ["site", "none"]}))[
        "items"
    ]
    assert item["before"] == {"site": "y"}
    assert await tags(api, plant["a"]) == {"floor": "1", "new": "1"}


async def test_a_device_with_too_many_tags_is_refused_alone(api: Api, plant: dict[str, str]) -> None:
    await api.call("PUT", f"device/{plant['a']}/tags", {"tags": {str(number): "" for number in range(62)}})
    info = await api.call("POST", "devices_tags", {"devices": [plant["a"], plant["b"]], "tags": {"one more": "1"}})
    assert results(info)[plant["b"]] == "done"
    assert results(info)[plant["a"]] not in ("done", "unchanged")


async def test_a_filter_means_the_devices_that_it_lists(api: Api, stranger: Api, plant: dict[str, str]) -> None:
    theirs = await stranger.new_device(name="theirs")
    body = {"filter": {"type": plant["meters"], "not_tag": ["site"]}, "total": 1, "tags": {"found": "yes"}}
    assert results(await api.call("POST", "devices_tags", body)) == {plant["b"]: "done"}
    everything = {"filter": {}, "total": 3, "tags": {"all": "1"}}
    assert (await api.call("POST", "devices_tags", everything))["done"] == 3
    assert await tags(stranger, theirs) == {}


async def test_a_filter_that_matches_another_number_by_now_changes_nothing(api: Api, plant: dict[str, str]) -> None:
    body = {"filter": {"type": plant["meters"]}, "total": 3, "tags": {"site": "z"}}
    refusal = await api.refusal("POST", "devices_tags", body)
    assert refusal.errcode == 409
    assert await tags(api, plant["b"]) == {}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "devices"),
        ({"devices": ["a"], "filter": {}}, "devices"),
        ({"filter": {}}, "total"),
        ({"devices": []}, "devices"),
        ({"devices": ["a"] * 1001}, "devices"),
        ({"filter": {"colour": "red"}, "total": 1}, "filter.colour"),
    ],
)
async def test_the_devices_must_be_said_in_one_way(api: Api, body: dict[str, Any], field: str) -> None:
    assert (await api.refusal("POST", "devices_remove", body)).fields == {field}


async def test_a_type_is_changed_where_it_fits(api: Api, house: House, plant: dict[str, str]) -> None:
    gateways = await api.new_type(name="gateways", conn_type="3")
    subs = await api.new_type(name="subs", conn_type="2")
    gateway = await api.new_device(name="g", type=gateways)
    sub = await api.new_device(name="s", type=subs, gateway=gateway, sub_address="1")
    devices = [plant["a"], plant["c"], gateway, sub]
    info = await api.call("POST", "devices_type", {"devices": devices, "type": plant["meters"]})
    assert results(info) == {
        plant["a"]: "unchanged",
        plant["c"]: "done",
        gateway: "gateway_has_some_sub_devices",
        sub: "not_sub_device_type",
    }
    assert (await api.get(f"device_type/{plant['meters']}"))["device_count"] == 3
    assert (await api.refusal("POST", "devices_type", {"devices": devices, "type": "nothing"})).fields == {"type"}
    info = await api.call("POST", "devices_type", {"devices": [plant["c"]], "type": None})
    assert info["items"][0]["before"] == plant["meters"]


async def test_groups_and_customers_are_joined_and_left(api: Api, plant: dict[str, str]) -> None:
    group = await api.new_group()
    devices = [plant["a"], plant["b"]]
    await api.call("POST", f"device_group/{group}/devices", {"devices": [plant["a"]]})
    info = await api.call("POST", "devices_groups", {"devices": devices, "groups": [group]})
    assert results(info) == {plant["a"]: "unchanged", plant["b"]: "done"}
    info = await api.call("POST", "devices_groups_remove", {"filter": {"group": group}, "total": 2, "groups": [group]})
    assert info["done"] == 2
    customer = (await api.call("POST", "customer", {"account": "ann", "name": "Ann", "password": "longenough1"}))["id"]
    info = await api.call("POST", "devices_customer", {"devices": devices, "customer": customer})
    assert info["done"] == 2
    assert (await api.get("devices", customer=customer))["total"] == 2
    info = await api.call("POST", "devices_customer", {"devices": devices, "customer": None})
    assert [item["before"] for item in info["items"]] == [customer, customer]


async def test_a_gateway_is_removed_with_all_of_its_sub_devices_or_not_at_all(api: Api) -> None:
    gateways, subs = await api.new_type(name="g", conn_type="3"), await api.new_type(name="s", conn_type="2")
    gateway = await api.new_device(name="g", type=gateways)
    first, second = [
        await api.new_device(name=name, type=subs, gateway=gateway, sub_address=name) for name in ("1", "2")
    ]
    info = await api.call("POST", "devices_remove", {"devices": [gateway, first]})
    assert results(info) == {gateway: "gateway_has_some_sub_devices", first: "done"}
    info = await api.call("POST", "devices_remove", {"devices": [gateway, second]})
    assert results(info) == {gateway: "done", second: "done"}
    assert (await api.get("devices"))["total"] == 0


async def test_a_removed_device_is_gone_with_its_values(api: Api, house: House, plant: dict[str, str]) -> None:
    await house.report(plant["a"], power=1)
    assert (await api.call("POST", "devices_remove", {"devices": [plant["a"]]}))["done"] == 1
    assert (await api.refusal("GET", f"device/{plant['a']}/attributes")).errcode == 404
    assert (await api.get(f"device_type/{plant['meters']}"))["device_count"] == 1


async def test_a_command_waits_for_offline_devices_only_where_it_may(api: Api, plant: dict[str, str]) -> None:
    devices = [plant["a"], plant["b"]]
    info = await api.call("POST", "control/devices/command", {"devices": devices, "method": "restart"})
    assert set(results(info).values()) == {"device_offline"}
    body = {"devices": devices, "method": "restart", "params": {"delay": 1}, "wait_ms": 60_000}
    info = await api.call("POST", "control/devices/command", body)
    assert info["done"] == 2
    for item in info["items"]:
        command = await api.get(f"command/{item['command']}")
        assert (command["device_id"], command["state"], command["params"]) == (item["id"], "queued", {"delay": 1})


async def test_a_command_that_no_connection_takes_fails(
    api: Api, house: House, plant: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("thingstead.services.commands.control.HANDOVER_TIMEOUT_S", 0.05)
    await connect_device(house, api, plant["a"])
    info = await api.call("POST", "control/devices/command", {"devices": [plant["a"]], "method": "restart"})
    assert results(info) == {plant["a"]: "command_failed"}


async def test_attributes_are_pushed_to_each(api: Api, plant: dict[str, str]) -> None:
    level = {
        "identifier": "level",
        "name": "level",
        "data_type": "number",
        "data_options": {"max": 10},
        "attr_type": "both",
    }
    functions = {"attributes": [level]}
    await api.call("PUT", f"device_type/{plant['meters']}/functions", {"functions": functions})
    devices = [plant["a"], plant["c"], "nobody"]
    info = await api.call("POST", "control/devices/attributes", {"devices": devices, "attributes": {"level": 99}})
    assert results(info) == {plant["a"]: "above_maximum", plant["c"]: "done", "nobody": "no_such_device"}
    [value] = await api.get(f"device/{plant['c']}/attributes")
    assert value["value"] == 99


@pytest.mark.parametrize(
    ("change", "devices"),
    [
        (BulkAttributes({"a": 1}), PART_DEVICES_SLOW),
        (BulkAttributes({f"a{number}": 1 for number in range(limits.KEYS_COUNT)}), 1),
        (BulkAttributes({f"a{number}": 1 for number in range(limits.KEYS_COUNT // 4)}), 4),
        (BulkAttributes({"a": "x" * (PART_BYTES // 3)}), 2),
        (BulkAttributes({"a": "x" * 2 * PART_BYTES}), 1),
        (BulkCommand("run", {}), PART_DEVICES_SLOW),
        (BulkCommand("run", {"a": "x" * (PART_BYTES // 5)}), 4),
        (BulkRemoval(), PART_DEVICES_SLOW),
        (BulkTags({"a": "b"}), PART_DEVICES),
    ],
)
def test_the_more_a_device_gets_the_fewer_have_their_turn_at_a_time(change: BulkChange, devices: int) -> None:
    assert part_size(change) == devices


async def test_params_that_no_command_can_have_are_refused_once(api: Api, plant: dict[str, str]) -> None:
    body = {"filter": {}, "total": 3, "method": "run", "params": {"a": "x" * limits.COMMAND_PARAMS_BYTES}}
    refusal = await api.refusal("POST", "control/devices/command", body)
    assert (refusal.errcode, refusal.fields) == (400, {"params"})
