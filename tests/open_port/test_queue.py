"""What waits for a client that is away: kept on disk, bounded, in order, as long as it is worth sending."""

import pytest
from structlog.testing import capture_logs

from tests.open_port.conftest import V3_1_1, V5, Broker
from thingstead.config import MqttSettings
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.subscription_packets import SubscriptionRequest


async def publish(broker: Broker, *payloads: bytes, qos: int = 1, topic: str = "a", **more: object) -> None:
    publisher = await broker.connect()
    for payload in payloads:
        await publisher.publish(topic, payload, qos, **more)  # type: ignore[arg-type]
    await publisher.disconnect()


@pytest.mark.parametrize("version", [V3_1_1, V5])
@pytest.mark.parametrize("end", ["", "restart", "crash"])
async def test_messages_wait_for_a_client_that_is_away(broker: Broker, version: ProtocolVersion, end: str) -> None:
    await broker.away("client", "a", qos=2, version=version)
    for number in range(20):
        await publish(broker, b"%d" % number, qos=1 + number % 2)
    if end:
        await getattr(broker, end)()
    client = await broker.resume("client", version)
    messages = [await client.message() for _ in range(20)]
    assert [(each.payload, each.qos, each.dup) for each in messages] == [
        (b"%d" % number, 1 + number % 2, False) for number in range(20)
    ]
    await client.receive_nothing()
    await client.disconnect()
    await broker.settle()
    assert (await broker.store.mqtt_sessions.load()).messages == ()


async def test_messages_at_qos_0_do_not_wait(broker: Broker) -> None:
    await broker.away("at 0", "a", qos=0)
    await broker.away("at 1", "a", qos=1)
    await publish(broker, b"one")
    await publish(broker, b"zero", qos=0)
    await (await broker.resume("at 0")).receive_nothing()
    client = await broker.resume("at 1")
    assert await client.messages(1) == [b"one"]
    await client.receive_nothing()


async def test_a_message_that_waits_keeps_its_properties_and_loses_its_time(broker: Broker) -> None:
    client = await broker.connect("client", expiry_s=600)
    options = SubscriptionRequest("a", 1, retain_as_published=True)
    await client.request(options, properties={Property.SUBSCRIPTION_IDENTIFIER: (3,)})
    await client.disconnect()
    await broker.settle()
    own = {
        Property.USER_PROPERTY: (("b", "1"), ("a", "2"), ("b", "1")),
        Property.RESPONSE_TOPIC: "r",
        Property.CORRELATION_DATA: b"\0",
    }
    await publish(broker, b"x", retain=True, properties={**own, Property.MESSAGE_EXPIRY_INTERVAL: 100})
    await broker.later(10)
    await broker.crash(20_000)
    message = await (await broker.resume("client")).message()
    expected = {**own, Property.MESSAGE_EXPIRY_INTERVAL: 70, Property.SUBSCRIPTION_IDENTIFIER: (3,)}
    assert (message.properties, message.retain) == (expected, True)


@pytest.mark.parametrize("end", ["later", "restart"])
async def test_a_message_that_expired_is_not_sent(broker: Broker, end: str) -> None:
    await broker.away("client", "a")
    await publish(broker, b"short", properties={Property.MESSAGE_EXPIRY_INTERVAL: 10})
    await publish(broker, b"long", properties={Property.MESSAGE_EXPIRY_INTERVAL: 100})
    await (broker.later(11) if end == "later" else broker.restart(11_000))
    client = await broker.resume("client")
    assert await client.messages(1) == [b"long"]
    await client.receive_nothing()
    await client.disconnect()
    await broker.settle()
    assert (await broker.store.mqtt_sessions.load()).messages == ()


@pytest.mark.parametrize("settings", [MqttSettings(queue_max_messages=5)])
@pytest.mark.parametrize("end", ["", "crash"])
async def test_a_full_queue_loses_its_oldest_messages_which_are_counted(broker: Broker, end: str) -> None:
    await broker.away("client", "a")
    with capture_logs() as logs:
        await publish(broker, *(b"%d" % number for number in range(8)))
    assert [log["client_id"] for log in logs] == ["client"], "logged once in a while"
    assert broker.gateway.open_port.counters.messages_dropped == 3
    if end:
        await broker.crash()
    client = await broker.resume("client")
    assert await client.messages(5) == [b"3", b"4", b"5", b"6", b"7"]
    await client.receive_nothing()


@pytest.mark.parametrize("settings", [MqttSettings(queue_max_bytes=65_536)])
async def test_a_queue_is_bounded_in_bytes_too(broker: Broker) -> None:
    await broker.away("client", "a")
    await publish(broker, *(bytes((number,)) * 20_000 for number in range(5)))
    await publish(broker, bytes(70_000))
    assert await_dropped(broker) == 2 + 1, "one that has no room at all goes itself, and displaces none"
    client = await broker.resume("client")
    assert await client.messages(3) == [bytes((number,)) * 20_000 for number in (2, 3, 4)]
    await client.receive_nothing()


def await_dropped(broker: Broker) -> int:
    return broker.gateway.open_port.counters.messages_dropped


@pytest.mark.parametrize("settings", [MqttSettings(queue_max_messages=5, in_flight_max=3)])
@pytest.mark.parametrize("expiry_s", [0, 600])
async def test_what_is_in_flight_is_not_displaced(broker: Broker, expiry_s: int) -> None:
    client = await broker.connect("client", expiry_s=expiry_s)
    await client.listen("a", qos=1)
    await publish(broker, *(b"%d" % number for number in range(10)))
    sent = [await client.receive(Publish) for _ in range(3)]
    await client.receive_nothing()
    for message in sent:
        client.send(Puback(message.packet_id))
    assert await client.messages(5) == [b"5", b"6", b"7", b"8", b"9"]
    assert [message.payload for message in sent] == [b"0", b"1", b"2"]


async def test_one_message_waits_for_many_and_is_kept_once(broker: Broker) -> None:
    for number in range(5):
        await broker.away(f"client-{number}", "a/#" if number % 2 else "+/b", qos=1 + number % 2)
    await publish(broker, b"x", qos=2, topic="a/b")
    kept = await broker.store.mqtt_sessions.load()
    assert len(kept.messages) == 1
    assert [len(session.queue) for session in kept.sessions] == [1] * 5
    await broker.crash()
    for number in range(5):
        message = await (await broker.resume(f"client-{number}")).message()
        assert (message.payload, message.qos) == (b"x", 1 + number % 2)
    await broker.settle()


async def test_a_session_that_expires_takes_what_waits_for_it_along(broker: Broker) -> None:
    await broker.away("client", "a", expiry_s=10)
    await publish(broker, b"x")
    await broker.later(11)
    kept = await broker.store.mqtt_sessions.load()
    assert (kept.sessions, kept.messages) == ((), ())


@pytest.mark.parametrize("settings", [MqttSettings(queue_max_bytes=65_536)])
async def test_a_message_that_no_queue_could_hold_costs_none_of_those_that_wait(broker: Broker) -> None:
    await broker.away("client", "a")
    await publish(broker, b"first", bytes(70_000), b"last")
    client = await broker.resume("client")
    assert await client.messages(2) == [b"first", b"last"]
    await client.receive_nothing()
