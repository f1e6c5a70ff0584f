"""What holds for every rule and every history: it makes no difference in how many pieces it is evaluated."""

from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rules.making import MINUTE, NOW, Told, rule
from thingstead.rules.device_rules import DeviceRules, RuleRecord
from thingstead.rules.evaluation import RuleState
from thingstead.rules.evaluator import DeviceEvaluator
from thingstead.rules.facts import Facts
from thingstead.rules.prefilter import MIXED, Gate
from thingstead.rules.rule import CompiledRule

numbers = st.integers(0, 9)


def trees_of(among: Sequence[str], *, timed: bool = True) -> st.SearchStrategy[dict[str, Any]]:
    """Conditions on these attributes. ``timed``: also on silence and absence."""
    names = st.sampled_from(among)
    leaves: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.fixed_dictionaries(
            {"attribute": names, "op": st.sampled_from([">", ">=", "<", "<=", "==", "!="]), "value": numbers},
            optional={"deadband": st.integers(0, 3)},
        ).map(lambda leaf: {k: v for k, v in leaf.items() if k != "deadband" or leaf["op"] not in ("==", "!=")}),
        st.fixed_dictionaries(
            {"attribute": names, "op": st.sampled_from(["==", "!="]), "value": st.sampled_from(["text", "other", True])}
        ),
        st.fixed_dictionaries({"attribute": names, "op": st.just("change")}),
        st.tuples(names, numbers, numbers).map(
            lambda each: {"attribute": each[0], "op": "between", "value": sorted(each[1:])}
        ),
    )
    if timed:
        leaves = st.one_of(
            leaves,
            st.fixed_dictionaries({"no_data_ms": st.integers(1, 3 * MINUTE)}, optional={"attribute": names}),
            st.fixed_dictionaries({"offline_ms": st.integers(1, 3 * MINUTE)}),
        )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"and": parts}),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"or": parts}),
            inner.map(lambda part: {"not": part}),
        ),
        max_leaves=4,
    )


def bodies_of(among: Sequence[str], *, timed: bool = True) -> st.SearchStrategy[dict[str, Any]]:
    """What rules over these attributes may say."""
    trees = trees_of(among, timed=timed)
    delays = st.sampled_from([0, 0, 1, MINUTE, 2 * MINUTE])
    return st.builds(
        lambda levels, **more: {"levels": [{"level": n + 1, **level} for n, level in enumerate(levels)], **more},
        levels=st.lists(st.fixed_dictionaries({"raise": trees}, optional={"clear": trees}), min_size=1, max_size=3),
        raise_delay_ms=delays,
        clear_delay_ms=delays,
        cool_down_ms=delays,
        raise_count=st.integers(1, 3),
        clear_count=st.integers(1, 3),
        schedule=st.none() | st.just({"hours": [{"from": "22:00", "to": "22:15"}, {"from": "22:16", "to": "23:00"}]}),
    )


ATTRIBUTES = ("a", "b", "c")
names = st.sampled_from(ATTRIBUTES)
bodies = bodies_of(ATTRIBUTES)
values = numbers | st.sampled_from([1.5, "text", "third", None, True, False, {"lat": 1, "lng": 2}])
reports = st.dictionaries(names | st.just("unread"), values, max_size=3)
Steps = list[tuple[int, bool, Any]]
steps = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 1_000, MINUTE, 2 * MINUTE, 3 * MINUTE]),  # how long after the step before
        st.sampled_from([False, False, False, True]),  # whether it is late
        reports | st.sampled_from(["online", "offline"]),
    ),
    max_size=20,
)


class Run:
    """A history at work on some rules, in one way of cutting it."""

    def __init__(self, rules: list[CompiledRule], *, gates: bool = True) -> None:
        if not gates:
            for each in rules:
                each.gates = dict.fromkeys(each.gates, Gate(MIXED))
        self.rules = rules
        facts = Facts(NOW)
        facts.newest = NOW - 1
        self.evaluator = DeviceEvaluator("d1", DeviceRules(RuleRecord(each) for each in rules), facts, {})
        self.told: list[Told] = []
        self.levels: dict[str, int] = {}
        self.take(self.evaluator.look(NOW))

    def restart(self) -> None:
        """As after a restart: states come from what was kept, compiled rules and memory are new."""
        kept = {name: msgspec.msgpack.encode(state) for name, state in self.evaluator.states.items()}
        states = {name: msgspec.msgpack.decode(state, type=RuleState) for name, state in kept.items()}
        rules = DeviceRules(RuleRecord(CompiledRule(each.rule)) for each in self.rules)
        moments = {each.id: self.evaluator.moment_of(each) for each in self.rules}
        self.evaluator = DeviceEvaluator("d1", rules, self.evaluator.facts, {})
        self.evaluator.take_over(rules, states, moments)

    def take(self, decisions: Sequence[Any]) -> None:
        for decision in decisions:
            for occurrence in decision.occurrences:
                _, level, at = occurrence.transition
                assert occurrence.transition.before == self.levels.get(decision.rule.id, 0)
                assert occurrence.transition.before != level
                self.levels[decision.rule.id] = level
                self.told.append((decision.rule.id, level, at - NOW))

    def do(self, at: int, late: bool, what: Any) -> None:
        if what == "online":
            self.take(self.evaluator.presence(0, at))
        elif what == "offline":
            self.take(self.evaluator.presence(at, at))
        else:
            known = self.evaluator.facts.values.keys()
            attributes = {name: value for name, value in what.items() if not late or name in known}
            self.take(self.evaluator.report(NOW - 1 if late else at, attributes, received_at=at))

    def wait(self, until: int) -> None:
        self.take(self.evaluator.pass_time(until))

    def outcome(self) -> tuple[list[Told], dict[str, RuleState]]:
        """By rule: rules are independent of each other, and so is the order of what they tell."""
        return sorted(self.told, key=lambda told: told[0]), self.evaluator.states


def compiled(bodies: list[dict[str, Any]]) -> list[CompiledRule]:
    return [rule(rule_id=f"r{number}", **body) for number, body in enumerate(bodies)]


@given(st.lists(bodies, min_size=1, max_size=3), steps, st.lists(st.integers(0, 40 * MINUTE), max_size=8))
@settings(max_examples=150, deadline=None)
def test_evaluating_in_pieces_equals_evaluating_at_once(
    given_bodies: list[dict[str, Any]], given_steps: Steps, looks: list[int]
) -> None:
    once, pieces = Run(compiled(given_bodies)), Run(compiled(given_bodies))
    pending = sorted(NOW + look for look in looks)
    at = NOW
    for wait, late, what in given_steps:
        at += wait
        while pending and pending[0] < at:
            pieces.wait(pending.pop(0))
            pieces.restart()
        once.do(at, late, what)
        pieces.do(at, late, what)
    once.wait(NOW + 100 * MINUTE)
    pieces.wait(NOW + 100 * MINUTE)
    assert pieces.outcome() == once.outcome()


@given(st.lists(bodies, min_size=1, max_size=3), steps)
@settings(max_examples=150, deadline=None)
def test_passing_over_what_lies_within_the_gates_changes_nothing(
    given_bodies: list[dict[str, Any]], given_steps: Steps
) -> None:
    gated, thorough = Run(compiled(given_bodies)), Run(compiled(given_bodies), gates=False)
    at = NOW
    for wait, late, what in given_steps:
        at += wait
        gated.do(at, late, what)
        thorough.do(at, late, what)
        assert gated.outcome() == thorough.outcome()
