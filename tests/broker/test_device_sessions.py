"""Sessions of devices that outlive their connections: what is there again, what waited, and what ends them."""

import asyncio
import json
from typing import Any

import pytest

from tests.broker.conftest import V3_1_1, V5, House, Peer, command, message, report, state_reached
from thingstead.model.device import Device
from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel
from thingstead.mqtt.reasons import ReasonCode

VERSIONS = [V3_1_1, V5]


async def connect(
    house: House, device: Device, version: ProtocolVersion = V5, *, expiry_s: int = 600, **more: Any
) -> tuple[Peer, bool]:
    """A connection that asks for a session; and whether it was there."""
    peer = await house.peer(version)
    properties = {Property.SESSION_EXPIRY_INTERVAL: expiry_s} if version is V5 and expiry_s else {}
    asked = {"client_id": "c", "clean_start": False, "properties": properties, **more}
    peer.send(Connect(version, **house.certificate(device), **asked))
    connack = await peer.receive(Connack)
    assert connack.reason_code is ReasonCode.SUCCESS
    return peer, connack.session_present


async def leave(house: House, peer: Peer) -> None:
    """Returns when the connection has ended for its device."""
    peer.send(Disconnect())
    await peer.receive_close()
    while house.gateway._tasks._tasks:
        await asyncio.wait(house.gateway._tasks._tasks)


async def push(house: House, device: Device, **attributes: Any) -> None:
    await house.platform.control.push_attributes(house.project_id, device.id, attributes)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_device_that_comes_back_has_its_subscriptions(
    house: House, version: ProtocolVersion, restarted: bool
) -> None:
    device = await house.device()
    peer, present = await connect(house, device, version)
    assert not present
    await peer.subscribe("attributes/response", "attributes/push", "command/send/+", qos=1)
    await leave(house, peer)
    waiting = await command(house, device, wait_ms=60_000)
    if restarted:
        await house.restart()
    peer, present = await connect(house, device, version)
    assert present
    assert (await message(peer, "command/send/1000"))["method"] == "restart"
    await state_reached(house, device, waiting.id, "delivered")
    peer.send(report(1))
    await peer.receive(Puback)
    assert await message(peer, "attributes/response") == {"result": 1}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("restarted", [False, True])
async def test_pushes_wait_for_a_device_that_is_away(house: House, version: ProtocolVersion, restarted: bool) -> None:
    device = await house.device()
    peer, _ = await connect(house, device, version)
    await peer.subscribe("attributes/push", qos=2)
    await leave(house, peer)
    for number in range(3):
        await push(house, device, n=number)
    if restarted:
        await house.restart()
    peer, _ = await connect(house, device, version)
    for number in range(3):
        packet = await peer.receive(Publish)
        assert (json.loads(packet.payload), packet.qos, packet.dup) == ({"n": number}, 1, False)
        peer.send(Puback(packet.packet_id))
    await peer.receive_nothing()


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_push_that_was_not_acknowledged_is_sent_again(house: House, restarted: bool) -> None:
    device = await house.device()
    peer, _ = await connect(house, device)
    await peer.subscribe("attributes/push", qos=1)
    await push(house, device, n=1)
    first = await peer.receive(Publish)
    await leave(house, peer)
    if restarted:
        await house.restart()
    peer, _ = await connect(house, device)
    again = await peer.receive(Publish)
    assert (again.payload, again.packet_id, again.dup) == (first.payload, first.packet_id, True)
    peer.send(Puback(again.packet_id))
    await leave(house, peer)
    peer, _ = await connect(house, device)
    await peer.receive_nothing()


async def test_what_was_under_way_when_the_server_dies_goes_on(house: House) -> None:
    device = await house.device()
    peer, _ = await connect(house, device)
    await peer.subscribe("attributes/push", qos=1)
    await push(house, device, n=1)
    assert not (await peer.receive(Publish)).dup
    peer.send(report(7, b'{"m":1}', qos=2))
    await peer.receive(Pubrec)
    dead = house.gateway
    await house.begin_again()
    peer, present = await connect(house, device)
    assert present
    assert (await peer.receive(Publish)).dup
    peer.send(Publish("attributes", b'{"m":2}', 2, 7, dup=True))
    assert await peer.receive(Pubrec) == Pubrec(7)
    assert (await house.values(device))["m"] == 1
    await dead.stop()


@pytest.mark.parametrize(
    ("qos", "asked"), [(0, {}), (1, {"clean_start": True, "expiry_s": 0}), (1, {"client_id": "", "version": V3_1_1})]
)
async def test_pushes_do_not_wait_for_a_device_that_did_not_ask_for_it(
    house: House, qos: int, asked: dict[str, Any]
) -> None:
    device = await house.device()
    peer, _ = await connect(house, device, **asked)
    await peer.subscribe("attributes/push", qos=qos)
    await leave(house, peer)
    await push(house, device, n=1)
    peer, _ = await connect(house, device, **asked)
    await peer.receive_nothing()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("restarted", [False, True])
async def test_a_qos_2_report_that_comes_again_on_another_connection_is_taken_once(
    house: House, version: ProtocolVersion, restarted: bool
) -> None:
    device = await house.device()
    peer, _ = await connect(house, device, version)
    peer.send(report(7, b'{"n":1}', qos=2))
    await peer.receive(Pubrec)
    await leave(house, peer)
    if restarted:
        await house.restart()
    peer, _ = await connect(house, device, version)
    peer.send(Publish("attributes", b'{"n":2}', 2, 7, dup=True))
    assert await peer.receive(Pubrec) == Pubrec(7)
    peer.send(Pubrel(7))
    assert await peer.receive(Pubcomp) == Pubcomp(7)
    assert await house.values(device) == {"n": 1}
    peer.send(report(7, b'{"n":3}', qos=2))
    await peer.receive(Pubrec)
    assert await house.values(device) == {"n": 3}


async def test_a_command_reply_at_qos_2_waits_for_both_commits(house: House) -> None:
    device = await house.device()
    peer, _ = await connect(house, device)
    await peer.subscribe("command/send/+", qos=1)
    sent = await command(house, device)
    await message(peer, "command/send/1000")
    peer.send(report(7, b'{"method":"restart","params":{}}', qos=2, topic="command/reply/1000"))
    await peer.receive(Pubrec)
    assert (await house.store.commands.get(device.id, sent.id)).state == "replied"


@pytest.mark.usefixtures("impatient")
async def test_a_command_under_way_when_the_connection_ends_is_sent_once_on_the_next(house: House) -> None:
    device = await house.device()
    peer, _ = await connect(house, device)
    await peer.subscribe("command/send/+", qos=1)
    commands = [await command(house, device, command_id=number, wait_ms=60_000) for number in range(3)]
    assert (await peer.receive(Publish)).topic == "command/send/0"
    for _ in range(3):
        peer, present = await connect(house, device)  # a takeover
        assert present
        packet = await peer.receive(Publish)
        assert packet.topic == "command/send/0"
        await peer.receive_nothing()
    peer.send(Puback(packet.packet_id))
    for number in (1, 2):
        await message(peer, f"command/send/{number}")
    await state_reached(house, device, commands[2].id, "delivered")
    await peer.receive_nothing()


async def test_a_takeover_hands_the_session_over(house: House) -> None:
    device = await house.device()
    old, _ = await connect(house, device)
    await old.subscribe("attributes/push", qos=1)
    await push(house, device, n=1)
    await old.receive(Publish)
    new, present = await connect(house, device)
    assert present
    assert (await old.receive(Disconnect)).reason_code is ReasonCode.SESSION_TAKEN_OVER
    assert await message(new, "attributes/push") == {"n": 1}
    await push(house, device, n=2)
    assert await message(new, "attributes/push") == {"n": 2}


@pytest.mark.parametrize("other", [{"clean_start": True}, {"client_id": "another"}, {"client_id": ""}])
async def test_a_clean_start_or_another_client_ends_the_session(house: House, other: dict[str, Any]) -> None:
    device = await house.device()
    peer, _ = await connect(house, device)
    await peer.subscribe("attributes/push", qos=1)
    await leave(house, peer)
    await push(house, device, n=1)
    peer, present = await connect(house, device, **other)
    assert not present
    await push(house, device, n=2)
    await peer.receive_nothing()
    await leave(house, peer)
    assert len((await house.store.mqtt_sessions.load()).sessions) == 1, "there is one session of a device"


async def test_a_disconnect_can_end_the_session(house: House) -> None:
    device = await house.device()
    peer, _ = await connect(house, device)
    peer.send(Disconnect(properties={Property.SESSION_EXPIRY_INTERVAL: 0}))
    await peer.receive_close()
    _, present = await connect(house, device)
    assert not present
    peer, _ = await connect(house, device, expiry_s=0, clean_start=True)
    peer.send(Disconnect(properties={Property.SESSION_EXPIRY_INTERVAL: 5}))
    [goodbye] = await peer.receive_end()
    assert isinstance(goodbye, Disconnect)
    assert goodbye.reason_code is ReasonCode.PROTOCOL_ERROR


async def test_a_session_ends_with_its_certificate_and_with_its_device(house: House) -> None:
    device = await house.device()
    peer, _ = await connect(house, device)
    await leave(house, peer)
    await house.platform.devices.reset_certificate(house.project_id, device.id)
    assert len(house.gateway.device_sessions) == 0
    other = await house.device()
    peer, _ = await connect(house, other)
    await leave(house, peer)
    await house.platform.devices.delete(house.project_id, other.id)
    assert len(house.gateway.device_sessions) == 0
    assert (await house.store.mqtt_sessions.load()).sessions == ()


async def test_two_devices_with_one_client_identifier_have_sessions_of_their_own(house: House) -> None:
    devices = [await house.device() for _ in range(2)]
    for device in devices:
        peer, present = await connect(house, device)
        assert not present
        await peer.subscribe("attributes/push", qos=1)
        await leave(house, peer)
    for number, device in enumerate(devices):
        await push(house, device, n=number)
    for number, device in enumerate(devices):
        peer, _ = await connect(house, device)
        assert await message(peer, "attributes/push") == {"n": number}
        await peer.receive_nothing()


async def test_a_gateway_that_comes_back_has_its_subscriptions(house: House) -> None:
    gateway = await house.device(conn_type="3")
    await house.device(conn_type="2", gateway_id=gateway.id, sub_address="s1")
    peer, _ = await connect(house, gateway)
    await peer.subscribe("gateway/attributes/response", "gateway/attributes/push", qos=1)
    await leave(house, peer)
    peer, present = await connect(house, gateway)
    assert present
    peer.send(report(1, b'{"s1":{"t":1}}', topic="gateway/attributes"))
    await peer.receive(Puback)
    assert (await message(peer, "gateway/attributes/response"))["result"] == 1
