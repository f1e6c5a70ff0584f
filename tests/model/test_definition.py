"""What makes a function definition sound, and how its problems are named."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.errors import InvalidInput
from thingstead.model import limits
from thingstead.model.device_type import AttributeDefinition, Functions
from thingstead.model.limits import Problems
from thingstead.model.values.checking import CompiledFunctions
from thingstead.model.values.definition import check_functions


def problems_of(**functions: Any) -> dict[str, str]:
    """The problems of a definition, by their path."""
    problems = Problems()
    check_functions(msgspec.convert(functions, Functions), problems)
    return {error.field: error.message for error in problems.errors}


def options_problems(data_type: str, **data_options: Any) -> set[str]:
    """The paths of what is wrong with the options of one attribute, from ``data_options`` on."""
    attribute = {"identifier": "a", "data_type": data_type, "data_options": data_options}
    return {path.removeprefix("functions.attributes[0].") for path in problems_of(attributes=[attribute])}


def test_a_complete_definition_has_no_problem() -> None:
    number = {"identifier": "t", "data_type": "number", "data_options": {"unit": "℃", "precision": 1, "min": -40}}
    enum = {"identifier": "m", "data_type": "enum", "data_options": {"items": [{"value": "1", "name": "自动"}]}}
    assert not problems_of(
        attributes=[number, enum, {"identifier": "at", "data_type": "map_point"}],
        events=[{"identifier": "opened", "params": [number]}],
        commands=[{"identifier": "reboot", "params": [enum], "reply_params": [number]}],
        streams=[{"identifier": "stream", "tcp": True}, {"identifier": "log", "format": "text"}],
    )


def test_every_problem_is_listed_with_its_path() -> None:
    problems = problems_of(
        attributes=[
            {"identifier": "a b"},
            {"identifier": "t", "data_options": {"min": 5, "max": 1, "precision": 11}},
            {"identifier": "t", "name": "x" * 129},
        ],
        events=[{"identifier": "e", "params": [{"identifier": "p"}, {"identifier": "p"}]}],
        commands=[{"identifier": "c", "reply_params": [{"identifier": ""}]}],
    )
    assert set(problems) == {
        "functions.attributes[0].identifier",
        "functions.attributes[1].data_options.min",
        "functions.attributes[1].data_options.precision",
        "functions.attributes[2].identifier",
        "functions.attributes[2].name",
        "functions.events[0].params[1].identifier",
        "functions.commands[0].reply_params[0].identifier",
    }


def test_the_same_identifier_may_name_an_attribute_and_an_event() -> None:
    assert not problems_of(attributes=[{"identifier": "x"}], events=[{"identifier": "x"}])


@pytest.mark.parametrize(
    ("options", "bad"),
    [
        ({"unit": 5}, {"data_options.unit"}),
        ({"unit": "\0"}, {"data_options.unit"}),
        ({"unit": "x" * 33}, {"data_options.unit"}),
        ({"precision": True}, {"data_options.precision"}),
        ({"precision": 1.0}, {"data_options.precision"}),
        ({"precision": -1}, {"data_options.precision"}),
        ({"min": "0"}, {"data_options.min"}),
        ({"max": float("nan")}, {"data_options.max"}),
        ({"min": 0, "max": False}, {"data_options.max"}),
        ({"min": 1, "max": 0.5}, {"data_options.min"}),
        ({"min": 1, "max": 1}, set()),
        ({"minimum": 1}, {"data_options.minimum"}),
    ],
)
def test_options_of_a_number(options: dict[str, Any], bad: set[str]) -> None:
    assert options_problems("number", **options) == bad


@pytest.mark.parametrize(
    ("items", "bad"),
    [
        (None, {"data_options.items"}),
        ([], {"data_options.items"}),
        ("12", {"data_options.items"}),
        (["1"], {"data_options.items[0]"}),
        ([{"value": "1", "label": "x"}], {"data_options.items[0]"}),
        ([{"value": 1}], {"data_options.items[0].value"}),
        ([{"value": ""}], {"data_options.items[0].value"}),
        ([{"value": "1"}, {"value": "1"}], {"data_options.items[1].value"}),
        ([{"value": "1", "name": None}], {"data_options.items[0].name"}),
        ([{"value": "1"}, {"value": "2", "name": "two"}], set()),
    ],
)
def test_items_of_an_enum(items: Any, bad: set[str]) -> None:
    assert options_problems("enum", items=items) == bad


def test_options_of_other_data_types() -> None:
    assert options_problems("enum") == {"data_options.items"}
    assert not options_problems("switch", on="开", off="关")
    assert options_problems("switch", on=1) == {"data_options.on"}
    assert options_problems("text", min=1) == {"data_options.min"}
    assert options_problems("text", **{"a\0b": 1}) == {"data_options.?"}


def test_one_stream_at_most_is_bound_to_tcp() -> None:
    streams = [{"identifier": name, "tcp": name != "b"} for name in "abcd"]
    assert set(problems_of(streams=streams)) == {"functions.streams[2].tcp", "functions.streams[3].tcp"}


def test_a_definition_that_is_far_too_large_is_refused_as_such() -> None:
    attributes = [{"identifier": "a b"}] * (limits.ATTRIBUTES_COUNT + 1)
    assert set(problems_of(attributes=attributes)) == {"functions.attributes"}
    params = [{"identifier": f"p{index}"} for index in range(limits.PARAMETERS_COUNT + 1)]
    assert set(problems_of(events=[{"identifier": "e", "params": params}])) == {"functions.events[0].params"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
option_keys = st.sampled_from(["unit", "precision", "min", "max", "on", "off", "items", "other"])


@given(
    data_type=st.sampled_from(["number", "text", "switch", "enum", "map_point", "list"]),
    data_options=st.dictionaries(option_keys, json_values, max_size=4),
    value=json_values,
)
def test_any_options_are_refused_or_can_check_any_value(
    data_type: Any, data_options: dict[str, Any], value: Any
) -> None:
    functions = Functions(
        attributes=(AttributeDefinition(identifier="a", data_type=data_type, data_options=data_options),)
    )
    problems = Problems()
    check_functions(functions, problems)
    if not problems.errors:
        CompiledFunctions(functions).check({"a": value}, "report")


def test_problems_are_raised_together() -> None:
    problems = Problems()
    problems.refuse()
    problems.name(" ")
    problems.descr("x" * 1001)
    problems.tags({"": "a", "k": "\ud800"})
    with pytest.raises(InvalidInput) as caught:
        problems.refuse()
    assert [error.field for error in caught.value.errors] == ["name", "descr", "tags", "tags.k"]
    assert caught.value.message == "name: must not be empty (and 3 more)"


def test_tags_are_limited_in_number_also_together_with_those_present() -> None:
    many = {str(number): "" for number in range(limits.TAGS_COUNT)}
    limits.check_merged_tags({"0": "x"}, many)
    with pytest.raises(InvalidInput):
        limits.check_merged_tags({"another": "x"}, many)
    with pytest.raises(InvalidInput):
        limits.check_merged_tags({}, many | {"another": "x"})
