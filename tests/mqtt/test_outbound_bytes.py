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


def fill(outbound: Outbound) -> int:
    """The bytes that a queue comes to hold."""
    while offer(outbound, 100) is not None:
        pass
    return outbound.size_bytes


def test_one_queue_gets_nearly_all_and_there_is_always_room_for_another() -> None:
    limit = 300_000
    budget = Budget(limit)
    assert limit * 8 // 9 - 300 <= fill(Outbound(10_000, budget=budget)) <= limit * 8 // 9
    held = [fill(Outbound(10_000, budget=budget)) for _ in range(2)]
    assert min(held) > 0
    assert budget.used_bytes <= limit


def test_queues_that_lose_their_oldest_come_to_hold_equal_parts() -> None:
    limit, size = 300_000, 100 + OVERHEAD_BYTES
    budget = Budget(limit)
    queues = [Outbound(10_000, budget=budget) for _ in range(5)]
    fill(queues[0])
    for _ in range(2_000):
        for queue in queues:
            while not queue.has_room(size) and (oldest := queue.oldest_queued()):
                queue.withdraw(oldest)
            offer(queue, 100)
    held = [queue.size_bytes for queue in queues]
    assert max(held) - min(held) <= limit // 50
    assert limit * 8 // 9 < sum(held) <= limit


def test_a_message_may_be_too_large_for_any_queue_or_for_what_others_leave() -> None:
    budget = Budget(10_000)
    outbound, other = Outbound(100, max_bytes=5_000, budget=budget), Outbound(100, budget=budget)
    fill(outbound)
    assert not outbound.has_room(5_000)
    assert outbound.fits(5_000)
    assert not outbound.fits(5_001)
    fill(other)
    assert not outbound.fits(5_000)
    assert outbound.fits(outbound.size_bytes)


def test_a_queue_that_is_cleared_gives_its_room_back() -> None:
    budget = Budget(10_000)
    outbound = Outbound(100, budget=budget)
    fill(outbound)
    outbound.clear()
    assert budget.used_bytes == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3_000), st.booleans()), max_size=200))
def test_all_queues_together_never_hold_more_than_the_limit(steps: list[tuple[int, int, bool]]) -> None:
    budget = Budget(10_000)
    queues = [Outbound(1_000, budget=budget) for _ in range(6)]
    for number, packet_bytes, emptied in steps:
        if emptied:
            queues[number].clear()
        else:
            offer(queues[number], packet_bytes)
        assert budget.used_bytes == sum(queue.size_bytes for queue in queues) <= 10_000
