"""Device types and their function definitions."""

from typing import Any

import pytest

from tests.api.registry.house import Api, House
from thingstead.model import limits
from thingstead.model.messages import DeviceTypeChanged

TEMPERATURE = {
    "identifier": "temperature",
    "name": "温度",
    "attr_type": "report",
    "data_type": "number",
    "data_options": {"unit": "℃", "min": -40, "max": 125.5},
}
MODE = {
    "identifier": "mode",
    "name": "",
    "attr_type": "both",
    "data_type": "enum",
    "data_options": {"items": [{"value": "1", "name": "auto"}, {"value": "2", "name": "manual"}]},
}
FUNCTIONS: dict[str, Any] = {
    "attributes": [TEMPERATURE, MODE],
    "events": [{"identifier": "opened", "name": "Opened", "params": []}],
    "commands": [
        {
            "identifier": "reboot",
            "name": "Reboot",
            "params": [{"identifier": "delay", "name": "", "data_type": "number", "data_options": {"min": 0}}],
            "reply_params": [],
        }
    ],
    "streams": [{"identifier": "stream", "name": "", "format": "hex", "tcp": True}],
}


async def test_types_are_listed_from_the_oldest(api: Api, stranger: Api, house: House) -> None:
    await stranger.new_type()
    first = await api.new_type(name="first", descr="d", tags={"a": "b"}, conn_type="3", conn_protocol="9")
    house.clock.advance(1)
    second = await api.new_type(name="second")
    await api.new_device(type=first)
    info = await api.get("device_types")
    assert (info.keys(), info["total"], info["page_total"]) == ({"items", "total", "page_total"}, 2, 1)
    assert [item["id"] for item in info["items"]] == [first, second]
    assert info["items"][0] == {
        "id": first,
        "name": "first",
        "descr": "d",
        "tags": {"a": "b"},
        "create_time": house.clock.now_ms() - 1,
        "version": 1,
        "device_count": 1,
        "conn_protocol": "9",
        "conn_type": "3",
    }


async def test_types_come_all_at_once_unless_pages_are_asked_for(api: Api, house: House) -> None:
    made = []
    for number in range(23):
        made.append(await api.new_type(name=f"type {number}", functions=FUNCTIONS))
        house.clock.advance(1)
    assert [item["id"] for item in (await api.get("device_types"))["items"]] == made
    page = await api.get("device_types", page="2")
    assert ([item["id"] for item in page["items"]], page["total"], page["page_total"]) == (made[20:], 23, 2)
    assert len((await api.get("device_types", page_records="5"))["items"]) == 5
    found, cursor = [], "start"
    while cursor:
        page = await api.get("device_types", cursor=cursor, page_records="10")
        found += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert found == made
    assert (await api.refusal("GET", "device_types", page_records="101")).fields == {"page_records"}


async def test_types_that_are_too_large_for_one_answer_are_refused_without_pages(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await api.new_type(tags={f"tag{number}": "x" * 500 for number in range(20)})
    monkeypatch.setattr(limits, "PAGE_BYTES", 25_000)
    assert (await api.refusal("GET", "device_types")).fields == {"page_records"}
    assert len((await api.get("device_types", page_records="2"))["items"]) == 2


async def test_a_type_is_read_with_its_key_and_its_definition(api: Api, house: House) -> None:
    created = await api.call("POST", "device_type", {"name": "n", "auto_create": True, "functions": FUNCTIONS})
    assert created.keys() == {"id", "name", "type_key"}
    expected = {
        "id": created["id"],
        "name": "n",
        "descr": "",
        "tags": {},
        "create_time": house.clock.now_ms(),
        "version": 1,
        "device_count": 0,
        "conn_protocol": "1",
        "conn_type": "1",
        "type_key": created["type_key"],
        "auto_create": True,
        "functions": FUNCTIONS,
    }
    assert await api.get(f"device_type/{created['id']}") == expected
    await house.reopen()
    assert await api.get(f"device_type/{created['id']}") == expected


async def test_every_bad_field_of_a_type_is_named_by_its_path(api: Api) -> None:
    attributes = [TEMPERATURE, {"identifier": "a b"}, {**TEMPERATURE, "data_options": {"min": 2, "max": 1}}]
    refusal = await api.refusal("POST", "device_type", {"name": " ", "functions": {"attributes": attributes}})
    assert refusal.errcode == 400
    assert refusal.fields == {
        "name",
        "functions.attributes[1].identifier",
        "functions.attributes[2].identifier",
        "functions.attributes[2].data_options.min",
    }


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name"}),
        ({"name": "n", "conn_type": "4", "conn_protocol": 1}, {"conn_type", "conn_protocol"}),
        ({"name": "n", "auto_create": "yes"}, {"auto_create"}),
        ({"name": "n", "functions": [1]}, {"functions"}),
        ({"name": "n", "functions": {"attributes": {}}}, {"functions.attributes"}),
        (
            {"name": "n", "functions": {"attributes": [{"data_type": "float"}], "events": [5]}},
            {"functions.attributes[0].identifier", "functions.attributes[0].data_type", "functions.events[0]"},
        ),
        (
            {"name": "n", "functions": {"streams": [{"identifier": "s", "format": "xml"}]}},
            {"functions.streams[0].format"},
        ),
    ],
)
async def test_a_type_of_the_wrong_shape_is_refused(api: Api, body: dict[str, Any], fields: set[str]) -> None:
    assert (await api.refusal("POST", "device_type", body)).fields == fields


async def test_settings_change_only_where_given(api: Api, house: House) -> None:
    type_id = await api.new_type(functions=FUNCTIONS)
    before = await api.get(f"device_type/{type_id}")
    house.heard.clear()
    change = {"name": "new", "conn_type": "2", "auto_create": True}
    assert await api.call("PUT", f"device_type/{type_id}/info", change) == {}
    assert await api.get(f"device_type/{type_id}") == before | change | {"version": 2}
    assert house.heard == [DeviceTypeChanged(api.project_id, type_id)]
    assert (await api.refusal("PUT", f"device_type/{type_id}/info", {})).errcode == 400
    assert (await api.refusal("PUT", f"device_type/{type_id}/info", {"descr": "\0"})).fields == {"descr"}


async def test_devices_do_not_change_their_way_of_connecting_with_their_type(api: Api) -> None:
    type_id = await api.new_type()
    device_id = await api.new_device(type=type_id)
    path = f"device_type/{type_id}/info"
    refusal = await api.refusal("PUT", path, {"conn_type": "3"})
    assert (refusal.errcode, refusal.fields) == (409, {"conn_type"})
    await api.call("PUT", path, {"conn_type": "1", "name": "renamed"})
    await api.call("DELETE", f"device/{device_id}")
    await api.call("PUT", path, {"conn_type": "3"})


async def test_a_new_definition_replaces_the_old_one_at_once(api: Api, house: House) -> None:
    type_id = await api.new_type(functions=FUNCTIONS)
    device_id = await api.new_device(type=type_id)
    await api.get(f"device/{device_id}/attributes")
    house.heard.clear()
    assert await api.call("PUT", f"device_type/{type_id}/functions", {"functions": {"attributes": [MODE]}}) == {}
    functions = (await api.get(f"device_type/{type_id}"))["functions"]
    assert functions == {"attributes": [MODE], "events": [], "commands": [], "streams": []}
    assert [item["identifier"] for item in await api.get(f"device/{device_id}/attributes")] == ["mode"]
    assert house.heard == [DeviceTypeChanged(api.project_id, type_id)]
    bad = {"functions": {"attributes": [MODE, MODE]}}
    refusal = await api.refusal("PUT", f"device_type/{type_id}/functions", bad)
    assert refusal.fields == {"functions.attributes[1].identifier"}


async def test_tags_of_a_type_are_merged_and_removed(api: Api) -> None:
    type_id = await api.new_type(tags={"a": "1", "b": "2"})
    await api.call("PUT", f"device_type/{type_id}/tags", {"tags": {"b": "3", "c": "4"}})
    await api.call("POST", f"device_type/{type_id}/tags_remove", {"keys": ["a", "unknown"]})
    assert (await api.get(f"device_type/{type_id}"))["tags"] == {"b": "3", "c": "4"}


async def test_a_type_with_devices_stays(api: Api) -> None:
    type_id = await api.new_type()
    device_id = await api.new_device(type=type_id)
    assert (await api.refusal("DELETE", f"device_type/{type_id}")).errcode == 409
    await api.call("DELETE", f"device/{device_id}")
    assert await api.call("DELETE", f"device_type/{type_id}") == {}
    assert (await api.get("device_types"))["items"] == []


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("GET", "", None),
        ("DELETE", "", None),
        ("PUT", "/info", {"name": "n"}),
        ("PUT", "/functions", {"functions": {}}),
        ("PUT", "/tags", {"tags": {"a": "b"}}),
        ("POST", "/tags_remove", {"keys": ["a"]}),
    ],
)
async def test_nobody_else_can_reach_a_type(api: Api, stranger: Api, method: str, suffix: str, body: Any) -> None:
    type_id = await api.new_type(name="mine", functions=FUNCTIONS, tags={"a": "1"})
    before = await api.get(f"device_type/{type_id}")
    for caller, name in ((stranger, type_id), (api, "nosuch00"), (api, "%F0%9F%92%A9")):
        assert (await caller.refusal(method, f"device_type/{name}{suffix}", body)).errcode == 404
    assert await api.get(f"device_type/{type_id}") == before
    assert (await stranger.refusal("POST", "device", {"name": "n", "type": type_id})).fields == {"type"}


async def test_the_processing_of_attributes_is_kept_and_tried_on_a_report(api: Api) -> None:
    attributes = [
        {"identifier": "t", "processing": {"scale": 0.1}},
        {"identifier": "hot", "data_type": "switch", "processing": {"formula": "t > limit"}},
    ]
    type_id = await api.new_type(functions={"attributes": attributes})
    shown = (await api.get(f"device_type/{type_id}"))["functions"]["attributes"]
    assert [attribute["processing"] for attribute in shown] == [{"scale": 0.1}, {"formula": "t > limit"}]

    tried = await api.call("POST", "processing_test", {"type": type_id, "attributes": {"t": 215, "limit": 20}})
    assert tried == {"attributes": {"t": 21.5, "limit": 20, "hot": True}, "refused": []}
    body = {"functions": {"attributes": attributes}, "attributes": {"t": "x", "limit": 20}}
    tried = await api.call("POST", "processing_test", body)
    assert [(each["field"], each["code"]) for each in tried["refused"]] == [
        ("hot", "formula_no_result"),
        ("t", "must_be_number"),
    ]
    wrong = {"attributes": [{"identifier": "t", "processing": {"formula": "open('x')"}}]}
    refusal = await api.refusal("PUT", f"device_type/{type_id}/functions", {"functions": wrong})
    assert refusal.fields == {"functions.attributes[0].processing.formula"}
    assert (await api.refusal("POST", "processing_test", {"attributes": {}})).fields == {"functions"}
