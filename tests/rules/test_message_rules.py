"""Whether a message meets the condition of a message rule."""

from typing import Any

import pytest
from msgspec import convert

from thingstead.model.message_rules.rule import MessageCondition
from thingstead.rules.message_rules import compile_condition, holds

HOT = {"attribute": "t", "op": ">", "value": 30}
ON = {"attribute": "on", "op": "==", "value": True}


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        (None, {}, True),
        (HOT, {"t": 30.5}, True),
        (HOT, {"t": 30}, False),
        (HOT, {"u": 31}, None),
        (HOT, {"t": "31"}, False),
        (HOT, {"t": None}, False),
        ({"attribute": "t", "op": ">=", "value": 1}, {"t": True}, False),
        ({"attribute": "t", "op": "<", "value": 1}, {"t": False}, False),
        ({"attribute": "t", "op": "<=", "value": 1}, {"t": 1}, True),
        ({"attribute": "t", "op": "==", "value": 1}, {"t": 1.0}, True),
        ({"attribute": "t", "op": "==", "value": 1}, {"t": True}, False),
        (ON, {"on": True}, True),
        (ON, {"on": 1}, False),
        ({"attribute": "on", "op": "!=", "value": True}, {"on": 1}, True),
        ({"attribute": "on", "op": "!=", "value": "a"}, {"on": "a"}, False),
        ({"attribute": "t", "op": "between", "value": [1, 3]}, {"t": 3}, True),
        ({"attribute": "t", "op": "between", "value": [1, 3]}, {"t": 3.1}, False),
        ({"attribute": "t", "op": "between", "value": [0, 3]}, {"t": True}, False),
        ({"and": [HOT, ON]}, {"t": 31, "on": True}, True),
        ({"and": [HOT, ON]}, {"t": 31}, False),
        ({"or": [HOT, ON]}, {"t": 31}, True),
        ({"not": HOT}, {"t": 30}, True),
        ({"not": HOT}, {}, False),  # nothing is known of it
        ({"not": {"or": [HOT, ON]}}, {"t": 1, "on": False}, True),
        ({"or": [{"not": ON}, HOT]}, {"t": 31}, True),
    ],
)
def test_a_condition_holds_for_values_of_its_type(
    condition: Any, values: dict[str, Any], expected: bool | None
) -> None:
    compiled = compile_condition(None if condition is None else convert(condition, MessageCondition))
    assert holds(compiled, values) is expected
