"""An unexpected exception costs the message, the request or the connection that it happened to, and nobody else."""

import asyncio
import json
from typing import Any

import pytest

from tests.broker.conftest import TIMEOUT_S, House, Peer, command, message, report
from thingstead.broker.apps import backlog as app_backlog
from thingstead.broker.apps import fanout as app_hub
from thingstead.broker.apps import messages as app_messages
from thingstead.broker.connection.mqtt_connection import MqttConnection
from thingstead.broker.net.tasks import JOBS_LIMIT_BYTES, JobQueue, Tasks
from thingstead.errors import Unavailable
from thingstead.model.device import Device
from thingstead.mqtt.connection_packets import Connack, Connect
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.refusals import Reason
from thingstead.services.mqtt.subscriptions import DeviceCard


async def application(house: House, client_id: str = "app") -> Peer:
    """An application that hears all attributes."""
    peer = await house.peer()
    peer.send(Connect(client_id=client_id, user_name=house.view_key, password=house.view_secret.encode()))
    assert (await peer.receive(Connack)).reason_code == 0
    await peer.subscribe(f"{house.view_key}/+/attributes")
    return peer


async def push(house: House, device: Device, *numbers: int) -> None:
    for number in numbers:
        await house.platform.control.push_attributes(house.project_id, device.id, {"n": number})


async def told(peer: Peer, *numbers: int) -> None:
    """Exactly these are what comes next."""
    for number in numbers:
        assert json.loads((await peer.receive(Publish)).payload)["attributes"] == {"n": number}
    await peer.receive_nothing()


async def test_reading_a_device_that_fails_costs_that_message(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read_card, calls = house.platform.subscriptions.read_card, []

    async def fail_once(which: int | str) -> DeviceCard | None:
        calls.append(which)
        if len(calls) == 1:
            raise RuntimeError("a bug")
        return await read_card(which)

    monkeypatch.setattr(house.platform.subscriptions, "read_card", fail_once)
    device, app = await house.device(), await application(house)
    await push(house, device, 1)
    await app.receive_nothing()
    await push(house, device, 2, 3)
    await told(app, 2, 3)
    assert house.gateway.app_counters.news_dropped == 1
    assert "[error    ] a message for subscribers failed" in capsys.readouterr().out


@pytest.mark.parametrize("known", [True, False], ids=["at once", "behind a device that must be read"])
async def test_a_message_that_cannot_be_made_costs_that_message(
    house: House, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    made = app_messages.attributes

    def fail_for_one(card: DeviceCard, told: Any) -> bytes:
        if told.attributes == {"n": 2}:
            raise RuntimeError("a bug")
        return made(card, told)

    monkeypatch.setattr(app_hub, "attributes", fail_for_one)
    device, app = await house.device(), await application(house)
    if known:
        await push(house, device, 0)
        await told(app, 0)
    await push(house, device, 1, 2, 3)
    await told(app, 1, 3)


class Broken:
    """A transport that fails."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        raise RuntimeError("a bug")


def connection_of(house: House, client_number: int) -> MqttConnection:
    """The server's end of the connection that was made so many connections ago."""
    return sorted(house.gateway._clients, key=lambda client: client.remote_address)[client_number]


async def test_a_connection_that_fails_keeps_no_other_from_being_told(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    device = await house.device()
    apps = [await application(house, f"app-{number}") for number in range(3)]
    broken = connection_of(house, 1)
    failing = next(app for app in apps if remote_address(app) == broken.remote_address)
    broken._transport = Broken(broken._transport)  # type: ignore[assignment]  # the point of the test
    await push(house, device, 1, 2)
    for app in apps:
        if app is not failing:
            await told(app, 1, 2)
    await failing.receive_close()
    assert "[error    ] a connection failed" in capsys.readouterr().out


def remote_address(peer: Peer) -> str:
    host, port = peer._writer.get_extra_info("sockname")
    return f"{host}:{port}"


async def test_a_request_that_fails_leaves_its_turn_to_the_next(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("attributes/get/response/+")
    peer.send(report(1))
    await peer.receive(Puback)
    current_values, calls = house.platform.history.current_values, []

    async def fail_once(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            raise RuntimeError("a bug")
        return await current_values(*args)

    monkeypatch.setattr(house.platform.history, "current_values", fail_once)
    peer.send(*(Publish(f"attributes/get/{number}", b"") for number in range(60)))
    for number in range(1, 60):
        assert (await message(peer, f"attributes/get/response/{number}"))["result"] == 1
    assert "[error    ] a request of a device failed" in capsys.readouterr().out


@pytest.mark.usefixtures("impatient")
async def test_commands_that_could_not_be_read_are_sent_before_the_next_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = await house.device()
    first = await command(house, device, wait_ms=60_000)
    pending, calls = house.platform.control.pending, []

    async def fail_once(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            raise Unavailable(Reason("unknown_refusal", "a busy store"))
        return await pending(*args)

    monkeypatch.setattr(house.platform.control, "pending", fail_once)
    peer = await house.log_in(device)
    await peer.subscribe("command/send/+", qos=1)
    await peer.receive_nothing()
    second = await command(house, device, wait_ms=60_000)
    for sent in (first, second):
        packet = await peer.receive(Publish)
        assert packet.topic == f"command/send/{sent.command_id}"
        peer.send(Puback(packet.packet_id))


async def test_jobs_go_on_behind_one_that_fails() -> None:
    tasks, done = Tasks(), asyncio.Event()
    jobs = JobQueue(tasks, lambda: None, lambda: True)

    async def fail() -> None:
        raise RuntimeError("a bug")

    async def work() -> None:
        done.set()

    jobs.add(fail)
    jobs.add(work)
    async with asyncio.timeout(TIMEOUT_S):
        await done.wait()
    await tasks.close(timeout_s=5)


async def test_jobs_are_crowded_by_their_number_and_by_their_bytes() -> None:
    tasks, gate = Tasks(), asyncio.Event()
    jobs = JobQueue(tasks, lambda: None, lambda: True)

    async def work() -> None:
        await gate.wait()

    jobs.add(work, JOBS_LIMIT_BYTES)
    await asyncio.sleep(0)  # it is under way, and waits no more
    crowded = []
    for size_bytes in (JOBS_LIMIT_BYTES, 1):
        jobs.add(work, size_bytes)
        crowded.append(jobs.crowded)
    gate.set()
    await tasks.close(timeout_s=5)
    assert [*crowded, jobs.crowded] == [False, True, False]


async def test_a_backlog_is_bounded_in_bytes_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_backlog, "BACKLOG_LIMIT_BYTES", 1_000)
    gate, read_card = asyncio.Event(), house.platform.subscriptions.read_card

    async def read_late(which: int | str) -> DeviceCard | None:
        await gate.wait()
        return await read_card(which)

    monkeypatch.setattr(house.platform.subscriptions, "read_card", read_late)
    device, app = await house.device(), await application(house)
    for number in range(5):
        await house.platform.control.push_attributes(house.project_id, device.id, {"n": number, "x": "x" * 400})
    gate.set()
    received = [json.loads((await app.receive(Publish)).payload)["attributes"]["n"] for _ in range(2)]
    assert received == [0, 4]  # the first one was being read for
    assert house.gateway.app_counters.news_dropped == 3
    await push(house, device, 5)
    await told(app, 5)
