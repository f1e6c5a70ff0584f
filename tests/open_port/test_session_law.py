"""Sessions under any interleaving of connections, takeovers, losses, leaves, time and restarts: a session is there when
the model says so, and when all have gone, nothing is left of any of them."""

import asyncio
import tempfile
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.open_port.conftest import V3_1_1, V5, Broker, Client
from thingstead.config import MqttSettings
from thingstead.mqtt.connection_packets import Will
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.reasons import ReasonCode

EXPIRY_MAX_S = 50
KINDS = ("connect",) * 4 + ("lose", "leave", "listen", "publish", "wait", "crash", "restart")


class Step(NamedTuple):
    """What a client does, or what happens to all."""

    kind: str
    client: int
    version: ProtocolVersion
    clean_start: bool
    expiry_s: int
    will_delay_s: int  # -1: no will


Steps = st.lists(
    st.builds(
        Step,
        st.sampled_from(KINDS),
        st.integers(0, 2),
        st.sampled_from((V3_1_1, V5, V5)),
        st.booleans(),
        st.sampled_from((0, 10, 30)),
        st.sampled_from((-1, 0, 5, 20)),
    ),
    max_size=16,
)


class Known(NamedTuple):
    """What the model knows of a session."""

    expiry_s: int
    version: ProtocolVersion
    left_at_s: float | None = None  # None: it is connected


class Stage:
    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.sessions: dict[int, Known] = {}
        self.clients: dict[int, Client] = {}

    def now_s(self) -> float:
        return self.broker.clock.monotonic_s()

    def expected(self, number: int) -> bool:
        """Whether a session is there for a client that comes now."""
        known = self.sessions.get(number)
        if known is None or not known.expiry_s:
            return False
        return known.left_at_s is None or self.now_s() < known.left_at_s + known.expiry_s

    async def play(self, step: Step) -> None:
        if step.kind == "connect":
            await self.connect(step)
        elif step.kind == "wait":
            await self.broker.later(step.expiry_s + 1)
        elif step.kind in ("crash", "restart"):
            await getattr(self.broker, step.kind)()
            for number in tuple(self.clients):
                self.gone(number)
        elif (client := self.clients.get(step.client)) is not None:
            await self.act(client, step)

    async def connect(self, step: Step) -> None:
        will = None
        if step.will_delay_s >= 0:
            delay = {Property.WILL_DELAY_INTERVAL: step.will_delay_s} if step.version is V5 else {}
            will = Will("a/will", b"lost", 2, True, delay)
        expiry = {Property.SESSION_EXPIRY_INTERVAL: step.expiry_s} if step.version is V5 and step.expiry_s else {}
        client = await self.broker.connect(
            f"client-{step.client}", step.version, clean_start=step.clean_start, will=will, properties=expiry
        )
        assert client.connack.session_present is (self.expected(step.client) and not step.clean_start)
        before_5_0 = 0 if step.clean_start else EXPIRY_MAX_S
        self.sessions[step.client] = Known(step.expiry_s if step.version is V5 else before_5_0, step.version)
        self.clients[step.client] = client

    async def act(self, client: Client, step: Step) -> None:
        if step.kind == "listen":
            await client.everything()
            await client.listen("a/#", "b", qos=1)
        elif step.kind == "publish":
            await (await self.broker.connect()).publish("a/b", b"x", 1)
        elif step.kind == "lose":
            client.abort()
            await self.ended(step.client)
        else:
            known = self.sessions[step.client]
            properties = {}
            if known.version is V5 and known.expiry_s and step.clean_start:
                properties = {Property.SESSION_EXPIRY_INTERVAL: step.expiry_s}
                self.sessions[step.client] = Known(step.expiry_s, V5)
            await client.everything()
            await client.disconnect(ReasonCode.SUCCESS, properties)
            await self.ended(step.client)

    async def ended(self, number: int) -> None:
        """Returns when the server knows that the connection is gone."""
        session = self.broker.gateway.open_port.sessions.by_key.get(f"client-{number}")
        probe = await self.broker.connect()
        while session is not None and session.holder is not None:
            await probe.receive_nothing()
        self.gone(number)

    def gone(self, number: int) -> None:
        del self.clients[number]
        self.sessions[number] = self.sessions[number]._replace(left_at_s=self.now_s())

    async def leave_all(self) -> None:
        for number, client in tuple(self.clients.items()):
            client.abort()
            await self.ended(number)
        for client in self.broker.clients:
            client.abort()
        probe = await self.broker.connect()
        while self.broker.gateway.open_port.counters.connections > 1:
            await probe.receive_nothing()
        await probe.disconnect()
        await self.broker.settle()
        await self.broker.later(EXPIRY_MAX_S + 21)

    async def expect_nothing_left(self) -> None:
        port, kept = self.broker.gateway.open_port, await self.broker.store.mqtt_sessions.load()
        assert (kept.sessions, kept.messages) == ((), ())
        assert (len(port.sessions), len(port.router.routes), port.sessions.durable) == (0, 0, 0)
        assert len(self.broker.gateway.deadlines._queue) == 0


async def run(steps: list[Step], folder: Path) -> None:
    broker = Broker(folder / "thingstead.db", MqttSettings(session_expiry_max_s=EXPIRY_MAX_S))
    await broker.open()
    stage = Stage(broker)
    try:
        for step in steps:
            await stage.play(step)
        await stage.leave_all()
        await stage.expect_nothing_left()
    finally:
        await broker.close()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=Steps)
def test_sessions_are_there_as_long_as_they_shall_be_and_leave_nothing_behind(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(steps, Path(folder)))
