"""Replies find their command, and the caller who waits."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.services.conftest import NOW, Workshop
from tests.services.lamp import LAMP, commands_of, connect
from thingstead.errors import DeviceOffline, InvalidInput, ReplyTimeout
from thingstead.model.device import Device, Page
from thingstead.model.messages import CommandChanged, CommandIssued
from thingstead.services.commands.replies import find_answered
from thingstead.services.commands.states import REPLY_LIFETIME_MS
from thingstead.services.commands.synchronous import SynchronousCommandService
from thingstead.services.shared.commits import settled


async def reply(workshop: Workshop, device: Device, topic_id: int | None, payload: bytes) -> None:
    outcome = workshop.control.reply(device, topic_id, payload)
    assert outcome.commit is not None
    await settled(outcome.commit)


def cancels(task: asyncio.Task[Any]) -> Callable[[CommandChanged], None]:
    def heard(_: CommandChanged) -> None:
        task.cancel()

    return heard


OPEN = {"a": (5, "x"), "b": (1000, "x"), "c": (1000, "y"), "d": (9, "x")}  # oldest first


async def test_what_of_a_reply_cannot_be_kept_is_left_out_and_the_command_is_replied(workshop: Workshop) -> None:
    device = await workshop.add_device()
    command = await workshop.control.send_command("p1", device.id, "read", wait_ms=60_000)
    workshop.control.command_sent(command.id, 1)
    payload = b'{"method":"read","params":{"wide":99999999999999999999,"v":1},"more":99999999999999999999}'
    outcome = workshop.control.reply(device, None, payload)
    assert [error.field for error in outcome.refused] == ["params.wide", "more"]
    assert outcome.commit is not None
    await settled(outcome.commit)
    replied = await workshop.control.get_command("p1", command.id)
    assert (replied.state, replied.reply) == ("replied", {"method": "read", "params": {"v": 1}})


async def test_the_time_of_the_reply_begins_when_a_command_that_waited_is_sent(workshop: Workshop) -> None:
    device = await workshop.add_device()
    command = await workshop.control.send_command("p1", device.id, "read", wait_ms=300)
    workshop.clock.advance(299)
    workshop.control.command_sent(command.id, 1)
    await workshop.control.close()
    workshop.clock.advance(REPLY_LIFETIME_MS - 1)
    await workshop.control.expire_due()
    await reply(workshop, device, 1000, b'{"method":"read"}')
    assert (await workshop.store.commands.get(device.id, command.id)).state == "replied"


async def test_a_command_that_is_never_answered_expires_and_its_caller_is_told(workshop: Workshop) -> None:
    device = await workshop.add_device(type_id=await workshop.add_type(LAMP))
    await connect(workshop, device)
    command = await workshop.control.send_command("p1", device.id, "ask")
    waiting = asyncio.create_task(workshop.control.await_reply(command, REPLY_LIFETIME_MS))
    await workshop.control.expire_due()
    assert not waiting.done()
    workshop.clock.advance(REPLY_LIFETIME_MS)
    await workshop.control.expire_due()
    with pytest.raises(DeviceOffline, match="did not reply"):
        await waiting


async def test_a_caller_gets_the_reply(workshop: Workshop) -> None:
    device = await workshop.add_device()
    await connect(workshop, device)
    command = await workshop.control.send_command("p1", device.id, "read", command_id=7)
    waiting = asyncio.create_task(workshop.control.await_reply(command, 5))
    await reply(workshop, device, 7, b'{"method":"read","params":{"v":1}}')
    replied = await waiting
    assert replied.state == "replied"
    assert replied.reply == {"method": "read", "params": {"v": 1}}
    assert (await workshop.control.await_reply(command, 0)).state == "replied"


async def test_a_caller_whose_device_stays_silent_is_told_so(workshop: Workshop) -> None:
    device = await workshop.add_device()
    await connect(workshop, device)
    command = await workshop.control.send_command("p1", device.id, "read")
    with pytest.raises(ReplyTimeout):
        await workshop.control.await_reply(command, 0)


async def test_a_reply_before_the_delivery_was_noted_still_ends_as_replied(workshop: Workshop) -> None:
    device = await workshop.add_device()
    given = await connect(workshop, device)
    command = await workshop.control.send_command("p1", device.id, "read")
    await reply(workshop, device, 1000, b'{"method":"read"}')
    workshop.control.command_delivered(given[0].command_row_id)
    await workshop.control.close()
    assert (await workshop.store.commands.get(device.id, command.id)).state == "replied"


async def test_a_reply_to_nothing_is_accepted_and_counts_as_an_uplink(workshop: Workshop) -> None:
    device = await workshop.add_device()
    await reply(workshop, device, 1000, b'{"method":"otaFinished","params":{}}')
    assert (await workshop.store.devices.get_view("p1", device.id)).active == {"command_reply": NOW}


async def test_a_reply_to_nothing_stands_in_the_log_of_the_device(workshop: Workshop) -> None:
    device = await workshop.add_device()
    await reply(workshop, device, 1000, b'{"method":"restart","params":{},"id":77}')
    entries, _ = await workshop.logs.list_page(device, "rejected", Page())
    assert [(entry.body["topic"], entry.body["reason"]) for entry in entries] == [
        ("command/reply", "no command with the id 77 and the method restart is open: the reply answers none")
    ]
    assert entries[0].body["payload"] == '{"method":"restart","params":{},"id":77}'


@pytest.mark.parametrize(
    ("topic_id", "body", "told"),
    [(5, {}, 5), (5, {"id": 7}, 7), (None, {"id": 7}, 7), (None, {}, 0), (5, {"id": "x"}, 5)],
)
async def test_a_reply_to_nothing_is_told_with_the_id_that_it_names(
    workshop: Workshop, topic_id: int | None, body: dict[str, Any], told: int
) -> None:
    device = await workshop.add_device()
    news: list[CommandChanged] = []
    workshop.bus.subscribe(CommandChanged, news.append)
    await reply(workshop, device, topic_id, json.dumps({"method": "m", **body}).encode())
    assert [each.command_id for each in news] == [told]


async def test_a_reply_that_is_no_object_is_refused(workshop: Workshop) -> None:
    device = await workshop.add_device()
    with pytest.raises(InvalidInput):
        workshop.control.reply(device, 1000, b"ok")


@pytest.mark.parametrize(
    ("topic_id", "body", "answered"),
    [
        (1000, {"method": "x", "id": 9}, "d"),  # the body's id goes first
        (1000, {"method": "x", "id": 9.0}, "d"),  # as some encoders write it
        (1000, {"method": "other", "id": 9}, "d"),
        (5, {"method": "x"}, "a"),  # then the topic's
        (1000, {"method": "y"}, "c"),  # of one id the same method
        (5, {"method": "y"}, "c"),  # the topic's id counts with the same method alone
        (1000, {}, "b"),  # a reply without a method is the oldest one's
        (77, {"method": "x"}, "d"),  # then the newest of the method
        (77, {"method": "x", "id": 78}, "d"),
        (None, {"method": "y"}, "c"),
        (77, {"method": "z"}, None),
        (5, {"method": "z"}, None),
        (77, {"method": "x", "id": True}, "d"),  # true is no id
        (2**70, {"method": "x", "id": 2**64 - 1}, "d"),  # nor is what no command can have
        (77, {"method": ["x"], "id": "9"}, None),
    ],
)
async def test_a_reply_answers_the_command_that_it_names_best(
    workshop: Workshop, topic_id: int | None, body: Any, answered: str | None
) -> None:
    device = await workshop.add_device()
    sent = {}
    for name, (command_id, method) in OPEN.items():
        command = await workshop.control.send_command("p1", device.id, method, command_id=command_id, wait_ms=60_000)
        workshop.control.command_sent(command.id, 1)
        sent[command.id] = name
    found = await find_answered(workshop.store.commands, device.id, topic_id, body)
    assert (None if found is None else sent[found]) == answered


@pytest.mark.parametrize(
    ("method", "qos", "delivered", "ends_as"),
    [
        ("dim", 1, True, "delivered"),
        ("dim", 0, False, "sent"),
        ("dim", 1, False, "expired"),
        ("ask", 1, True, "expired"),
        ("ask", 0, False, "expired"),
        ("undefined", 1, True, "delivered"),
    ],
)
async def test_a_command_without_a_reply_in_its_definition_ends_as_far_as_it_came(
    workshop: Workshop, method: str, qos: int, delivered: bool, ends_as: str
) -> None:
    device = await workshop.add_device(type_id=await workshop.add_type(LAMP))
    command = await workshop.control.send_command("p1", device.id, method, wait_ms=1)
    workshop.control.command_sent(command.id, qos)
    if delivered:
        workshop.control.command_delivered(command.id)
    await workshop.control.close()
    workshop.clock.advance(REPLY_LIFETIME_MS)
    news: list[CommandChanged] = []
    workshop.bus.subscribe(CommandChanged, news.append)
    await workshop.control.expire_due()
    ended = await workshop.control.get_command("p1", command.id)
    assert ended.state == ends_as
    assert bool(ended.reason) == (ends_as == "expired")
    assert [each.state for each in news] == (["expired"] if ends_as == "expired" else [])
    assert await workshop.store.commands.list_open(device.id) == []
    await reply(workshop, device, None, json.dumps({"method": method}).encode())
    assert (await workshop.control.get_command("p1", command.id)).state == ends_as


async def test_a_caller_that_is_cancelled_as_the_news_comes_is_cancelled(workshop: Workshop) -> None:
    device = await workshop.add_device()
    await connect(workshop, device)
    sending = asyncio.create_task(workshop.control.send_command("p1", device.id, "dim"))
    workshop.bus.subscribe(CommandChanged, cancels(sending))
    await asyncio.wait([sending])
    assert sending.cancelled()


async def test_a_caller_that_is_cancelled_as_the_reply_comes_is_cancelled(workshop: Workshop) -> None:
    device = await workshop.add_device()
    await connect(workshop, device)
    command = await workshop.control.send_command("p1", device.id, "dim")
    waiting = asyncio.create_task(workshop.control.await_reply(command, 5.0))
    workshop.bus.subscribe(CommandChanged, cancels(waiting))
    await reply(workshop, device, command.command_id, b'{"method": "dim"}')
    await asyncio.wait([waiting])
    assert waiting.cancelled()


async def test_the_time_of_a_reply_is_cut_too_where_the_clock_is_set_back_after_the_command_was_sent(
    workshop: Workshop,
) -> None:
    device = await workshop.add_device()
    row = await workshop.control.send_command("p1", device.id, "wait", wait_ms=60_000)
    workshop.clock.advance(5 * 3_600_000)
    await workshop.store.commands.advance(row.id, "sent", workshop.clock.now_ms(), expire_time=NOW + 10 * 3_600_000)
    workshop.clock.advance(-5 * 3_600_000)
    workshop.control.clock_set_back(NOW, 5 * 3_600_000)
    await workshop.control.expire_due()
    [kept] = await commands_of(workshop, device)
    assert kept.expire_time == NOW + REPLY_LIFETIME_MS


async def test_a_command_whose_caller_waits_reads_its_row_at_most_twice_and_no_list(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once when the wait begins, once when the reply is there."""
    device = await workshop.add_device()
    await connect(workshop, device)
    commands, read = workshop.store.commands, []

    def counted(name: str) -> None:
        method = getattr(commands, name)

        async def call(*arguments: Any, **more: Any) -> Any:
            read.append(name)
            return await method(*arguments, **more)

        monkeypatch.setattr(commands, name, call)

    def answer(issued: CommandIssued) -> None:
        workshop.control.command_sent(issued.command_row_id, 0)
        workshop.control.reply(device, issued.command_id, b'{"method": "dim", "id": 1000}')

    counted("get")
    counted("list_open")
    workshop.bus.subscribe(CommandIssued, answer)
    synchronous = SynchronousCommandService(workshop.control, workshop.clock)
    assert (await synchronous.call(device, "dim", {}, None, 5.0)).state == "replied"
    assert read in (["get"], ["get", "get"])  # a reply that comes before the wait begins is read with it
