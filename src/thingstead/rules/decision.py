"""Result of an evaluation: transitions, and the conditions and values that caused them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from thingstead.model.alarms.rule import plain
from thingstead.rules.evaluation import RuleState, Transition
from thingstead.rules.facts import Facts
from thingstead.rules.rule import CompiledRule


class Occurrence(NamedTuple):
    """A transition with the conditions and values that caused it."""

    transition: Transition
    conditions: list[Any]  # the conditions that held, as JSON values
    attributes: dict[str, Any]  # values of the attributes that the rule reads


class Decision(NamedTuple):
    """The result of one evaluation of a rule, to be stored in one transaction."""

    rule: CompiledRule
    state: RuleState | None  # None: idle, not stored
    due: int | None  # ms, server clock: when to evaluate again without a report; None: never
    occurrences: tuple[Occurrence, ...]


NOTHING: Sequence[Decision] = ()


def occurrence_of(rule: CompiledRule, transition: Transition, facts: Facts) -> Occurrence:
    """Describes a transition by the conditions that hold in ``facts`` and the values that the rule reads."""
    wanted = transition.level or transition.before
    level = next(level for level in rule.levels if level.level == wanted)
    leaves = level.raise_leaves if transition.level else level.clear_leaves
    conditions = [
        {"not": plain(leaf.condition)} if leaf.negated else plain(leaf.condition)
        for leaf in leaves
        if leaf.test(facts, transition.at)
    ]
    values = {name: facts.values[name] for name in sorted(rule.reads) if name in facts.values}
    return Occurrence(transition, conditions, values)
