"""A screen says of a whole report what the gates say of each of its values."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from thingstead.rules.prefilter import ANY, MIXED, NUMBER, SWITCH, TEXT, Gate, Screens, merged

bounds = st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from([2**60, -(2**60), 2**53 + 1])
bands = st.lists(st.tuples(bounds, bounds).map(sorted).map(tuple), max_size=2).map(tuple)
texts = st.sets(st.sampled_from(["a", "b", "c"]), max_size=2).map(frozenset)
gates = st.one_of(
    st.just(Gate(ANY)),
    st.just(Gate(MIXED)),
    st.builds(lambda low, high, loud: Gate(NUMBER, low=low, high=high, bands=loud), bounds, bounds, bands),
    st.builds(lambda loud, only: Gate(TEXT, loud=loud, only=only), texts, st.none() | texts),
    st.builds(lambda only: Gate(SWITCH, only=only), st.none() | st.just(frozenset({True}))),
)
values: st.SearchStrategy[Any] = bounds | st.sampled_from(["a", "b", "d", True, False, None, {}, [1]])
names = st.sampled_from(["v0", "get", "a b", "'\"\\", "温度"])


@given(st.dictionaries(names, gates), st.dictionaries(names, values))
@settings(max_examples=500)
def test_a_report_passes_when_each_of_its_values_does(given_gates: dict[str, Gate], report: dict[str, Any]) -> None:
    expected = all(given_gates[name].passes(value) for name, value in report.items() if name in given_gates)
    screens = Screens(given_gates)
    assert screens.of(report)(report) is expected
    assert screens.of(report) is screens.of(dict(report))


@given(st.lists(gates), values)
def test_what_passes_together_passes_each(given_gates: list[Gate], value: Any) -> None:
    if merged(given_gates).passes(value):
        assert all(gate.passes(value) for gate in given_gates)
