"""Packets that have begun, of all clients together, and requests of one client that are made one after another."""

import asyncio
import json
from collections.abc import Callable

import pytest

from tests.broker.conftest import TIMEOUT_S, V5, House, Peer
from thingstead.broker.net.tasks import JobQueue, Tasks
from thingstead.config import MqttSettings
from thingstead.mqtt.budget import Budget
from thingstead.mqtt.connection_packets import Disconnect
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Suback, Subscribe, SubscriptionRequest

LIMIT_BYTES, PACKET_BYTES = 100_000, 70_000


@pytest.fixture
def mqtt_settings() -> MqttSettings:
    return MqttSettings(max_packet_size_bytes=PACKET_BYTES)


@pytest.fixture
def incomplete(house: House) -> Budget:
    """What packets that have begun may hold together."""
    budget = house.gateway._surroundings.bounds.incomplete
    budget._limit_bytes = LIMIT_BYTES
    return budget


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 - turns of the loop, no time
            await asyncio.sleep(0)


async def begin(house: House, incomplete: Budget, size: int) -> Peer:
    """A device that has sent so much of a packet, but for its end."""
    peer = await house.log_in(await house.device(), V5, keep_alive=60)
    before = incomplete.used_bytes
    peer.send_bytes(Publish("attributes", b" " * (PACKET_BYTES - 1_000)).serialize(V5)[:size])
    await until(lambda: incomplete.used_bytes >= before + size)
    return peer


async def test_one_with_more_than_its_part_is_told_and_others_go_on(house: House, incomplete: Budget) -> None:
    first = await begin(house, incomplete, 60_000)
    second = await house.log_in(await house.device(), V5, keep_alive=60)
    second.send_bytes(Publish("attributes", b" " * 60_000).serialize(V5)[:59_000])
    [goodbye] = await second.receive_end()
    assert isinstance(goodbye, Disconnect)
    assert goodbye.reason_code is ReasonCode.QUOTA_EXCEEDED
    small = await begin(house, incomplete, 500)
    small.send_bytes(Publish("attributes", b" " * (PACKET_BYTES - 1_000)).serialize(V5)[500:1_000])
    await first.close()
    await until(lambda: incomplete.used_bytes <= 1_000)
    await small.close()
    await until(lambda: not incomplete.used_bytes)


async def test_of_a_client_that_has_left_nothing_is_held(house: House, incomplete: Budget) -> None:
    peer = await begin(house, incomplete, 60_000)
    [client] = house.gateway._clients
    assert client._decoder.buffered_bytes >= 60_000
    peer.abort()
    await until(lambda: not incomplete.used_bytes)
    assert client._decoder.buffered_bytes == 0


async def test_what_is_complete_holds_nothing(house: House, incomplete: Budget) -> None:
    peer = await house.log_in(await house.device(), V5, keep_alive=60)
    for number in range(1, 6):
        payload = json.dumps({"a": "x" * 60_000}).encode()
        packet = Publish("attributes", payload, 1, number).serialize(V5)
        peer.send_bytes(packet[:50_000])
        await asyncio.sleep(0)
        peer.send_bytes(packet[50_000:])
        assert isinstance(await peer.receive(Puback), Puback)
    assert incomplete.used_bytes == 0


async def test_others_have_their_turn_between_jobs_that_wait_for_nothing() -> None:
    tasks, order = Tasks(), list[str]()
    jobs = JobQueue(tasks, lambda: None, lambda: True)

    async def work() -> None:
        order.append("job")

    for _ in range(3):
        jobs.add(work)
    await asyncio.sleep(0)
    order.append("other")
    await tasks.close(timeout_s=5)
    assert order == ["job", "other", "job", "job"]


async def test_no_job_is_done_while_the_peer_does_not_read() -> None:
    tasks, done, readable = Tasks(), list[int](), asyncio.Event()
    jobs = JobQueue(tasks, lambda: None, readable.is_set)

    async def work() -> None:
        done.append(len(done))

    jobs.add(work)
    jobs.add(work)
    await asyncio.sleep(0)
    assert done == []
    readable.set()
    jobs.go_on()
    await tasks.close(timeout_s=5)
    assert done == [0, 1]


async def test_a_device_that_reads_late_has_every_answer_to_what_it_asked(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device, V5, keep_alive=60)
    await house.platform.ingest.await_room(device)
    for number in range(1, 6):
        payload = json.dumps({f"k{number}": "x" * 60_000}).encode()
        peer.send(Publish("attributes", payload, 1, number))
        await peer.receive(Puback)
    peer.send(Subscribe(1, [SubscriptionRequest("attributes/get/response/+", 0)]))
    await peer.receive(Suback)
    asked = 60  # of 300 kB each: far more than may wait to be read at a time
    for number in range(asked):
        peer.send(Publish(f"attributes/get/{number}", b"{}"))
    for number in range(asked):
        answer = await peer.receive(Publish)
        assert answer.topic == f"attributes/get/response/{number}"
        assert len(answer.payload) > 300_000
