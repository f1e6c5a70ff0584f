"""Budgets within a budget: however full each is, all of them together hold no more than that allows."""

from hypothesis import given
from hypothesis import strategies as st

from thingstead.mqtt.budget import PART, Budget, Part

LIMITS = (1_000, 500, 2_000)  # of the kinds; together more than all may hold
ALL = 1_500
holds = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2_000)), max_size=60)


@given(holds)
def test_kinds_that_are_all_full_hold_no_more_than_all_may(wanted: list[tuple[int, int]]) -> None:
    whole = Budget(ALL)
    kinds = [Budget(limit, whole) for limit in LIMITS]
    parts = [Part(kinds[number % 3]) for number in range(10)]
    for number, size in wanted:
        part, before = parts[number], parts[number].held_bytes
        if not part.hold(size):
            part.hold(min(before, size))  # it is refused, or cut
    assert whole.used_bytes == sum(kind.used_bytes for kind in kinds) == sum(part.held_bytes for part in parts)
    assert whole.used_bytes <= ALL
    assert all(kind.used_bytes <= limit for kind, limit in zip(kinds, LIMITS, strict=True))


def test_a_kind_that_is_alone_gets_what_it_may_have_itself() -> None:
    kind = Budget(900, Budget(ALL))
    assert kind.room(0, 900 * PART // (PART + 1))
    assert not kind.room(0, 900)


def test_a_kind_that_is_full_leaves_room_for_the_others() -> None:
    whole = Budget(ALL)
    greedy, modest = Budget(10 * ALL, whole), Budget(500, whole)
    while greedy.room(greedy.used_bytes, 1):
        greedy.moved(0, 1)
    assert greedy.used_bytes == ALL * PART // (PART + 1)
    assert modest.room(0, 100)
