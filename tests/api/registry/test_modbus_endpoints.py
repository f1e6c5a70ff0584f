"""Tables of Modbus registers through the API: kept, refused, tried on bytes."""

from typing import Any

import pytest

from tests.api.registry.house import Api
from thingstead.modbus.requests import frame_of

ROW = {"attribute": "temperature", "address": 0, "type": "int16", "scale": 0.1}
GROUP = {"unit_id": 1, "function": 3, "address": 0, "count": 2, "registers": [ROW]}
TABLE = {"identifier": "port", "groups": [GROUP]}
ANSWER = frame_of("rtu", 1, b"\x03\x04\x00\xd7\x00\x00").hex(" ")


@pytest.fixture
async def type_id(api: Api) -> str:
    return await api.new_type()


async def test_tables_come_back_with_their_defaults_and_change_the_version(api: Api, type_id: str) -> None:
    path = f"device_type/{type_id}/modbus"
    assert await api.get(path) == {"streams": [], "version": 1}

    put = await api.call("PUT", path, {"streams": [TABLE], "version": 1})

    assert put["version"] == 2
    assert await api.get(path) == put
    [stream] = put["streams"]
    assert (stream["framing"], stream["timeout_ms"]) == ("rtu", 1_000)
    [row] = stream["groups"][0]["registers"]
    assert row.items() >= {**ROW, "order": "ABCD", "offset": 0, "writable": False}.items()
    assert (await api.refusal("PUT", path, {"streams": [], "version": 1})).errcode == 409
    assert (await api.call("PUT", path, {"streams": []}))["streams"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"identifier": "no spaces"}, "streams[0].identifier"),
        ({"groups": [{**GROUP, "count": 200}]}, "streams[0].groups[0].count"),
        ({"groups": [{**GROUP, "function": 5}]}, "streams[0].groups[0].function"),
        ({"groups": [{**GROUP, "registers": [{**ROW, "address": 2}]}]}, "streams[0].groups[0].registers[0].address"),
        ({"groups": [{**GROUP, "registers": [{**ROW, "order": "DCAB"}]}]}, "streams[0].groups[0].registers[0].order"),
        ({"groups": [{**GROUP, "registers": [{**ROW, "scale": "1"}]}]}, "streams[0].groups[0].registers[0].scale"),
    ],
)
async def test_a_table_that_cannot_work_is_refused_by_the_field(
    api: Api, type_id: str, change: dict[str, Any], field: str
) -> None:
    refusal = await api.refusal("PUT", f"device_type/{type_id}/modbus", {"streams": [{**TABLE, **change}]})
    assert (refusal.errcode, refusal.fields) == (400, {field})
    assert (await api.get(f"device_type/{type_id}/modbus"))["streams"] == []


async def test_bytes_are_tried_with_a_table_or_with_that_of_a_type(api: Api, type_id: str) -> None:
    body = {"hex": f"ff {ANSWER} 01 83 02 c0 f1"}
    tried = await api.call("POST", "modbus_test", {**body, "table": TABLE})
    assert tried["attributes"] == {"temperature": 21.5}
    assert [(frame["offset"], frame["kind"], frame["group"], frame["code"]) for frame in tried["frames"]] == [
        (1, "answer", 0, ""),
        (10, "exception", -1, "modbus_exception"),
    ]
    assert [(part["field"], part["hex"], part["code"]) for part in tried["unused"]] == [("0", "ff", "modbus_noise")]

    await api.call("PUT", f"device_type/{type_id}/modbus", {"streams": [TABLE]})
    assert await api.call("POST", "modbus_test", {**body, "type": type_id, "identifier": "port"}) == tried


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"hex": "0"}, "hex"),
        ({"hex": ""}, "hex"),
        ({"hex": "00" * 5_000}, "hex"),
        ({"request": "010300000002c40bff"}, "request"),
        ({"type": "t"}, "table"),
        ({"table": {**TABLE, "timeout_ms": 0}}, "streams[0].timeout_ms"),
    ],
)
async def test_a_test_without_sense_is_refused_by_the_field(api: Api, body: dict[str, Any], field: str) -> None:
    refusal = await api.refusal("POST", "modbus_test", {"table": TABLE, "hex": ANSWER, **body})
    assert refusal.fields == {field}


async def test_a_device_shows_the_groups_of_its_type(api: Api, type_id: str) -> None:
    await api.call("PUT", f"device_type/{type_id}/modbus", {"streams": [TABLE]})
    device_id = await api.new_device(type=type_id)
    shown = await api.get(f"device/{device_id}/modbus")
    [stream] = shown["streams"]
    assert (stream["identifier"], stream["polling"], shown["trace"]) == ("port", False, [])
    assert [(group["unit_id"], group["count"], group["asked"]) for group in stream["groups"]] == [(1, 2, 0)]
