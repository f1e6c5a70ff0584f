"""Overlapping subscriptions of a client: each option belongs to its own subscription, as the specification's text has
it [MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.8.3-3] [MQTT-3.3.1-12] [MQTT-3.3.1-13]."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.open_port.conftest import Broker, Client
from thingstead.config import MqttSettings
from thingstead.mqtt.properties import NO_PROPERTIES, Property
from thingstead.mqtt.publish_packets import Puback, Publish, Pubrec
from thingstead.mqtt.subscription_packets import SubscriptionRequest
from thingstead.mqtt.topics import matches

TOPICS = ("a", "a/b", "b/b")
FILTERS = ("a", "a/b", "+/b", "a/#", "#")


class Subscribed(NamedTuple):
    request: SubscriptionRequest
    identifier: int  # 0: none


class Published(NamedTuple):
    topic: str
    qos: int
    retain: bool
    own: bool  # by the subscriber itself


class Copy(NamedTuple):
    """A message as it reaches the subscriber."""

    qos: int
    retain: bool
    identifiers: tuple[int, ...]


def model(subscriptions: list[Subscribed], message: Published) -> Counter[Copy]:
    """What the specification says that the subscriber gets."""
    alike: dict[bool, list[Subscribed]] = {}
    for each in {each.request.topic_filter: each for each in subscriptions}.values():
        if matches(each.request.topic_filter, message.topic) and not (each.request.no_local and message.own):
            alike.setdefault(message.retain and each.request.retain_as_published, []).append(each)
    return Counter(
        Copy(
            min(message.qos, max(each.request.qos for each in several)),
            retain,
            tuple(sorted(each.identifier for each in several if each.identifier)),
        )
        for retain, several in alike.items()
    )


subscribed = st.builds(
    Subscribed,
    st.builds(SubscriptionRequest, st.sampled_from(FILTERS), st.integers(0, 2), st.booleans(), st.booleans()),
    st.integers(0, 3),
)
published = st.builds(Published, st.sampled_from(TOPICS), st.integers(0, 2), st.booleans(), st.booleans())


async def received(client: Client) -> list[Publish]:
    """All messages until now, acknowledged."""
    found = [packet for packet in await client.everything() if isinstance(packet, Publish)]
    for packet in found:
        if packet.qos:
            client.send(Puback(packet.packet_id) if packet.qos == 1 else Pubrec(packet.packet_id))
    return found


async def run(subscriptions: list[Subscribed], messages: list[Published], durable: bool, folder: Path) -> None:
    broker = Broker(folder / "thingstead.db", MqttSettings())
    await broker.open()
    try:
        subscriber = await broker.connect("subscriber", expiry_s=600 if durable else 0)
        other = await broker.connect("other")
        for each in subscriptions:
            properties = {Property.SUBSCRIPTION_IDENTIFIER: (each.identifier,)} if each.identifier else NO_PROPERTIES
            await subscriber.request(each.request, properties=properties)
        for number, message in enumerate(messages, 1):
            publisher = subscriber if message.own else other
            packet_id = number if message.qos else 0
            publisher.send(Publish(message.topic, b"%d" % number, message.qos, packet_id, message.retain))
            await publisher.everything() if publisher is other else None
        at_once = await received(subscriber)  # and all that it published was taken
        await broker.committed()
        found: dict[int, Counter[Copy]] = {}
        for packet in at_once + await received(subscriber) + await received(subscriber):
            identifiers = packet.properties.get(Property.SUBSCRIPTION_IDENTIFIER, ())
            copies = found.setdefault(int(packet.payload), Counter())
            copies[Copy(packet.qos, packet.retain, tuple(sorted(identifiers)))] += 1
        for number, message in enumerate(messages, 1):
            assert found.get(number, Counter()) == model(subscriptions, message), message
    finally:
        await broker.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(subscribed, max_size=5), st.lists(published, min_size=1, max_size=8), st.booleans())
@example(  # No Local counts for its own subscription, though another one matches, too
    [Subscribed(SubscriptionRequest("a/#", 2, no_local=True), 1), Subscribed(SubscriptionRequest("a", 0), 2)],
    [Published("a", 2, False, True), Published("a", 2, False, False)],
    False,
)
@example(  # so does Retain As Published
    [
        Subscribed(SubscriptionRequest("a/#", 1, retain_as_published=True), 1),
        Subscribed(SubscriptionRequest("a", 2), 2),
    ],
    [Published("a", 2, True, False), Published("a", 2, False, False)],
    True,
)
def test_a_client_gets_what_its_subscriptions_say(
    subscriptions: list[Subscribed], messages: list[Published], durable: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(subscriptions, messages, durable, Path(folder)))
