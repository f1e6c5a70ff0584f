"""Two devices, an application subscriber and a device on raw TCP, which send anything, over a real platform and store.

Laws: nothing reaches the logger of bugs; what the server writes is MQTT; each connection is answered or closed; no
connection stays when its peer is gone, and no device is online without one.
"""

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from tests.fuzz.pipes import Pipe
from tests.fuzz.scripts import SLOTS, Action, Record, read
from tests.stores import open_store
from thingstead.broker.broker import MqttBroker
from thingstead.broker.connection.mqtt_connection import MqttConnection
from thingstead.broker.tcp.tcp import TcpClient
from thingstead.bus.local import LocalBus
from thingstead.clock import SystemClock
from thingstead.config import AccountSettings, Config, MqttSettings
from thingstead.errors import ThingsteadError
from thingstead.model.device import Device
from thingstead.model.device_type import AttributeDefinition, ConnType, Functions, StreamDefinition
from thingstead.mqtt.connection_packets import Connect
from thingstead.mqtt.decoder import Decoder
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.server.platforms import build_platform
from thingstead.services.registry.device_types import NewDeviceType
from thingstead.services.registry.new_device import NewDevice

VERSIONS = (ProtocolVersion.V3_1_1, ProtocolVersion.V5, ProtocolVersion.V3_1, ProtocolVersion.V5)
SETTINGS = MqttSettings(max_packet_size_bytes=2_048, receive_maximum=8, send_buffer_max_bytes=16_384)
FUNCTIONS = Functions(
    attributes=(AttributeDefinition(identifier="a", data_type="number"),),
    streams=(StreamDefinition(identifier="stream", tcp=True),),
)
APPLICATION, TCP = 2, 3  # slots; 0 and 1 are devices on MQTT, 1 is a gateway
PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"
PATIENCE_S = 10.0
HANDOVER_S = 0.05  # for a device to take a command
MAX_RECORDS = 30


class World:
    """A platform, used by one input after the other."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._failures: list[str] = []
        self._loop.set_exception_handler(lambda _, context: self._failures.append(str(context)))
        memory = Path("/dev/shm")  # where there is one: nothing here is about disks
        self._folder = tempfile.mkdtemp(dir=memory if memory.is_dir() else None)
        self._devices: list[Device] = []
        self._loop.run_until_complete(self._open())

    async def _open(self) -> None:
        clock = SystemClock()
        account = AccountSettings(password_hash_memory_kib=8192, password_hash_passes=1)
        config = Config(account=account, mqtt=SETTINGS)
        self._store = await open_store(Path(self._folder) / "thingstead.db", clock)
        self._bus = LocalBus(round_trip=True)
        self._platform = build_platform(self._store, self._bus, clock, config)
        self._gateway = MqttBroker(self._platform, self._bus, clock, config)
        self._credentials = await self._platform.projects.create()
        project_id = self._credentials.project_id
        conn_types: tuple[ConnType, ...] = ("1", "3", "1", "2")
        for conn_type in conn_types:
            new_type = NewDeviceType(name="type", functions=FUNCTIONS, conn_type=conn_type)
            created = await self._platform.device_types.create(project_id, new_type)
            gateway_id = self._devices[1].id if conn_type == "2" else None
            new = NewDevice(name="device", type_id=created.id, gateway_id=gateway_id, sub_address=gateway_id and "sub")
            self._devices.append(await self._platform.devices.create(project_id, new))

    def close(self) -> None:
        async def close() -> None:
            await self._gateway.stop()
            for part in (self._platform.sub_devices, self._platform.control, self._platform.ingest, self._bus):
                await part.close()
            await self._store.close()
            await self._loop.shutdown_default_executor()

        self._loop.run_until_complete(close())
        self._loop.close()
        shutil.rmtree(self._folder)

    def run(self, data: bytes) -> None:
        """One input. ``data[1]`` holds versions, two bits a slot."""
        if len(data) >= 2:
            with capture_logs() as logs:
                self._loop.run_until_complete(self._run(data))
            bugs = [entry for entry in logs if entry["log_level"] == "error"]
            assert not bugs, repr(bugs[0])
            failures, self._failures = self._failures, []
            assert not failures, failures[0]

    async def _run(self, data: bytes) -> None:
        scene = _Scene(self, [VERSIONS[data[1] >> 2 * slot & 3] for slot in range(SLOTS)])
        for _, record in zip(range(MAX_RECORDS), read(data[2:]), strict=False):
            await scene.take(record)
        await scene.end()

    # What a scene uses

    def make(self, slot: int) -> Any:
        if slot == TCP:
            return TcpClient(self._gateway._tcp_surroundings)
        return self._gateway.client()

    def greeting(self, slot: int, version: ProtocolVersion) -> bytes:
        """With what a client of a slot begins."""
        key = self._credentials.project_key
        if slot == TCP:
            return f"{key}&{self._devices[2].access_token}".encode()
        if slot == APPLICATION:
            name, password = self._credentials.view_key, self._credentials.view_secret
        else:
            name, password = self._devices[slot].access_token, key
        return Connect(version, f"c{slot}", user_name=name, password=password.encode()).serialize(version)

    def translated(self, payload: bytes) -> bytes:
        """Inputs name the project's key, which is random, by as many other characters."""
        return payload.replace(b"V" * len(self._credentials.view_key), self._credentials.view_key.encode())

    async def push(self, slot: int, payload: bytes) -> None:
        """Something goes down to a device."""
        device = self._devices[min(slot, 2)]
        control, project_id = self._platform.control, self._credentials.project_id
        if payload:
            await control.push_attributes(project_id, device.id, {"a": len(payload)})
        else:
            await control.send_command(project_id, device.id, "restart", {"in": 5}, None, wait_ms=0)

    async def anyone_online(self) -> bool:
        """Whether a device, or the sub-device behind the gateway, is shown as online."""
        views = [await self._platform.devices.get_view(each.project_id, each.id) for each in self._devices]
        return any(view.online for view in views)

    @property
    def open_connections(self) -> int:
        return len(self._gateway._clients) + len(self._gateway._tcp_clients)


class _Scene:
    def __init__(self, world: World, versions: list[ProtocolVersion]) -> None:
        self._world = world
        self._versions = versions
        self._pipes: list[Pipe | None] = [None] * SLOTS
        self._every: list[tuple[Pipe, Any]] = []

    async def take(self, record: Record) -> None:
        pipe, action = self._pipes[record.slot], record.action
        if action in (Action.SEND, Action.SEND_IN_PIECES, Action.SEND_FIRST):
            await self._send(record)
        elif action in (Action.COMMIT, Action.TROUBLE):
            try:
                async with asyncio.timeout(HANDOVER_S):
                    await self._world.push(record.slot, record.payload)
            except (ThingsteadError, TimeoutError):
                pass  # it is not there, or has something else to answer first
        elif pipe is not None and action is Action.LOSE:
            pipe.abort()
        elif pipe is not None and action is Action.STOP_READING:
            pipe.stop_reading()
        elif pipe is not None:
            pipe.read_again()
        await asyncio.sleep(0)

    async def _send(self, record: Record) -> None:
        pipe, slot = self._pipes[record.slot], record.slot
        if pipe is None or pipe.closing:
            client = self._world.make(slot)
            pipe = self._pipes[slot] = Pipe(client)
            self._every.append((pipe, client))
            client.connection_made(pipe)
            if record.action is not Action.SEND_FIRST:
                pipe.feed(self._world.greeting(slot, self._versions[slot]))
                await self._until(lambda: self._admitted(client) or bool(client.closing))
        payload = self._world.translated(record.payload)
        step = record.piece if record.action is Action.SEND_IN_PIECES else len(payload) or 1
        for start in range(0, len(payload), step):
            pipe.feed(payload[start : start + step])

    @staticmethod
    def _admitted(client: Any) -> bool:
        return (client._uplink if isinstance(client, MqttConnection) else client._admission) is not None

    async def _until(self, condition: Any) -> None:
        deadline = self._world._loop.time() + PATIENCE_S
        while not condition():
            assert self._world._loop.time() < deadline, "it never came to hold"
            await asyncio.sleep(0.0005)

    async def end(self) -> None:
        for pipe, _ in self._every:
            pipe.read_again()
        for pipe, client in self._every:
            if not pipe.closing and isinstance(client, MqttConnection) and self._admitted(client):
                await self._until(lambda pipe=pipe: pipe.idle or pipe.closing)
                if not client._decoder._buffer and not pipe.closing:
                    pipe.feed(PINGREQ)
                    await self._until(lambda pipe=pipe: PINGRESP in pipe.received[-200:] or pipe.closing)
        for pipe, client in self._every:
            if isinstance(client, MqttConnection):
                self._check_output(client, bytes(pipe.received))
            pipe.abort()
        await self._until(lambda: self._world.open_connections == 0)
        deadline = self._world._loop.time() + PATIENCE_S
        while await self._world.anyone_online():
            assert self._world._loop.time() < deadline, "a device is online that has no connection"
            await asyncio.sleep(0.0005)

    def _check_output(self, client: MqttConnection, output: bytes) -> None:
        decoder = Decoder(1 << 20, client._decoder.version or ProtocolVersion.V3_1_1)
        decoder.receive_data(output)
        assert decoder.error is None, f"the server wrote {output.hex()}: {decoder.error}"


_world: list[World] = []


def run(data: bytes) -> None:
    """The target. The platform is made for the first input; :func:`close` ends it."""
    if not _world:
        _world.append(World())
    _world[0].run(data)


def close() -> None:
    while _world:
        _world.pop().close()
