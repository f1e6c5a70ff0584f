"""Pushes and commands: what is stored, and what is sent."""

import contextlib
from typing import Any

import pytest

from tests.services.conftest import NOW, Workshop
from tests.services.lamp import LAMP, commands_of, connect, pending_methods
from tests.storage.test_full_disk import nothing_can_be_written, until
from thingstead.errors import Conflict, DeviceOffline, InvalidInput, NotFound, Unavailable
from thingstead.model import limits
from thingstead.model.device import DeviceSession
from thingstead.model.messages import AttributesPushed
from thingstead.services.commands import control
from thingstead.services.commands import states as command_moves
from thingstead.services.commands.control import MAX_WAIT_MS, PENDING_BYTES, PENDING_COUNT
from thingstead.services.commands.states import REPLY_LIFETIME_MS


async def test_a_push_is_stored_then_announced(workshop: Workshop) -> None:
    heard: list[AttributesPushed] = []
    workshop.bus.subscribe(AttributesPushed, heard.append)
    device = await workshop.add_device()
    await workshop.control.push_attributes("p1", device.id, {"relay": False})
    assert (await workshop.store.history.current(device.number))["relay"].value is False
    assert heard == [AttributesPushed("p1", device.id, {"relay": False})]


async def test_a_cloud_update_is_stored_and_the_device_hears_nothing(workshop: Workshop) -> None:
    heard: list[AttributesPushed] = []
    workshop.bus.subscribe(AttributesPushed, heard.append)
    device = await workshop.add_device(type_id=await workshop.add_type(LAMP))
    await workshop.control.update_cloud_attributes("p1", device.id, {"room": "kitchen"})
    assert (await workshop.store.history.current(device.number))["room"].value == "kitchen"
    assert heard == []


async def test_what_is_wrong_in_a_push_is_named_and_the_rest_is_stored_and_sent(workshop: Workshop) -> None:
    heard: list[AttributesPushed] = []
    workshop.bus.subscribe(AttributesPushed, heard.append)
    device = await workshop.add_device(type_id=await workshop.add_type(LAMP))
    pushed = {"on": "ON", "power": 5, "room": "x", "wide": 2**70}
    refused = await workshop.control.push_attributes("p1", device.id, pushed)
    assert [error.field for error in refused] == ["power", "room", "wide"]
    values = await workshop.store.history.current(device.number)
    assert {name: known.value for name, known in values.items()} == {"on": True}
    assert heard == [AttributesPushed("p1", device.id, {"on": True})]


@pytest.mark.parametrize("attributes", [{"power": 5, "room": "x"}, {"wide": 2**70}])
async def test_a_push_of_which_nothing_is_left_is_refused(workshop: Workshop, attributes: dict[str, Any]) -> None:
    heard: list[AttributesPushed] = []
    workshop.bus.subscribe(AttributesPushed, heard.append)
    device = await workshop.add_device(type_id=await workshop.add_type(LAMP))
    with pytest.raises(InvalidInput) as caught:
        await workshop.control.push_attributes("p1", device.id, dict(attributes))
    assert [error.field for error in caught.value.errors] == list(attributes)
    assert dict(await workshop.store.history.current(device.number)) == {}
    assert heard == []


async def test_another_projects_device_cannot_be_controlled(workshop: Workshop) -> None:
    await workshop.add_project("p2")
    device = await workshop.add_device("p2")
    with pytest.raises(NotFound):
        await workshop.control.push_attributes("p1", device.id, {"x": 1})
    with pytest.raises(NotFound):
        await workshop.control.update_cloud_attributes("p1", device.id, {"x": 1})
    with pytest.raises(NotFound):
        await workshop.control.send_command("p1", device.id, "reboot")


async def test_a_command_always_carries_method_params_and_id(workshop: Workshop) -> None:
    device = await workshop.add_device()
    given = await connect(workshop, device)
    command = await workshop.control.send_command("p1", device.id, "reboot")
    assert command.state == "sent"
    assert workshop.control._waiting == {}, "nothing of it stays in memory"
    assert [(issued.method, issued.params, issued.command_id) for issued in given] == [("reboot", {}, 1000)]


@pytest.mark.parametrize("takes", [True, False])
async def test_commands_that_are_handed_over_are_sent_or_fail_with_the_reason(workshop: Workshop, takes: bool) -> None:
    device = await workshop.add_device()
    given = await connect(workshop, device, takes=takes)
    commands = [await workshop.control.draft(device, method) for method in ("first", "second")]
    for command in commands:
        await workshop.store.commands.create(command)
    failed = await workshop.control.hand_over(commands, wait=False)
    assert [each.method for each in given] == ["first", "second"]
    assert [(command.method, "not subscribed" in error.message) for command, error in failed] == (
        [] if takes else [("first", True), ("second", True)]
    )
    assert {command.state for command in await commands_of(workshop, device)} == {"sent" if takes else "failed"}
    assert workshop.control._waiting == {}


async def test_a_command_to_an_offline_device_fails_unless_it_may_wait(workshop: Workshop) -> None:
    device = await workshop.add_device()
    with pytest.raises(DeviceOffline):
        await workshop.control.send_command("p1", device.id, "reboot")
    assert await pending_methods(workshop, device) == []
    waiting = await workshop.control.send_command("p1", device.id, "reboot", wait_ms=120_000)
    assert waiting.state == "queued"
    assert await pending_methods(workshop, device) == ["reboot"]


async def test_a_connection_that_cannot_take_a_command_fails_it_unless_it_may_wait(workshop: Workshop) -> None:
    device = await workshop.add_device()
    await connect(workshop, device, takes=False)
    with pytest.raises(DeviceOffline, match="not subscribed"):
        await workshop.control.send_command("p1", device.id, "reboot")
    assert await workshop.store.commands.list_open(device.id) == []
    waiting = await workshop.control.send_command("p1", device.id, "reboot", wait_ms=1)
    assert waiting.state == "queued"


async def test_waiting_commands_keep_their_order_and_expire(workshop: Workshop) -> None:
    device = await workshop.add_device()
    for method in ("first", "second"):
        await workshop.control.send_command("p1", device.id, method, wait_ms=300)
        workshop.clock.advance(1)
    await workshop.control.send_command("p1", device.id, "third", wait_ms=5_000)
    assert await pending_methods(workshop, device) == ["first", "second", "third"]
    workshop.clock.advance(299)
    assert await pending_methods(workshop, device) == ["third"]
    states = [command.state for command in await workshop.store.commands.list_open(device.id)]
    assert states == ["queued"]


async def test_a_long_wait_is_not_cut_short_by_being_sent(workshop: Workshop) -> None:
    device = await workshop.add_device()
    command = await workshop.control.send_command("p1", device.id, "read", wait_ms=10 * REPLY_LIFETIME_MS)
    workshop.control.command_sent(command.id, 1)
    await workshop.control.close()
    workshop.clock.advance(9 * REPLY_LIFETIME_MS)
    assert await pending_methods(workshop, device) == ["read"]


async def test_only_so_many_commands_of_a_device_may_be_open(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OPEN_COMMANDS_COUNT", 2)
    device, other = await workshop.add_device(), await workshop.add_device()
    for _ in range(2):
        await workshop.control.send_command("p1", device.id, "m", wait_ms=1)
    with pytest.raises(Conflict, match="2 commands"):
        await workshop.control.send_command("p1", device.id, "m", wait_ms=1)
    await workshop.control.send_command("p1", other.id, "m", wait_ms=1)
    workshop.clock.advance(REPLY_LIFETIME_MS)
    await workshop.control.expire_due()
    await workshop.control.send_command("p1", device.id, "m", wait_ms=1)


@pytest.mark.parametrize(
    ("arguments", "fields"),
    [
        ({"method": "a b"}, ["method"]),
        ({"method": "dim", "params": {"level": 101}}, ["params.level"]),
        ({"method": "x", "params": [1]}, ["params"]),
        ({"method": "x", "command_id": -1}, ["id"]),
        ({"method": "x", "wait_ms": -1}, ["wait_ms"]),
        ({"method": "", "params": "x", "command_id": 2**53 + 1}, ["method", "params", "id"]),
    ],
)
async def test_a_bad_command_is_refused_naming_every_field(
    workshop: Workshop, arguments: dict[str, Any], fields: list[str]
) -> None:
    device = await workshop.add_device(type_id=await workshop.add_type(LAMP))
    with pytest.raises(InvalidInput) as caught:
        await workshop.control.send_command("p1", device.id, **arguments)
    assert [error.field for error in caught.value.errors] == fields


async def test_what_was_sent_at_qos_0_is_not_pending_even_before_that_is_stored(workshop: Workshop) -> None:
    device = await workshop.add_device()
    first = await workshop.control.send_command("p1", device.id, "first", wait_ms=60_000)
    await workshop.control.send_command("p1", device.id, "second", wait_ms=60_000)
    workshop.control.command_sent(first.id, 0)
    assert await pending_methods(workshop, device) == ["second"]


async def test_pending_commands_are_read_some_at_a_time_by_their_number_and_their_bytes(workshop: Workshop) -> None:
    device = await workshop.add_device()
    for number in range(PENDING_COUNT + 1):
        await workshop.control.send_command("p1", device.id, f"m{number}", wait_ms=60_000)
    pending = await workshop.control.pending(device.id)
    assert (len(pending.commands), pending.more) == (PENDING_COUNT, True)
    read = [command.command_row_id for command, _ in pending.commands]
    pending = await workshop.control.pending(device.id, read)
    assert ([command.method for command, _ in pending.commands], pending.more) == ([f"m{PENDING_COUNT}"], False)

    other = await workshop.add_device()
    large = {"x": "y" * 200_000}
    for _ in range(8):
        await workshop.control.send_command("p1", other.id, "m", large, wait_ms=60_000)
    pending = await workshop.control.pending(other.id)
    assert (len(pending.commands), pending.more) == (-(-PENDING_BYTES // 200_000), True)


async def test_params_that_no_packet_carries_are_refused_by_name(workshop: Workshop) -> None:
    device = await workshop.add_device()
    with pytest.raises(InvalidInput, match=f"params: must have at most {limits.COMMAND_PARAMS_BYTES} bytes"):
        await workshop.control.send_command("p1", device.id, "m", {"x": "y" * limits.COMMAND_PARAMS_BYTES}, wait_ms=1)


async def test_the_bytes_of_the_commands_that_wait_for_a_device_are_bounded(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OPEN_COMMANDS_BYTES", 2_000)
    device = await workshop.add_device()
    await workshop.control.send_command("p1", device.id, "m", {"x": "y" * 1_500}, wait_ms=60_000)
    with pytest.raises(Conflict, match="carry 1508 bytes already"):
        await workshop.control.send_command("p1", device.id, "m", {"x": "y" * 500}, wait_ms=60_000)
    await workshop.control.send_command("p1", device.id, "m", {"x": "y" * 400}, wait_ms=60_000)


async def test_a_command_behind_one_that_is_not_acknowledged_is_refused_saying_so(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "HANDOVER_TIMEOUT_S", 0.05)
    device = await workshop.add_device()
    session = DeviceSession(session_id="s", node="node1", protocol="mqtt", connected_at=NOW)
    await workshop.presence.open(device, session)
    first = await workshop.control.send_command("p1", device.id, "open_door", command_id=7, wait_ms=60_000)
    workshop.control.command_sent(first.id, 1)
    await workshop.control.close()
    with pytest.raises(DeviceOffline, match=r"has not acknowledged the command open_door \(id 7\) yet"):
        await workshop.control.send_command("p1", device.id, "close_door")


async def test_a_command_of_another_project_is_not_found(workshop: Workshop) -> None:
    await workshop.add_project("p2")
    device = await workshop.add_device()
    command = await workshop.control.send_command("p1", device.id, "m", wait_ms=60_000)
    assert (await workshop.control.get_command("p1", command.id)).id == command.id
    for project_id, row_id in (("p2", command.id), ("p1", "nowhere"), ("p1", "no id")):
        with pytest.raises(NotFound):
            await workshop.control.get_command(project_id, row_id)


async def test_how_far_a_command_came_is_kept_when_there_is_room_again(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_moves, "RETRY_S", 0.02)
    device = await workshop.add_device()
    await connect(workshop, device)
    command = await workshop.control.send_command("p1", device.id, "ask")
    failed = workshop.store.figures().commits_failed
    with nothing_can_be_written(workshop.store.path):
        workshop.control.command_delivered(command.id)
        await until(lambda: workshop.store.figures().commits_failed >= failed + 2)
    await workshop.control._moves.stored(command.id)
    assert (await workshop.store.commands.get(device.id, command.id)).state == "delivered"


async def test_a_change_of_a_command_that_cannot_be_kept_is_tried_again_after_a_while_and_not_at_once(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_moves, "RETRY_S", 600)
    device = await workshop.add_device()
    await connect(workshop, device)
    command = await workshop.control.send_command("p1", device.id, "ask")
    failed = workshop.store.figures().commits_failed
    with nothing_can_be_written(workshop.store.path):
        workshop.control.command_delivered(command.id)
        await until(lambda: workshop.store.figures().commits_failed > failed)
        for _ in range(3):  # the writer has turns in which it could try again
            with pytest.raises(Unavailable):
                await workshop.store.devices.merge_tags("p1", device.id, {"a": "b"}, ())
        assert workshop.store.figures().commits_failed == failed + 4


async def test_a_clock_that_is_set_back_makes_no_command_wait_for_longer_than_promised(workshop: Workshop) -> None:
    device = await workshop.add_device()
    hours, minute = 5 * 3_600_000, 60_000
    before = await workshop.control.send_command("p1", device.id, "before", wait_ms=2 * hours)
    workshop.clock.advance(hours)
    ahead = await workshop.control.send_command("p1", device.id, "ahead", wait_ms=10 * minute)
    workshop.clock.advance(-hours)
    workshop.control.clock_set_back(NOW, hours)
    await workshop.control.expire_due()
    expected = {"before": before.expire_time, "ahead": NOW + 10 * minute}
    assert {row.method: row.expire_time for row in await commands_of(workshop, device)} == expected
    workshop.clock.advance(10 * minute)
    await workshop.control.expire_due()
    assert {row.method: row.state for row in await commands_of(workshop, device)} == {
        "before": "queued",
        "ahead": "expired",
    }
    assert ahead.expire_time == NOW + hours + 10 * minute


@pytest.mark.parametrize(("wait_ms", "taken"), [(-1, False), (0, True), (MAX_WAIT_MS, True), (MAX_WAIT_MS + 1, False)])
async def test_a_command_waits_for_no_longer_than_it_may(workshop: Workshop, wait_ms: int, taken: bool) -> None:
    device = await workshop.add_device(type_id=await workshop.add_type(LAMP))
    await connect(workshop, device)
    with contextlib.nullcontext() if taken else pytest.raises(InvalidInput, match="wait_ms"):
        await workshop.control.send_command("p1", device.id, "ask", wait_ms=wait_ms)
