"""Forwarding to Kafka: a mock cluster of three brokers, the order of each device, and brokers that are not allowed."""

import asyncio
import json
from typing import Any

import pytest
from aiokafka.errors import AuthenticationFailedError
from confluent_kafka import Consumer, Producer

from tests.services.forwarding.sessions import NOW, message, session
from tests.services.outbound.brokers import free_port
from thingstead.model.forwarding.configs.kafka import KafkaConfig
from thingstead.model.forwarding.message import ForwardDevice, ForwardMessage, message_of
from thingstead.services.forwarding.target import TransientFailure
from thingstead.services.forwarding.targets.kafka import RECEIVED_MAX_BYTES, Guard, _GuardedConnection, _Loop
from thingstead.services.outbound.network import Resolver

TIMEOUT_S = 30


@pytest.fixture(scope="module")
def cluster() -> Producer:
    """A cluster, which lives as long as the producer that makes it."""
    return Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 3, "log_level": 0})


@pytest.fixture(scope="module")
def servers(cluster: Producer) -> tuple[str, ...]:
    """Its addresses."""
    brokers = cluster.list_topics(timeout=TIMEOUT_S).brokers.values()
    return tuple(f"{broker.host}:{broker.port}" for broker in brokers)


def config(servers: tuple[str, ...], topic: str = "things", **members: Any) -> KafkaConfig:
    return KafkaConfig(servers=servers, topic=topic, **members)


def of_device(device_id: str, number: int) -> ForwardMessage:
    device = ForwardDevice(device_id, device_id, "", "")
    return message_of(f"{device_id}-{number}", "attributes", device, NOW + number, {"n": number})


def consume(servers: tuple[str, ...], topic: str, count: int) -> list[Any]:
    consumer = Consumer({"bootstrap.servers": ",".join(servers), "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    found: list[Any] = []
    try:
        while len(found) < count:
            records = consumer.consume(count, timeout=TIMEOUT_S)
            assert records, f"{len(found)} of {count}"
            found += [record for record in records if record.error() is None]
    finally:
        consumer.close()
    return found


@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_records_arrive_in_the_order_of_each_device(servers: tuple[str, ...], compression: str) -> None:
    topic = f"ordered-{compression}"
    async with session("kafka", config(servers, topic, compression=compression)) as opened:
        lanes = [[of_device(f"d{lane}", number) for number in range(200)] for lane in range(4)]
        assert await asyncio.gather(*(opened.send(lane) for lane in lanes)) == [None] * 4
    found = await asyncio.to_thread(consume, servers, topic, 800)
    for lane in range(4):
        own = [record for record in found if record.key() == f"d{lane}".encode()]
        assert [json.loads(record.value())["attributes"]["n"] for record in own] == list(range(200))
        assert len({record.partition() for record in own}) == 1
    headers = dict(found[0].headers())
    assert json.loads(found[0].value())["id"] == headers["id"].decode()
    assert headers["kind"] == b"attributes"
    assert found[0].timestamp()[1] == json.loads(found[0].value())["ts_ms"]


async def test_a_record_that_is_too_large_is_refused_and_the_others_arrive(servers: tuple[str, ...]) -> None:
    large = message(2, {"text": "x" * 1_100_000})
    async with session("kafka", config(servers, "large")) as opened:
        refusals = await opened.send([message(1), large, message(3)])
    assert refusals is not None
    assert [refusal is None for refusal in refusals] == [True, False, True]
    found = await asyncio.to_thread(consume, servers, "large", 2)
    assert [json.loads(record.value())["id"] for record in found] == ["m1", "m3"]


async def test_a_cluster_that_is_not_there_is_a_failure_that_passes() -> None:
    async with session("kafka", config((f"127.0.0.1:{free_port()}",))) as opened:
        for _ in range(2):
            with pytest.raises(TransientFailure) as failed:
                await opened.send([message(1)])
            assert not failed.value.pause


async def test_a_refused_address_is_not_connected_to(servers: tuple[str, ...]) -> None:
    async with session("kafka", config(servers), private=False) as opened:
        with pytest.raises(TransientFailure, match="an address that is refused") as failed:
            await opened.send([message(1)])
        assert failed.value.pause


async def test_a_broker_that_floods_loses_its_connection() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read(1_000)
            writer.write((1 << 30).to_bytes(4, "big"))
            while True:
                writer.write(bytes(1 << 20))
                await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with session("kafka", config((f"127.0.0.1:{port}",))) as opened:
            with pytest.raises(TransientFailure, match="sends more than answers"):
                await opened.send([message(1)])


async def test_a_broker_that_hangs_is_left_when_the_time_is_over() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1_000):
            pass
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with session("kafka", config((f"127.0.0.1:{port}",))) as opened:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await opened.send([message(1)])


@pytest.mark.parametrize("host", ["169.254.169.254", "127.0.0.1", "no.such.host.invalid"])
async def test_a_broker_that_the_cluster_names_is_held_to_the_rules_of_addresses(host: str) -> None:
    resolver = Resolver()
    guard = Guard(resolver, lambda: False)
    with pytest.raises(OSError, match=r"refused|cannot be resolved"):
        await guard.connect(asyncio.get_running_loop(), asyncio.Protocol, host, 9092, None)
    assert guard.failed is not None
    resolver.close()


async def test_a_broker_cannot_make_the_log_in_hash_for_an_hour() -> None:
    resolver = Resolver()
    guard = Guard(resolver, lambda: True)
    connection = _GuardedConnection(
        "127.0.0.1", 9092, sasl_mechanism="SCRAM-SHA-512", sasl_plain_username="ours", sasl_plain_password="secret"
    )
    connection._loop = _Loop(asyncio.get_running_loop(), guard)
    log_in = connection.authenticator_scram()
    first, _ = await log_in.step(None)
    nonce = first.decode().rpartition("r=")[2]
    with pytest.raises(AuthenticationFailedError):
        await log_in.step(f"r={nonce}more,s=AAAA,i=2000000000".encode())
    assert guard.failed is not None
    assert guard.failed.permanent
    assert "SCRAM" in guard.failed.reason
    resolver.close()


class Discarding(asyncio.Protocol):
    """What the library has in its place, without what follows."""

    def __init__(self) -> None:
        self.received_bytes = 0
        self._stream_reader = self  # as the library's, which knows its transport
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.received_bytes += len(data)


async def test_a_cluster_sends_no_more_than_can_be_decoded_beside_other_work() -> None:
    """The library decodes in the event loop; each record that is sent has an answer."""
    resolver = Resolver()
    guard = Guard(resolver, lambda: True)
    much = 8 << 20
    server = await asyncio.start_server(lambda reader, writer: writer.write(bytes(much)), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        _, protocol = await guard.connect(asyncio.get_running_loop(), Discarding, "127.0.0.1", port, None)
        async with asyncio.timeout(30):
            while not protocol._transport.is_closing() and protocol.received_bytes < much:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert protocol.received_bytes <= 2 << 20  # what a slow test adds included
    assert guard.failed is not None
    guard._left_bytes = 0.0
    guard.allow(1_000)
    assert guard._left_bytes == 128_000
    guard.allow(1_000_000)
    assert guard._left_bytes == RECEIVED_MAX_BYTES
    resolver.close()
