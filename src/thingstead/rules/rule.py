"""A compiled rule: its conditions as closures, and their dependencies."""

from thingstead.model.alarms.rule import AlarmRule, Level, attributes_of
from thingstead.rules.conditions import Compiled, compile_condition
from thingstead.rules.facts import Facts
from thingstead.rules.prefilter import Gate, merged
from thingstead.rules.schedule import OpenHours


class CompiledLevel:
    """A compiled level of a rule."""

    __slots__ = ("clear_leaves", "clears", "guards", "level", "raise_leaves", "raises", "timed")

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
        self.guards = raises.guards
        self.clear_leaves = clears.leaves
        self.timed = _timed(raises)  # may begin to hold without a report


class CompiledRule:
    """A rule compiled for evaluation. Immutable: a changed rule is compiled again."""

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
        self.guards = [leaf for level in self.levels for leaf in level.guards]
        self.reads = attributes_of(body)
        self.kinds = {leaf.condition.attribute or "": leaf.kind for leaf in leaves if leaf.kind}
        self.changes = frozenset(
            leaf.condition.attribute for leaf in leaves if leaf.condition.op == "change" and leaf.condition.attribute
        )
        self.silences = tuple(
            {(leaf.condition.attribute, leaf.condition.no_data_ms) for leaf in leaves if leaf.condition.no_data_ms}
        )
        self.absences = tuple({leaf.condition.offline_ms for leaf in leaves if leaf.condition.offline_ms})
        self.timed = bool(self.silences or self.absences)
        # Any report ends a silence of the device, so it may raise a rule that waits for "not silent".
        self.reads_everything = any(
            leaf.negated and leaf.condition.no_data_ms and not leaf.condition.attribute for leaf in self.guards
        )
        self.gates = {name: self._gate(name) for name in self.reads}

    def _gate(self, name: str) -> Gate:
        """The values of an attribute that cannot make the rule hold. A value of the wrong kind never passes."""
        kind = self.kinds.get(name)
        gates = [leaf.gate for leaf in self.guards if leaf.condition.attribute == name]
        return merged([*gates, Gate(kind)] if kind is not None else gates)

    def awake(self, facts: Facts, at: int) -> bool:
        """Whether a guard holds, so that any value may make the rule hold."""
        return any(guard.test(facts, at) for guard in self.guards)


def _timed(compiled: Compiled) -> bool:
    return any(leaf.condition.no_data_ms or leaf.condition.offline_ms for leaf in compiled.leaves)
