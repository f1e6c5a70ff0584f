"""When a store cannot keep up or fails, when a client does not read, and when it sends too much at once."""

import asyncio
from collections.abc import Callable

import pytest

from tests.broker.conftest import TIMEOUT_S, V5, House, report
from thingstead.broker.connection.acknowledgements import Acknowledgements
from thingstead.config import MqttSettings
from thingstead.errors import Unavailable
from thingstead.mqtt.connection_packets import Disconnect
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.refusals import Reason


class Commit:
    """A commit that ends when the test says so."""

    def __init__(self) -> None:
        self.done = False
        self.error: Exception | None = None
        self.callbacks: list[Callable[[Exception | None], None]] = []

    def on_done(self, callback: Callable[[Exception | None], None]) -> None:
        self.callbacks.append(callback)

    def end(self, error: Exception | None = None) -> None:
        self.done, self.error = True, error
        for callback in self.callbacks:
            callback(error)


class Desk:
    """Acknowledgements and their results."""

    def __init__(self) -> None:
        self.released = b""
        self.counted = 0
        self.failures: list[Exception] = []
        self.acknowledgements = Acknowledgements(self._release, self.failures.append)

    def _release(self, answers: bytes, counted: int) -> None:
        self.released += answers
        self.counted += counted


def test_an_answer_that_waits_for_nothing_is_left_to_the_caller() -> None:
    assert not Desk().acknowledgements.add(None, b"1", 1)


def test_answers_leave_in_order_although_their_commits_do_not_end_in_order() -> None:
    desk, first, second = Desk(), Commit(), Commit()
    for commit, answer in ((first, b"1"), (None, b"2"), (second, b"3"), (first, b"4")):
        assert desk.acknowledgements.add(commit, answer, 1)
    second.end()
    assert (desk.released, desk.acknowledgements.waiting) == (b"", 4)
    first.end()
    assert (desk.released, desk.counted, desk.acknowledgements.waiting) == (b"1234", 4, 0)


def test_a_commit_is_asked_once_for_all_who_wait_for_it() -> None:
    desk, commit = Desk(), Commit()
    for _ in range(100):
        desk.acknowledgements.add(commit, b"x", 1)
    assert len(commit.callbacks) == 1


def test_a_commit_that_has_ended_is_not_waited_for() -> None:
    desk, commit = Desk(), Commit()
    commit.end()
    desk.acknowledgements.add(commit, b"1", 0)
    assert desk.released == b"1"


def test_nothing_behind_a_failed_commit_is_released() -> None:
    desk, good, bad, later = Desk(), Commit(), Commit(), Commit()
    for commit, answer in ((good, b"1"), (bad, b"2"), (later, b"3")):
        desk.acknowledgements.add(commit, answer, 1)
    later.end()
    good.end()
    bad.end(Unavailable(Reason("unknown_refusal", "the disk is full")))
    assert desk.released == b"1"
    assert len(desk.failures) == 1
    assert desk.acknowledgements.waiting == 0


async def test_a_failed_commit_acknowledges_nothing_and_ends_the_connection(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await house.device()
    peer = await house.log_in(device, V5)
    await peer.subscribe("attributes/response")
    commit = Commit()
    with monkeypatch.context() as patch:
        patch.setattr(house.store.history, "append_run", lambda reports, flat: (len(reports), commit))
        peer.send(report(1), report(2))
        await peer.receive_nothing()
    commit.end(Unavailable(Reason("unknown_refusal", "the disk is full")))
    assert (await peer.receive(Disconnect)).reason_code is ReasonCode.SERVER_BUSY
    await peer.receive_close()


async def test_what_cannot_even_wait_for_a_commit_ends_the_connection(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object, flat: bool) -> Commit:
        raise Unavailable("store_closing")

    peer = await house.log_in(await house.device(), V5)
    with monkeypatch.context() as patch:
        patch.setattr(house.store.history, "append_run", refuse)
        peer.send(report(1))
        assert (await peer.receive(Disconnect)).reason_code is ReasonCode.SERVER_BUSY
    await peer.receive_close()


class TestSmallWindow:
    @pytest.fixture
    def mqtt_settings(self) -> MqttSettings:
        return MqttSettings(receive_maximum=10)

    async def test_a_5_0_client_that_overruns_the_receive_maximum_is_disconnected(self, house: House) -> None:
        """[MQTT-3.3.4-9]"""
        peer = await house.log_in(await house.device(), V5)
        with house.held_writes():
            peer.send(*(report(number) for number in range(1, 12)))
            assert (await peer.receive(Disconnect)).reason_code is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED
        await peer.receive_close()

    async def test_reports_that_nobody_acknowledges_are_not_read_without_end_either(self, house: House) -> None:
        peer, other = await house.log_in(await house.device(), V5), await house.log_in(await house.device())
        with house.held_writes():
            for number in range(1, 12):
                peer.send(Publish("attributes", b'{"n":%d}' % number))
            while house.counters.messages_received < 11:
                await other.receive_nothing()
            peer.send(*(Publish("attributes", b'{"n":%d}' % number) for number in range(12, 30)))
            for _ in range(3):
                await other.receive_nothing()
            assert house.counters.messages_received == 11
        while house.counters.messages_received < 29:
            await other.receive_nothing()

    async def test_an_older_client_is_not_read_until_its_reports_are_kept(self, house: House) -> None:
        peer, other = await house.log_in(await house.device()), await house.log_in(await house.device())
        with house.held_writes():
            peer.send(*(report(number) for number in range(1, 12)))
            while house.counters.messages_received < 11:
                await other.receive_nothing()
            peer.send(*(report(number) for number in range(12, 30)))
            for _ in range(3):
                await other.receive_nothing()
            assert house.counters.messages_received == 11
        assert [(await peer.receive(Puback)).packet_id for _ in range(29)] == list(range(1, 30))


class TestCongestion:
    async def test_a_congested_store_stops_the_reading_until_it_is_relieved(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reliefs: list[Callable[[], None]] = []
        congested = False
        history = house.store.history
        monkeypatch.setattr(type(history), "congested", property(lambda _: congested))
        monkeypatch.setattr(history, "when_room", lambda callback, _: reliefs.append(callback))
        device = await house.device()
        peer = await house.log_in(device, keep_alive=1)
        congested = True
        peer.send(report(1))
        await peer.receive(Puback)
        peer.send(report(2))
        congested = False
        other = await house.log_in(await house.device(), V5, keep_alive=1)
        await other.receive(Disconnect)  # one and a half keep alives are over for a client that is listened to
        assert house.counters.messages_received == 1
        for relieve in reliefs:
            relieve()
        assert (await peer.receive(Puback)).packet_id == 2


class TestSmallBuffer:
    @pytest.fixture
    def mqtt_settings(self) -> MqttSettings:
        return MqttSettings(send_buffer_max_bytes=16_384)

    async def test_a_client_that_does_not_read_is_dropped_and_costs_bounded_memory(self, house: House) -> None:
        device = await house.device()
        peer = await house.log_in(device)
        await peer.subscribe("attributes/push")
        async with asyncio.timeout(TIMEOUT_S):
            while house.counters.connections:
                await house.platform.control.push_attributes(house.project_id, device.id, {"long": "x" * 50_000})
        await house.gateway.stop()
        assert not await house.online(device)
