"""Messages from client to client: QoS, filters, options, properties."""

import itertools

import pytest

from tests.open_port.conftest import V3_1, V3_1_1, V5, Broker, Client
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion, RetainHandling
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import SubscriptionRequest

VERSIONS = (V3_1, V3_1_1, V5)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("sent", "granted"), list(itertools.product((0, 1, 2), repeat=2)))
async def test_a_message_arrives_at_the_lower_of_both_qos(
    broker: Broker, version: ProtocolVersion, sent: int, granted: int
) -> None:
    subscriber = await broker.connect("subscriber", version)
    publisher = await broker.connect("publisher", version)
    assert await subscriber.listen("a/b", qos=granted) == [granted]
    assert await publisher.publish("a/b", b"payload", sent) == ReasonCode.SUCCESS
    message = await subscriber.message()
    assert message.qos == min(sent, granted)
    assert (message.topic, message.payload, message.retain, message.dup) == ("a/b", b"payload", False, False)
    await subscriber.receive_nothing()


@pytest.mark.parametrize(("publisher_version", "subscriber_version"), list(itertools.permutations(VERSIONS, 2)))
async def test_versions_of_the_protocol_meet(
    broker: Broker, publisher_version: ProtocolVersion, subscriber_version: ProtocolVersion
) -> None:
    subscriber = await broker.connect("subscriber", subscriber_version)
    publisher = await broker.connect("publisher", publisher_version)
    await subscriber.listen("#", qos=2)
    for qos in range(3):
        await publisher.publish("topic", b"%d" % qos, qos)
    assert await subscriber.messages(3) == [b"0", b"1", b"2"]


@pytest.mark.parametrize(
    ("topic_filter", "topics", "others"),
    [
        ("a/+/c", ["a/b/c", "a//c"], ["a/b", "a/b/c/d", "b/b/c"]),
        ("+/+", ["a/b", "/b", "a/"], ["a", "a/b/c"]),
        ("a/#", ["a", "a/", "a/b", "a/b/c"], ["b", "ab"]),
        ("#", ["a", "a/b", "/", "a/$b"], []),
        ("/+", ["/a", "/"], ["a", "/a/b"]),
        ("é/世/+", ["é/世/界"], ["e/世/界"]),
    ],
)
async def test_wildcards_match_levels(broker: Broker, topic_filter: str, topics: list[str], others: list[str]) -> None:
    client = await broker.connect()
    publisher = await broker.connect()
    await client.listen(topic_filter)
    for topic in (*others, *topics):
        await publisher.publish(topic)
    for topic in topics:
        assert (await client.message()).topic == topic
    await client.receive_nothing()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_client_cannot_publish_to_a_topic_that_begins_with_a_dollar_sign(
    broker: Broker, version: ProtocolVersion
) -> None:
    client = await broker.connect("client", version)
    publisher = await broker.connect("publisher", version)
    await client.listen("#", "+/a", "$SYS/#", "$SYS/a")
    codes = {await publisher.publish("$SYS/a", b"", qos) for qos in (1, 2)}
    assert codes == {ReasonCode.NOT_AUTHORIZED if version is V5 else ReasonCode.SUCCESS}
    await publisher.publish("$SYS/a", b"", retain=True)
    await client.receive_nothing()


async def test_no_local_keeps_a_client_s_own_messages_from_it(broker: Broker) -> None:
    client, other = await broker.connect("client"), await broker.connect("other")
    await client.request(SubscriptionRequest("own/+", 1, no_local=True), SubscriptionRequest("all", 1))
    for topic in ("own/0", "all"):
        client.send(Publish(topic, b"mine", 0))
    await other.publish("own/1", b"other's", 1)
    assert [(await client.message()).topic for _ in range(2)] == ["all", "own/1"]
    await client.receive_nothing()


async def test_retain_as_published_keeps_the_flag_of_the_publisher(broker: Broker) -> None:
    client, publisher = await broker.connect(), await broker.connect()
    await client.request(SubscriptionRequest("kept", 1, retain_as_published=True), SubscriptionRequest("cleared", 1))
    for qos, retain in itertools.product((0, 1), (True, False)):
        for topic in ("kept", "cleared"):
            await publisher.publish(topic, b"x", qos, retain=retain)
            assert (await client.message()).retain is (retain and topic == "kept")


async def test_a_message_carries_the_identifiers_of_all_subscriptions_that_match(broker: Broker) -> None:
    client, publisher = await broker.connect(), await broker.connect()
    await client.listen("a/+", qos=0, identifier=1)
    await client.listen("a/#", qos=1, identifier=268_435_455)
    await client.listen("+/b", qos=2)
    for qos in range(3):
        await publisher.publish("a/b", b"", qos)
        message = await client.message()
        assert sorted(message.properties[Property.SUBSCRIPTION_IDENTIFIER]) == [1, 268_435_455]
        assert message.qos == qos, "one copy, at the greatest QoS of the filters that overlap"
    await client.receive_nothing()
    await client.listen("a/+", qos=0)
    await client.unsubscribe("a/#")
    await publisher.publish("a/b")
    assert Property.SUBSCRIPTION_IDENTIFIER not in (await client.message()).properties


async def test_the_same_filter_again_replaces_its_subscription(broker: Broker) -> None:
    client, publisher = await broker.connect(), await broker.connect()
    await client.listen("a", qos=2, identifier=1)
    await client.listen("a", qos=0, identifier=2)
    await publisher.publish("a", b"", 2)
    message = await client.message()
    assert (message.qos, message.properties[Property.SUBSCRIPTION_IDENTIFIER]) == (0, (2,))
    await client.receive_nothing()


async def test_a_client_that_unsubscribed_gets_nothing_more(broker: Broker) -> None:
    client, publisher = await broker.connect(), await broker.connect()
    await client.listen("a", "b", qos=1)
    codes = await client.unsubscribe("a", "never")
    assert codes == [ReasonCode.SUCCESS, ReasonCode.NO_SUBSCRIPTION_EXISTED]
    assert await publisher.publish("a", b"", 1) == ReasonCode.NO_MATCHING_SUBSCRIBERS
    await publisher.publish("b", b"", 1)
    assert (await client.message()).topic == "b"


async def test_properties_of_a_message_are_passed_on_as_they_are(broker: Broker) -> None:
    client, publisher = await broker.connect(), await broker.connect()
    await client.listen("a", qos=2)
    properties = {
        Property.PAYLOAD_FORMAT_INDICATOR: 1,
        Property.CONTENT_TYPE: "text/plain",
        Property.RESPONSE_TOPIC: "answers/7",
        Property.CORRELATION_DATA: b"\x00\xff",
        Property.USER_PROPERTY: (("b", "1"), ("a", "2"), ("b", "1"), ("", "")),
    }
    for qos in range(3):
        await publisher.publish("a", b"text", qos, properties=properties)
        assert (await client.message()).properties == properties


async def test_a_request_is_answered_where_it_says(broker: Broker) -> None:
    requester, responder = await broker.connect(), await broker.connect()
    await requester.listen("answers/+", qos=1)
    await responder.listen("requests", qos=1)
    asked = {Property.RESPONSE_TOPIC: "answers/1", Property.CORRELATION_DATA: b"one"}
    await requester.publish("requests", b"?", 1, properties=asked)
    request = await responder.message()
    correlation = {Property.CORRELATION_DATA: request.properties[Property.CORRELATION_DATA]}
    await responder.publish(request.properties[Property.RESPONSE_TOPIC], b"!", 1, properties=correlation)
    answer = await requester.message()
    assert (answer.topic, answer.payload, answer.properties) == ("answers/1", b"!", correlation)


async def test_messages_of_one_publisher_arrive_in_their_order(broker: Broker) -> None:
    client, publisher = await broker.connect(), await broker.connect()
    await client.listen("a/#", qos=2)
    packets = [Publish("a/b", b"%d" % number, number % 3, number + 1 if number % 3 else 0) for number in range(300)]
    publisher.send(*(packet for packet in packets if packet.qos == 1))
    assert await client.messages(100) == [packet.payload for packet in packets if packet.qos == 1]
    publisher.send(*(packet for packet in packets if packet.qos == 0))
    assert await client.messages(100) == [packet.payload for packet in packets if packet.qos == 0]


async def test_everyone_who_subscribed_gets_a_message(broker: Broker) -> None:
    publisher = await broker.connect()
    clients: list[tuple[Client, int]] = []
    for number, version in enumerate(VERSIONS * 3):
        client = await broker.connect(f"client-{number}", version)
        await client.listen("a/+", qos=number // 3)
        clients.append((client, number // 3))
    await publisher.publish("a/b", b"for all", 1)
    for client, qos in clients:
        message = await client.message()
        assert (message.payload, message.qos) == (b"for all", min(qos, 1))


async def test_a_publisher_is_told_that_nobody_listens(broker: Broker) -> None:
    publisher = await broker.connect()
    assert await publisher.publish("a", b"", 1) == ReasonCode.NO_MATCHING_SUBSCRIBERS
    await (await broker.connect()).request(SubscriptionRequest("a", 0, retain_handling=RetainHandling.NEVER))
    assert await publisher.publish("a", b"", 1) == ReasonCode.SUCCESS
