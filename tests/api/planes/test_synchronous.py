"""Commands whose reply is the answer to the request."""

import asyncio
import json
from typing import Any

import pytest
from msgspec import structs

from tests.api.planes.plane import Plane, Played
from tests.api.registry.house import Api, House
from thingstead.errors import NotFound, TooManyRequests
from thingstead.services.commands.synchronous import WAITING_PER_DEVICE, SynchronousCommandService

PATH = "command/sync/send"


def asked(app: Plane, **body: Any) -> "asyncio.Future[Any]":
    return asyncio.ensure_future(app.ask("POST", PATH, {"method": "turn", "timeout": 5} | body))


async def test_the_reply_is_the_answer(app: Plane, played: Played) -> None:
    call = asked(app, params={"by": 3}, id=7)
    command = await played.commands.get()
    assert (command.method, command.params, command.command_id) == ("turn", {"by": 3}, 7)
    played.reply(command, turned=3)
    answer = await call
    assert answer["reply"] == {"method": "turn", "params": {"turned": 3}, "id": 7}
    assert answer == {"result": 1, "id": command.command_row_id, "command_id": 7, "state": "replied", **answer}


async def test_the_command_may_stand_in_the_query(app: Plane, played: Played) -> None:
    for method in ("GET", "POST"):
        query = {"method": "turn", "params": json.dumps({"by": "温"}), "timeout": "5"}
        call = asyncio.ensure_future(app.ask(method, PATH, **query))
        command = await played.commands.get()
        assert (command.params, command.command_id) == ({"by": "温"}, 1000)
        played.reply(command)
        assert (await call)["reply"] == {"method": "turn", "params": {}, "id": 1000}


async def test_the_command_may_stand_in_the_body_of_a_get(app: Plane, played: Played) -> None:
    call = asyncio.ensure_future(app.ask("GET", PATH, {"method": "turn", "params": {"by": 1}}, id="7"))
    command = await played.commands.get()
    assert (command.method, command.params, command.command_id) == ("turn", {"by": 1}, 7)
    played.reply(command)
    assert (await call)["result"] == 1


async def test_head_sends_no_command(app: Plane, played: Played) -> None:
    response = await app.send("HEAD", PATH, params={"method": "turn", "timeout": "0.05"})
    assert (response.status_code, response.content) == (404, b"")
    assert "HEAD" not in (await app.send("OPTIONS", PATH)).headers["allow"]
    assert played.commands.empty()
    assert (await app.send("HEAD", "attributes")).status_code == 200


async def test_a_device_that_does_not_reply_is_408(app: Plane, played: Played, api: Api) -> None:
    assert await app.refused("POST", PATH, {"method": "turn", "timeout": 0.05}) == (
        408,
        "the device did not reply in time",
    )
    page = await api.get(f"device/{app.certificate['id']}/command_logs")
    assert [(item["state"], item["reason"]) for item in page["items"]] == [("failed", "its sender stopped waiting")]


async def test_a_late_reply_is_not_taken_for_that_of_the_next_command(app: Plane, played: Played) -> None:
    await app.refused("POST", PATH, {"method": "turn", "id": 1, "timeout": 0.05})
    late = await played.commands.get()
    call = asked(app, id=2)
    command = await played.commands.get()
    played.reply(late, which="late")
    played.reply(command, which="its own")
    assert (await call)["reply"]["params"] == {"which": "its own"}


async def test_a_lost_reply_does_not_shift_those_that_follow(app: Plane, played: Played) -> None:
    await app.refused("POST", PATH, {"method": "turn", "timeout": 0.05})
    await played.commands.get()
    call = asked(app)
    played.reply(await played.commands.get(), which="second")
    assert (await call)["reply"]["params"] == {"which": "second"}


async def test_an_offline_device_is_404_at_once(app: Plane) -> None:
    assert await app.refused("POST", PATH, {"method": "turn"}) == (404, "the device is offline")


async def test_calls_of_one_id_go_one_after_the_other(app: Plane, played: Played) -> None:
    calls = [asked(app, params={"number": number}) for number in range(3)]
    for number in range(3):
        command = await played.commands.get()
        assert command.params == {"number": number}
        assert played.commands.empty()
        played.reply(command, number=number)
    assert [(await call)["reply"]["params"] for call in calls] == [{"number": number} for number in range(3)]


async def test_calls_of_different_ids_go_side_by_side(app: Plane, played: Played) -> None:
    calls = [asked(app, id=command_id) for command_id in (1, 2, 3)]
    commands = [await played.commands.get() for _ in calls]
    for command in reversed(commands):
        played.reply(command, id=command.command_id)
    assert [(await call)["reply"]["id"] for call in calls] == [1, 2, 3]


async def test_a_call_that_gets_no_turn_in_time_is_408(app: Plane, played: Played) -> None:
    first = asked(app)
    command = await played.commands.get()
    refusal = await app.refused("POST", PATH, {"method": "turn", "timeout": 0.05})
    assert refusal == (408, "the device was busy with earlier commands of this id")
    assert played.commands.empty()
    played.reply(command)
    assert (await first)["result"] == 1


async def test_callers_over_the_bound_are_429(app: Plane, played: Played, house: House) -> None:
    calls = [asked(app, id=command_id) for command_id in range(WAITING_PER_DEVICE)]
    commands = [await played.commands.get() for _ in calls]
    response = await app.send("POST", PATH, json={"method": "turn", "id": 99})
    assert (response.status_code, response.json()["errcode"]) == (429, 429)
    assert response.headers["retry-after"] == "1"
    for command in commands:
        played.reply(command)
    assert [(await call)["result"] for call in calls] == [1] * WAITING_PER_DEVICE
    assert house.platform.synchronous.waiting == 0
    assert house.platform.synchronous._turns == {}


async def test_all_callers_together_are_bounded(played: Played, house: House) -> None:
    service = SynchronousCommandService(house.platform.control, house.clock, waiting_overall=2)
    waiting = asyncio.ensure_future(service.call(played.device, "turn", {}, 1, 5))
    command = await played.commands.get()
    with pytest.raises(Exception, match="too many callers"):
        await service.call(played.device, "turn", {}, 2, 5)
    played.reply(command)
    assert (await waiting).state == "replied"


async def test_callers_of_one_project_leave_places_for_those_of_another(played: Played, house: House) -> None:
    service = SynchronousCommandService(
        house.platform.control, house.clock, waiting_per_device=100, waiting_overall=100
    )
    calls = [asyncio.ensure_future(service.call(played.device, "turn", {}, number, 5)) for number in range(100)]
    await asyncio.sleep(0)
    assert 80 < service.waiting < 95
    stranger = structs.replace(played.device, project_id="another", id="another0")
    with pytest.raises(NotFound):  # it gets as far as the device, which is not there
        await service.call(stranger, "turn", {}, 1, 5)
    for call in calls:
        call.cancel()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert any(isinstance(end, TooManyRequests) for end in ends)
    assert service.waiting == 0


async def test_a_caller_that_is_gone_leaves_its_place(app: Plane, played: Played, house: House) -> None:
    call = asked(app)
    await played.commands.get()
    assert house.platform.synchronous.waiting == 1
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    assert house.platform.synchronous.waiting == 0


@pytest.mark.parametrize(
    ("body", "query"),
    [
        ({}, {}),
        ({"method": "a b"}, {}),
        ({"method": "turn", "params": [1]}, {}),
        ({"method": "turn", "timeout": 0}, {}),
        ({"method": "turn", "timeout": 31}, {}),
        ({"method": "turn", "id": -1}, {}),
        ({"method": "turn"}, {"params": "[1]"}),
        ({"method": "turn"}, {"params": "{"}),
        ({"method": "turn"}, {"timeout": "nan"}),
        ({"method": "turn"}, {"timeout": "1e999"}),
        ([], {}),
    ],
)
async def test_a_call_that_makes_no_sense_is_refused(app: Plane, played: Played, body: Any, query: Any) -> None:
    assert (await app.refused("POST", PATH, body, **query))[0] == 400
    assert played.commands.empty()
