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
    conditions: list[Any]  # those that held, as JSON shows them
    attributes: dict[str, Any]  # the values that the rule reads


class Decision(NamedTuple):
    """What one look at a rule changes, all of it in one transaction."""

    rule: CompiledRule
    state: RuleState | None  # None: idle, nothing need be kept
    due: int | None  # ms of the server: when to look again without a report
    occurrences: tuple[Occurrence, ...]


NOTHING: Sequence[Decision] = ()


def occurrence_of(rule: CompiledRule, transition: Transition, facts: Facts) -> Occurrence:
    """A transition with what it was due to, as far as ``facts`` tell."""
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
