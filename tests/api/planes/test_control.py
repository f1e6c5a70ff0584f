"""What applications send to one device over the application plane."""

from typing import Any

import pytest

from tests.api.planes.plane import OK, Plane, Played
from tests.api.registry.house import Api, House
from thingstead.model.messages import AttributesPushed, DataSent


async def values(api: Api, plane: Plane) -> dict[str, Any]:
    items = await api.get(f"device/{plane.certificate['id']}/attributes")
    return {item["identifier"]: item["value"] for item in items if item["ts"]}


async def test_a_push_is_stored_and_reaches_the_device(api: Api, app: Plane, played: Played) -> None:
    assert await app.ask("POST", "attributes", {"level": 5, "setpoint": 20}) == OK
    assert played.pushed == [AttributesPushed(api.project_id, app.certificate["id"], {"level": 5, "setpoint": 20})]
    assert await app.ask("GET", "attributes") == {"result": 1, "attributes": {"level": 5, "setpoint": 20}}


async def test_a_push_to_an_offline_device_is_stored(api: Api, app: Plane, house: House) -> None:
    assert await app.ask("POST", "attributes", {"level": 5}) == OK
    await house.reopen()
    assert await values(api, app) == {"level": 5}


async def test_a_cloud_attribute_does_not_reach_the_device(api: Api, app: Plane, played: Played) -> None:
    assert await app.ask("PUT", "attributes", {"note": "n"}) == OK
    assert played.pushed == []
    assert await app.ask("GET", "attributes", keys="note") == {"result": 1, "attributes": {"note": "n"}}


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("body", [{}, [], {"level": 11}, {"a b": 1}])
async def test_bad_attributes_change_nothing(api: Api, app: Plane, method: str, body: Any) -> None:
    errcode, message = await app.refused(method, "attributes", body)
    assert errcode == 400
    assert message
    assert await values(api, app) == {}


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_what_is_wrong_among_attributes_is_named_and_the_rest_is_kept(api: Api, app: Plane, method: str) -> None:
    answer = await app.ask(method, "attributes", {"level": 11, "free": 1})
    assert answer == {"result": 1, "refused": ["level: 11 is above the maximum 10"], "code": "above_maximum"}
    assert await values(api, app) == {"free": 1}


async def test_what_an_application_gets_wrong_is_no_fault_of_the_device(api: Api, app: Plane) -> None:
    await app.refused("POST", "attributes", {"level": 11})
    assert (await api.get(f"device/{app.certificate['id']}/rejected_logs"))["items"] == []


async def test_a_command_is_taken_by_the_live_connection(app: Plane, played: Played) -> None:
    sent = await app.ask("POST", "command/send", {"method": "turn", "params": {"by": 3}, "id": 7})
    assert sent == {**OK, "id": sent["id"], "command_id": 7, "state": "sent"}
    command = await played.commands.get()
    assert (command.method, command.params, command.command_id) == ("turn", {"by": 3}, 7)


async def test_a_command_to_an_offline_device_is_refused_unless_it_may_wait(api: Api, app: Plane) -> None:
    assert await app.refused("POST", "command/send", {"method": "turn"}) == (404, "the device is offline")
    sent = await app.ask("POST", "command/send", {"method": "turn", "wait_ms": 60_000})
    assert sent == {**OK, "id": sent["id"], "command_id": 1000, "state": "queued"}
    page = await api.get(f"device/{app.certificate['id']}/command_logs")
    assert [(item["method"], item["params"], item["state"]) for item in page["items"]] == [("turn", {}, "queued")]


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        ({"type": "json", "msg": {"a": [1, None]}}, b'{"a":[1,null]}'),
        ({"type": "hex", "msg": "00 ff"}, b"\x00\xff"),
        ({"type": "text", "msg": "温度"}, "温度".encode()),
        ({"type": "plaintext", "msg": ""}, b""),
    ],
)
async def test_data_goes_down_as_its_bytes(api: Api, app: Plane, played: Played, body: Any, payload: bytes) -> None:
    assert await app.ask("POST", "data/frames/set", body, push_mode="mqtt") == OK
    assert played.data == [DataSent(api.project_id, app.certificate["id"], "frames", payload)]


async def test_data_goes_down_from_the_project_api_too(api: Api, app: Plane, played: Played) -> None:
    path = f"control/device/{app.certificate['id']}/data/frames"
    assert await api.call("POST", path, {"type": "json", "msg": 1}) == {}
    assert played.data == [DataSent(api.project_id, app.certificate["id"], "frames", b"1")]
    assert (await api.refusal("POST", path, {"type": "json", "msg": 1}, push_mode="tcp")).errcode == 404
    assert (await api.refusal("POST", path, {"type": "hex", "msg": "x"})).fields == {"msg"}
    assert (await api.refusal("POST", path, {"type": "yaml"})).fields == {"type", "msg"}


@pytest.mark.parametrize(
    ("identifier", "body", "query", "errcode"),
    [
        ("frames", {"type": "hex", "msg": "xyz"}, {}, 400),
        ("frames", {"type": "hex", "msg": 1}, {}, 400),
        ("frames", {"type": "yaml", "msg": 1}, {}, 400),
        ("frames", {"type": "json"}, {}, 400),
        ("a b", {"type": "json", "msg": 1}, {}, 400),
        ("frames", {"type": "json", "msg": 1}, {"push_mode": "tcp"}, 404),
        ("frames", {"type": "json", "msg": 1}, {"push_mode": "pigeon"}, 400),
        ("frames", {"type": "text", "msg": "x" * (256 * 1024 + 1)}, {}, 400),
    ],
)
async def test_data_that_cannot_go_down_is_refused(
    app: Plane, played: Played, identifier: str, body: Any, query: dict[str, str], errcode: int
) -> None:
    assert (await app.refused("POST", f"data/{identifier}/set", body, **query))[0] == errcode
    assert played.data == []


async def test_data_to_an_offline_device_is_refused(app: Plane) -> None:
    refusal = await app.refused("POST", "data/frames/set", {"type": "json", "msg": 1})
    assert refusal == (404, "the device is offline")
