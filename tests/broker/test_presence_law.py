"""Presence under any interleaving of connections, takeovers, time-outs, losses, stops and crashes, over real sockets.

The law: "online" equals "has a live session", and the on and off news of a device alternate.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.broker.conftest import TIMEOUT_S, V5, House, Peer
from tests.stores import open_store
from thingstead.broker.connection import mqtt_connection as client_module
from thingstead.clock import SystemClock
from thingstead.config import MqttSettings, TcpSettings
from thingstead.model.device import Device, Page
from thingstead.model.messages import PresenceChanged
from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect
from thingstead.services.shared.commits import settled

CLIENTS, DEVICES = 3, 2
GRACE = 0.05  # in place of the real one: a keep alive of 1 s runs out after 50 ms


class Step(NamedTuple):
    """What happens: to a client (each speaks for a device), or to the server."""

    kind: str
    client: int = 0
    waits: bool = True  # for the answer, before the next step begins


KINDS = ["connect"] * 4 + ["connect and fall silent"] * 2 + ["disconnect", "lose", "stop", "crash", "pause"]
steps = st.lists(
    st.builds(Step, st.sampled_from(KINDS), st.integers(0, CLIENTS - 1), st.booleans()), min_size=3, max_size=14
)


class Stage:
    """A server, and clients that share two devices' certificates: the first two fight over one."""

    def __init__(self, house: House, devices: list[Device]) -> None:
        self.house = house
        self.devices = devices
        self.peers: list[tuple[Device, Peer]] = []  # every connection there ever was
        self.current: dict[int, Peer] = {}
        self.news: dict[str, list[bool]] = {device.id: [] for device in devices}
        house.bus.subscribe(PresenceChanged, self._hear)

    def _hear(self, news: PresenceChanged) -> None:
        if not news.replaced:
            self.news[news.device_id].append(news.online)

    async def play(self, step: Step) -> None:
        if step.kind in ("connect", "connect and fall silent"):
            await self._connect(step, keep_alive=0 if step.kind == "connect" else 1)
        elif step.kind == "pause":
            await asyncio.sleep(GRACE / 2)
        elif step.kind == "stop":
            await self.house.restart()
        elif step.kind == "crash":
            await self._crash()
        elif (peer := self.current.pop(step.client, None)) is not None:
            if step.kind == "disconnect":
                peer.send(Disconnect())
            else:
                peer.abort()

    async def _connect(self, step: Step, keep_alive: int) -> None:
        device = self.devices[step.client // 2]
        peer = self.current[step.client] = await self.house.peer(V5)
        self.peers.append((device, peer))
        peer.send(Connect(V5, f"c{step.client}", keep_alive=keep_alive, **self.house.certificate(device)))
        if step.waits:
            with contextlib.suppress(AssertionError):  # taken over before it was admitted
                await peer.receive(Connack)

    async def _crash(self) -> None:
        """The process is gone: its connections break, and nothing is written of it. Another one begins."""
        before = self.house.gateway
        await before._tasks.close(TIMEOUT_S)  # what it was writing when it died was written
        before._tasks.spawn = _discard  # type: ignore[method-assign]  # a dead process does nothing more
        before._hub.close()
        for port in before._ports:
            port.close()
        for client in before._clients:
            client.abort()
        await before._clients.wait_until_none(TIMEOUT_S)
        await self.house.begin_again()
        await self.house.platform.presence.recover()

    async def settle(self) -> dict[str, int]:
        """Waits until nothing is under way; how many connections of each device are alive."""
        alive = dict.fromkeys(self.news, 0)
        await asyncio.sleep(1.5 * GRACE)  # whoever fell silent has been noticed
        for _, peer in self.peers:
            await _is_alive(peer)  # answered once it is admitted: from then on nobody is taken over any more
        for device, peer in self.peers:
            alive[device.id] += await _is_alive(peer)
        async with asyncio.timeout(TIMEOUT_S):
            while tasks := set(self.house.gateway._tasks._tasks):
                await asyncio.wait(tasks)
        return alive


def _discard(work: Coroutine[Any, Any, None]) -> None:
    work.close()


async def _is_alive(peer: Peer) -> bool:
    """Whether the server answers a ping."""
    peer.send_bytes(b"\xc0\0")
    try:
        while True:
            async with asyncio.timeout(TIMEOUT_S):
                data = await peer.read()
            if b"\xd0\0" in data:
                return True
            if not data:
                return False
    except OSError:
        return False


async def play(folder: Path, script: list[Step]) -> None:
    path = folder / "thingstead.db"
    house = House(await open_store(path, SystemClock()), path, MqttSettings(), TcpSettings())
    await house.open()
    try:
        stage = Stage(house, [await house.device() for _ in range(DEVICES)])
        for step in script:
            await stage.play(step)
        alive = await stage.settle()
        for device in stage.devices:
            assert alive[device.id] <= 1
            assert await house.online(device) is bool(alive[device.id])
            told = stage.news[device.id]
            assert told == [number % 2 == 0 for number in range(len(told))]
            assert (len(told) % 2 == 1) is bool(alive[device.id])
            assert await logged(house, device) == told
    finally:
        await house.close()


async def logged(house: House, device: Device) -> list[bool]:
    """The device's connection log without takeovers, oldest first."""
    await settled(house.store.history.touch(device.number, "data", 0))  # its commit follows those of the log
    entries, _ = await house.platform.device_logs.list_page(device, "connection", Page(records=100))
    return [entry.body["online"] for entry in reversed(entries) if not entry.body["replaced"]]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=steps)
def test_online_is_a_live_session_and_its_news_alternate(script: list[Step], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "GRACE", GRACE)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(Path(folder), script))
