"""What is told of a JSON text from its bytes is what its values say."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.model.limits import JSON_DEPTH
from thingstead.model.values.json_text import has_wide_integer, is_too_deep

TEXTS = st.text(alphabet='[]{}"\\\n1e.-9é')
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.none()
VALUES = st.recursive(
    NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=15,
)


def depth(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)
    return 0


def integers(value: Any) -> list[int]:
    if isinstance(value, dict | list):
        return [n for item in (value.values() if isinstance(value, dict) else value) for n in integers(item)]
    return [value] if type(value) is int else []


@given(VALUES, st.integers(JSON_DEPTH - 8, JSON_DEPTH + 1), st.booleans(), st.booleans())
def test_the_depth_is_that_of_the_value(value: Any, more: int, objects: bool, escaped: bool) -> None:
    for _ in range(more):
        value = {"]": value} if objects else [value, "["]
    text = json.dumps(value, ensure_ascii=escaped).encode()
    assert is_too_deep(text) is (depth(value) > JSON_DEPTH)


@given(VALUES, st.booleans())
def test_wide_integers_are_those_of_the_value(value: Any, spaced: bool) -> None:
    text = json.dumps(value, indent=1 if spaced else None).encode()
    assert has_wide_integer(text) is any(not -(2**63) <= number < 2**63 for number in integers(value))


@pytest.mark.parametrize("number", [b"9223372036854775807", b"-9223372036854775808"])
def test_the_greatest_and_the_least_are_within(number: bytes) -> None:
    assert not has_wide_integer(b"[%s]" % number)
    assert has_wide_integer(b"[%s]" % (number[:-1] + b"9"))
    assert not has_wide_integer(b"[%s.5,%sE1,1e%s,1e-%s]" % (number, number, number.lstrip(b"-"), number.lstrip(b"-")))
