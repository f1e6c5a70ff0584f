"""A rule made ready: its conditions as closures, and what they depend on."""

from collections.abc import Sequence

from thingstead.model.alarm_rule import AlarmRule, Level, attributes_of
from thingstead.rules.conditions import ANY_NUMBER, NO_GATE, Compiled, Gate, Leaf, compile_condition
from thingstead.rules.schedule import OpenHours


class CompiledLevel:
    """One level of a rule."""

    __slots__ = ("clear_leaves", "clears", "level", "raise_leaves", "raises", "timed")

    def __init__(self, level: Level) -> None:
        raises = compile_condition(level.raise_)
        clears = (
            compile_condition(level.raise_, negate=True, relaxed=True)
            if level.clear is None
            else compile_condition(level.clear)
        )
        self.level: int = level.level
        self.raises = raises.test
        self.clears = clears.test
        self.raise_leaves = raises.leaves
        self.clear_leaves = clears.leaves
        self.timed = _timed(raises)  # may begin to hold although nothing was reported


class CompiledRule:
    """A rule, ready to be evaluated. Made once for each state of the rule's row."""

    def __init__(self, rule: AlarmRule) -> None:
        body = rule.body
        self.id = rule.id
        self.project_id = rule.project_id
        self.name = rule.name
        self.rule = rule
        self.levels = tuple(CompiledLevel(level) for level in sorted(body.levels, key=lambda level: level.level))
        self.raise_delay_ms = body.raise_delay_ms
        self.clear_delay_ms = body.clear_delay_ms
        self.raise_count = body.raise_count
        self.clear_count = body.clear_count
        self.cool_down_ms = body.cool_down_ms
        self.hours = None if body.schedule is None else OpenHours(body.schedule)
        leaves = [leaf for level in self.levels for leaf in (*level.raise_leaves, *level.clear_leaves)]
        raising = [leaf for level in self.levels for leaf in level.raise_leaves]
        self.reads = attributes_of(body)
        self.gates = {name: self._gate(name, raising) for name in self.reads}
        self.kinds = {leaf.condition.attribute or "": leaf.kind for leaf in leaves if leaf.kind}
        self.changes = frozenset(
            leaf.condition.attribute for leaf in leaves if leaf.condition.op == "change" and leaf.condition.attribute
        )
        self.silences = tuple(
            {(leaf.condition.attribute, leaf.condition.no_data_ms) for leaf in leaves if leaf.condition.no_data_ms}
        )
        self.absences = tuple({leaf.condition.offline_ms for leaf in leaves if leaf.condition.offline_ms})
        self.timed = bool(self.silences or self.absences or self.hours)
        # Any report ends a silence of the device, and so may raise a rule that waits for "not silent".
        self.reads_everything = any(
            leaf.negated and leaf.condition.no_data_ms and not leaf.condition.attribute for leaf in raising
        )

    def _gate(self, name: str, raising: Sequence[Leaf]) -> Gate:
        """For which numbers of an attribute an idle rule stays idle, whatever the others are."""
        low, high = ANY_NUMBER
        for leaf in raising:
            if leaf.condition.attribute == name and (leaf.condition.no_data_ms is None or leaf.negated):
                low, high = max(low, leaf.gate[0]), min(high, leaf.gate[1])
        return (low, high) if low <= high and self.hours is None else NO_GATE


def _timed(compiled: Compiled) -> bool:
    return any(leaf.condition.no_data_ms or leaf.condition.offline_ms for leaf in compiled.leaves)
