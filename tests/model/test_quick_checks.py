"""The quick check of a report keeps nothing that the checks of its values do not keep just so."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from thingstead.model.device_type import AttributeDefinition, DataType, Functions
from thingstead.model.values.checking import CompiledFunctions, InvalidValue, value_check
from thingstead.model.values.quick_checks import quick_check

bounds = st.none() | st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from([2**60, -(2**60), 2**53 + 1])
numbers = st.builds(lambda low, high: ("number", {"min": low, "max": high}), bounds, bounds)
others: Any = st.sampled_from(
    [
        ("switch", {}),
        ("enum", {}),
        ("enum", {"items": [{"value": "a"}, {"value": "b"}]}),
        ("text", {}),
        ("object", {}),
        ("list", {}),
        ("map_point", {}),
        ("daily_timer", {}),
    ]
)
definitions = st.dictionaries(st.sampled_from(["v0", "get", "name1", "low0"]), numbers | others)
values: st.SearchStrategy[Any] = st.one_of(
    st.integers(-4, 4),
    st.floats(-4, 4),
    st.sampled_from([2**60, 2**64, "a", "c", "ON", True, False, None, {}, [1], {"lat": 1, "lng": 2}]),
)


def any_value(value: Any) -> Any:
    """The check of an attribute that nobody defined: null is no value."""
    if value is None:
        raise InvalidValue("null_value")
    return value


@given(definitions, st.data())
@settings(max_examples=1_000)
def test_what_passes_quickly_is_kept_as_the_long_way_keeps_it(
    defined: dict[str, tuple[DataType, dict[str, Any]]], data: st.DataObject
) -> None:
    report = {name: data.draw(values) for name in defined}
    before = dict(report)
    if not quick_check(defined)(report):
        return
    for name, (data_type, options) in defined.items():
        kept = value_check(data_type, options)(before[name])
        assert (type(report[name]), report[name]) == (type(kept), kept)


@given(definitions, st.data())
def test_what_does_not_pass_quickly_is_refused_or_kept_all_the_same(
    defined: dict[str, tuple[DataType, dict[str, Any]]], data: st.DataObject
) -> None:
    attributes = [
        AttributeDefinition(identifier=name, data_type=data_type, data_options=options)
        for name, (data_type, options) in defined.items()
    ]
    report = {name: data.draw(values) for name in [*defined, "undefined"]}
    kept, refused = {}, []
    for name, value in report.items():
        try:
            kept[name] = value_check(*defined[name])(value) if name in defined else any_value(value)
        except InvalidValue:
            refused.append(name)
    refusals = CompiledFunctions(Functions(attributes=tuple(attributes))).check(report, "report")
    assert ([refusal.field for refusal in refusals], list(report)) == (refused, list(kept))
    assert report == kept
