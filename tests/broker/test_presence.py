"""Connections and their ends: takeover, revocation, keep alive, limits, shutdown, and what presence says of it."""

import asyncio
from typing import Any

import pytest

from tests.broker.conftest import TIMEOUT_S, V5, House, report
from thingstead.broker import broker as gateway_module
from thingstead.broker.connection import mqtt_connection as client_module
from thingstead.config import MqttSettings
from thingstead.errors import Unavailable
from thingstead.model.device import Device
from thingstead.model.messages import PresenceChanged
from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect, Pingreq
from thingstead.mqtt.publish_packets import Puback
from thingstead.mqtt.reasons import ReasonCode
from thingstead.refusals import Reason


class News:
    """Hears of one device's presence."""

    def __init__(self, house: House, device: Device) -> None:
        self.heard: asyncio.Queue[PresenceChanged] = asyncio.Queue()
        self._device_id = device.id
        house.bus.subscribe(PresenceChanged, self._hear)

    def _hear(self, news: PresenceChanged) -> None:
        if news.device_id == self._device_id:
            self.heard.put_nowait(news)

    async def next(self) -> PresenceChanged:
        async with asyncio.timeout(TIMEOUT_S):
            return await self.heard.get()


async def test_online_is_a_live_session(house: House) -> None:
    device = await house.device()
    news = News(house, device)
    for end in ("disconnect", "close", "abort"):
        peer = await house.log_in(device)
        assert (await news.next()).online
        assert await house.online(device)
        if end == "disconnect":
            peer.send(Disconnect())
        elif end == "close":
            await peer.close()
        else:
            peer.abort()
        gone = await news.next()
        assert not gone.online
        assert (gone.reason == "the device disconnected") is (end == "disconnect")
        assert not await house.online(device)


async def test_a_second_connection_takes_over_and_the_device_stays_online(house: House) -> None:
    device = await house.device()
    news = News(house, device)
    first = await house.log_in(device, V5)
    first_news = await news.next()
    second = await house.log_in(device)
    assert (await first.receive(Disconnect)).reason_code is ReasonCode.SESSION_TAKEN_OVER
    await first.receive_close()
    taken = await news.next()
    assert (taken.online, taken.replaced) == (True, first_news.session_id)
    second.send(report(1))
    await second.receive(Puback)
    assert await house.online(device)
    assert news.heard.empty()


async def test_of_many_connections_at_once_one_survives(house: House) -> None:
    device = await house.device()
    peers = [await house.peer(V5) for _ in range(8)]
    for peer in peers:
        peer.send(Connect(V5, "c", **house.certificate(device)))
    ends = {asyncio.create_task(peer.receive_end()): peer for peer in peers}
    pending = set(ends)
    async with asyncio.timeout(TIMEOUT_S):
        while len(pending) > 1:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    [waiting] = pending
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    survivor = ends[waiting]
    survivor.send(report(1))
    await survivor.receive(Connack)
    await survivor.receive(Puback)
    for end in ends.keys() - {waiting}:
        # One that was taken over while it was still being admitted has seen no CONNACK.
        last = end.result()[-1] if end.result() else None
        assert last is None or (isinstance(last, Disconnect) and last.reason_code is ReasonCode.SESSION_TAKEN_OVER)


async def test_a_removed_device_is_disconnected(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device, V5)
    await house.platform.devices.delete(house.project_id, device.id)
    assert (await peer.receive(Disconnect)).reason_code is ReasonCode.ADMINISTRATIVE_ACTION
    await peer.receive_close()


async def test_a_certificate_reset_ends_the_connection_and_the_old_certificate(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device, V5)
    await house.platform.devices.reset_certificate(house.project_id, device.id)
    assert (await peer.receive(Disconnect)).reason_code is ReasonCode.ADMINISTRATIVE_ACTION
    again = await house.peer()
    again.send(Connect(client_id="c", **house.certificate(device)))
    assert (await again.receive(Connack)).reason_code is ReasonCode.BAD_USER_NAME_OR_PASSWORD


async def test_a_silent_client_is_dropped_after_one_and_a_half_keep_alives(house: House) -> None:
    """[MQTT-3.1.2-22]"""
    device = await house.device()
    news = News(house, device)
    peer = await house.log_in(device, V5, keep_alive=1)
    began = asyncio.get_running_loop().time()
    await peer.receive_nothing()
    assert (await peer.receive(Disconnect)).reason_code is ReasonCode.KEEP_ALIVE_TIMEOUT
    assert asyncio.get_running_loop().time() - began >= 1.5
    await peer.receive_close()
    assert [(await news.next()).online for _ in range(2)] == [True, False]


async def test_a_client_that_pings_is_kept(house: House) -> None:
    peer = await house.log_in(await house.device(), keep_alive=1)
    silent = await house.log_in(await house.device(), V5, keep_alive=1)
    silent_end = asyncio.create_task(silent.receive_end())
    while not silent_end.done():
        await peer.receive_nothing()
        await asyncio.wait([silent_end], timeout=0.5)
    later = await house.log_in(await house.device(), V5, keep_alive=1)
    later_end = asyncio.create_task(later.receive_end())
    while not later_end.done():
        await peer.receive_nothing()
        await asyncio.wait([later_end], timeout=0.5)
    await peer.receive_nothing()


async def test_without_a_keep_alive_nobody_is_dropped_for_silence(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device, keep_alive=0)
    other = await house.log_in(await house.device(), V5, keep_alive=1)
    await other.receive(Disconnect)
    await peer.receive_nothing()


async def test_stopping_tells_every_client_and_leaves_nobody_online(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device, V5)
    newcomer = await house.peer()
    await house.gateway.stop()
    assert (await peer.receive(Disconnect)).reason_code is ReasonCode.SERVER_SHUTTING_DOWN
    await peer.receive_close()
    await newcomer.receive_close()
    assert not await house.online(device)
    assert house.counters.connections == 0


async def test_what_was_acknowledged_before_a_stop_is_kept(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    peer.send(report(1, b'{"n":1}'))
    await peer.receive(Puback)
    await house.gateway.stop()
    assert await house.values(device) == {"n": 1}


async def test_stopping_does_not_wait_for_a_client_that_does_not_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_module, "STOP_TIMEOUT_S", 0.1)
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("attributes/push")
    while not house.unread_bytes():
        await house.platform.control.push_attributes(house.project_id, device.id, {"long": "x" * 50_000})
    await house.gateway.stop()
    assert house.counters.connections == 0
    assert not await house.online(device)


async def test_a_log_in_that_cannot_be_kept_leaves_nothing_behind(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the row is written and the answer is lost."""
    device = await house.device()
    open_session = house.platform.presence.open

    async def fail(*arguments: Any) -> None:
        await open_session(*arguments)
        raise Unavailable(Reason("unknown_refusal", "the disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(house.platform.presence, "open", fail)
        peer = await house.peer()
        peer.send(Connect(client_id="c", **house.certificate(device)))
        assert (await peer.receive(Connack)).reason_code is ReasonCode.SERVER_UNAVAILABLE
        await peer.receive_close()
    assert not await house.online(device)
    await house.log_in(device)


async def test_a_client_that_goes_during_its_log_in_leaves_nobody_online(house: House) -> None:
    device = await house.device()
    with house.held_writes():
        peer = await house.peer()
        peer.send(Connect(client_id="c", **house.certificate(device)))
        other = await house.peer()
        other.send_bytes(b"\0\0")
        await other.receive_close()
        peer.abort()
    news = News(house, device)
    assert [(await news.next()).online for _ in range(2)] == [True, False]
    assert not await house.online(device)


class TestLimits:
    @pytest.fixture
    def mqtt_settings(self) -> MqttSettings:
        return MqttSettings(connect_timeout_s=1, max_connections=2)

    async def test_a_connection_without_connect_is_closed_in_time(self, house: House) -> None:
        """However slowly it sends, it has the same time."""
        peer = await house.peer()
        for byte in b"\x10\x7f\x00\x04":
            peer.send_bytes(bytes((byte,)))
        await peer.receive_close()

    async def test_one_connection_too_many_is_closed_at_once(self, house: House) -> None:
        device = await house.device()
        kept = [await house.log_in(device), await house.log_in(await house.device())]
        await (await house.peer()).receive_close()
        assert house.gateway.entrance.refused == 1
        for peer in kept:
            await peer.receive_nothing()


async def test_a_bug_costs_one_connection_and_is_logged(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    broken = await house.log_in(await house.device())
    fine = await house.log_in(await house.device())
    with monkeypatch.context() as patch:
        patch.setitem(client_module._HANDLERS, Pingreq, fail)
        broken.send_bytes(b"\xc0\0")
        await broken.receive_close()
    await fine.receive_nothing()
    assert "a connection failed" in capsys.readouterr().out
