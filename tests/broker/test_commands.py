"""Commands on their way to a device: in order, a few at a time, each once, over breaks and restarts."""

import asyncio
from collections.abc import Container

import pytest

from tests.broker.conftest import V3_1_1, V5, House, command, message, report, state_reached
from thingstead.broker.devices.commands import WAITING_COUNT
from thingstead.config import MqttSettings
from thingstead.errors import DeviceOffline
from thingstead.model.messages import CommandChanged, CommandIssued
from thingstead.mqtt.connection_packets import Disconnect
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Suback, Subscribe, SubscriptionRequest
from thingstead.services.commands.states import PendingCommands


@pytest.mark.parametrize(("qos", "version"), [(0, V3_1_1), (1, V3_1_1), (1, V5)])
async def test_a_command_is_sent_delivered_and_replied(house: House, qos: int, version: ProtocolVersion) -> None:
    device = await house.device()
    peer = await house.log_in(device, version)
    await peer.subscribe("command/send/+", "command/reply/response/+", qos=qos)
    sent = await command(house, device, command_id=42)
    assert sent.state in ("sent", "delivered")
    body = await message(peer, "command/send/42")
    assert body == {"method": "restart", "params": {"in": 5}, "id": 42}
    await state_reached(house, device, sent.id, "delivered" if qos else "sent")
    peer.send(report(payload=b'{"method":"restart","params":{"ok":true}}', qos=0, topic="command/reply/1000"))
    assert await message(peer, "command/reply/response/1000") == {"result": 1}
    kept = await house.store.commands.get(device.id, sent.id)
    assert (kept.state, kept.reply["params"]) == ("replied", {"ok": True})


async def test_a_command_to_a_device_that_does_not_listen_fails_at_once(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("command/send/7")
    with pytest.raises(DeviceOffline):
        await command(house, device)
    await peer.receive_nothing()


async def test_waiting_commands_are_delivered_first_issued_first_when_the_device_listens(house: House) -> None:
    device = await house.device()
    waiting = [await command(house, device, command_id=number, wait_ms=60_000) for number in range(5)]
    peer = await house.log_in(device)
    await peer.receive_nothing()
    await peer.subscribe("command/send/+", qos=1)
    live = asyncio.create_task(command(house, device, command_id=5))
    for number in range(6):
        assert (await message(peer, f"command/send/{number}"))["id"] == number
    for sent in (*waiting, await live):
        await state_reached(house, device, sent.id, "delivered")
    peer.send(Subscribe(2, [SubscriptionRequest("#")]))
    await peer.receive(Suback)
    await peer.receive_nothing()


async def test_a_command_issued_while_pending_ones_are_read_comes_after_them_and_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await house.device()
    await command(house, device, command_id=1, wait_ms=60_000)
    control, reading, go_on, issued = house.platform.control, asyncio.Event(), asyncio.Event(), asyncio.Event()
    read_pending = control.pending

    async def pending(device_id: str, exclude: Container[str]) -> PendingCommands:
        rows = await read_pending(device_id, exclude)
        reading.set()
        await go_on.wait()
        return rows

    monkeypatch.setattr(control, "pending", pending)
    peer = await house.log_in(device)
    await peer.subscribe("command/send/+", qos=1)
    await reading.wait()
    house.bus.subscribe(CommandIssued, lambda _: issued.set())
    live = asyncio.create_task(command(house, device, command_id=2))
    await issued.wait()
    with house.held_writes():  # so that the first command still stands as queued when the second one is read
        go_on.set()
        assert [(await message(peer, f"command/send/{number}"))["id"] for number in (1, 2)] == [1, 2]
        await peer.receive_nothing()
    assert (await live).command_id == 2


@pytest.mark.usefixtures("impatient")
async def test_a_command_that_the_device_refuses_fails_with_its_reason_and_makes_room_for_the_next(
    house: House,
) -> None:
    device = await house.device()
    peer = await house.log_in(device, V5)
    await peer.subscribe("command/send/+", qos=1)
    sent = [await command(house, device, command_id=number, wait_ms=60_000) for number in (1, 2)]
    packet = await peer.receive(Publish)
    peer.send(Puback(packet.packet_id, ReasonCode.QUOTA_EXCEEDED))
    assert (await peer.receive(Publish)).topic == "command/send/2"
    await state_reached(house, device, sent[0].id, "failed")
    kept = await house.store.commands.get(device.id, sent[0].id)
    assert kept.reason == "the device refused it: QUOTA_EXCEEDED (0x97)"


async def test_the_next_command_waits_for_the_acknowledgement_of_the_one_before(house: House) -> None:
    device = await house.device()
    waiting = [await command(house, device, command_id=number, wait_ms=60_000) for number in range(3)]
    peer = await house.log_in(device)
    await peer.subscribe("command/send/+", qos=1)
    for number in range(3):
        packet = await peer.receive(Publish)
        assert packet.topic == f"command/send/{number}"
        await peer.receive_nothing()
        peer.send(Puback(packet.packet_id))
    await state_reached(house, device, waiting[2].id, "delivered")


async def test_a_reply_stands_for_the_acknowledgement(house: House) -> None:
    device = await house.device()
    first = await command(house, device, command_id=1, wait_ms=60_000)
    await command(house, device, command_id=2, wait_ms=60_000)
    peer = await house.log_in(device)
    await peer.subscribe("command/send/+", qos=1)
    assert (await peer.receive(Publish)).topic == "command/send/1"
    peer.send(report(payload=b'{"method":"restart","id":1}', qos=0, topic="command/reply/1"))
    assert (await peer.receive(Publish)).topic == "command/send/2"
    await state_reached(house, device, first.id, "replied")


async def test_a_command_whose_time_is_over_makes_room_for_the_next(house: House) -> None:
    device = await house.device()
    stuck = await command(house, device, command_id=1, wait_ms=60_000)
    await command(house, device, command_id=2, wait_ms=60_000)
    peer = await house.log_in(device)
    await peer.subscribe("command/send/+", qos=1)
    assert (await peer.receive(Publish)).topic == "command/send/1"
    await state_reached(house, device, stuck.id, "sent")
    await house.store.commands.advance(stuck.id, "expired", stuck.expire_time)
    house.bus.publish(CommandChanged(device.id, stuck.id, 1, "restart", "expired"))
    assert (await peer.receive(Publish)).topic == "command/send/2"


async def test_hundreds_of_commands_at_qos_0_follow_each_other_at_once(house: House) -> None:
    device = await house.device()
    for number in range(300):
        await command(house, device, command_id=number, wait_ms=60_000)
    peer = await house.log_in(device)
    await peer.subscribe("command/send/+")
    for number in range(300):
        assert (await peer.receive(Publish)).topic == f"command/send/{number}"
    await peer.receive_nothing()


@pytest.mark.parametrize("end", ["lost", "taken over", "restarted"])
@pytest.mark.usefixtures("impatient")
async def test_a_command_that_was_not_acknowledged_is_sent_again_to_the_next_connection(house: House, end: str) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("command/send/+", qos=1)
    sent = await command(house, device)
    later = await command(house, device, command_id=2, wait_ms=60_000)
    assert (await peer.receive(Publish)).topic == "command/send/1000"
    await state_reached(house, device, sent.id, "sent")
    if end == "lost":
        peer.abort()
    elif end == "restarted":
        await house.restart()
    again = await house.log_in(device)
    await again.subscribe("command/send/+", qos=1)
    assert [(await message(again, f"command/send/{number}"))["id"] for number in (1000, 2)] == [1000, 2]
    for each in (sent, later):
        await state_reached(house, device, each.id, "delivered")


@pytest.mark.parametrize("later_qos", [0, 1])
async def test_at_qos_0_a_command_is_sent_at_most_once(house: House, later_qos: int) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("command/send/+")
    sent = await command(house, device)
    await peer.receive(Publish)
    await state_reached(house, device, sent.id, "sent")
    peer.abort()
    again = await house.log_in(device)
    await again.subscribe("command/send/+", qos=later_qos)
    await again.receive_nothing()


@pytest.mark.usefixtures("impatient")
async def test_a_device_that_sleeps_gets_its_commands_whenever_it_wakes(house: House) -> None:
    device = await house.device()
    for number in range(3):
        waiting = await command(house, device, command_id=number, wait_ms=60_000)
        peer = await house.log_in(device)
        await peer.subscribe("command/send/+", qos=1)
        assert (await message(peer, f"command/send/{number}"))["id"] == number
        await peer.receive_nothing()
        await state_reached(house, device, waiting.id, "delivered")
        peer.send(Disconnect())
        await peer.receive_close()


async def test_an_acknowledged_command_is_not_sent_again_though_no_reply_came(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("command/send/+", qos=1)
    sent = await command(house, device)
    await message(peer, "command/send/1000")
    await state_reached(house, device, sent.id, "delivered")
    again = await house.log_in(device)
    await again.subscribe("command/send/+", qos=1)
    await again.receive_nothing()


async def test_more_commands_than_are_held_in_memory_are_sent_in_order_window_by_window(house: House) -> None:
    device = await house.device()
    for number in range(WAITING_COUNT + 5):
        await command(house, device, command_id=number, wait_ms=60_000)
    peer = await house.log_in(device)
    await peer.subscribe("command/send/+", qos=1)
    for number in range(WAITING_COUNT + 15):
        packet = await peer.receive(Publish)
        assert packet.topic == f"command/send/{number}"
        if number < 10:  # issued while the memory is full: read from the store later
            await command(house, device, command_id=WAITING_COUNT + 5 + number, wait_ms=60_000)
        peer.send(Puback(packet.packet_id))
    await peer.receive_nothing()


async def test_commands_on_topics_that_the_device_does_not_listen_to_hold_up_no_others(house: House) -> None:
    device = await house.device()
    for number in range(WAITING_COUNT + 5):
        await command(house, device, command_id=number, wait_ms=60_000)
    peer = await house.log_in(device)
    await peer.subscribe(f"command/send/{WAITING_COUNT + 4}", qos=1)
    packet = await peer.receive(Publish)
    assert packet.topic == f"command/send/{WAITING_COUNT + 4}"
    peer.send(Puback(packet.packet_id))
    await peer.subscribe("command/send/3", qos=1)
    assert (await peer.receive(Publish)).topic == "command/send/3"


async def test_a_command_that_is_heard_again_on_the_bus_is_not_sent_again(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("command/send/+", qos=1)
    heard: list[CommandIssued] = []
    house.bus.subscribe(CommandIssued, heard.append)
    sent = await command(house, device)
    await message(peer, f"command/send/{sent.command_id}")
    await state_reached(house, device, sent.id, "delivered")
    house.bus.publish(heard[0])
    await peer.receive_nothing()


async def test_a_command_that_waits_for_its_acknowledgement_is_not_sent_again_to_a_device_that_subscribes_to_more(
    house: House,
) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("command/send/+", qos=1)
    await command(house, device)
    sent = await peer.receive(Publish)
    await peer.subscribe("attributes/push", qos=1)
    await peer.subscribe("#", qos=1)
    await peer.receive_nothing()
    peer.send(Puback(sent.packet_id))
    await peer.receive_nothing()


async def test_many_large_commands_at_qos_0_come_as_fast_as_the_device_reads(house: House) -> None:
    device = await house.device()
    count, text = 60, "x" * 200_000
    for number in range(count):
        await house.platform.control.send_command(
            house.project_id, device.id, "m", {"text": text}, number, wait_ms=60_000
        )
    peer = await house.log_in(device)
    await peer.subscribe("command/send/+")
    peer.pause_reading()
    [client] = house.gateway._clients
    async with asyncio.timeout(30):
        while client.writable:
            await house.platform.control.pending(device.id)  # a turn for the others
    assert not client.closing
    assert client._transport.get_write_buffer_size() < 2 * MqttSettings().send_buffer_max_bytes // 3
    peer.resume_reading()
    for number in range(count):
        assert (await peer.receive(Publish)).topic == f"command/send/{number}"


async def test_custom_data_for_a_device_that_does_not_read_is_dropped_and_counted_not_its_connection(
    house: House,
) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("data/#")
    peer.pause_reading()
    [client] = house.gateway._clients
    for _ in range(100):
        await house.platform.streams.send(house.project_id, device.id, "s", b"x" * 200_000)
    assert not client.closing
    assert house.gateway.counters.messages_dropped > 0
    peer.resume_reading()
    await peer.receive(Publish)
