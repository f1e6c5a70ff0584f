"""How deep JSON may be nested."""

from typing import Any

import pytest

from thingstead.errors import InvalidInput
from thingstead.model.limits import JSON_DEPTH
from thingstead.services.shared.payloads import check_depth, decode_any, may_be_deep


def nested(depth: int, *, objects: bool, empty: bool = False) -> Any:
    """A number in so many arrays, or objects, in one another; ``empty``: no number in the innermost."""
    value: Any = 1
    if empty:
        value, depth = ({} if objects else []), depth - 1
    for _ in range(depth):
        value = {"a": value} if objects else [value]
    return value


@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize("objects", [True, False])
def test_values_are_nested_as_deep_as_they_may_and_no_deeper(objects: bool, empty: bool) -> None:
    check_depth(1)
    check_depth(nested(JSON_DEPTH, objects=objects, empty=empty))
    with pytest.raises(InvalidInput):
        check_depth(nested(JSON_DEPTH + 1, objects=objects, empty=empty))


def test_a_payload_is_refused_at_the_same_depth_as_its_value() -> None:
    def payload(depth: int) -> bytes:
        return b"[" * depth + b"1" + b"]" * depth

    assert decode_any(payload(JSON_DEPTH)) == nested(JSON_DEPTH, objects=False)
    with pytest.raises(InvalidInput):
        decode_any(payload(JSON_DEPTH + 1))
    assert not may_be_deep(payload(JSON_DEPTH))
    assert may_be_deep(payload(JSON_DEPTH + 1))
