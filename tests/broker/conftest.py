"""A gateway over a real store, a bus that encodes every message, and peers that speak MQTT packet by packet."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.stores import held_writes, open_store
from thingstead.broker.broker import MqttBroker
from thingstead.broker.net.listening import Port
from thingstead.bus.local import LocalBus
from thingstead.clock import SystemClock
from thingstead.config import AccountSettings, Config, MqttSettings, TcpSettings
from thingstead.model.command import Command
from thingstead.model.device import Device
from thingstead.model.device_type import ConnType, Functions
from thingstead.model.messages import CommandChanged
from thingstead.mqtt.connection_packets import Connack, Connect
from thingstead.mqtt.decoder import Decoder, Packet
from thingstead.mqtt.properties import NO_PROPERTIES, Properties
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.subscription_packets import Suback, Subscribe, SubscriptionRequest
from thingstead.server.platforms import build_platform
from thingstead.services.commands import control
from thingstead.services.registry.device_types import NewDeviceType
from thingstead.services.registry.new_device import NewDevice
from thingstead.storage.sqlite.store import SqliteStore

P = TypeVar("P", bound=Packet)
TIMEOUT_S = 30
V3_1_1, V5 = ProtocolVersion.V3_1_1, ProtocolVersion.V5


class Peer:
    """The client's end of a connection. Packets are read in order; none is skipped."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, version: ProtocolVersion) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder(1_000_000, version)
        self._arrived: list[Packet] = []
        self.version = version

    def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)

    def send(self, *packets: Packet) -> None:
        """All of them in one piece."""
        self.send_bytes(b"".join(packet.serialize(self.version) for packet in packets))

    async def drain(self) -> None:
        await self._writer.drain()

    async def receive(self, kind: type[P]) -> P:
        """The next packet, which must be of this kind."""
        async with asyncio.timeout(TIMEOUT_S):
            while not self._arrived:
                data = await self._reader.read(65_536)
                assert data, "the connection was closed"
                self._arrived += self._decoder.receive_data(data)
                assert self._decoder.error is None
        packet = self._arrived.pop(0)
        assert isinstance(packet, kind), f"{packet} instead of a {kind.__name__}"
        return packet

    async def receive_close(self) -> None:
        """The connection is closed, without any further packet."""
        assert self._arrived == []
        async with asyncio.timeout(TIMEOUT_S):
            with contextlib.suppress(ConnectionResetError):
                assert await self._reader.read(1) == b""

    async def receive_end(self) -> list[Packet]:
        """Everything until the connection is closed."""
        async with asyncio.timeout(TIMEOUT_S):
            while data := await self._reader.read(65_536):
                self._arrived += self._decoder.receive_data(data)
        return self._arrived

    async def read(self) -> bytes:
        """Whatever comes next, undecoded; nothing at the end."""
        return await self._reader.read(65_536)

    async def receive_nothing(self) -> None:
        """Nothing has arrived by the time at which an answer to a PINGREQ would have."""
        assert self._arrived == []
        self.send_bytes(b"\xc0\0")
        async with asyncio.timeout(TIMEOUT_S):
            assert await self._reader.readexactly(2) == b"\xd0\0"

    async def subscribe(self, *topic_filters: str, qos: int = 0, properties: Properties = NO_PROPERTIES) -> Suback:
        self.send(Subscribe(1, [SubscriptionRequest(topic, qos) for topic in topic_filters], properties))
        return await self.receive(Suback)

    def pause_reading(self) -> None:
        """Reads nothing, so that what is sent piles up at the server."""
        transport: Any = self._writer.transport
        transport.pause_reading()

    def resume_reading(self) -> None:
        transport: Any = self._writer.transport
        transport.resume_reading()

    def abort(self) -> None:
        """The network is gone."""
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class House:
    """A project with its gateway on a port of this machine."""

    def __init__(self, store: SqliteStore, path: Path, settings: MqttSettings, tcp: TcpSettings) -> None:
        account = AccountSettings(password_hash_memory_kib=8192, password_hash_passes=1)
        self.config = Config(account=account, mqtt=settings, tcp=tcp)
        self.store = store
        self.path = path
        self.bus = LocalBus(round_trip=True)
        self.clock = SystemClock()
        self.platform = build_platform(store, self.bus, self.clock, self.config)
        self.gateway = MqttBroker(self.platform, self.bus, self.clock, self.config)
        self.counters = self.gateway.counters
        self._peers: list[Peer] = []
        self.project_key = ""
        self.project_id = self.view_key = self.view_secret = ""
        self.port = self.tcp_port = 0

    async def open(self) -> None:
        credentials = await self.platform.projects.create()
        self.project_id, self.project_key = credentials.project_id, credentials.project_key
        self.view_key, self.view_secret = credentials.view_key, credentials.view_secret
        await self.listen()

    async def listen(self) -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        self.port = sock.getsockname()[1]
        await self.gateway.listen(Port(sock))
        sock = socket.create_server(("127.0.0.1", 0))
        self.tcp_port = sock.getsockname()[1]
        await self.gateway.listen_tcp(Port(sock))

    async def restart(self) -> None:
        """The gateway ends and a new one begins, over the same platform."""
        await self.gateway.stop()
        await self.begin_again()

    async def begin_again(self) -> None:
        """A gateway begins in place of the one before, whatever became of that."""
        self.gateway = MqttBroker(self.platform, self.bus, self.clock, self.config)
        await self.listen()

    async def close(self) -> None:
        for peer in self._peers:
            await peer.close()
        await self.gateway.stop()
        await self.platform.sub_devices.close()
        await self.platform.control.close()
        await self.platform.ingest.close()
        await self.bus.close()
        await self.store.close()

    async def device(self, functions: Functions | None = None, conn_type: ConnType = "1", **new: Any) -> Device:
        """A device, of a type of its own where it needs one."""
        type_id = None
        if functions is not None or conn_type != "1":
            created = await self.platform.device_types.create(
                self.project_id, NewDeviceType(name="type", functions=functions or Functions(), conn_type=conn_type)
            )
            type_id = created.id
        return await self.platform.devices.create(self.project_id, NewDevice(name="device", type_id=type_id, **new))

    async def peer(self, version: ProtocolVersion = V3_1_1) -> Peer:
        """A connection that has sent nothing."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        peer = Peer(reader, writer, version)
        self._peers.append(peer)
        return peer

    def certificate(self, device: Device) -> dict[str, Any]:
        return {"user_name": device.access_token, "password": self.project_key.encode()}

    def connect_of(self, device: Device, version: ProtocolVersion = V3_1_1, **connect: Any) -> bytes:
        """The device's CONNECT."""
        fields = {"client_id": "c", **self.certificate(device), **connect}
        return Connect(version, **fields).serialize(version)

    async def log_in(self, device: Device, version: ProtocolVersion = V3_1_1, **connect: Any) -> Peer:
        """A connection of the device that was admitted."""
        peer = await self.peer(version)
        peer.send_bytes(self.connect_of(device, version, **connect))
        connack = await peer.receive(Connack)
        assert connack.reason_code == 0
        return peer

    async def online(self, device: Device) -> bool:
        return (await self.platform.devices.get_view(self.project_id, device.id)).online

    def unread_bytes(self) -> int:
        """What waits in this process to be read by the peers."""
        return sum(client._transport.get_write_buffer_size() for client in self.gateway._clients)

    async def values(self, device: Device) -> dict[str, Any]:
        return await self.platform.history.current_values(device)

    @contextlib.contextmanager
    def held_writes(self) -> Iterator[None]:
        """Inside the block no commit can end."""
        with held_writes(self.store):
            yield


@pytest.fixture
def mqtt_settings() -> MqttSettings:
    """A module may have its own."""
    return MqttSettings()


@pytest.fixture
def tcp_settings() -> TcpSettings:
    """A module may have its own."""
    return TcpSettings()


@pytest.fixture
async def house(tmp_path: Path, mqtt_settings: MqttSettings, tcp_settings: TcpSettings) -> AsyncIterator[House]:
    path = tmp_path / "thingstead.db"
    house = House(await open_store(path, SystemClock()), path, mqtt_settings, tcp_settings)
    await house.open()
    yield house
    await house.close()


def report(packet_id: int = 0, payload: bytes = b'{"t":1}', qos: int = 1, topic: str = "attributes") -> Publish:
    return Publish(topic, payload, qos, packet_id)


async def message(peer: Peer, topic: str) -> Any:
    packet = await peer.receive(Publish)
    assert packet.topic == topic
    if packet.qos:
        peer.send(Puback(packet.packet_id))
    return json.loads(packet.payload)


async def command(house: House, device: Device, **options: Any) -> Command:
    return await house.platform.control.send_command(house.project_id, device.id, "restart", {"in": 5}, **options)


async def state_reached(house: House, device: Device, row_id: str, state: str) -> None:
    """Returns when the command stands in that state."""
    reached = asyncio.Event()
    subscription = house.bus.subscribe(CommandChanged, lambda _: reached.set())
    async with asyncio.timeout(TIMEOUT_S):
        while (await house.store.commands.get(device.id, row_id)).state != state:
            await reached.wait()
            reached.clear()
    subscription.cancel()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends a command hardly waits until a connection has taken it, where none will."""
    monkeypatch.setattr(control, "HANDOVER_TIMEOUT_S", 0.2)
