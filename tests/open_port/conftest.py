"""The open port over a real store and a clock that stands still, with clients that speak MQTT packet by packet."""

import asyncio
import contextlib
import shutil
import socket
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.broker.conftest import P, Peer
from tests.stores import held_writes, open_store
from thingstead.broker.broker import MqttBroker
from thingstead.broker.net.listening import Port
from thingstead.bus.local import LocalBus
from thingstead.clock import ManualClock
from thingstead.config import Config, MqttSettings
from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect, Pingreq, Pingresp, Will
from thingstead.mqtt.decoder import Packet
from thingstead.mqtt.properties import NO_PROPERTIES, Properties, Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Suback, Subscribe, SubscriptionRequest, Unsuback, Unsubscribe
from thingstead.server.platforms import build_platform
from thingstead.services.platform import Platform
from thingstead.storage.postgres.store import PostgresStore
from thingstead.storage.sql.store import SqlStore
from thingstead.storage.sqlite.store import SqliteStore

V3_1, V3_1_1, V5 = ProtocolVersion.V3_1, ProtocolVersion.V3_1_1, ProtocolVersion.V5
NEVER = 0xFFFF_FFFF


class Client(Peer):
    """A client, packet by packet, and the exchanges that every client knows."""

    connack: Connack
    closed = False  # for a test that notes it
    _packet_id = 0

    def next_id(self) -> int:
        self._packet_id += 1
        return self._packet_id

    async def publish(
        self, topic: str, payload: bytes = b"", qos: int = 0, *, retain: bool = False, properties: Any = NO_PROPERTIES
    ) -> ReasonCode:
        """Returns when the server has answered for good; at QoS 0 when it has answered something that came later."""
        packet_id = self.next_id() if qos else 0
        self.send(Publish(topic, payload, qos, packet_id, retain, properties=properties))
        if not qos:
            await self.receive_nothing()
            return ReasonCode.SUCCESS
        if qos == 1:
            return await self.answer(Puback, packet_id)
        reason_code = await self.answer(Pubrec, packet_id)
        if reason_code < ReasonCode.UNSPECIFIED_ERROR:
            self.send(Pubrel(packet_id))
            await self.answer(Pubcomp, packet_id)
        return reason_code

    async def answer(self, kind: Any, packet_id: int) -> ReasonCode:
        """The next packet, which answers this identifier; its reason code."""
        packet = await self.receive(kind)
        assert packet.packet_id == packet_id
        code: ReasonCode = packet.reason_code
        return code

    async def message(self) -> Publish:
        """The next packet, which is a message; it is acknowledged."""
        publish = await self.receive(Publish)
        if publish.qos == 1:
            self.send(Puback(publish.packet_id))
        elif publish.qos == 2:
            self.send(Pubrec(publish.packet_id))
            assert (await self.first(Pubrel)).packet_id == publish.packet_id
            self.send(Pubcomp(publish.packet_id))
        return publish

    async def first(self, kind: type[P]) -> P:
        """The first packet of this kind; messages that come before it stay to be read."""
        passed: list[Packet] = []
        while not isinstance(packet := await self.receive(cast(type[Packet], object)), kind):
            assert isinstance(packet, Publish)
            passed.append(packet)
        self._arrived[:0] = passed
        return packet

    async def messages(self, count: int) -> list[bytes]:
        """The payloads of the next messages."""
        return [(await self.message()).payload for _ in range(count)]

    async def everything(self) -> list[Packet]:
        """All that the server sends before it answers a PINGREQ."""
        self.send(Pingreq())
        packets: list[Packet] = []
        while not isinstance(packet := await self.receive(cast(type[Packet], object)), Pingresp):
            packets.append(packet)
        return packets

    async def request(self, *requests: SubscriptionRequest, properties: Properties = NO_PROPERTIES) -> list[int]:
        """Subscribes; the reason codes."""
        packet_id = self.next_id()
        self.send(Subscribe(packet_id, list(requests), properties))
        suback = await self.receive(Suback)
        assert suback.packet_id == packet_id
        return list(suback.reason_codes)

    async def listen(self, *topic_filters: str, qos: int = 0, identifier: int = 0) -> list[int]:
        """Subscribes without options; the reason codes."""
        properties = {Property.SUBSCRIPTION_IDENTIFIER: (identifier,)} if identifier else NO_PROPERTIES
        return await self.request(*(SubscriptionRequest(each, qos) for each in topic_filters), properties=properties)

    async def unsubscribe(self, *topic_filters: str) -> list[int]:
        packet_id = self.next_id()
        self.send(Unsubscribe(packet_id, list(topic_filters)))
        return list((await self.receive(Unsuback)).reason_codes)

    async def disconnect(
        self, reason_code: ReasonCode = ReasonCode.SUCCESS, properties: Properties = NO_PROPERTIES
    ) -> None:
        """Takes its leave; returns when the server has closed the connection."""
        self.send(Disconnect(reason_code, properties))
        await self.receive_close()


class Broker:
    """A server's gateway with its open port, over a data file of its own."""

    def __init__(self, path: Path, settings: MqttSettings) -> None:
        self.path = path
        self.settings = settings
        self.clock = ManualClock()
        self._lives = 0
        self._closing = contextlib.AsyncExitStack()
        self.clients: list[Client] = []
        self.gateway: MqttBroker
        self.platform: Platform
        self.store: SqliteStore
        self.port = 0

    async def open(self) -> None:
        """A server begins on the file."""
        self.store = store = await open_store(self.path, self.clock)
        config = Config(mqtt=self.settings)
        bus = LocalBus(round_trip=True)
        self.platform = platform = build_platform(store, bus, self.clock, config)
        self.gateway = gateway = MqttBroker(platform, bus, self.clock, config)
        sock = socket.create_server(("127.0.0.1", 0))
        self.port = sock.getsockname()[1]
        await gateway.listen_open(Port(sock))

        async def close() -> None:
            await gateway.stop()
            for service in (platform.sub_devices, platform.control, platform.ingest):
                await service.close()
            await bus.close()
            await store.close()

        self._closing.push_async_callback(close)

    async def restart(self, ms: int = 0) -> None:
        """The server stops cleanly; so much later another one begins."""
        await self._closing.aclose()
        self.clock.advance(ms)
        await self.open()

    async def crash(self, ms: int = 0) -> None:
        """The server is gone; so much later another one begins, with what was on disk at this instant."""
        self._lives += 1
        store: SqlStore = self.store
        if isinstance(store, PostgresStore):
            store.abandon("it crashed")
            self.clock.advance(ms)
            await self.open()
            return
        after = self.path.with_name(f"{self._lives}.db")
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            connection.execute("BEGIN IMMEDIATE")  # nothing is written meanwhile
            for suffix in ("", "-wal"):
                shutil.copy(f"{self.path}{suffix}", f"{after}{suffix}")
        self.path = after
        self.clock.advance(ms)
        await self.open()

    async def close(self) -> None:
        for client in self.clients:
            await client.close()
        await self._closing.aclose()

    async def client(self, version: ProtocolVersion = V5) -> Client:
        """A connection that has sent nothing."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        client = Client(reader, writer, version)
        self.clients.append(client)
        return client

    async def connect(
        self,
        client_id: str = "",
        version: ProtocolVersion = V5,
        *,
        expiry_s: int = 0,
        will: Will | None = None,
        properties: Properties = NO_PROPERTIES,
        **connect: Any,
    ) -> Client:
        """A client that was admitted; before 5.0 its session lasts where ``expiry_s`` is given."""
        client = await self.client(version)
        if expiry_s and version is V5:
            properties = {**properties, Property.SESSION_EXPIRY_INTERVAL: expiry_s}
        elif expiry_s:
            connect["clean_start"] = False
        client.send(Connect(version, client_id, will=will, properties=properties, **connect))
        client.connack = await client.receive(Connack)
        assert client.connack.reason_code is ReasonCode.SUCCESS
        return client

    async def resume(
        self, client_id: str, version: ProtocolVersion = V5, *, expiry_s: int = 600, **more: Any
    ) -> Client:
        """A client that came back to its session."""
        client = await self.connect(client_id, version, expiry_s=expiry_s, clean_start=False, **more)
        assert client.connack.session_present
        return client

    async def away(self, client_id: str, *topic_filters: str, qos: int = 1, **more: Any) -> None:
        """A client subscribes, and leaves its session behind."""
        client = await self.connect(client_id, **{"expiry_s": 600, **more})
        await client.listen(*topic_filters, qos=qos)
        await client.disconnect()
        await self.settle()

    async def settle(self) -> None:
        """Returns when every connection that was closed has ended for its session, and everything is on disk."""
        while self.gateway._tasks._tasks:
            await asyncio.wait(self.gateway._tasks._tasks)
        await self.committed()

    async def committed(self) -> None:
        """Returns when everything that was written until now is on disk."""
        ended = asyncio.Event()
        self.platform.mqtt_sessions.forget_received(0, 0).on_done(lambda _: ended.set())
        await ended.wait()

    async def later(self, s: float) -> None:
        """Lets time pass, and does what is due."""
        self.clock.advance(round(s * 1000))
        self.gateway.deadlines.run_due()
        await self.settle()

    @contextlib.contextmanager
    def held_writes(self) -> Iterator[None]:
        """Inside the block no commit can end."""
        with held_writes(self.store):
            yield


@pytest.fixture
def settings() -> MqttSettings:
    """A module, or a test by its parameter, may have its own."""
    return MqttSettings()


@pytest.fixture
async def broker(tmp_path: Path, settings: MqttSettings) -> AsyncIterator[Broker]:
    broker = Broker(tmp_path / "thingstead.db", settings)
    await broker.open()
    yield broker
    await broker.close()
