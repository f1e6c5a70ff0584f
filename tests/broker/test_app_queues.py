"""What applications may make the server hold: messages that they do not read, and topic filters."""

from typing import Any, cast

import pytest

from tests.broker.conftest import V5, House, Peer
from thingstead.broker.apps.subscriber import WRITE_BYTES, AppSubscriber
from thingstead.broker.connection.connection import PeerConnection
from thingstead.broker.net.counters import AppCounters
from thingstead.mqtt.budget import Budget
from thingstead.mqtt.connection_packets import Connack, Connect
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Unsuback, Unsubscribe

LIMIT = 10 * WRITE_BYTES
MESSAGE = bytes(10_000)


class _Unread:
    """A connection whose peer does not read, until it does."""

    def __init__(self) -> None:
        self.writable = False
        self.written = 0

    def when_writable(self, callback: Any) -> None: ...

    def write(self, data: bytes) -> None:
        self.written += len(data)

    def flush(self) -> None: ...


@pytest.fixture
def counters() -> AppCounters:
    return AppCounters()


def application(counters: AppCounters, budget: Budget) -> tuple[AppSubscriber, _Unread]:
    connection = _Unread()
    return AppSubscriber(
        cast(PeerConnection, connection), counters, ProtocolVersion.V5, 1 << 20, 8 * WRITE_BYTES, budget
    ), connection


def test_all_together_hold_no_more_than_the_bound_and_each_its_part(counters: AppCounters) -> None:
    budget = Budget(LIMIT)
    held = [application(counters, budget) for _ in range(8)]
    for _ in range(200):
        for subscriber, _ in held:
            subscriber.offer(MESSAGE)
    assert budget.used_bytes <= LIMIT
    sizes = [subscriber._bytes for subscriber, _ in held]
    assert min(sizes) >= LIMIT // 9 - 2 * len(MESSAGE)
    assert max(sizes) - min(sizes) <= 2 * len(MESSAGE)
    assert counters.messages_dropped > 0
    for subscriber, connection in held:
        waiting = subscriber._bytes
        connection.writable = True
        subscriber.drain()
        assert connection.written == waiting
    assert budget.used_bytes == 0


def test_one_that_leaves_makes_room(counters: AppCounters) -> None:
    budget = Budget(LIMIT)
    subscriber, _ = application(counters, budget)
    for _ in range(200):
        subscriber.offer(MESSAGE)
    assert budget.used_bytes > WRITE_BYTES
    subscriber.end()
    assert budget.used_bytes == 0


async def subscriber_of(house: House, number: int) -> Peer:
    peer = await house.peer(V5)
    peer.send(Connect(V5, f"app-{number}", user_name=house.view_key, password=house.view_secret.encode()))
    assert (await peer.receive(Connack)).reason_code == 0
    return peer


async def test_the_applications_of_a_project_have_a_bounded_number_of_topic_filters_together(house: House) -> None:
    settings = house.config.app
    filters = [f"{house.view_key}/{number}/event/report" for number in range(settings.max_subscriptions)]
    full = settings.project_max_subscriptions // settings.max_subscriptions
    peers = [await subscriber_of(house, number) for number in range(full + 1)]
    for peer in peers[:full]:
        assert set((await peer.subscribe(*filters)).reason_codes) == {ReasonCode.SUCCESS}
    assert list((await peers[-1].subscribe(filters[0])).reason_codes) == [ReasonCode.QUOTA_EXCEEDED]
    assert list((await peers[0].subscribe(filters[0])).reason_codes) == [ReasonCode.SUCCESS]  # it has it already
    peers[0].send(Unsubscribe(2, [filters[0]]))
    await peers[0].receive(Unsuback)
    assert list((await peers[-1].subscribe(*filters[:2])).reason_codes) == [
        ReasonCode.SUCCESS,
        ReasonCode.QUOTA_EXCEEDED,
    ]
