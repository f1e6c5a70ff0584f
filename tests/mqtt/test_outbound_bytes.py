"""What waits for a peer and what is on its way to it, in bytes."""

from hypothesis import given
from hypothesis import strategies as st

from thingstead.mqtt.budget import Budget
from thingstead.mqtt.message import OVERHEAD_BYTES
from thingstead.mqtt.outbound import Outbound
from thingstead.mqtt.publish_packets import Puback, Publish


def offer(outbound: Outbound, packet_bytes: int) -> int | None:
    """The packet identifier of a message of this size; None where there is no room."""
    entry = outbound.offer(Publish("t", b"", 1), size_bytes=packet_bytes + OVERHEAD_BYTES)
    return None if entry is None else entry.packet_id


def sent(outbound: Outbound, limit_bytes: int = 1 << 30) -> list[int]:
    return [sending.entry.packet_id for sending in outbound.sendings(100, limit_bytes)]


def test_the_window_is_bounded_in_bytes_and_one_message_may_be_larger() -> None:
    outbound = Outbound(100)
    outbound.resume(100, window_bytes=1_000)
    for packet_bytes in (400, 400, 400, 5_000, 1):
        offer(outbound, packet_bytes)
    assert sent(outbound) == [1, 2]
    outbound.receive(Puback(1))
    assert sent(outbound) == [3]
    outbound.receive(Puback(2))
    assert sent(outbound) == []
    outbound.receive(Puback(3))
    assert sent(outbound) == [4]
    outbound.receive(Puback(4))
    assert sent(outbound) == [5]


def test_what_is_sent_again_is_bounded_in_the_same_way() -> None:
    outbound = Outbound(100)
    outbound.resume(100)
    for _ in range(3):
        offer(outbound, 600)
    assert sent(outbound) == [1, 2, 3]
    outbound.resume(100, window_bytes=1_000)
    assert sent(outbound) == [1]
    outbound.receive(Puback(2))  # left over from the connection before
    outbound.receive(Puback(1))
    assert sent(outbound) == [3]


def test_so_much_is_given_at_a_time() -> None:
    outbound = Outbound(100)
    outbound.resume(100)
    for _ in range(5):
        offer(outbound, 600)
    assert sent(outbound, limit_bytes=1_000) == [1, 2]
    assert sent(outbound, limit_bytes=1) == [3]


def test_what_waits_and_is_in_flight_is_bounded_in_bytes() -> None:
    size = 600 + OVERHEAD_BYTES
    outbound = Outbound(100, max_bytes=3 * size)
    outbound.resume(1)
    assert [offer(outbound, 600) for _ in range(4)] == [1, 2, 3, None]
    assert sent(outbound) == [1]
    assert offer(outbound, 600) is None
    outbound.receive(Puback(1))
    assert outbound.size_bytes == 2 * size
    assert offer(outbound, 600) == 4
    entry = outbound.find(2)
    assert entry is not None
    outbound.withdraw(entry)
    assert outbound.size_bytes == 2 * size
    outbound.clear()
    assert outbound.size_bytes == 0


def test_when_all_queues_together_are_full_each_may_hold_an_equal_part() -> None:
    budget = Budget(10_000)
    greedy, modest = Outbound(100, budget=budget), Outbound(100, budget=budget)
    while offer(greedy, 300) is not None:
        pass
    assert greedy.size_bytes == 10_000
    while offer(modest, 300) is not None:
        pass
    assert modest.size_bytes == 5_000
    greedy.clear()
    assert budget.used_bytes == 5_000
    assert budget.holders == 1
    assert offer(modest, 300) is not None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3_000), st.booleans()), max_size=200))
def test_all_queues_together_never_hold_more_than_twice_the_limit(steps: list[tuple[int, int, bool]]) -> None:
    limit = 10_000
    budget = Budget(limit)
    queues = [Outbound(1_000, budget=budget) for _ in range(6)]
    for number, packet_bytes, emptied in steps:
        if emptied:
            queues[number].clear()
        else:
            offer(queues[number], packet_bytes)
        held = [queue.size_bytes for queue in queues]
        assert budget.used_bytes == sum(held) <= 2 * limit
        assert budget.holders == sum(size > 0 for size in held)
