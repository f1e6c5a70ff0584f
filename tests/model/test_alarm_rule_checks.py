"""An impossible rule is refused, and the refusal names the part."""

import json
from typing import Any

import msgspec
import pytest

from thingstead.model.alarms.rule import CONDITION_DEPTH, CONDITIONS_COUNT, RuleBody
from thingstead.model.alarms.rule_checks import check_body
from thingstead.model.device_type import AttributeDefinition
from thingstead.model.limits import Problems

DEFINED = {
    attribute.identifier: attribute
    for attribute in (
        AttributeDefinition(identifier="t", data_options={"min": -40, "max": 125}),
        AttributeDefinition(identifier="n"),
        AttributeDefinition(
            identifier="mode", data_type="enum", data_options={"items": [{"value": "on"}, {"value": "off"}]}
        ),
        AttributeDefinition(identifier="text", data_type="text"),
        AttributeDefinition(identifier="switch", data_type="switch"),
        AttributeDefinition(identifier="place", data_type="map_point"),
        AttributeDefinition(identifier="list", data_type="list"),
    )
}
HOT = {"attribute": "t", "op": ">", "value": 80}
POINT = {"lat": 1, "lng": 1}
LINE = [{"lat": n, "lng": n} for n in range(4)]
ROUND = [{"lat": 0, "lng": -179}, {"lat": 0, "lng": 179}, POINT]
IS_A, IS_B = ({"attribute": "text", "op": "==", "value": value} for value in "ab")
CIRCLE = {"center": POINT, "radius_m": 100}


def refused(raises: Any, clear: Any = None, **body: Any) -> dict[str, str]:
    """What is wrong with a rule, by path."""
    levels = [{"level": 1, "raise": raises, "clear": clear}]
    decoded = msgspec.json.decode(json.dumps({"levels": levels, **body}), type=RuleBody)
    problems = Problems()
    check_body(decoded, [DEFINED, {}], problems, flat=True)
    return {error.field: error.message for error in problems.errors}


@pytest.mark.parametrize(
    ("raises", "clear"),
    [
        (HOT, {"attribute": "t", "op": "<", "value": 75}),
        (HOT, {"attribute": "t", "op": "<", "value": 90}),  # overlaps, and clears below 80
        (HOT, {"attribute": "n", "op": ">", "value": 90}),
        ({**HOT, "deadband": 5}, None),
        ({"attribute": "t", "op": "between", "value": [10, 10]}, None),
        ({"attribute": "mode", "op": "==", "value": "on"}, None),
        ({"not": {"attribute": "mode", "op": "==", "value": "unknown"}}, None),
        ({"attribute": "switch", "op": "!=", "value": True}, None),
        ({"attribute": "undefined", "op": "==", "value": "x"}, None),
        ({"attribute": "place", "op": "outside", "circle": CIRCLE, "deadband": 10}, None),
        ({"attribute": "place", "op": "inside", "polygon": [POINT, {"lat": 2, "lng": 1}, {"lat": 2, "lng": 3}]}, None),
        ({"attribute": "list", "op": "change"}, None),
        ({"attribute": "t", "op": "change", "value": 0.5}, None),
        ({"no_data_ms": 1000}, None),
        ({"attribute": "t", "no_data_ms": 1000}, None),
        ({"or": [{"offline_ms": 1000}, {"and": [HOT, {"attribute": "t", "op": "<", "value": 90}]}]}, None),
    ],
)
def test_a_possible_rule_has_no_problems(raises: Any, clear: Any) -> None:
    assert refused(raises, clear) == {}


@pytest.mark.parametrize(
    ("raises", "path", "because"),
    [
        ({}, "raise", "must have"),
        ({"attribute": "t"}, "raise.op", "required"),
        ({"op": ">", "value": 1}, "raise.attribute", "required"),
        ({"attribute": "t", "op": ">"}, "raise.value", "must be a number"),
        ({"attribute": "t", "op": ">", "value": "80"}, "raise.value", "must be a number"),
        ({"attribute": "t", "op": ">", "value": True}, "raise.value", "must be a number"),
        ({"attribute": "t t", "op": ">", "value": 1}, "raise.attribute", "letters"),
        ({"attribute": "t", "op": ">", "value": 125}, "raise.value", "can never hold"),
        ({"attribute": "t", "op": "<", "value": -40}, "raise.value", "can never hold"),
        ({"attribute": "t", "op": "==", "value": 200}, "raise.value", "can never hold"),
        ({"attribute": "t", "op": "between", "value": [130, 140]}, "raise.value", "can never hold"),
        ({"attribute": "t", "op": "between", "value": [20, 10]}, "raise.value", "above the highest"),
        ({"attribute": "t", "op": "between", "value": 20}, "raise.value", "[low, high]"),
        ({"attribute": "t", "op": "between", "value": [1, 2, 3]}, "raise.value", "[low, high]"),
        ({"attribute": "t", "op": "==", "value": "hot"}, "raise.value", "must be a number"),
        ({"attribute": "t", "op": "==", "value": [1, 2]}, "raise.value", "must be"),
        ({"attribute": "text", "op": ">", "value": 1}, "raise.op", "data type text"),
        ({"attribute": "mode", "op": "==", "value": "unknown"}, "raise.value", "can never hold"),
        ({"attribute": "mode", "op": "==", "value": 1}, "raise.value", "must be a text"),
        ({"attribute": "switch", "op": "==", "value": 1}, "raise.value", "must be true or false"),
        ({"attribute": "list", "op": "==", "value": "x"}, "raise.op", "data type list"),
        ({"attribute": "text", "op": "change", "value": 1}, "raise.value", "numbers only"),
        ({"attribute": "n", "op": "change", "value": 0}, "raise.value", "above 0"),
        ({"attribute": "t", "op": "inside", "circle": CIRCLE}, "raise.op", "data type number"),
        ({"attribute": "place", "op": "inside"}, "raise", "either circle or polygon"),
        ({"attribute": "place", "op": "inside", "circle": CIRCLE, "polygon": [POINT] * 3}, "raise", "either"),
        ({"attribute": "place", "op": "inside", "polygon": [POINT, POINT]}, "raise.polygon", "3 to"),
        ({"attribute": "place", "op": "inside", "polygon": [POINT] * 3}, "raise.polygon", "no area"),
        ({"attribute": "place", "op": "inside", "polygon": LINE}, "raise.polygon", "no area"),
        ({"attribute": "place", "op": "inside", "polygon": ROUND}, "raise.polygon", "meridian"),
        ({"attribute": "place", "op": "outside", "circle": CIRCLE, "deadband": 100}, "raise.deadband", "never clear"),
        ({"attribute": "place", "op": "inside", "circle": CIRCLE, "value": 3}, "raise.value", "circle"),
        ({**HOT, "circle": CIRCLE}, "raise.circle", "inside or outside"),
        ({**HOT, "deadband": -1}, "raise.deadband", "at least 0"),
        ({"attribute": "n", "op": "==", "value": 1, "deadband": 1}, "raise.deadband", "cannot be combined with"),
        ({"no_data_ms": 5, "value": 1}, "raise.value", "goes with op"),
        ({"attribute": "t", "offline_ms": 5}, "raise.attribute", "goes with"),
        ({"no_data_ms": 5, "offline_ms": 5}, "raise", "only one of no_data_ms, offline_ms"),
        ({**HOT, "and": [HOT]}, "raise", "only one of op, and"),
        ({"and": []}, "raise.and", "must not be empty"),
        ({"or": [HOT, {"and": [HOT, {"not": {"attribute": "t"}}]}]}, "raise.or[1].and[1].not.op", "required"),
        ({"and": [HOT, {"attribute": "t", "op": "<", "value": 80}]}, "raise.and[1]", "can never hold together"),
        ({"and": [HOT, {"attribute": "t", "op": "<=", "value": 80}]}, "raise.and[1]", "can never hold together"),
        ({"and": [IS_A, IS_B]}, "raise.and[1]", "together"),
    ],
)  # fmt: skip
def test_an_impossible_condition_is_named_by_its_path(raises: Any, path: str, because: str) -> None:
    found = refused(raises)
    assert list(found) == [path]
    assert because in found[path]


@pytest.mark.parametrize(
    ("clear", "path"),
    [
        ({"attribute": "t", "op": ">", "value": 90}, "clear"),
        ({"attribute": "t", "op": "==", "value": 81}, "clear"),
        ({"attribute": "t", "op": "between", "value": [81, 90]}, "clear"),
        ({"attribute": "t", "op": "<", "value": -40}, "clear.value"),
        ({"attribute": "t", "op": "<"}, "clear.value"),
    ],
)
def test_a_clear_condition_that_can_never_clear_is_refused(clear: Any, path: str) -> None:
    assert list(refused(HOT, clear)) == [path]


def test_a_deadband_beside_a_clear_condition_is_refused() -> None:
    found = refused({"or": [{**HOT, "deadband": 5}]}, {"attribute": "t", "op": "<", "value": 70})
    assert list(found) == ["raise.or[0].deadband"]


def test_levels_must_differ_and_are_named_by_their_place() -> None:
    levels = [{"level": 2, "raise": HOT}, {"level": 2, "raise": {"attribute": "t", "op": ">", "value": 130}}]
    problems = Problems()
    check_body(msgspec.convert({"levels": levels}, RuleBody), [DEFINED], problems, flat=False)
    assert [field for field, _ in problems.errors] == ["levels[1].level", "levels[1].raise.value"]


def test_a_schedule_without_hours_is_refused() -> None:
    assert list(refused(HOT, schedule={"hours": []})) == ["schedule.hours"]
    assert list(refused(HOT, schedule={"hours": [{"from": "24:00", "to": "01:00"}]})) == ["schedule.hours[0].from"]


def test_depth_and_number_of_conditions_are_bounded() -> None:
    deep: Any = HOT
    for _ in range(CONDITION_DEPTH):
        deep = {"not": deep}
    assert list(refused(deep)) == ["raise" + ".not" * CONDITION_DEPTH]
    assert list(refused({"or": [HOT] * CONDITIONS_COUNT})) == ["raise"]
