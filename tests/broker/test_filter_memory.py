"""Equal topic filters of many devices are kept once, and none is kept for longer than somebody subscribes to it."""

import tracemalloc

from thingstead.broker.devices.subscriptions import Subscriptions
from thingstead.mqtt.subscription_packets import Subscribe, SubscriptionRequest, Unsubscribe

ROUNDS = 20_000
FILTER_CHARACTERS = 200


def subscribed(topic_filter: str) -> Subscriptions:
    subscriptions = Subscriptions(limit=10)
    subscriptions.subscribe(Subscribe(1, [SubscriptionRequest("".join(topic_filter))]))
    return subscriptions


def test_equal_filters_of_two_devices_are_one_text() -> None:
    [first], [second] = subscribed("attributes/" + "push"), subscribed("/".join(("attributes", "push")))
    assert first is second


def test_filters_that_come_and_go_leave_nothing_behind() -> None:
    subscriptions = Subscriptions(limit=10)
    tracemalloc.start()
    try:
        for number in range(ROUNDS):
            topic_filter = f"{number:0{FILTER_CHARACTERS}}"
            subscriptions.subscribe(Subscribe(1, [SubscriptionRequest(topic_filter)]))
            subscriptions.unsubscribe(Unsubscribe(2, [topic_filter]))
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept_bytes < ROUNDS * FILTER_CHARACTERS / 4
