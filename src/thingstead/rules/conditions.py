"""Compiles a tree of conditions to closures, in negation normal form.

A condition on a value that is missing or of another type is neither true nor false: neither it nor its negation holds.
So ``not`` is pushed down to the leaves, which leaves only ``and`` and ``or`` above them.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf, nextafter
from typing import Any, NamedTuple

from thingstead.model.alarms.rule import Condition, Op
from thingstead.rules.facts import Facts
from thingstead.rules.geofence import place, within_circle, within_polygon
from thingstead.rules.prefilter import KINDS, MIXED, NUMBER, PLACE, Gate

Test = Callable[[Facts, int], bool]  # (facts, instant in ms) → whether the condition holds

_OPPOSITE: dict[Op, Op] = {
    ">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "==", "inside": "outside", "outside": "inside",
}  # fmt: skip
# Cost of a leaf as a guard: how often the rule is evaluated because of it without a result.
CHEAP, MODERATE, DEAR, USELESS = 1, 2, 10, 1_000


class Leaf(NamedTuple):
    """A condition without parts, possibly negated, compiled."""

    condition: Condition
    negated: bool
    test: Test
    kind: str = ""  # the kind of value that it compares; "" if any
    gate: Gate = Gate()
    cost: int = CHEAP


class Compiled(NamedTuple):
    """A compiled tree of conditions. It can hold only while at least one guard holds."""

    test: Test
    leaves: tuple[Leaf, ...]
    guards: tuple[Leaf, ...]


def kind_of(value: Any) -> str:
    """The kind of a value, as in ``Leaf.kind``; "" for a value that no comparison supports."""
    return KINDS.get(type(value)) or (PLACE if place(value) is not None else "")


def compile_condition(condition: Condition, *, negate: bool = False, relaxed: bool = False) -> Compiled:
    """Compiles a condition, or its negation.

    Args:
        relaxed: compile as the default clear condition (the negation of ``raise``): deadbands make it harder to meet,
            and a missing value satisfies it; a value of another type does not.
    """
    if condition.not_ is not None:
        return compile_condition(condition.not_, negate=not negate, relaxed=relaxed)
    parts = condition.and_ or condition.or_
    if parts:
        compiled = [compile_condition(part, negate=negate, relaxed=relaxed) for part in parts]
        every = (condition.and_ is not None) is not negate  # De Morgan
        tests = [each.test for each in compiled]
        leaves = tuple(leaf for each in compiled for leaf in each.leaves)
        if every:
            guards = min((each.guards for each in compiled), key=lambda each: sum(leaf.cost for leaf in each))
            return Compiled(_all(tests), leaves, guards)
        return Compiled(_any(tests), leaves, tuple(leaf for each in compiled for leaf in each.guards))
    leaf = _leaf(condition, negate, relaxed)
    if relaxed and condition.attribute and condition.no_data_ms is None:
        leaf = leaf._replace(test=_or_missing(condition.attribute, leaf.test, change=condition.op == "change"))
    return Compiled(leaf.test, (leaf,), (leaf,))


def _or_missing(name: str, known: Test, *, change: bool) -> Test:
    def test(facts: Facts, at: int) -> bool:
        if facts.values.get(name) is None or (change and name not in facts.previous):
            return True
        return known(facts, at)

    return test


def _all(tests: Sequence[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def test(facts: Facts, at: int) -> bool:
        return all(each(facts, at) for each in tests)

    return test


def _any(tests: Sequence[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def test(facts: Facts, at: int) -> bool:
        return any(each(facts, at) for each in tests)

    return test


def _leaf(condition: Condition, negate: bool, relaxed: bool) -> Leaf:
    name, op, value = condition.attribute or "", condition.op, condition.value
    if condition.no_data_ms is not None:
        test = _no_data(condition.attribute, condition.no_data_ms, negate)
        # A value ends a silence, so it can satisfy only the negated condition.
        gate, cost = (Gate(MIXED), USELESS) if negate else (Gate(), CHEAP)
        return Leaf(condition, negate, test, gate=gate, cost=cost)
    if condition.offline_ms is not None:
        return Leaf(condition, negate, _offline(condition.offline_ms, negate), cost=USELESS if negate else CHEAP)
    slack = float(condition.deadband or 0) * (1 if negate else -1) if relaxed else 0.0
    if op == "change":
        kind = "" if value is None else NUMBER
        return Leaf(condition, negate, _change(name, value, negate), kind, Gate(MIXED), DEAR)
    if op in ("inside", "outside"):
        return Leaf(condition, negate, _geofence(condition, negate, slack), PLACE, Gate(MIXED), DEAR)
    if op == "between":
        assert isinstance(value, tuple), "model/alarms/rule_checks.py requires it"
        return _between(condition, value[0] - slack, value[1] + slack, negate)
    assert op is not None, "model/alarms/rule_checks.py requires it"
    return _comparison(condition, op, negate, slack)


def _comparison(condition: Condition, op: Op, negate: bool, slack: float) -> Leaf:
    name, value = condition.attribute or "", condition.value
    if slack and op in (">", ">="):
        value = value - slack  # type: ignore[operator]  # a number, required by the checks of a rule
    elif slack and op in ("<", "<="):
        value = value + slack  # type: ignore[operator]
    if negate:
        op = _OPPOSITE[op]
    kind = KINDS[type(value)]
    cost = DEAR if op == "!=" else MODERATE if op == "==" else CHEAP
    return Leaf(condition, negate, _COMPARISONS[op](name, value, kind), kind, _gate(op, value, kind), cost)


def _gate(op: Op, value: Any, kind: str) -> Gate:
    """The prefilter of a comparison: values that do not satisfy it; fewer if the bound is not representable as a
    float."""
    if kind != NUMBER:
        alone = frozenset({value})
        return Gate(kind, loud=alone) if op == "==" else Gate(kind, only=alone)
    try:
        return {
            ">": lambda: Gate(kind, high=value),
            ">=": lambda: Gate(kind, high=nextafter(value, -inf)),
            "<": lambda: Gate(kind, low=value),
            "<=": lambda: Gate(kind, low=nextafter(value, inf)),
            "==": lambda: Gate(kind, bands=((value, value),)),
            "!=": lambda: Gate(kind, low=value, high=value),
        }[op]()
    except OverflowError:  # an integer that no float can represent
        return Gate(MIXED)


def _greater(name: str, bound: Any, kind: str) -> Test:
    def test(facts: Facts, at: int) -> bool:
        value = facts.values.get(name)
        return (type(value) is float or type(value) is int) and value > bound

    return test


def _at_least(name: str, bound: Any, kind: str) -> Test:
    def test(facts: Facts, at: int) -> bool:
        value = facts.values.get(name)
        return (type(value) is float or type(value) is int) and value >= bound

    return test


def _less(name: str, bound: Any, kind: str) -> Test:
    def test(facts: Facts, at: int) -> bool:
        value = facts.values.get(name)
        return (type(value) is float or type(value) is int) and value < bound

    return test


def _at_most(name: str, bound: Any, kind: str) -> Test:
    def test(facts: Facts, at: int) -> bool:
        value = facts.values.get(name)
        return (type(value) is float or type(value) is int) and value <= bound

    return test


def _equal(name: str, bound: Any, kind: str) -> Test:
    def test(facts: Facts, at: int) -> bool:
        value = facts.values.get(name)
        return KINDS.get(type(value)) == kind and bool(value == bound)

    return test


def _unequal(name: str, bound: Any, kind: str) -> Test:
    def test(facts: Facts, at: int) -> bool:
        value = facts.values.get(name)
        return KINDS.get(type(value)) == kind and bool(value != bound)

    return test


_COMPARISONS: Mapping[Op, Callable[[str, Any, str], Test]] = {
    ">": _greater, ">=": _at_least, "<": _less, "<=": _at_most, "==": _equal, "!=": _unequal,
}  # fmt: skip


def _between(condition: Condition, low: float, high: float, negate: bool) -> Leaf:
    name = condition.attribute or ""

    def test(facts: Facts, at: int) -> bool:
        value = facts.values.get(name)
        return (type(value) is float or type(value) is int) and (low <= value <= high) is not negate

    if negate:
        return Leaf(condition, negate, test, NUMBER, Gate(NUMBER, low=low, high=high))
    return Leaf(condition, negate, test, NUMBER, Gate(NUMBER, bands=((low, high),)), MODERATE)


def _change(name: str, least: Any, negate: bool) -> Test:
    """Whether the newest value differs from the previous one. With a first value neither this nor its negation
    holds."""

    def test(facts: Facts, at: int) -> bool:
        if name not in facts.previous:
            return False
        value, before = facts.values.get(name), facts.previous[name]
        if least is None:
            return (value != before or (type(value) is bool) is not (type(before) is bool)) is not negate
        if KINDS.get(type(value)) != NUMBER or KINDS.get(type(before)) != NUMBER:
            return False
        return (value != before and abs(value - before) >= least) is not negate

    return test


def _geofence(condition: Condition, negate: bool, slack: float) -> Test:
    name = condition.attribute or ""
    inside = (condition.op == "inside") is not negate
    if condition.circle is not None:
        # A deadband keeps an alarm open: it enlarges the circle for "inside" and shrinks it for "outside".
        within = within_circle(condition.circle, slack if condition.op == "inside" else -slack)
    else:
        within = within_polygon(condition.polygon or ())

    def test(facts: Facts, at: int) -> bool:
        where = place(facts.values.get(name))
        return where is not None and within(*where) is inside

    return test


def _no_data(name: str | None, silence_ms: int, negate: bool) -> Test:
    def test(facts: Facts, at: int) -> bool:
        return (at - facts.silent_since(name) >= silence_ms) is not negate

    return test


def _offline(absence_ms: int, negate: bool) -> Test:
    def test(facts: Facts, at: int) -> bool:
        since = facts.absent_since()
        return (since is not None and at - since >= absence_ms) is not negate

    return test
