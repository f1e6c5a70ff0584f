"""Reports parsed in one step equal reports parsed one by one; unusual reports are left to the full parser."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thingstead.model.device_type import AttributeDefinition, AttrType, DataType, Functions
from thingstead.model.values.checking import CompiledFunctions
from thingstead.model.values.scalar_reports import SCALARS_COUNT, scalar_reports

bounds = st.none() | st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from([2**60, -(2**60), 2**53 + 1])
numbers = st.builds(lambda low, high: ("number", {"min": low, "max": high}), bounds, bounds)
kinds: Any = numbers | st.sampled_from(
    [
        ("switch", {}),
        ("enum", {"items": [{"value": "a"}, {"value": "é"}]}),
        ("enum", {"items": [{"value": "10:30"}]}),
        ("text", {}),
    ]
)
definitions = st.dictionaries(st.sampled_from(["temperature", "on", "a-b", "3"]), kinds)
numbers_as_texts = ["1", "0", "-1", "2", "1.0", "0.5", "-0", "-0.0", "1e0", "2.9999", "1e999", "18446744073709551616"]
others = ['"a"', '"é"', '"\\u00e9"', '"c"', '"ON"', '"10:30"', "[1]", "[[]]", '{"a": 1}', "{}", "x", '"']
texts = st.sampled_from([*numbers_as_texts, *others, "true", "false", "null"])
names = st.sampled_from(
    ['"temperature"', '"on"', '"a-b"', '"3"', '"\\u0033"', '"other"', '"a:b"', '"temperature" ', '"a b"', "on"]
)
payloads = st.builds(
    lambda members, end: ("{" + ",".join(f"{name}:{text}" for name, text in members) + end).encode(),
    st.lists(st.tuples(names, texts), max_size=4),
    st.sampled_from(["}", "}", "}", "}", " }\n", "", "}}", "},{}"]),
)


def type_of(defined: dict[str, tuple[DataType, dict[str, Any]]], attr_type: AttrType = "report") -> CompiledFunctions:
    attributes = [
        AttributeDefinition(identifier=name, data_type=data_type, data_options=options, attr_type=attr_type)
        for name, (data_type, options) in defined.items()
    ]
    return CompiledFunctions(Functions(attributes=tuple(attributes)))


def typed(values: dict[str, Any]) -> list[tuple[str, type, Any]]:
    """What is the same only where the types are, too, and the order."""
    return [(name, type(value), repr(value)) for name, value in values.items()]


@given(definitions, st.lists(payloads, min_size=1, max_size=3))
@settings(max_examples=2_000, deadline=None)
def test_what_is_read_in_one_go_is_what_the_long_way_keeps_as_a_whole(
    defined: dict[str, tuple[DataType, dict[str, Any]]], sent: list[bytes]
) -> None:
    compiled = type_of(defined)
    reader = compiled.scalar_reports
    reports = None if reader is None else reader.read(sent)
    if reports is None:
        return
    assert len(reports) == len(sent)
    for payload, report in zip(sent, reports, strict=True):
        kept: dict[str, Any] = msgspec.json.decode(payload)
        assert compiled.check(kept, "report") == ()
        assert typed(report) == typed(kept)


def test_the_usual_reports_are_read_in_one_go() -> None:
    items = [{"value": "auto"}, {"value": "heat"}]
    reader = type_of(
        {"t": ("number", {"min": -40, "max": 125.5}), "on": ("switch", {}), "m": ("enum", {"items": items})}
    )
    assert reader.scalar_reports is not None
    sent = [b'{"t": 21.5, "on": 1, "m": "auto"}', b'{"m":"heat"}', b'{"on":false,"t":-40}', b"{}"]
    expected: list[dict[str, Any]] = [{"t": 21.5, "on": True, "m": "auto"}, {"m": "heat"}, {"on": False, "t": -40}, {}]
    found = reader.scalar_reports.read(sent)
    assert found is not None
    assert [typed(report) for report in found] == [typed(report) for report in expected]


@pytest.mark.parametrize(
    "strange",
    [
        b'{"on":1,"other":2}',
        b'{"on":1,"on":0}',
        b'{"other":{"on":1}}',
        b'{"on":1}x',
        b'{"on":2}',
        b"[]",
        b"\xff",
        b'{"on"',
    ],
)
def test_one_strange_report_leaves_all_to_the_long_way(strange: bytes) -> None:
    reader = type_of({"on": ("switch", {})}).scalar_reports
    assert reader is not None
    assert reader.read([b'{"on":1}', strange]) is None
    assert reader.read([b"[" * 100_000]) is None


def test_a_type_with_texts_or_very_many_attributes_has_no_such_reader() -> None:
    assert type_of({"on": ("switch", {}), "t": ("text", {})}).scalar_reports is None
    assert type_of({}).scalar_reports is None
    many = [AttributeDefinition(identifier=f"a{number}", data_type="switch") for number in range(SCALARS_COUNT + 1)]
    assert scalar_reports(many) is None
    assert scalar_reports(many[1:]) is not None


def test_attributes_that_devices_may_not_report_go_the_long_way() -> None:
    assert type_of({"on": ("switch", {})}, "cloud").scalar_reports is None
    functions = Functions(
        attributes=(
            AttributeDefinition(identifier="on", data_type="switch"),
            AttributeDefinition(identifier="off", data_type="switch", attr_type="push"),
        )
    )
    reader = CompiledFunctions(functions).scalar_reports
    assert reader is not None
    assert reader.read([json.dumps({"on": True, "off": True}).encode()]) is None
