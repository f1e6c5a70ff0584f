"""What was used least recently is forgotten first."""

from hypothesis import given
from hypothesis import strategies as st

from thingstead.services.shared.lru import Lru


@given(st.integers(1, 4), st.lists(st.tuples(st.sampled_from("puld"), st.integers(0, 6))))
def test_the_newest_uses_are_kept_and_no_more_than_the_limit(limit: int, steps: list[tuple[str, int]]) -> None:
    lru: Lru[int, int] = Lru(limit)
    model: list[int] = []  # keys, the one used least recently first
    for number, (step, key) in enumerate(steps, 1):
        if step == "p":
            lru.put(key, number)
            model = [*(each for each in model if each != key), key][-limit:]
        elif step == "u":
            assert (lru.use(key) is not None) == (key in model)
            model = [*(each for each in model if each != key), key] if key in model else model
        elif step == "l":
            assert (key in lru) == (key in model)  # a look is no use
        else:
            lru.pop(key, None)
            model = [each for each in model if each != key]
        assert list(lru) == model
