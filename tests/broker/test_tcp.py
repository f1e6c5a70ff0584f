"""Devices on raw TCP: registration, packets up and down, takeover, silence, back-pressure."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.broker.conftest import TIMEOUT_S, House, command
from thingstead.broker.tcp import tcp as tcp_module
from thingstead.broker.tcp.registration import NotRegistered, Registration
from thingstead.broker.tcp.tcp import TcpClient
from thingstead.config import TcpSettings
from thingstead.errors import DeviceOffline, InvalidInput
from thingstead.model.device import Device, Page
from thingstead.model.device_type import Functions, StreamDefinition
from thingstead.model.messages import DataReported, DataSent, PresenceChanged
from thingstead.mqtt.publish_packets import Publish

STREAM = Functions(streams=(StreamDefinition(identifier="stream", tcp=True),))


class TcpPeer:
    """The device's end of a connection, and what the platform heard of its data."""

    def __init__(self, house: House, device: Device) -> None:
        self._house = house
        self.packet = f"{house.project_key}&{device.access_token}".encode()
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self._device_id = device.id
        self.writer: Any = None  # None until connected
        house.bus.subscribe(DataReported, self._hear)

    def _hear(self, news: DataReported) -> None:
        if news.device_id == self._device_id:
            self.heard.put_nowait(news.payload)

    async def connect(self, first: bytes | None = None) -> "TcpPeer":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._house.tcp_port)
        self.writer.write(self.packet if first is None else first)
        return self

    async def send(self, data: bytes) -> None:
        """Returns when the platform has kept it, so that the next packet is a packet of its own."""
        self.writer.write(data)
        assert await self.next() == data

    async def next(self) -> bytes:
        async with asyncio.timeout(TIMEOUT_S):
            return await self.heard.get()

    async def registered(self) -> None:
        """Returns when the platform shows the device as online."""
        online = asyncio.Event()
        subscription = self._house.bus.subscribe(PresenceChanged, lambda message: online.set())
        async with asyncio.timeout(TIMEOUT_S):
            await online.wait()
        subscription.cancel()

    async def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
            with contextlib.suppress(OSError):
                await self.writer.wait_closed()

    async def closed(self) -> bytes:
        """What came until the server closed the connection."""
        async with asyncio.timeout(TIMEOUT_S):
            with contextlib.suppress(ConnectionResetError):
                return await self.reader.read(-1)
        return b""


@pytest.fixture
def tcp_settings() -> TcpSettings:
    return TcpSettings(registration_timeout_s=1, idle_timeout_s=1, heartbeats=("ping", "hex:00ff"))


@pytest.fixture
async def device(house: House) -> Device:
    return await house.device(STREAM)


@pytest.fixture
async def make_peer(house: House) -> AsyncIterator[Callable[[Device], TcpPeer]]:
    peers: list[TcpPeer] = []

    def make(device: Device) -> TcpPeer:
        peers.append(TcpPeer(house, device))
        return peers[-1]

    yield make
    for peer in peers:
        await peer.close()


@pytest.fixture
def peer(make_peer: Callable[[Device], TcpPeer], device: Device) -> TcpPeer:
    return make_peer(device)


def server_side(house: House) -> TcpClient:
    """The server's end of the only connection."""
    [client] = house.gateway._tcp_clients
    return client


async def test_every_packet_is_an_uplink_of_the_bound_stream_and_nothing_is_answered(
    house: House, device: Device, peer: TcpPeer
) -> None:
    await peer.connect()
    for data in (b"\x01\x03\x00", b"\n", b"text\n"):
        await peer.send(data)
    assert await house.online(device)
    entries, total = await house.platform.device_logs.list_page(device, "data", Page())
    assert (total, entries[0].body["identifier"]) == (3, "stream")
    peer.writer.write_eof()
    assert await peer.closed() == b""


@pytest.mark.parametrize("line_end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("cut", [0, 1, 10, 11, 20, 27])
async def test_the_registration_packet_may_come_in_pieces_and_with_data_behind_it(
    house: House, peer: TcpPeer, cut: int, line_end: bytes
) -> None:
    whole = peer.packet + line_end
    await peer.connect(whole[:cut])
    await peer.writer.drain()
    peer.writer.write(whole[cut:] + b"data")
    assert await peer.next() == b"data"


async def test_a_line_end_that_follows_the_registration_is_no_data(house: House, peer: TcpPeer) -> None:
    await peer.connect()
    await peer.registered()
    for packet in (b"\r\n", b"\n"):  # the first is the end of the line, the second is data
        server_side(house).data_received(packet)
    assert await peer.next() == b"\n"


@pytest.mark.parametrize(
    "first", [b"x" * 200, b"GET / HTTP/1.1\r\n\r\n", b"\xff&\xff", b"key&short\n", b"key&0123456789abcdef"]
)
async def test_what_is_no_registration_is_closed_without_an_answer(house: House, peer: TcpPeer, first: bytes) -> None:
    await peer.connect(first)
    assert await peer.closed() == b""
    assert house.gateway.tcp_counters.connections_refused == 1


async def test_the_log_says_why_what_comes_first_lets_nobody_in(house: House, peer: TcpPeer) -> None:
    with capture_logs() as logs:
        await peer.connect(b"GET / HTTP/1.1\r\n\r\n")
        await peer.closed()
        reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(TIMEOUT_S):
            await reader.read()
        writer.close()
    told = [log for log in logs if log["event"] == "a connection was refused"]
    assert [(log["reason"], log["remote_address"][:10]) for log in told] == [("protocol", "127.0.0.1:")] * 2
    assert told[0]["detail"] == "the first packet must be ProjectKey&AccessToken"
    assert told[1]["detail"]


async def test_a_wrong_key_is_closed_without_an_answer(peer: TcpPeer) -> None:
    await peer.connect(b"0123456789" + peer.packet[10:])
    assert await peer.closed() == b""


async def test_a_wrong_key_counts_as_a_failed_log_in_of_its_address(house: House, peer: TcpPeer) -> None:
    await peer.connect(b"0123456789" + peer.packet[10:])
    assert await peer.closed() == b""
    assert house.platform.log_ins.failures.failed["device"] == 1


async def test_a_connection_that_does_not_register_in_time_is_closed(peer: TcpPeer) -> None:
    await peer.connect(peer.packet[:-1])
    assert await peer.closed() == b""


async def test_a_type_without_a_bound_stream_is_closed_and_the_reason_noted(
    house: House, make_peer: Callable[[Device], TcpPeer]
) -> None:
    device = await house.device(Functions(streams=(StreamDefinition(identifier="stream"),)))
    peer = await make_peer(device).connect()
    assert await peer.closed() == b""
    assert not await house.online(device)
    assert house.platform.device_logs.rejections == 1


async def test_a_newer_connection_takes_over_and_the_device_stays_online(
    house: House, device: Device, peer: TcpPeer, make_peer: Callable[[Device], TcpPeer]
) -> None:
    news: list[bool] = []
    house.bus.subscribe(PresenceChanged, lambda message: news.append(message.online))
    older = await make_peer(device).connect()
    await older.send(b"older")
    await peer.connect()
    assert await older.closed() == b""
    assert await peer.next() == b"older"  # it hears all data of the device
    await peer.send(b"newer")
    assert news == [True, True]
    assert await house.online(device)


async def test_a_device_on_mqtt_and_on_tcp_is_one_device(house: House, device: Device, peer: TcpPeer) -> None:
    await peer.connect()
    await peer.send(b"x")
    mqtt = await house.log_in(device)
    assert await peer.closed() == b""
    await mqtt.subscribe("data/+/set")
    await house.platform.streams.send(house.project_id, device.id, "stream", b"down")
    assert (await mqtt.receive(Publish)).payload == b"down"


async def test_data_goes_down_as_it_is(house: House, device: Device, peer: TcpPeer) -> None:
    await peer.connect()
    await peer.send(b"x")
    await house.platform.streams.send(house.project_id, device.id, "stream", b"\x00\xffdown")
    async with asyncio.timeout(TIMEOUT_S):
        assert await peer.reader.readexactly(6) == b"\x00\xffdown"
    with pytest.raises(InvalidInput):
        await house.platform.streams.send(house.project_id, device.id, "other", b"x")
    house.bus.publish(DataSent(house.project_id, device.id, "other", b"not for this stream"))
    with pytest.raises(DeviceOffline, match="does not support commands"):
        await command(house, device)
    await house.platform.control.push_attributes(house.project_id, device.id, {"n": 1})
    peer.writer.write_eof()
    assert await peer.closed() == b""


async def test_heartbeats_are_no_data(house: House, peer: TcpPeer) -> None:
    await peer.connect()
    await peer.send(b"x")
    for heartbeat in (b"ping", b"\x00\xff", peer.packet, peer.packet + b"\r\n"):
        server_side(house).data_received(heartbeat)
    await peer.send(b"y")
    assert house.gateway.tcp_counters.messages_received == 2


async def test_data_that_breaks_its_format_is_noted_and_the_connection_stays(
    house: House, make_peer: Callable[[Device], TcpPeer]
) -> None:
    device = await house.device(Functions(streams=(StreamDefinition(identifier="s", tcp=True, format="json"),)))
    peer = await make_peer(device).connect()
    await peer.send(b"1")
    for rejections, data in enumerate((b"{", b'"\xff"', b"\0", b"[" * 60_000), 1):
        server_side(house).data_received(data)
        assert house.platform.device_logs.rejections == rejections
    await peer.send(b'{"a":1}')


async def test_a_silent_device_is_closed(house: House, device: Device, peer: TcpPeer) -> None:
    gone = asyncio.Event()
    house.bus.subscribe(PresenceChanged, lambda message: None if message.online else gone.set())
    await peer.connect()
    await peer.send(b"x")
    began = asyncio.get_running_loop().time()
    assert await peer.closed() == b""
    assert asyncio.get_running_loop().time() - began >= 0.9
    await gone.wait()
    assert not await house.online(device)


async def test_a_device_that_sends_faster_than_the_disk_is_not_read(
    house: House, peer: TcpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp_module, "UNKEPT_LIMIT", 2)
    await peer.connect()
    await peer.send(b"x")
    client = server_side(house)
    with house.held_writes():
        for number in range(3):
            assert not client.paused_for(tcp_module._UNKEPT)
            client.data_received(b"%d" % number)
        assert client.paused_for(tcp_module._UNKEPT)
    assert [await peer.next() for _ in range(3)] == [b"0", b"1", b"2"]
    assert not client.paused_for(tcp_module._UNKEPT)


async def test_stopping_closes_the_connection_and_takes_the_device_offline(
    house: House, device: Device, peer: TcpPeer
) -> None:
    await peer.connect()
    await peer.send(b"x")
    await house.gateway.stop()
    assert await peer.closed() == b""
    assert not await house.online(device)
    assert house.gateway.tcp_counters.connections == 0


@pytest.mark.parametrize("pieces", [(b"key&0123456789abcde", b"f"), (b"k", b"ey", b"&", b"0123456789abcdef")])
def test_a_registration_is_complete_with_its_last_character(pieces: tuple[bytes, ...]) -> None:
    registration = Registration()
    assert [registration.receive_data(piece) for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    done = registration.receive_data(pieces[-1])
    assert done is not None
    assert (done.project_key, done.access_token, done.rest, done.ended) == ("key", "0123456789abcdef", b"", False)


@pytest.mark.parametrize("data", [b"x" * 65, b"line\n", "schlüssel&".encode(), b"key&\xff"])
def test_what_cannot_become_a_registration_is_refused_at_once(data: bytes) -> None:
    with pytest.raises(NotRegistered):
        Registration().receive_data(data)


async def test_the_old_key_registers_while_the_grace_of_a_rotation_lasts(house: House, peer: TcpPeer) -> None:
    await house.platform.projects.rotate_project_key(house.project_id, 60_000)
    await peer.connect()
    await peer.registered()
