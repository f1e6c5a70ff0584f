"""What a peer can bring about at will is noted a few times, and then once in a while."""

from hypothesis import given
from hypothesis import strategies as st

from thingstead.clock import ManualClock
from thingstead.services.shared import rate_limit as module
from thingstead.services.shared.rate_limit import TokenBuckets


def test_a_few_are_allowed_at_once_and_then_one_at_intervals_which_tells_of_the_others() -> None:
    clock = ManualClock()
    buckets = TokenBuckets(clock, 2, 10)
    assert [buckets.take("a") for _ in range(5)] == [0, 0, None, None, None]
    clock.advance(9_999)
    assert buckets.take("a") is None
    clock.advance(1)
    assert buckets.take("a") == 4
    assert buckets.take("b") == 0


def test_what_was_given_back_is_allowed_again_and_told_of() -> None:
    buckets = TokenBuckets(ManualClock(), 1, 10)
    suppressed = buckets.take("a")
    assert suppressed == 0
    buckets.give_back("a", suppressed)
    assert buckets.take("a") == 1


@given(st.lists(st.integers(0, 30_000), max_size=50))
def test_every_one_is_allowed_or_told_of_and_no_more_than_the_ration(pauses_ms: list[int]) -> None:
    clock = ManualClock()
    buckets = TokenBuckets(clock, 3, 10)
    taken = []
    for pause_ms in pauses_ms:
        clock.advance(pause_ms)
        taken.append(buckets.take("a"))
    allowed = [suppressed for suppressed in taken if suppressed is not None]
    assert len(allowed) <= 3 + sum(pauses_ms) / 10_000
    clock.advance(10_000)
    last = buckets.take("a")
    assert last is not None
    assert len(allowed) + sum(allowed) + last == len(pauses_ms)


def test_only_so_many_keys_are_remembered() -> None:
    buckets = TokenBuckets(ManualClock(), 1, 10)
    for key in range(module.KEYS_LIMIT + 1):
        buckets.take(key)
    assert buckets.take(0) == 0  # forgotten
    assert buckets.take(module.KEYS_LIMIT) is None
