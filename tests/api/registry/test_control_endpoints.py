"""Attributes and commands on their way down."""

from typing import Any

import pytest

from tests.api.registry.house import Api, House
from thingstead.model.device import DeviceSession
from thingstead.model.messages import AttributesPushed, CommandChanged, CommandIssued

ATTRIBUTES = [
    {"identifier": "level", "attr_type": "both", "data_type": "number", "data_options": {"max": 10}},
    {"identifier": "measured", "attr_type": "report"},
    {"identifier": "note", "attr_type": "cloud", "data_type": "text"},
]
COMMANDS = [{"identifier": "turn", "params": [{"identifier": "by", "data_type": "number", "data_options": {"max": 9}}]}]


async def typed_device(api: Api) -> str:
    return await api.new_device(type=await api.new_type(functions={"attributes": ATTRIBUTES, "commands": COMMANDS}))


async def current(api: Api, device_id: str) -> dict[str, Any]:
    items = await api.get(f"device/{device_id}/attributes")
    return {item["identifier"]: item["value"] for item in items if item["ts"]}


async def online_device(api: Api, house: House) -> tuple[str, list[CommandIssued]]:
    """A device whose connection takes every command; and the commands it took."""
    device_id, taken = await typed_device(api), []

    def take(command: CommandIssued) -> None:
        taken.append(command)
        house.platform.control.command_sent(command.command_row_id, 1)

    house.bus.subscribe(CommandIssued, take)
    device = await house.platform.devices.get(api.project_id, device_id)
    session = DeviceSession(session_id="s", node="node", protocol="mqtt", connected_at=house.clock.now_ms())
    await house.platform.presence.open(device, session)
    return device_id, taken


async def test_a_push_is_stored_and_sent_down(api: Api, house: House) -> None:
    device_id = await typed_device(api)
    pushed: list[AttributesPushed] = []
    house.bus.subscribe(AttributesPushed, pushed.append)
    assert await api.call("POST", f"control/device/{device_id}/attributes", {"level": 5, "free": [1]}) == {}
    assert pushed == [AttributesPushed(api.project_id, device_id, {"level": 5, "free": [1]})]
    await house.reopen()
    assert await current(api, device_id) == {"level": 5, "free": [1]}


async def test_a_cloud_value_is_stored_and_the_device_hears_nothing(api: Api, house: House) -> None:
    device_id = await typed_device(api)
    pushed: list[AttributesPushed] = []
    house.bus.subscribe(AttributesPushed, pushed.append)
    assert await api.call("PUT", f"control/device/{device_id}/attributes", {"note": "n"}) == {}
    assert pushed == []
    assert await current(api, device_id) == {"note": "n"}


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_values_that_break_the_definition_are_left_out_and_named(api: Api, method: str) -> None:
    device_id = await typed_device(api)
    path = f"control/device/{device_id}/attributes"
    body = {"level": 11, "measured": 1, "free": 1, "a b": 1, "wide": 2**70}
    info = await api.call(method, path, body)
    assert [refused["attribute"] for refused in info["refused"]] == ["level", "measured", "a b", "wide"]
    assert info["refused"][0]["message"] == "11 is above the maximum 10"
    assert await current(api, device_id) == {"free": 1}
    del body["free"]
    refusal = await api.refusal(method, path, body)
    assert (refusal.errcode, refusal.fields) == (400, {"level", "measured", "a b", "wide"})


@pytest.mark.parametrize("body", [{}, [], "x", 5, None, {str(number): 1 for number in range(1001)}])
async def test_attributes_are_an_object_of_values(api: Api, body: Any) -> None:
    device_id = await api.new_device()
    for method in ("POST", "PUT"):
        response = await api.client.request(method, f"/api/v1/control/device/{device_id}/attributes", json=body)
        assert response.json()["result"] is False
        assert response.json()["errcode"] == 400


async def test_a_command_is_sent_with_method_params_and_id(api: Api, house: House) -> None:
    device_id, taken = await online_device(api, house)
    path = f"control/device/{device_id}/command"
    info = await api.call("POST", path, {"method": "turn", "params": {"by": 3}, "id": 7})
    assert info == {"id": info["id"], "command_id": 7, "state": "sent", "command": info["id"]}
    await api.call("POST", path, {"method": "other"})
    await api.call("POST", path, {"method": "other", "params": None, "id": None})
    sent = [(command.method, command.params, command.command_id) for command in taken]
    assert sent == [("turn", {"by": 3}, 7), ("other", {}, 1000), ("other", {}, 1000)]


async def test_a_command_for_an_offline_device_is_refused_or_waits(api: Api, house: House) -> None:
    device_id = await api.new_device()
    path = f"control/device/{device_id}/command"
    assert (await api.refusal("POST", path, {"method": "m"})).errcode == 404
    info = await api.call("POST", path, {"method": "m", "wait_ms": 60_000})
    assert info["state"] == "queued"
    await house.reopen()
    [(waiting, _)] = (await house.platform.control.pending(device_id)).commands
    assert (waiting.command_row_id, waiting.method) == (info["id"], "m")


async def test_a_command_whose_connection_cannot_take_it_is_refused(api: Api, house: House) -> None:
    device_id = await typed_device(api)
    device = await house.platform.devices.get(api.project_id, device_id)
    session = DeviceSession(session_id="s", node="node", protocol="mqtt", connected_at=house.clock.now_ms())
    await house.platform.presence.open(device, session)
    house.bus.subscribe(
        CommandIssued, lambda command: house.platform.control.command_failed(command.command_row_id, "not subscribed")
    )
    heard: list[CommandChanged] = []
    house.bus.subscribe(CommandChanged, heard.append)
    refusal = await api.refusal("POST", f"control/device/{device_id}/command", {"method": "turn"})
    assert (refusal.errcode, refusal.message) == (404, "not subscribed")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"method"}),
        ({"method": ""}, {"method"}),
        ({"method": "a b"}, {"method"}),
        ({"method": "m", "params": [1], "id": "7"}, {"params", "id"}),
        ({"method": "m", "id": -1, "wait_ms": -1}, {"id", "wait_ms"}),
        ({"method": "m", "id": 2**53 + 1}, {"id"}),
        ({"method": "turn", "params": {"by": 10}}, {"params.by"}),
    ],
)
async def test_a_bad_command_is_refused_by_its_fields(api: Api, body: dict[str, Any], fields: set[str]) -> None:
    device_id = await typed_device(api)
    refusal = await api.refusal("POST", f"control/device/{device_id}/command", body)
    assert (refusal.errcode, refusal.fields) == (400, fields)


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("POST", "attributes", {"a": 1}),
        ("PUT", "attributes", {"a": 1}),
        ("POST", "command", {"method": "m", "wait_ms": 1000}),
    ],
)
async def test_nobody_else_can_talk_to_a_device(api: Api, stranger: Api, method: str, suffix: str, body: Any) -> None:
    device_id = await api.new_device()
    for caller, name in ((stranger, device_id), (api, "nosuch00"), (api, "%F0%9F%92%A9")):
        assert (await caller.refusal(method, f"control/device/{name}/{suffix}", body)).errcode == 404
    assert await current(api, device_id) == {}


async def test_a_command_is_read_by_the_id_that_its_answer_names(api: Api) -> None:
    device_id = await api.new_device()
    sent = {"method": "m", "params": {"a": 1}, "id": 2**53, "wait_ms": 60_000}
    info = await api.call("POST", f"control/device/{device_id}/command", sent)
    read = await api.get(f"command/{info['id']}")
    assert (read["device_id"], read["method"], read["params"], read["command_id"], read["state"]) == (
        device_id,
        "m",
        {"a": 1},
        2**53,
        "queued",
    )
    assert "reply" not in read
    for unknown in ("nowhere", "1000", "a b"):
        assert (await api.refusal("GET", f"command/{unknown}")).errcode == 404


async def test_a_synchronous_command_answers_with_the_reply(api: Api, house: House) -> None:
    device_id = await api.new_device()
    device = await house.platform.devices.get(api.project_id, device_id)
    session = DeviceSession(session_id="s", node="node", protocol="mqtt", connected_at=house.clock.now_ms())
    await house.platform.presence.open(device, session)

    def reply(command: CommandIssued) -> None:
        house.platform.control.command_sent(command.command_row_id, 1)
        if command.method == "ask":
            house.platform.control.reply(device, None, b'{"method":"ask","params":{"v":1}}')

    house.bus.subscribe(CommandIssued, reply)
    path = f"control/device/{device_id}/command/sync"
    info = await api.call("POST", path, {"method": "ask", "id": 7})
    assert info["reply"] == {"method": "ask", "params": {"v": 1}, "id": 7}
    assert (info["command_id"], info["state"]) == (7, "replied")
    assert (await api.get(f"command/{info['id']}"))["reply"] == {"method": "ask", "params": {"v": 1}}
    assert (await api.refusal("POST", path, {"method": "silent", "timeout": 0.05})).errcode == 408
    assert (await api.refusal("POST", path, {"method": "ask", "timeout": 31})).fields == {"timeout"}
