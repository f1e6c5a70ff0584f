"""Scaling, coordinates, formulas: what is stored in place of what is reported."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.model.device_type import AttributeDefinition, Functions
from thingstead.model.limits import Problems
from thingstead.model.values.coordinates import CoordinateSystem, converter
from thingstead.model.values.definition import check_functions
from thingstead.model.values.formula import DEPTH, LENGTH, FormulaError, NoResult, compile_formula
from thingstead.model.values.processing import Processing, processing_of
from thingstead.model.values.processing_checks import COMPUTED_COUNT
from thingstead.model.values.scaling import scaling

VALUES = {"a": 4, "b": 0, "c": 2.5, "on": True, "text": "hot", "room-temp": 5, "list": [1], "wide": 2**64}
FORMULAS: list[tuple[str, Any]] = [
    ("1 + 2 * 3", 7),
    ("(1 + 2) * 3 - -a", 13),
    ("10 - 3 - 2", 5),
    ("7 // 2 % 2", 1),
    ("a / 8", 0.5),
    ("2 | 1 << a & 31", 18),
    ("a >> 1", 2),
    ("1 < 2 and not b", True),
    ("b or a > 3", True),
    ("on + 1", 2),
    ("text == 'hot'", True),
    ("'a' < 'b'", True),
    ("if(a > 3, 'hot', \"cold\")", "hot"),
    ("if(b, 1 / b, 0)", 0),
    ("{room-temp} * 2", 10),
    ("round(c)", 2),
    ("round(c * 1.11, 1)", 2.8),
    ("max(a, b, c) + min(a, b)", 4),
    ("abs(-a) + ceil(c) + floor(c) + sqrt(a)", 11.0),
    ("pow(2, 0.5)", math.sqrt(2)),
    ("1.5e3", 1500.0),
    ("not not a", True),
]


@pytest.mark.parametrize(("text", "value"), FORMULAS)
def test_a_formula_has_its_value(text: str, value: Any) -> None:
    result = compile_formula(text).value(VALUES)
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        "wide + 1", "abs(wide)", "-wide", "wide > 1", "wide % 7", "max(wide, 1)", "*".join(["a << 62"] * 30),
        "*".join(["floor(1e308)"] * 9),
        "1 / b", "a % b", "a // b", "text + 1", "list * 2", "sqrt(-1)", "log(0)", "pow(10, 400)", "1 << 64", "1 << -1",
        "c & 1", "text < 1", "not text", "if(text, 1, 2)", "round(a, 99)", "pow(0, -1)",
    ],
)  # fmt: skip
def test_a_formula_without_a_result_says_so(text: str) -> None:
    with pytest.raises(NoResult):
        compile_formula(text).value(VALUES)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1), ("1 +", 4), ("(1", 3), ("a b", 3), ("a.b", 2), ("a[0]", 2), ("1; 2", 2), ("__import__('os')", 1),
        ("max()", 5), ("if(a, 1)", 1), ("lambda: 1", 7), ("1e999", 1), ("'open", 1), ("{a b}", 1), ("a = 1", 3),
        ("a < b < 3", 7), ("and", 1), ("{" + "a" * 65 + "}", 1), ("(" * 30 + "1" + ")" * 30, DEPTH + 2), ("é", 1),
        ("1 + " * 200 + "1", LENGTH + 1),
    ],
)  # fmt: skip
def test_what_is_no_formula_is_refused_at_its_character(text: str, position: int) -> None:
    with pytest.raises(FormulaError) as caught:
        compile_formula(text)
    assert caught.value.position == position


ANY_VALUE = st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none())


@given(
    text=st.text("aifmx01.+-*/%()<>=!|&,{}'\" and or not", max_size=80),
    values=st.dictionaries(st.sampled_from("aifmx"), ANY_VALUE),
)
def test_any_text_is_a_formula_or_refused_and_ends_in_a_value_or_none(text: str, values: dict[str, Any]) -> None:
    try:
        formula = compile_formula(text)
    except FormulaError:
        return
    try:
        formula.value(values)
    except (NoResult, KeyError):
        pass


BEIJING = (39.9087, 116.3975)
KNOWN: list[tuple[CoordinateSystem, tuple[float, float]]] = [
    ("gcj02", (39.91010, 116.40374)),
    ("bd09", (39.91644, 116.41012)),
]


@pytest.mark.parametrize(("target", "expected"), KNOWN)
def test_a_known_point_is_converted(target: CoordinateSystem, expected: tuple[float, float]) -> None:
    assert converter("wgs84", target)(*BEIJING) == pytest.approx(expected, abs=1e-5)


@given(
    latitude=st.floats(18, 53), longitude=st.floats(74, 134),
    source=st.sampled_from(["wgs84", "gcj02", "bd09"]), target=st.sampled_from(["wgs84", "gcj02", "bd09"]),
)  # fmt: skip
def test_a_point_in_china_comes_back_from_every_system(
    latitude: float, longitude: float, source: CoordinateSystem, target: CoordinateSystem
) -> None:
    there = converter(source, target)(latitude, longitude)
    assert converter(target, source)(*there) == pytest.approx((latitude, longitude), abs=3e-8)
    if {source, target} == {"wgs84", "gcj02"}:
        assert 1e-6 < math.dist(there, (latitude, longitude)) < 0.02


@pytest.mark.parametrize("point", [(51.5, -0.1), (35.68, 139.77), (-33.9, 151.2), (0.0, 0.0), (90.0, 180.0)])
def test_a_point_outside_of_china_stays(point: tuple[float, float]) -> None:
    assert converter("wgs84", "bd09")(*point) == point


@given(raw=st.integers(-(2**40), 2**40), decimals=st.integers(1, 4))
def test_integers_are_scaled_as_people_write_numbers(raw: int, decimals: int) -> None:
    scale = scaling(10**-decimals, 0, None)
    assert scale is not None
    assert scale(raw) == float(f"{raw}e-{decimals}")


def test_integers_stay_integers_if_scale_and_offset_are() -> None:
    scale = scaling(10, -5, None)
    assert scale is not None
    assert (scale(3), type(scale(3))) == (25, int)
    assert scaling(1, 0, None) is None


def processing(*attributes: dict[str, Any]) -> Processing:
    made = processing_of([msgspec.convert(attribute, AttributeDefinition) for attribute in attributes])
    assert made is not None
    return made


def test_values_are_scaled_then_computed_in_the_order_of_the_definition() -> None:
    made = processing(
        {"identifier": "power", "processing": {"formula": "voltage * current", "precision": 1}},
        {"identifier": "high", "processing": {"formula": "power > 100"}},
        {"identifier": "voltage", "processing": {"scale": 0.1}},
    )
    values: dict[str, Any] = {"voltage": 2300, "current": 0.55}
    assert made.apply(values, None) == []
    assert values == {"voltage": 230.0, "current": 0.55, "power": 126.5, "high": True}


def test_what_is_not_in_the_report_is_the_current_value_but_not_of_late_values() -> None:
    made = processing({"identifier": "sum", "processing": {"formula": "a + b"}})
    for current, result in (({"b": 1}, {"a": 2, "sum": 3}), ({}, {"a": 2}), (None, {"a": 2})):
        values: dict[str, Any] = {"a": 2}
        found: dict[str, int] = current or {}
        assert made.apply(values, None if current is None else found.copy) == []
        assert values == result
    untouched: dict[str, Any] = {"c": 1}
    assert (made.apply(untouched, lambda: {"a": 1, "b": 2}), untouched) == ([], {"c": 1})


def test_a_formula_of_its_own_attribute_changes_only_what_is_reported() -> None:
    made = processing({"identifier": "t", "processing": {"formula": "t + extra"}})
    values: dict[str, Any] = {"extra": 1}
    assert (made.apply(values, lambda: {"t": 5}), values) == ([], {"extra": 1})
    values = {"t": 2}
    assert (made.apply(values, lambda: {"extra": 1, "t": 100}), values) == ([], {"t": 3})


@pytest.mark.parametrize("formula", ["1 / a", "a * 1e308 * 1e308", "(a + 9) * 99999999999999999999"])
def test_an_attribute_without_a_result_is_refused_and_the_others_stay(formula: str) -> None:
    made = processing({"identifier": "x", "processing": {"formula": formula}})
    values: dict[str, Any] = {"a": 0 if formula == "1 / a" else 1, "x": 7}
    [error] = made.apply(values, None)
    assert (error.field, error.reason.code) == ("x", "formula_no_result")
    assert "x" not in values
    assert "a" in values


def test_a_point_is_made_of_two_attributes_and_converted() -> None:
    made = processing(
        {
            "identifier": "p", "data_type": "map_point",
            "processing": {"point": {"lat": "y", "lng": "x"}, "coordinates": {"from": "wgs84", "to": "gcj02"}},
        },
        {
            "identifier": "q", "data_type": "map_point",
            "processing": {"coordinates": {"from": "wgs84", "to": "gcj02"}},
        },
    )  # fmt: skip
    y, x = BEIJING
    values: dict[str, Any] = {"y": y, "x": x, "q": {"lat": y, "lng": x, "name": "here"}}
    assert made.apply(values, None) == []
    assert values["p"] == pytest.approx({"lat": 39.91010, "lng": 116.40374}, abs=1e-5)
    assert values["q"] == {**values["p"], "name": "here"}


@pytest.mark.parametrize("value", ["12", None, True, [1], {"lat": "x"}, {}])
def test_values_of_another_type_are_left_to_the_check_of_types(value: Any) -> None:
    made = processing(
        {"identifier": "n", "processing": {"scale": 2}},
        {"identifier": "p", "data_type": "map_point", "processing": {"coordinates": {"from": "bd09", "to": "wgs84"}}},
    )
    values = {"n": value, "p": value}
    assert (made.apply(values, None), values) == ([], {"n": value, "p": value})


@pytest.mark.parametrize("wide", [2**64, -(2**63) - 1, 10**4299], ids=["2**64", "-2**63-1", "4300 digits"])
def test_an_integer_of_more_than_64_bits_is_left_to_the_check_of_types(wide: int) -> None:
    made = processing(
        {"identifier": "a", "processing": {"scale": 0.1}},
        {"identifier": "b", "processing": {"scale": 2, "offset": 1, "precision": 2}},
        {"identifier": "product", "processing": {"formula": "*".join(["c"] * 250)}},
    )
    values: dict[str, Any] = {"a": wide, "b": wide, "c": wide}
    refused = made.apply(values, None)
    assert values == {"a": wide, "b": wide, "c": wide}
    assert [(error.field, error.reason.code) for error in refused] == [("product", "formula_no_result")]


def test_a_definition_without_processing_has_none() -> None:
    for attribute in (
        {"identifier": "a"},
        {"identifier": "a", "processing": None},
        {"identifier": "a", "processing": {}},
    ):
        assert processing_of([msgspec.convert(attribute, AttributeDefinition)]) is None


def test_an_attribute_without_processing_is_shown_without_the_member() -> None:
    shown = msgspec.to_builtins(Functions(attributes=(AttributeDefinition(identifier="a"),)))
    assert "processing" not in shown["attributes"][0]


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"processing": {"scale": 0}}, "scale", "scale_zero"),
    ({"data_type": "text", "processing": {"scale": 2}}, "scale", "goes_with_number"),
    ({"data_type": "text", "processing": {"precision": 2}}, "precision", "goes_with_number"),
    ({"processing": {"precision": 11}}, "precision", "integer_in_range"),
    ({"processing": {"offset": 1e300}}, "offset", "out_of_range"),
    ({"processing": {"offset": 1, "formula": "a"}}, "offset", "cannot_be_combined"),
    ({"processing": {"formula": "a +"}}, "formula", "formula_incomplete"),
    ({"processing": {"formula": "a ? b"}}, "formula", "formula_wrong"),
    ({"processing": {"formula": "1 + 1"}}, "formula", "formula_reads_nothing"),
    ({"data_type": "map_point", "processing": {"formula": "a"}}, "formula", "formula_makes_no_point"),
    ({"processing": {"coordinates": {"from": "wgs84", "to": "gcj02"}}}, "coordinates", "goes_with_point"),
    (
        {"data_type": "map_point", "processing": {"coordinates": {"from": "wgs84", "to": "wgs84"}}},
        "coordinates.to", "same_coordinates",
    ),
    ({"processing": {"point": {"lat": "a", "lng": "b"}}}, "point", "goes_with_point"),
    ({"data_type": "map_point", "processing": {"point": {"lat": "a b", "lng": "b"}}}, "point.lat", "not_identifier"),
    ({"attr_type": "push", "processing": {"scale": 2}}, "", "processing_not_reported"),
]  # fmt: skip


@pytest.mark.parametrize(("attribute", "field", "code"), WRONG)
def test_processing_that_cannot_work_is_refused_by_the_field(attribute: dict[str, Any], field: str, code: str) -> None:
    problems = Problems()
    check_functions(msgspec.convert({"attributes": [{"identifier": "x", **attribute}]}, Functions), problems)
    path = f"functions.attributes[0].processing.{field}".rstrip(".")
    assert [(error.field, error.reason.code) for error in problems.errors] == [(path, code)]


def test_a_definition_computes_a_bounded_number_of_attributes() -> None:
    attributes = [{"identifier": f"x{index}", "processing": {"formula": "a"}} for index in range(COMPUTED_COUNT + 5)]
    problems = Problems()
    check_functions(msgspec.convert({"attributes": attributes}, Functions), problems)
    path = f"functions.attributes[{COMPUTED_COUNT}].processing"
    assert [(error.field, error.reason.code) for error in problems.errors] == [(path, "too_many_computed")]
