"""Exchanges that a lost connection, or a server that died, interrupts: each goes on where it stood."""

import pytest

from tests.open_port.conftest import V3_1_1, V5, Broker, Client
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel
from thingstead.mqtt.reasons import ReasonCode

BREAKS = ["connection", "restart", "crash"]
VERSIONS = [V3_1_1, V5]


async def subscriber(broker: Broker, version: ProtocolVersion = V5) -> Client:
    client = await broker.connect("client", version, expiry_s=600)
    await client.listen("a", qos=2)
    return client


async def publish(broker: Broker, *payloads: bytes, qos: int = 1) -> None:
    publisher = await broker.connect()
    for payload in payloads:
        await publisher.publish("a", payload, qos)
    await publisher.disconnect()


async def interrupt(broker: Broker, client: Client, kind: str) -> None:
    """The connection is gone, and perhaps the server; what the client sent before was read."""
    await broker.settle()
    if kind == "connection":
        client.abort()
    else:
        await getattr(broker, kind)()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", BREAKS)
async def test_what_was_not_acknowledged_is_sent_again_in_order_with_dup(
    broker: Broker, version: ProtocolVersion, kind: str
) -> None:
    client = await subscriber(broker, version)
    await publish(broker, *(b"%d" % number for number in range(6)))
    first = [await client.receive(Publish) for _ in range(6)]
    client.send(*(Puback(first[number].packet_id) for number in (0, 3)))
    await client.receive_nothing()
    await interrupt(broker, client, kind)
    await publish(broker, b"6")
    client = await broker.resume("client", version)
    again = [await client.message() for _ in range(5)]
    assert [(each.payload, each.dup) for each in again] == [
        (b"1", True),
        (b"2", True),
        (b"4", True),
        (b"5", True),
        (b"6", False),
    ]
    left = [message.packet_id for message in first if message.payload in (b"1", b"2", b"4", b"5")]
    assert [message.packet_id for message in again[:4]] == left
    await client.receive_nothing()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", BREAKS)
async def test_a_qos_2_message_that_was_not_received_is_sent_again_with_its_identifier(
    broker: Broker, version: ProtocolVersion, kind: str
) -> None:
    client = await subscriber(broker, version)
    await publish(broker, b"x", qos=2)
    first = await client.receive(Publish)
    await interrupt(broker, client, kind)
    client = await broker.resume("client", version)
    again = await client.message()
    assert (again.packet_id, again.qos, again.dup) == (first.packet_id, 2, True)
    await client.receive_nothing()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", BREAKS)
async def test_a_qos_2_message_that_was_received_is_released_and_not_sent_again(
    broker: Broker, version: ProtocolVersion, kind: str
) -> None:
    client = await subscriber(broker, version)
    await publish(broker, b"x", b"y", qos=2)
    first = await client.receive(Publish)
    client.send(Pubrec(first.packet_id))
    assert (await client.first(Pubrel)).packet_id == first.packet_id
    await interrupt(broker, client, kind)
    client = await broker.resume("client", version)
    assert (await client.receive(Pubrel)).packet_id == first.packet_id
    assert (await client.first(Publish)).payload == b"y"
    client.send(Pubcomp(first.packet_id))
    await client.receive_nothing()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", BREAKS)
async def test_a_message_that_was_completed_is_over(broker: Broker, version: ProtocolVersion, kind: str) -> None:
    client = await subscriber(broker, version)
    await publish(broker, b"x", qos=2)
    await publish(broker, b"y", qos=1)
    assert await client.messages(2) == [b"x", b"y"]
    await client.receive_nothing()
    await interrupt(broker, client, kind)
    await (await broker.resume("client", version)).receive_nothing()


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", BREAKS)
@pytest.mark.parametrize("released", [False, True])
async def test_a_qos_2_publish_that_comes_again_is_taken_once(
    broker: Broker, version: ProtocolVersion, kind: str, released: bool
) -> None:
    await broker.away("listener", "a", qos=2)
    publisher = await broker.connect("publisher", version, expiry_s=600)
    publisher.send(Publish("a", b"x", 2, 77))
    assert await publisher.answer(Pubrec, 77) == ReasonCode.SUCCESS
    if released:
        publisher.send(Pubrel(77))
        assert await publisher.answer(Pubcomp, 77) == ReasonCode.SUCCESS
    await interrupt(broker, publisher, kind)
    publisher = await broker.resume("publisher", version)
    if released:
        # The client missed the PUBCOMP, and sends its PUBREL again.
        publisher.send(Pubrel(77))
        expected = ReasonCode.PACKET_IDENTIFIER_NOT_FOUND if version is V5 else ReasonCode.SUCCESS
        assert await publisher.answer(Pubcomp, 77) == expected
    else:
        publisher.send(Publish("a", b"x", 2, 77, dup=True))
        assert await publisher.answer(Pubrec, 77) == ReasonCode.SUCCESS
        publisher.send(Pubrel(77))
        assert await publisher.answer(Pubcomp, 77) == ReasonCode.SUCCESS
    publisher.send(Publish("a", b"another", 2, 77))
    assert await publisher.answer(Pubrec, 77) == ReasonCode.SUCCESS
    listener = await broker.resume("listener")
    assert await listener.messages(2) == [b"x", b"another"]
    await listener.receive_nothing()


async def test_the_window_holds_for_what_is_sent_again(broker: Broker) -> None:
    client = await subscriber(broker)
    await publish(broker, *(b"%d" % number for number in range(8)))
    for _ in range(8):
        await client.receive(Publish)
    await interrupt(broker, client, "connection")
    client = await broker.resume("client", properties={Property.RECEIVE_MAXIMUM: 3})
    held: list[int] = []
    for number in range(8):
        if number >= 3:
            await client.receive_nothing()
            client.send(Puback(held.pop(0)))
        message = await client.receive(Publish)
        assert (message.payload, message.dup) == (b"%d" % number, True)
        held.append(message.packet_id)


async def test_answers_that_are_late_or_unknown_do_no_harm(broker: Broker) -> None:
    client = await subscriber(broker)
    client.send(Puback(9), Pubcomp(9))
    client.send(Pubrec(9))
    assert await client.answer(Pubrel, 9) == ReasonCode.PACKET_IDENTIFIER_NOT_FOUND
    await publish(broker, b"x")
    assert await client.messages(1) == [b"x"]
