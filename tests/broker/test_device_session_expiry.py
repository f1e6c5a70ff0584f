"""How long a device's session outlives its connection, on a clock that stands still."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.stores import open_store
from thingstead.broker.connection.queue_bounds import QueueBounds
from thingstead.broker.devices.sessions import DeviceMqttSession, DeviceSessions
from thingstead.broker.net.counters import Counters
from thingstead.broker.sessions.context import SessionContext
from thingstead.bus.local import LocalBus
from thingstead.clock import ManualClock
from thingstead.config import AccountSettings, Config, MqttSettings
from thingstead.model.messages import AttributesPushed
from thingstead.mqtt.connection_packets import Connect
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.subscription_packets import Subscribe, SubscriptionRequest
from thingstead.server.platforms import build_platform
from thingstead.services.mqtt.sessions import MqttSessionService
from thingstead.services.registry.new_device import NewDevice
from thingstead.storage.sqlite.store import SqliteStore
from thingstead.timers import Deadlines

V5 = ProtocolVersion.V5


class Connection:
    """The connection that has a session."""

    def taken_over(self) -> None:
        raise AssertionError("nobody else connects")


class Bench(NamedTuple):
    clock: ManualClock
    store: SqliteStore
    bus: LocalBus
    device_id: str

    def sessions(self) -> tuple[DeviceSessions, Deadlines]:
        """Those of a server that begins."""
        deadlines, settings = Deadlines(self.clock), MqttSettings()
        bounds = QueueBounds(settings)
        kept = MqttSessionService(self.store, self.clock)
        context = SessionContext(kept, self.clock, settings, Counters(), deadlines, bounds)
        return DeviceSessions(context, self.bus), deadlines

    def leave(self, sessions: DeviceSessions, expiry_s: int) -> DeviceMqttSession:
        """A device connects, subscribes to pushes, and is gone."""
        connection = Connection()
        connect = Connect(V5, "c", False, properties={Property.SESSION_EXPIRY_INTERVAL: expiry_s})
        start = sessions.begin(self.device_id, connect, connection)
        session = start.session
        assert session is not None
        session.filters.subscribe(Subscribe(1, [SubscriptionRequest("attributes/push", 1)]))
        sessions.subscribe(session, ["attributes/push"])
        sessions.end_connection(session, connection, "lost")
        return session


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock, bus = ManualClock(), LocalBus()
    store = await open_store(tmp_path / "thingstead.db", clock)
    account = AccountSettings(password_hash_memory_kib=8192, password_hash_passes=1)
    platform = build_platform(store, bus, clock, Config(account=account))
    project = await platform.projects.create()
    device = await platform.devices.create(project.project_id, NewDevice(name="device"))
    yield Bench(clock, store, bus, device.id)
    await platform.ingest.close()
    await bus.close()
    await store.close()


async def test_it_ends_with_what_waits_in_it_when_its_expiry_has_passed(bench: Bench) -> None:
    sessions, deadlines = bench.sessions()
    bench.leave(sessions, 60)
    sessions.push(AttributesPushed("p1", bench.device_id, {"n": 1}))
    bench.clock.advance(59_000)
    deadlines.run_due()
    assert (len(sessions), sessions.queued) == (1, 1)
    bench.clock.advance(2_000)
    deadlines.run_due()
    assert (len(sessions), sessions.queued) == (0, 0)
    kept = await bench.store.mqtt_sessions.load()
    assert (kept.sessions, kept.messages) == ((), ())
    deadlines.stop()


@pytest.mark.parametrize(("away_s", "lasts"), [(59, True), (61, False)])
async def test_its_time_goes_on_while_no_server_runs(bench: Bench, away_s: int, lasts: bool) -> None:
    sessions, deadlines = bench.sessions()
    bench.leave(sessions, 60)
    sessions.push(AttributesPushed("p1", bench.device_id, {"n": 1}))
    deadlines.stop()
    bench.clock.advance(away_s * 1000)
    sessions, deadlines = bench.sessions()
    sessions.load(await bench.store.mqtt_sessions.load())
    deadlines.run_due()
    assert (len(sessions), sessions.queued) == ((1, 1) if lasts else (0, 0))
    deadlines.stop()


async def test_a_device_that_comes_and_goes_leaves_one_session(bench: Bench) -> None:
    sessions, deadlines = bench.sessions()
    for _ in range(1_000):
        bench.leave(sessions, 60)
    assert len(sessions) == 1
    assert len(deadlines) < 100
    assert len((await bench.store.mqtt_sessions.load()).sessions) == 1
    deadlines.stop()
