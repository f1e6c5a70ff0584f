"""Retained messages: the newest of each topic, for whoever subscribes later, also after a restart."""

import pytest

from tests.open_port.conftest import V3_1_1, V5, Broker, Client
from thingstead.broker.connection import delivery
from thingstead.broker.open_port import retained_messages as open_retained
from thingstead.config import MqttSettings
from thingstead.mqtt.properties import NO_PROPERTIES, Properties, Property
from thingstead.mqtt.protocol import ProtocolVersion, RetainHandling
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Suback, Subscribe, SubscriptionRequest


async def retain(
    broker: Broker, topic: str, payload: bytes, qos: int = 1, properties: Properties = NO_PROPERTIES
) -> None:
    publisher = await broker.connect()
    await publisher.publish(topic, payload, qos, retain=True, properties=properties)
    await publisher.disconnect()


async def retained(broker: Broker, *topic_filters: str, qos: int = 1) -> list[tuple[str, bytes]]:
    """What a new subscriber is sent."""
    client = await broker.connect()
    await client.listen(*topic_filters, "end", qos=qos)
    await (await broker.connect()).publish("end", b"", 1)
    found: list[tuple[str, bytes]] = []
    while (message := await client.message()).topic != "end":
        assert message.retain
        found.append((message.topic, message.payload))
    return found


@pytest.mark.parametrize("version", [V3_1_1, V5])
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_a_later_subscriber_gets_the_newest_retained_message_of_each_topic(
    broker: Broker, version: ProtocolVersion, qos: int
) -> None:
    for topic, payload in (("a/1", b"old"), ("a/1", b"new"), ("a/2", b"two"), ("b", b"other")):
        await retain(broker, topic, payload, 2)
    client = await broker.connect("client", version)
    await client.listen("a/+", qos=qos)
    found = [await client.message() for _ in range(2)]
    assert [(each.topic, each.payload, each.qos, each.retain) for each in found] == [
        ("a/1", b"new", qos, True),
        ("a/2", b"two", qos, True),
    ]
    await client.receive_nothing()


async def test_an_empty_message_removes_the_retained_one_and_is_delivered(broker: Broker) -> None:
    await retain(broker, "a", b"x")
    client = await broker.connect()
    await client.listen("a")
    assert (await client.message()).retain
    await retain(broker, "a", b"")
    message = await client.message()
    assert (message.payload, message.retain) == (b"", False)
    assert await retained(broker, "#") == []


async def test_a_message_without_the_flag_leaves_the_retained_one(broker: Broker) -> None:
    await retain(broker, "a", b"kept")
    await (await broker.connect()).publish("a", b"passing", 1)
    assert await retained(broker, "a") == [("a", b"kept")]


async def test_wildcards_do_not_find_what_they_do_not_match(broker: Broker) -> None:
    for topic in ("a", "a/b", "a/b/c", "/", "/a"):
        await retain(broker, topic, b"x")
    for topic_filter, topics in (
        ("#", ["/", "/a", "a", "a/b", "a/b/c"]),
        ("a/#", ["a", "a/b", "a/b/c"]),
        ("+", ["a"]),
        ("+/+", ["/", "/a", "a/b"]),
        ("a/+/#", ["a/b", "a/b/c"]),
        ("$share/g/#", []),
    ):
        assert sorted(topic for topic, _ in await retained(broker, topic_filter)) == topics, topic_filter


@pytest.mark.parametrize(
    ("handling", "at_first", "again"),
    [
        (RetainHandling.AT_SUBSCRIBE, True, True),
        (RetainHandling.IF_NEW, True, False),
        (RetainHandling.NEVER, False, False),
    ],
)
async def test_retain_handling_says_when_retained_messages_are_sent(
    broker: Broker, handling: RetainHandling, at_first: bool, again: bool
) -> None:
    await retain(broker, "a", b"x")
    client = await broker.connect()
    for sent in (at_first, again):
        await client.request(SubscriptionRequest("a", 1, retain_handling=handling))
        if sent:
            assert (await client.message()).payload == b"x"
        await client.receive_nothing()


async def test_a_retained_message_carries_its_properties_and_the_subscription_s_identifier(broker: Broker) -> None:
    own = {Property.CONTENT_TYPE: "a/b", Property.USER_PROPERTY: (("k", "v"),)}
    await retain(broker, "a", b"x", properties=own)
    client = await broker.connect()
    await client.listen("a", identifier=9)
    assert (await client.message()).properties == {**own, Property.SUBSCRIPTION_IDENTIFIER: (9,)}


async def test_a_retained_message_expires_and_tells_how_long_it_has(broker: Broker) -> None:
    await retain(broker, "a", b"x", properties={Property.MESSAGE_EXPIRY_INTERVAL: 10})
    await broker.later(4)
    client = await broker.connect()
    await client.listen("a")
    assert (await client.message()).properties[Property.MESSAGE_EXPIRY_INTERVAL] == 6
    await broker.later(7)
    assert len(broker.gateway.open_port.router.retained.messages) == 0
    assert await retained(broker, "#") == []


@pytest.mark.parametrize("end", ["restart", "crash"])
async def test_retained_messages_outlive_the_server(broker: Broker, end: str) -> None:
    await retain(broker, "forever", b"1", 2, {Property.USER_PROPERTY: (("k", "v"),)})
    await retain(broker, "removed", b"2")
    await retain(broker, "removed", b"")
    await retain(broker, "over", b"3", properties={Property.MESSAGE_EXPIRY_INTERVAL: 10})
    await retain(broker, "long", b"4", properties={Property.MESSAGE_EXPIRY_INTERVAL: 100})
    await getattr(broker, end)(20_000)
    client = await broker.connect()
    await client.listen("#", qos=2)
    forever, long = await client.message(), await client.message()
    assert (forever.topic, forever.qos, dict(forever.properties)) == (
        "forever",
        2,
        {Property.USER_PROPERTY: (("k", "v"),)},
    )
    assert (long.topic, long.properties[Property.MESSAGE_EXPIRY_INTERVAL]) == ("long", 80)
    await client.receive_nothing()
    assert len((await broker.store.mqtt_sessions.load()).retained) == 2


async def test_a_client_that_comes_back_is_not_sent_retained_messages_again(broker: Broker) -> None:
    await retain(broker, "a", b"x")
    client = await broker.connect("client", expiry_s=600)
    await client.listen("a", qos=1)
    await client.message()
    await client.disconnect()
    await (await broker.resume("client")).receive_nothing()


@pytest.mark.parametrize("expiry_s", [0, 600])
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_more_retained_messages_than_a_queue_holds_all_arrive(
    broker: Broker, expiry_s: int, qos: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "FED_AT_ONCE", 7)
    publisher = await broker.connect()
    count = 3 * broker.settings.queue_max_messages
    for number in range(count):
        await publisher.publish(f"a/{number:05}", b"x", 2, retain=True)
    client = await broker.connect("client", expiry_s=expiry_s)
    await client.listen("a/#", qos=qos)
    await receive_numbered(client, count)


@pytest.fixture
def settings() -> MqttSettings:
    return MqttSettings(
        retained_max_bytes=1_000_000, queue_max_messages=10, in_flight_max=4, in_flight_max_bytes=1 << 20
    )


async def receive_numbered(client: Client, count: int) -> None:
    for number in range(count):
        assert (await client.message()).topic == f"a/{number:05}"
    await client.receive_nothing()


async def test_retained_messages_beyond_their_limit_are_refused(broker: Broker) -> None:
    publisher = await broker.connect()
    payload = bytes(200_000)
    codes = [await publisher.publish(f"a/{number}", payload, 1, retain=True) for number in range(5)]
    assert codes[3:] == [ReasonCode.NO_MATCHING_SUBSCRIBERS, ReasonCode.QUOTA_EXCEEDED]
    assert await publisher.publish("a/0", bytes(199_000), 1, retain=True) < ReasonCode.UNSPECIFIED_ERROR
    await publisher.publish("a/1", b"", 1, retain=True)
    assert await publisher.publish("a/4", payload, 1, retain=True) < ReasonCode.UNSPECIFIED_ERROR
    assert sorted(topic for topic, _ in await retained(broker, "a/#")) == ["a/0", "a/2", "a/3", "a/4"]


async def test_a_retained_message_does_not_follow_a_newer_one_of_its_topic(broker: Broker) -> None:
    """A client that reads slowly is sent what was retained when it subscribed, but nothing that was replaced since."""
    publisher = await broker.connect()
    for number in range(100):
        await publisher.publish(f"a/{number:05}", b"old", 1, retain=True)
    client = await broker.connect()
    await client.listen("a/#", qos=1)
    window = [await client.receive(Publish) for _ in range(broker.settings.in_flight_max)]
    await publisher.publish("a/00099", b"new", 1, retain=True)
    await publisher.publish("a/00098", b"", 1, retain=True)
    for message in window:
        client.send(Puback(message.packet_id))
    rest = [await client.message() for _ in range(96)]
    assert [each.payload for each in rest if each.topic == "a/00099"] == [b"new"]
    assert [each.payload for each in rest if each.topic == "a/00098"] == [b""]
    await client.receive_nothing()


async def test_a_retained_message_that_expires_before_its_turn_is_not_sent(broker: Broker) -> None:
    """[MQTT-3.3.2-5], with a subscriber whose window is full until then."""
    publisher = await broker.connect()
    for number in range(broker.settings.in_flight_max + 1):
        await publisher.publish(f"a/{number}", b"stays", 1, retain=True)
    for qos in (0, 1, 2):
        short = {Property.MESSAGE_EXPIRY_INTERVAL: 10}
        await publisher.publish(f"b/{qos}", b"expires", qos, retain=True, properties=short)
    client = await broker.connect()
    await client.listen("#", qos=2)
    window = [await client.receive(Publish) for _ in range(broker.settings.in_flight_max)]
    broker.clock.advance(11_000)  # and nothing that is due at that time has been done yet
    for message in window:
        client.send(Puback(message.packet_id))
    assert [message.payload for message in window] + [(await client.message()).payload] == [b"stays"] * 5
    await client.receive_nothing()


async def test_a_client_that_asks_again_and_again_and_does_not_read_holds_no_more_and_more(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_retained, "FEEDS_LIMIT", 20)
    publisher = await broker.connect()
    for number in range(100):
        await publisher.publish(f"a/{number:05}", b"x", 1, retain=True)
    client = await broker.connect("client")
    for _ in range(50):
        packet_id = client.next_id()
        client.send(Subscribe(packet_id, [SubscriptionRequest(each, 1) for each in ("a/#", "+/#", "#")]))
        await client.first(Suback)
        connection = broker.gateway.open_port.sessions.by_key["client"].delivery
        assert connection is not None
        assert connection.feeds <= 20
    assert broker.gateway.open_port.counters.messages_dropped == 50 * 3 - 20


async def test_deep_topics_count_for_the_memory_that_they_take(broker: Broker) -> None:
    publisher = await broker.connect()
    codes = [await publisher.publish(f"{number}" + "/" * 199, b"x", 1, retain=True) for number in range(20)]
    assert ReasonCode.QUOTA_EXCEEDED in codes
    retained = broker.gateway.open_port.router.retained.messages
    taken = retained.size_bytes
    for number in range(20):
        await publisher.publish(f"{number}" + "/" * 199, b"", 1, retain=True)
    assert (taken > 900_000, len(retained), retained.size_bytes) == (True, 0, 0)
