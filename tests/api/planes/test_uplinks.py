"""Reports, events and data of a device over HTTP, and what it reads."""

import asyncio
from typing import Any

import pytest

from tests.api.planes.plane import OK, Plane
from tests.api.registry.house import Api, House
from tests.stores import held_writes
from thingstead.model.messages import MessageTraced
from thingstead.services.ingest import ingest
from thingstead.services.shared.commits import settled


async def values(api: Api, plane: Plane) -> dict[str, Any]:
    items = await api.get(f"device/{plane.certificate['id']}/attributes")
    return {item["identifier"]: item["value"] for item in items if item["ts"]}


async def rejected(api: Api, plane: Plane, house: House) -> list[Any]:
    """The device's log of what was refused, with what is on its way to disk."""
    await settled(house.store.history.touch(await house.number(plane.certificate["id"]), "event", 0))
    page = await api.get(f"device/{plane.certificate['id']}/rejected_logs")
    return list(page["items"])


async def answered(asked: "asyncio.Future[Any]") -> bool:
    """Whether an answer comes within a moment."""
    await asyncio.wait([asked], timeout=0.1)
    return asked.done()


async def test_a_report_is_kept(api: Api, device: Plane, house: House) -> None:
    assert await device.ask("POST", "attributes", {"level": 5, "free": {"a": [1]}}) == OK
    await house.reopen()
    assert await values(api, device) == {"level": 5, "free": {"a": [1]}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("attributes", {"level": 5}),
        ("attributes/series", {"ts": 1_700_000_000, "attributes": {"level": 5}}),
        ("event/report", {"method": "opened"}),
        ("data/frames", {}),
    ],
)
async def test_an_uplink_is_on_disk_before_it_is_answered(
    device: Plane, house: House, path: str, body: dict[str, Any]
) -> None:
    with held_writes(house.store):
        asked = asyncio.ensure_future(device.ask("POST", path, body))
        assert not await answered(asked)
    assert await asked == OK


async def test_a_report_makes_the_device_active_but_not_online(api: Api, device: Plane, house: House) -> None:
    await device.ask("POST", "attributes", {"level": 5})
    info = await api.get(f"device/{device.certificate['id']}")
    assert info["active"] == {"attributes": house.clock.now_ms()}
    assert info["online"] is False


async def test_a_value_that_breaks_the_definition_is_left_out_and_named(api: Api, device: Plane, house: House) -> None:
    answer = await device.ask("POST", "attributes", {"level": 11, "setpoint": 1, "free": 1})
    assert answer == {
        "result": 1,
        "refused": [
            "level: 11 is above the maximum 10",
            "setpoint: is not reported by the device (its attr_type is push)",
        ],
        "code": "above_maximum",
    }
    assert await values(api, device) == {"free": 1}
    entry = (await rejected(api, device, house))[0]
    assert (entry["topic"], entry["reason"]) == ("attributes", "values were refused")
    assert [error["field"] for error in entry["errors"]] == ["level", "setpoint"]
    assert entry["payload"] == '{"level":11,"setpoint":1,"free":1}'


async def test_a_report_of_which_nothing_is_kept_is_refused(api: Api, device: Plane, house: House) -> None:
    assert await device.refused("POST", "attributes", {"level": 11}) == (400, "level: 11 is above the maximum 10")
    assert await values(api, device) == {}
    assert (await rejected(api, device, house))[0]["reason"] == "level: 11 is above the maximum 10"


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"1", b'"x"', b"\xff", b'{"a":NaN}', b"[" * 100_000])
async def test_what_is_no_object_is_refused_and_logged(api: Api, device: Plane, house: House, content: bytes) -> None:
    response = await device.send("POST", "attributes", content=content)
    assert response.status_code == 200
    assert (response.json()["result"], response.json()["errcode"]) == (0, 400)
    assert len(await rejected(api, device, house)) == 1


async def test_a_body_over_the_limit_is_413_and_logged(api: Api, device: Plane, house: House) -> None:
    response = await device.send("POST", "attributes", content=b" " * ((1 << 20) + 1))
    assert (response.status_code, response.json()["errcode"]) == (413, 413)
    assert response.json()["result"] == 0
    assert (await rejected(api, device, house))[0]["topic"] == "attributes"


@pytest.mark.parametrize("path", ["attributes", "attributes/series", "event/report"])
async def test_json_that_is_nested_too_deep_is_refused(device: Plane, house: House, path: str) -> None:
    for depth in (70, 960, 20_000):
        nested = b"[" * depth + b"]" * depth
        content = b'{"ts":1,"method":"m","params":{"a":%s},"attributes":{"a":%s}}' % (nested, nested)
        response = await device.send("POST", path, content=content)
        assert (response.status_code, response.json()["errcode"]) == (200, 400)
        assert "nested" in response.json()["message"]


async def test_reports_of_the_past_go_into_history(api: Api, device: Plane, house: House) -> None:
    now = house.clock.now_ms()
    body = [{"ts": now - 2000, "attributes": {"level": 1}}, {"ts": now - 1000, "attributes": {"level": 2}}]
    assert await device.ask("POST", "attributes/series", body) == OK
    points = await api.get(f"device/{device.certificate['id']}/attribute/level/series")
    assert [(point["ts"], point["value"]) for point in points] == [(now - 1000, 2), (now - 2000, 1)]


async def test_an_event_is_kept_and_changes_no_attribute(api: Api, device: Plane) -> None:
    assert await device.ask("POST", "event/report", {"method": "opened", "params": {"by": "badge"}}) == OK
    page = await api.get(f"device/{device.certificate['id']}/event_logs")
    assert [(item["method"], item["params"]) for item in page["items"]] == [("opened", {"by": "badge"})]
    assert await values(api, device) == {}


async def test_an_event_that_breaks_its_definition_is_refused(api: Api, device: Plane, house: House) -> None:
    body = {"method": "opened", "params": {"by": 17}}
    assert await device.refused("POST", "event/report", body) == (400, "params.by: must be a text")
    assert (await rejected(api, device, house))[0]["topic"] == "event/report"


async def test_data_is_kept_byte_for_byte(api: Api, device: Plane) -> None:
    response = await device.send("POST", "data/raw", content=bytes(range(256)))
    assert response.json() == OK
    page = await api.get(f"device/{device.certificate['id']}/data_logs")
    entry = page["items"][0]
    assert (entry["identifier"], entry["direction"], entry["size_bytes"]) == ("raw", "up", 256)
    assert entry["payload"] == "hex:" + bytes(range(256)).hex()


async def test_data_that_breaks_its_format_is_refused(api: Api, device: Plane, house: House) -> None:
    response = await device.send("POST", "data/frames", content=b"\x01\x02")
    assert response.json() == {
        "result": 0,
        "errcode": 400,
        "message": "frames: is not JSON: unexpected character at byte 0",
        "code": "json_bad_character",
    }
    assert (await rejected(api, device, house))[0]["topic"] == "data/frames"


async def test_a_device_reads_what_the_cloud_has(api: Api, device: Plane) -> None:
    await device.ask("POST", "attributes", {"level": 5, "free": "x"})
    await api.call("POST", f"control/device/{device.certificate['id']}/attributes", {"setpoint": 7})
    everything = {"level": 5, "free": "x", "setpoint": 7}
    assert await device.ask("GET", "attributes") == {"result": 1, "attributes": everything}
    asked = await device.ask("GET", "attributes", keys="setpoint,absent,level")
    assert asked == {"result": 1, "attributes": {"setpoint": 7, "level": 5}}


async def test_too_many_keys_are_refused(device: Plane) -> None:
    refusal = await device.refused("GET", "attributes", keys=",".join("a" * 1001))
    assert refusal == (400, "keys: must name at most 1000 attributes")


async def test_a_report_waits_while_the_store_has_too_much_to_write(device: Plane, house: House) -> None:
    history = house.store.history
    history.waiting_limit = 1  # one report that waits for a commit is all it takes
    with held_writes(house.store):
        first = asyncio.ensure_future(device.ask("POST", "attributes", {"level": 1}))
        while history.appends.waiting < 1:
            await answered(first)
        second = asyncio.ensure_future(device.ask("POST", "attributes", {"level": 2}))
        assert not await answered(second)
        assert history.appends.waiting == 1
    assert [await first, await second] == [OK, OK]


async def test_a_report_that_finds_no_room_in_time_is_503(
    device: Plane, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.store.history.waiting_limit = 0
    monkeypatch.setattr(ingest, "ROOM_TIMEOUT_S", 0.01)
    response = await device.send("POST", "attributes", content=b'{"level":1}')
    assert (response.status_code, response.json()["errcode"]) == (503, 503)
    assert response.headers["retry-after"] == "1"
    house.store.history.waiting_limit = 1
    assert await device.ask("POST", "attributes", {"level": 1}) == OK


async def test_requests_and_answers_are_told_to_who_listens_to_the_device(house: House, device: Plane) -> None:
    heard: list[MessageTraced] = []
    house.bus.subscribe(MessageTraced, heard.append)
    found = await house.store.devices.find(device.certificate["id"])
    assert found is not None
    house.platform.device_logs.trace.listen(found.project_id, found.view_token)
    await device.ask("POST", "attributes", {"level": 5})
    await device.ask("POST", "attributes", {"level": 50, "note": "x"})
    await device.refused("POST", "attributes", {"level": 50})
    await device.send("POST", "attributes", content=b"{")
    await device.ask("GET", "attributes")
    up = [
        (told.topic, told.outcome, [error["code"] for error in told.errors])
        for told in heard
        if told.direction == "up" and told.plane == "http"
    ]
    assert up[:3] == [
        ("attributes", "accepted", []),
        ("attributes", "partly", ["above_maximum"]),
        ("attributes", "refused", ["above_maximum"]),
    ]
    assert [(topic, outcome) for topic, outcome, _ in up[3:]] == [
        ("attributes", "refused"),
        ("attributes/get", "accepted"),
    ]
    down = [told for told in heard if told.direction == "down"]
    assert [told.topic for told in down] == ["attributes/response"] * 4 + ["attributes/get/response"]
    assert down[0].payload == '{"result":1}'
