"""Many devices in one call."""

import asyncio
from typing import Any

import pytest

from tests.api.registry.house import Api, House
from thingstead.services.registry.imports import ROW_LENGTH, ROWS_PER_TURN


async def import_rows(api: Api, *rows: Any) -> Any:
    return await api.call("POST", "devices_import", {"devices": list(rows)})


async def test_each_row_is_answered_in_order(api: Api) -> None:
    type_id, group_id = await api.new_type(), await api.new_group()
    existing = await api.new_device(name="old", device_key="k0")
    info = await import_rows(
        api,
        {"name": "new", "descr": "d", "type": type_id, "tags": {"a": "b"}, "device_key": "k1", "groups": [group_id]},
        {"name": "other name", "device_key": "k0", "groups": [group_id]},
        {"name": "", "type": "nosuch00"},
        {"name": "keyless", "device_key": ""},
        {"name": "twin", "device_key": "k1"},
    )
    assert (info["created"], info["exists"], info["refused"]) == (2, 2, 1)
    new, old, bad, keyless, twin = info["items"]
    assert new == {"index": 0, "result": "created", "id": new["id"], "device_key": "k1"}
    assert old == {"index": 1, "result": "exists", "id": existing, "device_key": "k0"}
    assert (bad["index"], bad["result"], [error["field"] for error in bad["errors"]]) == (2, "refused", ["name"])
    assert keyless == {"index": 3, "result": "created", "id": keyless["id"]}
    assert twin == {"index": 4, "result": "exists", "id": new["id"], "device_key": "k1"}
    device = await api.get(f"device/{new['id']}")
    assert (device["name"], device["descr"], device["type"], device["tags"]) == ("new", "d", type_id, {"a": "b"})
    assert (await api.get(f"device/{existing}"))["name"] == "old"
    assert {item["id"] for item in (await api.get("devices", group=group_id))["items"]} == {new["id"], existing}
    assert (await api.get(f"device_type/{type_id}"))["device_count"] == 1


async def test_a_repeated_import_creates_nothing(api: Api, house: House) -> None:
    rows = [{"name": f"d{number}", "device_key": f"k{number}"} for number in range(600)]
    first = await import_rows(api, *rows)
    await house.reopen()
    second = await import_rows(api, *rows)
    assert (first["created"], second["exists"]) == (600, 600)
    assert [row["id"] for row in first["items"]] == [row["id"] for row in second["items"]]
    assert (await api.get("devices"))["total"] == 600


@pytest.mark.parametrize(
    ("row", "fields"),
    [
        (5, ["row"]),
        (None, ["row"]),
        ({}, ["name"]),
        ({"name": 5, "tags": [], "groups": "x"}, ["name", "tags", "groups"]),
        ({"name": " ", "descr": "\0", "tags": {"a": "x" * 513}}, ["name", "descr", "tags.a"]),
        ({"name": "n", "type": "nosuch00", "groups": ["nosuch00"]}, ["type", "groups[0]"]),
        ({"name": "n", "device_key": "x" * 129}, ["device_key"]),
        ({"name": "n", "groups": ["x"] * 21}, ["groups"]),
    ],
)
async def test_a_bad_row_is_refused_alone(api: Api, row: Any, fields: list[str]) -> None:
    info = await import_rows(api, {"name": "a"}, row, {"name": "b"})
    assert [item["result"] for item in info["items"]] == ["created", "refused", "created"]
    assert [error["field"] for error in info["items"][1]["errors"]] == fields


async def test_types_and_groups_of_others_cannot_be_named(api: Api, stranger: Api) -> None:
    theirs = {"type": await stranger.new_type(), "groups": [await stranger.new_group()], "device_key": "k"}
    await stranger.new_device(device_key="k")
    info = await import_rows(api, {"name": "n"} | theirs, {"name": "n", "device_key": "k"})
    assert [item["result"] for item in info["items"]] == ["refused", "created"]
    assert [error["field"] for error in info["items"][0]["errors"]] == ["type", "groups[0]"]


async def test_too_many_rows_are_refused_as_a_whole(api: Api) -> None:
    rows = [{"name": "n"}] * 10_001
    assert (await api.refusal("POST", "devices_import", {"devices": rows})).fields == {"devices"}
    assert (await api.refusal("POST", "devices_import", {"devices": {}})).fields == {"devices"}
    assert (await api.refusal("POST", "devices_import", {})).fields == {"devices"}
    assert (await api.get("devices"))["total"] == 0
    assert await import_rows(api) == {"created": 0, "exists": 0, "refused": 0, "items": []}


async def test_ten_thousand_rows_go_in_at_once(api: Api) -> None:
    rows = [{"name": f"device {number}", "device_key": f"key {number}"} for number in range(10_000)]
    assert (await import_rows(api, *rows))["created"] == 10_000
    assert (await api.get("devices"))["total"] == 10_000


async def test_imported_devices_are_listed_in_the_order_of_their_rows(api: Api) -> None:
    names = [f"d{number}" for number in range(50)]
    await import_rows(api, *[{"name": name} for name in names])
    assert [item["name"] for item in (await api.get("devices", page_records=50))["items"]] == names


async def test_gateway_address_and_customer_of_a_row_are_kept(api: Api) -> None:
    gateway_type, sub_type = await api.new_type(conn_type="3"), await api.new_type(conn_type="2")
    gateway = await api.new_device(type=gateway_type)
    customer = (await api.call("POST", "customer", {"account": "ann", "name": "Ann", "password": "12345678"}))["id"]
    behind = {"type": sub_type, "gateway": gateway}
    rows = [{"name": "a", "device_key": "k", "sub_address": "1", "customer": customer, **behind}]
    info = await import_rows(
        api,
        *rows,
        {"name": "b", "sub_address": "1", **behind},
        {"name": "c", **behind},
        {"name": "d", "gateway": gateway, "sub_address": "2"},
        {"name": "e", "type": sub_type, "gateway": "nowhere", "sub_address": "2"},
        {"name": "f", "customer": "nobody"},
        {"name": "g", "sub_adress": "3"},
        {"name": 10**20, "tags": {"a": 10**20}},
    )
    named = [[error["field"] for error in item.get("errors", [])] for item in info["items"]]
    assert named == [
        [],
        ["sub_address"],
        ["sub_address"],
        ["type"],
        ["gateway"],
        ["customer"],
        ["sub_adress"],
        ["name", "tags"],
    ]
    assert (info["created"], info["refused"]) == (1, 7)
    [listed] = (await api.get("devices", gateway=gateway))["items"]
    device_id = info["items"][0]["id"]
    assert listed["id"] == device_id
    again = await import_rows(api, *rows, {**rows[0], "sub_address": "7"})
    assert [item["result"] for item in again["items"]] == ["exists", "exists"]
    assert "errors" not in again["items"][0]
    assert [error["field"] for error in again["items"][1]["errors"]] == ["sub_address"]


async def test_a_device_is_put_behind_a_gateway_by_the_api(api: Api) -> None:
    gateway = await api.new_device(type=await api.new_type(conn_type="3"))
    device = await api.new_device(type=await api.new_type(conn_type="2"))
    await api.call("PUT", f"device/{device}/gateway", {"gateway": gateway, "sub_address": "9"})
    assert [item["id"] for item in (await api.get("devices", gateway=gateway))["items"]] == [device]
    await api.call("PUT", f"device/{device}/gateway", {"gateway": None, "sub_address": None})
    assert (await api.get("devices", gateway=gateway))["items"] == []
    refusal = await api.refusal("PUT", f"device/{device}/gateway", {"gateway": device, "sub_address": "9"})
    assert refusal.fields == {"gateway"}


@pytest.mark.parametrize("row", [b'{"name": "\xff"}', b'{"name": 1e999}', b'{"name": "%s"}' % (b"x" * ROW_LENGTH)])
async def test_a_row_that_cannot_be_decoded_is_refused_alone(api: Api, row: bytes) -> None:
    content = b'{"devices": [{"name": "a"}, ' + row + b', {"name": "b"}]}'
    answer = (await api.client.post("/api/v1/devices_import", content=content)).json()
    assert [item["result"] for item in answer["info"]["items"]] == ["created", "refused", "created"]
    assert [error["field"] for error in answer["info"]["items"][1]["errors"]] == ["row"]


async def test_a_body_of_millions_of_values_is_refused_unread(api: Api) -> None:
    content = '{"devices": [' + ",".join(["[]"] * 1_000_002) + "]}"
    answer = (await api.client.post("/api/v1/devices_import", content=content)).json()
    assert answer["message"] == "body: must have at most 1,000,000 commas"


async def test_others_have_turns_while_rows_are_looked_at(api: Api) -> None:
    rows = [{"name": "a", **{f"strange{number}": 1 for number in range(20)}}] * 1_000
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.ensure_future(count())
    info = await import_rows(api, *rows)
    counting.cancel()
    assert info["refused"] == 1_000
    assert turns >= 1_000 // ROWS_PER_TURN
