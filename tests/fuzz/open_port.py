"""Up to four clients of the open port, which send anything, in any pieces, over a store that may be slow or fail.

Laws: nothing reaches the logger of bugs; what the server writes is MQTT; each connection is answered or closed; what is
kept in memory is bounded, agrees with what is in the store, and is gone when the clients are.
"""

import asyncio
from typing import Any, cast

from structlog.testing import capture_logs

from tests.fuzz.keeper import Keeper, KeeperStore
from tests.fuzz.pipes import Pipe
from tests.fuzz.scripts import SLOTS, Action, Record, read
from thingstead.broker.connection.listener_context import ListenerContext
from thingstead.broker.connection.mqtt_connection import MqttConnection
from thingstead.broker.connection.queue_bounds import QueueBounds
from thingstead.broker.net.connections import Clients, RefusedConnections
from thingstead.broker.net.counters import Counters
from thingstead.broker.net.idle_timers import IdleTimers
from thingstead.broker.net.tasks import TaskLimiter, Tasks
from thingstead.broker.open_port.open_port import OpenPort
from thingstead.broker.sessions.context import SessionContext
from thingstead.broker.sessions.session import Session
from thingstead.clock import ManualClock
from thingstead.config import MqttSettings
from thingstead.errors import Unavailable
from thingstead.mqtt.connection_packets import Connect, Pingreq
from thingstead.mqtt.decoder import Decoder
from thingstead.mqtt.outbound import State
from thingstead.mqtt.properties import NO_PROPERTIES, Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.refusals import Reason
from thingstead.services.mqtt.sessions import MqttSessionService
from thingstead.services.shared.turn_budget import TurnBudget
from thingstead.storage.base import Store
from thingstead.timers import Deadlines

VERSIONS = (ProtocolVersion.V3_1_1, ProtocolVersion.V5, ProtocolVersion.V3_1, ProtocolVersion.V5)
SETTINGS = MqttSettings(
    max_packet_size_bytes=2_048,
    receive_maximum=4,
    in_flight_max=4,
    send_buffer_max_bytes=16_384,
    max_sessions=3,
    max_subscriptions=8,
    queue_max_messages=8,
    queue_max_bytes=65_536,
    retained_max_bytes=4_096,
)
TICKS = 12  # turns of the loop that anything takes to settle, and more
PING = Pingreq().serialize(ProtocolVersion.V5)
PONG = b"\xd0\x00"
MAX_RECORDS = 60


class NoRelief:
    """Nothing is ever held back."""

    congested = False

    def crowded(self, device_number: int) -> bool:
        return False

    def when_room(self, callback: Any, device_number: int | None = None) -> None:
        raise AssertionError("nothing is congested")


def run(data: bytes) -> None:
    """The target. To be called outside of a loop."""
    asyncio.run(_run(data))


async def _run(data: bytes) -> None:
    if len(data) < 2:
        return
    failures: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(str(context)))
    with capture_logs() as logs:
        try:
            await _drive(data)
        finally:  # a bug that was logged explains what else is wrong
            bugs = [entry for entry in logs if entry["log_level"] == "error" and "exc_info" in entry]
            assert not bugs, bugs[0]["event"] + repr(bugs[0].get("exc_info"))
    assert not failures, failures[0]


async def _drive(data: bytes) -> None:
    world = World(data[0], data[1])
    for _, record in zip(range(MAX_RECORDS), read(data[2:]), strict=False):
        await world.take(record)
    await world.end()


class World:
    """The port and its clients. ``head``: bit 0, commits end at once; bits 4 to 7, that slot's session is kept.
    ``versions``: two bits a slot."""

    def __init__(self, head: int, versions: int) -> None:
        self._prompt = bool(head & 1)
        self._kept = [bool(head >> 4 + slot & 1) for slot in range(SLOTS)]
        self._versions = [VERSIONS[versions >> 2 * slot & 3] for slot in range(SLOTS)]
        clock = ManualClock()
        self._keeper = Keeper()
        kept = MqttSessionService(cast(Store, KeeperStore(self._keeper)), clock)
        bounds = QueueBounds(SETTINGS)
        self._idle_timers, self._tasks, self._deadlines = IdleTimers(), Tasks(), Deadlines(clock)
        self._port = OpenPort(SessionContext(kept, clock, SETTINGS, Counters(), self._deadlines, bounds))
        self._context = ListenerContext(
            settings=SETTINGS,
            bounds=bounds,
            access=self._port,
            counters=self._port.counters,
            back_pressure=NoRelief(),
            turns=TurnBudget(1),
            tasks=self._tasks,
            log_ins=TaskLimiter(self._tasks),
            ends=TaskLimiter(self._tasks),
            clients=Clients(),
            clock=clock,
            idle_timers=self._idle_timers,
            refused_connections=RefusedConnections(clock),
        )
        self._pipes: list[Pipe | None] = [None] * SLOTS
        self._clients: list[MqttConnection | None] = [None] * SLOTS
        self._every_pipe: list[Pipe] = []

    async def take(self, record: Record) -> None:
        """One record."""
        pipe, action = self._pipes[record.slot], record.action
        if action in (Action.SEND, Action.SEND_IN_PIECES, Action.SEND_FIRST):
            await self._send(record)
        elif action is Action.COMMIT:
            self._keeper.commit()
        elif action is Action.TROUBLE:
            if record.payload:
                self._keeper.commit(Unavailable(Reason("unknown_refusal", "the disk failed")))
            else:
                self._keeper.full = not self._keeper.full
        elif pipe is not None and action is Action.LOSE:
            pipe.abort()
        elif pipe is not None and action is Action.STOP_READING:
            pipe.stop_reading()
        elif pipe is not None:
            pipe.read_again()
        await self._settle()
        self._check_bounds()

    async def _send(self, record: Record) -> None:
        pipe = self._pipes[record.slot]
        if pipe is None or pipe.closing:
            client = self._clients[record.slot] = MqttConnection(self._context)
            pipe = self._pipes[record.slot] = Pipe(client)
            self._every_pipe.append(pipe)
            client.connection_made(pipe)
            if record.action is not Action.SEND_FIRST:
                pipe.feed(self._connect(record.slot))
                await self._settle()
        step = record.piece if record.action is Action.SEND_IN_PIECES else len(record.payload) or 1
        for start in range(0, len(record.payload), step):
            pipe.feed(record.payload[start : start + step])

    def _connect(self, slot: int) -> bytes:
        version, kept = self._versions[slot], self._kept[slot]
        v5 = version is ProtocolVersion.V5
        properties = {Property.SESSION_EXPIRY_INTERVAL: 100} if kept and v5 else NO_PROPERTIES
        connect = Connect(version, f"c{slot}", clean_start=not kept, properties=properties)
        return connect.serialize(version)

    async def _settle(self) -> None:
        for _ in range(TICKS):
            if self._prompt:
                self._keeper.commit()
            await asyncio.sleep(0)

    # Laws

    def _sessions(self) -> list[Session]:
        return [*self._port.sessions.by_key.values()]

    def _check_bounds(self) -> None:
        sessions = self._sessions()
        for session in sessions:
            entries = [*session.outbound._entries.values()]
            assert session.outbound.size_bytes == sum(entry.message.size_bytes for entry in entries)
            assert session.outbound.queued <= SETTINGS.queue_max_messages
            unanswered = [entry for entry in entries if entry.sent and entry.state is not State.RELEASED]
            assert len(unanswered) <= SETTINGS.in_flight_max
            assert len(session.subscriptions) <= SETTINGS.max_subscriptions
            if session.with_properties:  # before 5.0 a client is not told how many it may have
                assert len(session.inbound.received) <= SETTINGS.receive_maximum
        assert self._port.sessions.durable == sum(session.durable for session in sessions) <= SETTINGS.max_sessions
        assert len(self._port.router.routes) == sum(len(session.subscriptions) for session in sessions)
        assert len(self._idle_timers) <= 2 * SLOTS + 500
        if not self._keeper.failed:
            self._check_kept(sessions)

    def _check_kept(self, sessions: list[Session]) -> None:
        kept, durable = self._keeper, {session.number: session for session in sessions if session.durable}
        assert kept.sessions.keys() == durable.keys()
        for number, session in durable.items():
            assert kept.sessions[number].connected == (session.holder is not None)
            assert kept.subscriptions[number] == session.subscriptions.keys()
            waiting = {
                entry.context.seq: entry.packet_id for entry in session.outbound._entries.values() if entry.context.seq
            }
            assert kept.queued[number] == waiting, f"{kept.queued[number]} is kept of {waiting}"

    async def end(self) -> None:
        """Everything comes to rest, every client is answered or gone, and then nothing is left of them."""
        self._keeper.full = False
        self._prompt = True
        for pipe in self._every_pipe:
            pipe.read_again()
        await self._settle()
        for slot, last in enumerate(self._pipes):
            if last is not None:
                await self._check_alive(slot, last)
        for pipe in self._every_pipe:
            pipe.abort()
        await self._settle()
        self._check_bounds()
        for session in self._sessions():
            assert session.durable, "a session outlives its connection"
            assert session.holder is None
            self._port.sessions.end(session)
        await self._settle()
        assert len(self._port.router.routes) == 0
        assert not self._keeper.queued
        assert self._port.counters.connections == len(self._context.clients) == 0
        self._deadlines.stop()
        self._idle_timers.close()
        await self._tasks.close(1.0)

    async def _check_alive(self, slot: int, pipe: Pipe) -> None:
        client = self._clients[slot]
        assert client is not None
        if not pipe.closing and client._uplink is not None and not client._decoder._buffer:
            assert pipe.idle, "a connection is not read for ever"
            pipe.feed(PING)
            await self._settle()
            assert pipe.closing or pipe.received.endswith(PONG), "PINGREQ is not answered"
        self._check_output(client, bytes(pipe.received))

    def _check_output(self, client: MqttConnection, output: bytes) -> None:
        version = client._decoder.version or ProtocolVersion.V3_1_1
        decoder = Decoder(1 << 20, version)
        decoder.receive_data(output)
        assert decoder.error is None, f"the server wrote {output.hex()}: {decoder.error}"
