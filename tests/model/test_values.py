"""What a definition accepts, turns into its normal form, or refuses with a reason."""

from typing import Any

import pytest

from thingstead.model.device_type import AttributeDefinition, Functions, Parameter
from thingstead.model.values.checking import CompiledFunctions, check_params


def compiled(data_type: Any, attr_type: Any = "report", **options: Any) -> CompiledFunctions:
    attribute = AttributeDefinition(identifier="a", attr_type=attr_type, data_type=data_type, data_options=options)
    return CompiledFunctions(Functions(attributes=(attribute,)))


@pytest.mark.parametrize(
    ("data_type", "options", "value", "kept"),
    [
        ("number", {}, 1.5, 1.5),
        ("number", {"min": 0, "max": 10}, 0, 0),
        ("number", {"min": 0, "max": 10}, 10, 10),
        ("text", {}, "", ""),
        ("switch", {}, True, True),
        ("switch", {}, 1, True),
        ("switch", {}, 0, False),
        ("switch", {}, "ON", True),
        ("switch", {}, "off", False),
        ("enum", {"items": [{"value": "1", "name": "one"}]}, "1", "1"),
        ("enum", {}, "anything", "anything"),
        ("object", {}, {"x": 1}, {"x": 1}),
        ("list", {}, [1], [1]),
        ("map_point", {}, {"lat": 39.9, "lng": -180}, {"lat": 39.9, "lng": -180}),
        ("map_circle", {}, {"radius": 1}, {"radius": 1}),
        ("map_polygon", {}, [{"lat": 1, "lng": 1}], [{"lat": 1, "lng": 1}]),
        ("daily_timer", {}, [], []),
    ],
)
def test_a_value_that_fits_is_kept_in_its_normal_form(data_type: str, options: Any, value: Any, kept: Any) -> None:
    attributes = {"a": value}
    assert compiled(data_type, **options).check(attributes, "report") == ()
    assert repr(attributes) == repr({"a": kept})


@pytest.mark.parametrize(
    ("data_type", "options", "value", "reason"),
    [
        ("number", {}, "1", "must be a number"),
        ("number", {}, True, "must be a number"),
        ("number", {"min": 0}, -0.1, "below the minimum 0"),
        ("number", {"max": 10}, 10.1, "above the maximum 10"),
        ("text", {}, 1, "must be a text"),
        ("switch", {}, 2, "must be true, false"),
        ("switch", {}, 1.0, "must be true, false"),
        ("switch", {}, "yes", "must be true, false"),
        ("enum", {"items": [{"value": "1"}]}, "2", "not one of"),
        ("enum", {"items": [{"value": "1"}]}, 1, "must be a text"),
        ("object", {}, [], "must be an object"),
        ("list", {}, {}, "must be a list"),
        ("map_point", {}, {"lat": 91, "lng": 0}, "lat must be between"),
        ("map_point", {}, {"lat": 1}, "lng must be a number"),
        ("map_point", {}, {"lat": True, "lng": 0}, "lat must be a number"),
        ("map_circle", {}, [], "must be an object"),
        ("map_polygon", {}, "x", "must be an object or a list"),
        ("daily_timer", {}, 1, "must be an object or a list"),
    ],
)
def test_a_value_that_breaks_its_definition_is_taken_out_with_the_reason(
    data_type: str, options: Any, value: Any, reason: str
) -> None:
    attributes = {"a": value, "undefined": value}
    refused = compiled(data_type, **options).check(attributes, "report")
    assert [error.field for error in refused] == ["a"]
    assert reason in refused[0].message
    assert attributes == {"undefined": value}


@pytest.mark.parametrize("identifier", ["a", "undefined"])
def test_null_is_no_value(identifier: str) -> None:
    for others in ({}, {"b": 1}):
        attributes = {identifier: None, **others}
        [error] = compiled("number").check(attributes, "report")
        assert error.field == identifier
        assert attributes == others


@pytest.mark.parametrize(
    ("attr_type", "accepted"),
    [
        ("report", {"report"}),
        ("push", {"push", "cloud"}),
        ("both", {"report", "push", "cloud"}),
        ("cloud", {"cloud"}),
    ],
)
def test_each_class_of_attribute_changes_only_its_own_ways(attr_type: str, accepted: set[str]) -> None:
    functions = compiled("number", attr_type)
    sources: tuple[Any, ...] = ("report", "push", "cloud")
    assert {source for source in sources if not functions.check({"a": 1}, source)} == accepted


@pytest.mark.parametrize("identifier", ["", "a b", "温度", "a" * 65, "a\x00", "a\n", "a.b", "$a"])
def test_an_identifier_outside_the_alphabet_is_refused(identifier: str) -> None:
    attributes: dict[str, Any] = {identifier: 1, "fine-_9": 2}
    refused = CompiledFunctions(Functions()).check(attributes, "report")
    assert len(refused) == 1
    assert attributes == {"fine-_9": 2}


def test_defined_parameters_are_checked_and_others_pass() -> None:
    parameters = (Parameter(identifier="level", data_options={"max": 5}), Parameter(identifier="missing"))
    assert check_params(parameters, {"level": 5, "other": "x"}) == ()
    assert [error.field for error in check_params(parameters, {"level": 6})] == ["params.level"]
    assert [error.field for error in check_params((), [1])] == ["params"]
