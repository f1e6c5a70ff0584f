"""What waits for applications that do not read: bounded for each, and for all together."""

from typing import Any, cast

import pytest

from thingstead.gateway.app_subscriber import WRITE_BYTES, AppSubscriber
from thingstead.gateway.counters import AppCounters
from thingstead.gateway.plane import Connection
from thingstead.mqtt.budget import Budget
from thingstead.mqtt.protocol import ProtocolVersion

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
        cast(Connection, connection), counters, ProtocolVersion.V5, 1 << 20, 8 * WRITE_BYTES, budget
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
