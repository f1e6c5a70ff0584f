"""A client that reads slowly or not at all: it is heard, is sent no more than it can take, and others pay nothing."""

import asyncio

import pytest

from tests.broker.conftest import TIMEOUT_S, V5, House, Peer
from thingstead.broker.connection.mqtt_connection import MqttConnection
from thingstead.broker.net import stream
from thingstead.config import MqttSettings
from thingstead.model.device import Device
from thingstead.mqtt.publish_packets import Puback, Publish

PUSH_BYTES = 20_000


@pytest.fixture
def mqtt_settings() -> MqttSettings:
    return MqttSettings(in_flight_max_bytes=100_000, queue_max_bytes=400_000)


async def push(house: House, device: Device, *numbers: int, size: int = PUSH_BYTES) -> None:
    values = {
        f"x{at}": "x" * min(size - at, 50_000) for at in range(0, size, 50_000)
    }  # each of a size that it may have
    for number in numbers:
        await house.platform.control.push_attributes(house.project_id, device.id, {"n": number, **values})


async def listening(house: House, device: Device) -> Peer:
    peer = await house.log_in(device, V5)
    await peer.subscribe("attributes/push", qos=1)
    return peer


def end_of(house: House, peer: Peer) -> MqttConnection:
    """The server's end of a connection."""
    host, port = peer._writer.get_extra_info("sockname")
    [client] = [each for each in house.gateway._clients if each.remote_address == f"{host}:{port}"]
    return client


def waiting(client: MqttConnection) -> int:
    """Messages that wait or are in flight."""
    outbound = client.delivery._outbound
    assert outbound is not None
    return len(outbound)


async def test_no_more_bytes_are_in_flight_than_the_setting_says(house: House) -> None:
    device = await house.device()
    peer = await listening(house, device)
    await push(house, device, *range(10))
    first = [await peer.receive(Publish) for _ in range(4)]
    await peer.receive_nothing()  # four have 80,000 bytes, five would have more than 100,000
    peer.send(Puback(first[0].packet_id))
    await peer.receive(Publish)
    await peer.receive_nothing()


async def test_what_waits_for_a_device_that_does_not_acknowledge_is_bounded_in_bytes(house: House) -> None:
    device = await house.device()
    peer = await listening(house, device)
    await push(house, device, *range(40))
    outbound = end_of(house, peer).delivery._outbound
    assert outbound is not None
    assert 400_000 - PUSH_BYTES - 1_000 < outbound.size_bytes <= 400_000
    assert house.counters.messages_dropped == 40 - len(outbound)
    for _ in range(len(outbound)):
        peer.send(Puback((await peer.receive(Publish)).packet_id))
    await peer.receive_nothing()
    assert outbound.size_bytes == 0


class TestUnread:
    @pytest.fixture
    def mqtt_settings(self) -> MqttSettings:
        return MqttSettings(in_flight_max_bytes=1 << 26, queue_max_bytes=1 << 26, send_buffer_max_bytes=1 << 20)

    async def test_acknowledgements_are_taken_while_much_waits_to_be_read(self, house: House) -> None:
        device = await house.device()
        peer, other = await listening(house, device), await house.log_in(await house.device())
        client = end_of(house, peer)
        await push(house, device, 0)
        first = await peer.receive(Publish)
        peer.pause_reading()
        while client.writable:
            await push(house, device, 1, size=200_000)
        await push(house, device, *range(20), size=200_000)
        before = waiting(client)
        peer.send(Puback(first.packet_id))
        async with asyncio.timeout(TIMEOUT_S):
            while waiting(client) == before:
                await other.receive_nothing()
        assert waiting(client) == before - 1
        assert not client.writable
        assert not client.closing  # a batch of large messages is no reason to drop it
        peer.resume_reading()
        for _ in range(waiting(client)):
            peer.send(Puback((await peer.receive(Publish)).packet_id))
        await peer.receive_nothing()
        assert waiting(client) == 0

    async def test_a_client_that_lets_answers_pile_up_is_not_read_until_it_reads(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stream, "ANSWERS_MAX_BYTES", 1_000)
        device = await house.device()
        peer, other = await listening(house, device), await house.log_in(await house.device())
        client = end_of(house, peer)
        peer.pause_reading()
        while client.writable:
            await push(house, device, 1, size=200_000)
        peer.send_bytes(b"\xc0\0" * 2_000)
        async with asyncio.timeout(TIMEOUT_S):
            while not client.paused_for(client.UNREAD):
                await other.receive_nothing()
            peer.resume_reading()
            while client.paused_for(client.UNREAD):
                await peer.read()
        assert client.writable


class TestAllTogether:
    @pytest.fixture
    def mqtt_settings(self) -> MqttSettings:
        return MqttSettings(send_buffer_max_bytes=1 << 23, send_buffers_max_bytes=1 << 20)

    async def test_who_lets_more_than_its_part_wait_is_dropped(self, house: House) -> None:
        devices = [await house.device() for _ in range(3)]
        peers = [await house.log_in(device) for device in devices]
        for peer in peers:
            await peer.subscribe("attributes/push")
            peer.pause_reading()
        greedy = end_of(house, peers[0])
        async with asyncio.timeout(TIMEOUT_S):
            while not greedy.closing:
                await push(house, devices[0], 1, size=200_000)
        assert greedy.reason == "the peer does not read"
        assert not end_of(house, peers[1]).closing
        bounds = house.gateway.bounds.unread
        await house.gateway.stop()
        assert bounds.used_bytes == 0
