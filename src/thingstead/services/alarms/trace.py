"""Explains a rule on a device: its last evaluations with their values, and its present state."""

from collections.abc import Iterable, Mapping
from typing import Any

from thingstead.model import limits
from thingstead.model.alarms.alarm import Phase
from thingstead.model.alarms.rule import AlarmRule, plain
from thingstead.model.device import Device
from thingstead.rules.conditions import Leaf
from thingstead.rules.device_rules import Evaluation
from thingstead.rules.evaluation import LevelState, RuleState, level_of, next_due, phase_of
from thingstead.rules.facts import NEVER, Facts
from thingstead.rules.rule import CompiledRule
from thingstead.services.alarms.device import DeviceAlarms
from thingstead.services.alarms.evaluations import AlarmEvaluations
from thingstead.services.alarms.rules import AlarmRuleService
from thingstead.services.shared.recorded_reasons import failing_reason
from thingstead.storage.base import Store
from thingstead.wire.alarm_rules import RuleTrace, TracedCondition, TraceEntry

ENTRIES = 50  # in the answer
POINTS = 20  # of history, per attribute
QUIET = "raise does not hold"


class AlarmTraceService:
    """Explains the evaluation of rules."""

    def __init__(self, store: Store, rules: AlarmRuleService, evaluations: AlarmEvaluations) -> None:
        self._store = store
        self._rules = rules
        self._evaluations = evaluations

    async def trace(self, project_id: str, rule_id: str, device_id: str | None = None) -> RuleTrace:
        """The last evaluations on one device, or on all. Raises NotFound for an unknown rule or device."""
        rule = await self._rules.get(project_id, rule_id)
        record = self._evaluations.rule_index.records.get(rule_id)
        if device_id is not None:
            await self._store.devices.get(project_id, device_id)
        if record is None:
            return RuleTrace(enabled=rule.enabled, watched=False, **_failing(rule.failing))
        looks = [_evaluated(record.rule, each) for each in record.evaluations if device_id in (None, each.device_id)]
        shown_id = device_id or (looks[-1].device if looks else await self._first_device(rule))
        device = None if shown_id is None else await self._store.devices.find(shown_id)
        device_alarms = None if device is None else await self._evaluations.device_alarms(device)
        watched = device_alarms is not None and rule_id in device_alarms.evaluator.rules.records
        if device is not None and watched:
            looked = {(look.device, look.ts) for look in looks}
            values = await self._history(device, record.rule)
            looks += [_seen(record.rule, device, *each) for each in values if (device.id, each[0]) not in looked]
        return RuleTrace(
            enabled=True,
            watched=watched,
            **_failing(next(iter(record.failing.values()), rule.failing)),
            evaluated=record.evaluated,
            now=_present(record.rule, device_alarms) if device_alarms is not None and watched else None,
            items=sorted(looks, key=lambda look: look.ts, reverse=True)[:ENTRIES],
        )

    async def _first_device(self, rule: AlarmRule) -> str | None:
        devices = await self._store.alarm_rules.devices_of(rule, None, 1)
        return devices[0].id if devices else None

    async def _history(self, device: Device, rule: CompiledRule) -> list[tuple[int, dict[str, Any]]]:
        """The newest values that the rule reads, by timestamp."""
        found: dict[int, dict[str, Any]] = {}
        for name in sorted(rule.reads):
            points = await self._store.history.series(device.number, name, 0, limits.INSTANT_MS, offset=0, limit=POINTS)
            for point in points:
                found.setdefault(point.ts, {}).setdefault(name, point.value)
        return list(found.items())


def _failing(text: str) -> dict[str, Any]:
    why = failing_reason(text)
    return {"failing": text, "failing_code": why.code, "failing_args": dict(why.args)}


def _seen(rule: CompiledRule, device: Device, ts: int, values: dict[str, Any]) -> TraceEntry:
    """An entry for values that were not evaluated, or were evaluated before the server started."""
    conditions = _afterwards(rule, values, ts)
    holding = any(condition.holds for condition in conditions)
    outcome = "from history: a condition holds" if holding else QUIET
    return TraceEntry(ts=ts, device=device.id, level=0, outcome=outcome, attributes=values, conditions=conditions)


def _evaluated(rule: CompiledRule, evaluation: Evaluation) -> TraceEntry:
    return TraceEntry(
        ts=evaluation.at,
        device=evaluation.device_id,
        level=level_of(rule, evaluation.after),
        phase=phase_of(evaluation.after),
        outcome=_outcome(rule, evaluation.after, [(each.before, each.level) for each in evaluation.transitions]),
        attributes=dict(evaluation.values),
        conditions=_afterwards(rule, evaluation.values, evaluation.at),
    )


def _present(rule: CompiledRule, device_alarms: DeviceAlarms) -> TraceEntry:
    facts, state = device_alarms.evaluator.facts, device_alarms.evaluator.state_of(rule)
    facts.catch_up()
    at, facts.shift = device_alarms.evaluator.moment_of(rule)
    values = {name: facts.values[name] for name in sorted(rule.reads) if name in facts.values}
    outcome = _outcome(rule, state, [])
    if rule.hours is not None and not rule.hours.contains(at):
        outcome = f"outside the hours of the schedule; {outcome}"
    due = next_due(rule, state, facts, at)
    if due is not None:
        outcome += f"; evaluated again at {due} without a report"
    conditions = [_traced(leaf, facts, at) for level in rule.levels for leaf in level.raise_leaves]
    return TraceEntry(
        ts=max(0, at),
        device=device_alarms.device.id,
        level=level_of(rule, state),
        phase=phase_of(state),
        outcome=outcome,
        attributes=values,
        conditions=conditions,
    )


def _outcome(rule: CompiledRule, state: RuleState, transitions: Iterable[tuple[int, int]]) -> str:
    """The result of an evaluation in words."""
    said = [
        f"raised with level {level}" if not before else f"changed to level {level}" if level else "cleared"
        for before, level in transitions
    ]
    for level, known in zip(rule.levels, state.levels, strict=True):
        if known.phase in (Phase.PENDING, Phase.CLEARING):
            said.append(f"level {level.level} {_waiting(rule, known, state)}")
        elif known.phase is Phase.RAISED and not said:
            said.append(f"level {level.level} is raised")
    return "; ".join(said) or QUIET


def _waiting(rule: CompiledRule, known: LevelState, state: RuleState) -> str:
    """What a pending level is still waiting for."""
    what, wanted, delay_ms = ("clear", rule.clear_count, rule.clear_delay_ms)
    if known.phase is Phase.PENDING:
        what, wanted, delay_ms = ("raise", rule.raise_count, rule.raise_delay_ms)
        if not known.count:
            return "was cleared by a person and waits for the next value"
    if known.count < wanted:
        return f"{what} holds for {known.count} of {wanted} values"
    if what == "raise" and state.cleared_at != NEVER and state.cleared_at + rule.cool_down_ms > known.since + delay_ms:
        return f"{what} holds since {known.since}; the cool-down lasts until {state.cleared_at + rule.cool_down_ms}"
    return f"{what} holds since {known.since}; it takes effect at {known.since + delay_ms}"


def _afterwards(rule: CompiledRule, values: Mapping[str, Any], at: int) -> list[TracedCondition]:
    """The raise conditions, evaluated on the values alone."""
    facts = Facts()
    facts.values = dict(values)
    return [
        _traced(leaf, facts, at) if leaf.condition.attribute in values and leaf.condition.op != "change"
        else TracedCondition(condition=_shown(leaf), value=values.get(leaf.condition.attribute or ""))
        for level in rule.levels
        for leaf in level.raise_leaves
        if leaf.condition.no_data_ms is None
    ]  # fmt: skip


def _traced(leaf: Leaf, facts: Facts, at: int) -> TracedCondition:
    value = facts.values.get(leaf.condition.attribute or "")
    return TracedCondition(condition=_shown(leaf), value=value, holds=leaf.test(facts, at))


def _shown(leaf: Leaf) -> dict[str, Any]:
    condition: dict[str, Any] = plain(leaf.condition)
    return {"not": condition} if leaf.negated else condition
