"""A server that begins with more in its queues than it may hold drops the oldest messages first, and counts them."""

import msgspec
from structlog.testing import capture_logs

from tests.open_port.conftest import Broker
from tests.open_port.test_queue import publish

SIZE = 4_000
COUNT = 40


async def filled(broker: Broker) -> None:
    """Messages that wait for two clients in turn, numbered."""
    for name in ("one", "two"):
        await broker.away(name, name, qos=1)
    for number in range(COUNT):
        await publish(broker, b"%d " % number + b"x" * SIZE, topic=("one", "two")[number % 2])


async def numbers(broker: Broker, name: str) -> list[int]:
    """What waits for a client, as it comes."""
    [session] = [each for each in broker.gateway.open_port.sessions.all if each.client_id == name]
    count = len(session.outbound)
    client = await broker.resume(name)
    return [int(payload.split()[0]) for payload in await client.messages(count)]


async def test_the_oldest_messages_of_all_sessions_go_first(broker: Broker) -> None:
    await filled(broker)
    before = broker.gateway.bounds.queued.used_bytes
    broker.settings = msgspec.structs.replace(broker.settings, queues_max_bytes=before // 2)
    with capture_logs() as lines:
        await broker.restart()
    budget, dropped = broker.gateway.bounds.queued, broker.gateway.open_port.counters.messages_dropped
    assert budget.used_bytes <= before // 2
    assert COUNT // 2 < dropped < COUNT * 2 // 3
    warned = [line for line in lines if "queues_max_bytes" in line["event"]]
    assert [line["messages"] for line in warned] == [dropped]
    left = sorted(await numbers(broker, "one") + await numbers(broker, "two"))
    assert left == list(range(dropped, COUNT))

    await broker.restart()  # what was dropped is not there any more
    assert broker.gateway.open_port.counters.messages_dropped == 0


async def test_nothing_is_dropped_where_there_is_room(broker: Broker) -> None:
    await filled(broker)
    await broker.restart()
    assert broker.gateway.open_port.counters.messages_dropped == 0
    assert await numbers(broker, "one") == list(range(0, COUNT, 2))
