"""What one client may ask for, and what it is told: windows, sizes, aliases, keep alive, numbers of subscriptions."""

import pytest

from tests.open_port.conftest import V3_1_1, V5, Broker
from thingstead.broker.open_port import open_handler
from thingstead.broker.open_port.sessions import LEVEL_CHARACTERS
from thingstead.config import MqttSettings
from thingstead.mqtt.connection_packets import Connect, Disconnect
from thingstead.mqtt.properties import Property
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.topics import MAX_LEVELS


async def test_no_more_messages_are_in_flight_than_the_client_s_receive_maximum(broker: Broker) -> None:
    client = await broker.connect(properties={Property.RECEIVE_MAXIMUM: 2})
    publisher = await broker.connect()
    await client.listen("a", qos=2)
    for qos in (1, 2, 2, 1):
        await publisher.publish("a", b"%d" % qos, qos)
    one, two = await client.receive(Publish), await client.receive(Publish)
    await client.receive_nothing()
    client.send(Pubrec(two.packet_id))
    await client.receive(Pubrel)
    await client.receive_nothing()
    client.send(Puback(one.packet_id))
    three = await client.receive(Publish)
    await client.receive_nothing()
    client.send(Pubcomp(two.packet_id))
    four = await client.receive(Publish)
    assert (three.qos, four.qos) == (2, 1)
    client.send(Pubrec(three.packet_id, ReasonCode.QUOTA_EXCEEDED), Puback(four.packet_id))
    await publisher.publish("a", b"last", 1)
    assert (await client.message()).payload == b"last"


async def test_messages_at_qos_0_need_no_room_in_the_window(broker: Broker) -> None:
    client = await broker.connect(properties={Property.RECEIVE_MAXIMUM: 1})
    publisher = await broker.connect()
    await client.listen("a", qos=1)
    for payload, qos in ((b"1", 1), (b"2", 1), (b"0", 0)):
        await publisher.publish("a", payload, qos)
    first, at_0 = await client.receive(Publish), await client.receive(Publish)
    assert (first.payload, at_0.payload) == (b"1", b"0")


@pytest.mark.parametrize("settings", [MqttSettings(receive_maximum=3)])
async def test_a_client_that_sends_more_than_the_receive_maximum_is_closed(broker: Broker) -> None:
    client = await broker.connect()
    assert client.connack.properties[Property.RECEIVE_MAXIMUM] == 3
    for packet_id in range(1, 4):
        client.send(Publish("a", b"", 2, packet_id))
        await client.answer(Pubrec, packet_id)
    client.send(Publish("a", b"", 2, 4))
    assert (await client.receive(Disconnect)).reason_code is ReasonCode.RECEIVE_MAXIMUM_EXCEEDED


async def test_a_message_larger_than_a_client_can_take_is_dropped_for_it_alone(broker: Broker) -> None:
    small = await broker.connect("small", expiry_s=600, properties={Property.MAXIMUM_PACKET_SIZE: 100})
    large = await broker.connect("large")
    for client in (small, large):
        await client.listen("a", qos=2)
    publisher = await broker.connect()
    for qos in range(3):
        assert await publisher.publish("a", bytes(100), qos) == ReasonCode.SUCCESS
        await publisher.publish("a", b"%d" % qos, qos)
    assert await small.messages(3) == [b"0", b"1", b"2"]
    assert await large.messages(6) == [bytes(100), b"0", bytes(100), b"1", bytes(100), b"2"]
    assert broker.gateway.open_port.counters.messages_dropped == 3
    await small.disconnect()
    await broker.settle()
    await (await broker.resume("small")).receive_nothing()


async def test_aliases_of_a_publisher_stand_for_its_topics(broker: Broker) -> None:
    client, publisher = await broker.connect(), await broker.connect()
    await client.listen("#", qos=1)
    maximum = publisher.connack.properties[Property.TOPIC_ALIAS_MAXIMUM]
    for topic, alias in (("a", 1), ("", 1), ("b", maximum), ("", maximum), ("c", 1), ("", 1)):
        await publisher.publish(topic, b"", 1, properties={Property.TOPIC_ALIAS: alias})
    messages = [await client.message() for _ in range(6)]
    assert [message.topic for message in messages] == ["a", "a", "b", "b", "c", "c"]
    assert not any(Property.TOPIC_ALIAS in message.properties for message in messages)
    publisher.send(Publish("d", b"", properties={Property.TOPIC_ALIAS: maximum + 1}))
    assert (await publisher.receive(Disconnect)).reason_code is ReasonCode.TOPIC_ALIAS_INVALID


async def test_a_client_that_knows_aliases_is_sent_them(broker: Broker) -> None:
    client = await broker.connect(properties={Property.TOPIC_ALIAS_MAXIMUM: 2})
    publisher = await broker.connect()
    await client.listen("#", qos=1)
    sent: list[tuple[str, int | None]] = []
    topics: dict[int, str] = {}
    for number, topic in enumerate(("a", "a", "b", "b", "c", "a", "c")):
        await publisher.publish(topic, b"%d" % number, number % 2)
        message = await client.message()
        alias = message.properties.get(Property.TOPIC_ALIAS)
        sent.append((message.topic, alias))
        if alias and message.topic:
            topics[alias] = message.topic
        assert (message.topic or topics[alias or 0]) == topic
        assert alias is None or 1 <= alias <= 2
    assert ("", 1) in sent


async def test_a_client_without_aliases_is_sent_none(broker: Broker) -> None:
    client, publisher = await broker.connect(), await broker.connect()
    await client.listen("a", qos=1)
    for qos in (0, 1, 0, 1):
        await publisher.publish("a", b"", qos)
        message = await client.message()
        assert (message.topic, message.properties) == ("a", {})


@pytest.mark.parametrize("settings", [MqttSettings(keep_alive_max_s=60)])
async def test_a_client_is_told_the_server_s_keep_alive_where_it_asks_for_more(broker: Broker) -> None:
    for asked_s, told_s in ((0, 60), (61, 60), (60, None), (5, None)):
        client = await broker.connect(keep_alive=asked_s)
        assert client.connack.properties.get(Property.SERVER_KEEP_ALIVE) == told_s


@pytest.mark.parametrize("version", [V3_1_1, V5])
async def test_subscriptions_beyond_the_limit_are_refused_one_by_one(broker: Broker, version: object) -> None:
    client = await broker.connect("client", V5 if version is V5 else V3_1_1)
    limit = broker.settings.max_subscriptions
    for start in range(0, limit, 500):
        codes = await client.listen(*(f"a/{number}" for number in range(start, start + 500)), qos=1)
        assert set(codes) == {ReasonCode.GRANTED_QOS_1}
    refused = ReasonCode.QUOTA_EXCEEDED if version is V5 else ReasonCode.UNSPECIFIED_ERROR
    for _ in range(20):
        assert set(await client.listen(*(f"b/{number}" for number in range(5_000)))) == {refused}
    assert await client.listen("a/0", "b") == [ReasonCode.SUCCESS, refused]
    await client.unsubscribe("a/0")
    assert await client.listen("b") == [ReasonCode.SUCCESS]
    assert len(broker.gateway.open_port.router.routes) == limit


async def test_topics_have_a_greatest_depth(broker: Broker) -> None:
    client = await broker.connect("client")
    deep = "/".join("x" * MAX_LEVELS)
    assert await client.listen(deep, "/".join("+" * MAX_LEVELS), qos=1) == [ReasonCode.GRANTED_QOS_1] * 2
    await (await broker.connect()).publish(deep, b"deep", 1, retain=True)
    assert (await client.message()).payload == b"deep"
    client.send(Publish(deep + "/x", b""))
    assert (await client.receive(Disconnect)).reason_code is ReasonCode.IMPLEMENTATION_SPECIFIC_ERROR
    other = await broker.connect("client")
    with pytest.raises(AssertionError):
        await other.listen(deep + "/#")


async def test_deep_filters_count_for_the_memory_that_they_take(broker: Broker) -> None:
    client = await broker.connect("client")
    limit = 20 * broker.settings.max_subscriptions
    filters = [f"{number}" + "/" * (MAX_LEVELS - 1) for number in range(limit // MAX_LEVELS + 2)]
    codes = await client.listen(*filters)
    assert codes == [ReasonCode.SUCCESS] * (limit // MAX_LEVELS) + [ReasonCode.QUOTA_EXCEEDED] * 2
    await client.unsubscribe(filters[0])
    assert await client.listen(filters[-1]) == [ReasonCode.SUCCESS]


async def test_long_filters_count_for_the_memory_that_they_take(broker: Broker) -> None:
    client = await broker.connect("client")
    characters = 16_000
    most = 20 * broker.settings.max_subscriptions * LEVEL_CHARACTERS // characters
    codes = [code for number in range(most + 2) for code in await client.listen(f"{number:0{characters}}")]
    assert codes == [ReasonCode.SUCCESS] * most + [ReasonCode.QUOTA_EXCEEDED] * 2


async def test_the_filters_of_all_clients_have_a_bounded_number_of_levels(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_handler, "LEVELS_LIMIT", 10)
    one, other = await broker.connect("one"), await broker.connect("other")
    assert await one.listen("a/b/c/d", "e/f/g/h") == [ReasonCode.SUCCESS] * 2
    assert await other.listen("a/b", "a") == [ReasonCode.SUCCESS, ReasonCode.QUOTA_EXCEEDED]
    await one.unsubscribe("a/b/c/d")
    assert await other.listen("a") == [ReasonCode.SUCCESS]
    await one.disconnect()
    await broker.settle()
    assert broker.gateway.open_port.sessions.levels == 3
    assert await other.listen("a/b/c/d/e/f/g") == [ReasonCode.SUCCESS]


async def test_a_second_connect_ends_the_connection(broker: Broker) -> None:
    client = await broker.connect("client")
    client.send(Connect(V5, "client"))
    assert (await client.receive(Disconnect)).reason_code is ReasonCode.PROTOCOL_ERROR


@pytest.mark.parametrize("settings", [MqttSettings(send_buffer_max_bytes=100_000)])
async def test_a_client_that_does_not_read_loses_messages_at_qos_0_and_no_one_else_does(broker: Broker) -> None:
    stuck, other = await broker.connect("stuck"), await broker.connect("other")
    for client in (stuck, other):
        await client.listen("a")
    stuck.pause_reading()
    publisher = await broker.connect()
    counters = broker.gateway.open_port.counters
    published = 0
    while not counters.messages_dropped:
        await publisher.publish("a", bytes(10_000))
        await other.message()
        published += 1
    stuck.resume_reading()
    received = 0
    await publisher.publish("end", b"", 1)
    while received < published - counters.messages_dropped:
        received += (await stuck.message()).topic == "a"
    await stuck.receive_nothing()
