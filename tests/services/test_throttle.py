"""Guessing is slowed down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.clock import ManualClock
from thingstead.errors import TooManyRequests
from thingstead.services.shared.rate_limit import Throttle


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def wait_s(throttle: Throttle, key: str) -> int:
    """For how many seconds an attempt is refused; 0 where it is admitted, and counted."""
    try:
        throttle.admit(key)
    except TooManyRequests as exc:
        return exc.retry_after_s
    return 0


def test_the_first_attempts_are_free(clock: ManualClock) -> None:
    throttle = Throttle(clock, 3, 300)
    assert [wait_s(throttle, "a") for _ in range(4)] == [0, 0, 0, 1]


def test_each_further_attempt_costs_twice_the_wait_up_to_the_window(clock: ManualClock) -> None:
    throttle = Throttle(clock, 1, 10)
    throttle.admit("a")
    waits = []
    for _ in range(5):
        waits.append(wait_s(throttle, "a"))
        clock.advance(waits[-1] * 1000)
        assert wait_s(throttle, "a") == 0
    assert waits == [1, 2, 4, 8, 10]


def test_retry_after_is_long_enough_and_not_a_second_longer(clock: ManualClock) -> None:
    throttle = Throttle(clock, 1, 300)
    throttle.admit("a")
    assert wait_s(throttle, "a") == 1
    clock.advance(999)
    assert wait_s(throttle, "a") == 1
    clock.advance(1)
    assert wait_s(throttle, "a") == 0


def test_a_key_without_attempts_for_a_window_starts_afresh(clock: ManualClock) -> None:
    throttle = Throttle(clock, 2, 60)
    throttle.admit("a")
    throttle.admit("a")
    clock.advance(60_000)
    assert [wait_s(throttle, "a") for _ in range(2)] == [0, 0]


def test_success_forgets_the_attempts(clock: ManualClock) -> None:
    throttle = Throttle(clock, 2, 60)
    throttle.admit("a")
    throttle.admit("a")
    throttle.succeeded("a")
    assert [wait_s(throttle, "a") for _ in range(2)] == [0, 0]


def test_an_attempt_taken_back_leaves_the_others(clock: ManualClock) -> None:
    throttle = Throttle(clock, 2, 60)
    throttle.admit("a")
    throttle.admit("a")
    throttle.take_back("a")
    assert [wait_s(throttle, "a") for _ in range(2)] == [0, 1]


def test_keys_do_not_slow_each_other_down(clock: ManualClock) -> None:
    throttle = Throttle(clock, 1, 60)
    throttle.admit("a")
    assert wait_s(throttle, "b") == 0


@given(st.lists(st.integers(0, 30), max_size=200))
def test_no_more_keys_are_remembered_than_the_limit(keys: list[int]) -> None:
    throttle = Throttle(ManualClock(), 2, 60, keys_limit=5)
    for key in keys:
        wait_s(throttle, str(key))
        assert throttle.remembered <= 5


def test_the_key_whose_last_attempt_is_oldest_is_forgotten_first(clock: ManualClock) -> None:
    throttle = Throttle(clock, 1, 60, keys_limit=2)
    for key in ("a", "b"):
        throttle.admit(key)
    clock.advance(2_000)
    throttle.admit("a")
    throttle.admit("c")
    assert wait_s(throttle, "a") == 2
    assert wait_s(throttle, "b") == 0
