"""Evaluates the rules of one device for reports and for the passing of time, and returns the changes.

Its state is ahead of the store: decisions are added to the open commit together with the report. If that commit fails,
the caller must build the evaluator again from the store.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from thingstead.refusals import reason
from thingstead.rules.conditions import kind_of
from thingstead.rules.decision import NOTHING, Decision, occurrence_of
from thingstead.rules.device_rules import DeviceRules, Evaluation, RuleRecord
from thingstead.rules.evaluation import (
    RuleState,
    Step,
    advance,
    cleared_by_hand,
    idle_state,
    is_idle,
    is_quiet,
    is_waiting,
    next_due,
    set_back,
    step,
)
from thingstead.rules.facts import NEVER, NO_MOMENTS, Facts, Moment
from thingstead.rules.rule import CompiledRule

FAR = 2**63  # after every instant


class DeviceEvaluator:
    """Evaluates the rules of one device.

    Each rule is evaluated in the order of timestamps of the attributes that it reads; other attributes do not matter. A
    backlog of one attribute is therefore evaluated at its own timestamps even if another attribute is newer. If a rule
    reads several attributes and one has a newer value, an older value of another is evaluated at that newer instant,
    the first at which all are known.
    """

    __slots__ = ("__weakref__", "_awake", "_moments", "_screen", "device_id", "due", "facts", "rules", "states")

    def __init__(self, device_id: str, rules: DeviceRules, facts: Facts, states: dict[str, RuleState]) -> None:
        self.device_id = device_id
        self.facts = facts
        self.take_over(rules, states)

    def take_over(
        self, rules: DeviceRules, states: dict[str, RuleState], moments: Mapping[str, Moment] = NO_MOMENTS
    ) -> None:
        """Starts again with these rules and states. States of other rules, or with another number of levels, are
        dropped.

        Args:
            moments: the newest evaluated instant of each rule, as far as it is known.
        """
        self.facts.catch_up()
        self.rules = rules
        self.facts.listened = rules.silences
        self.states = {
            rule_id: state
            for rule_id, state in states.items()
            if rule_id in rules.records and len(state.levels) == len(rules.records[rule_id].rule.levels)
        }
        # Only for rules that are awake or timed; all others depend only on the instant of the next value.
        self._moments: dict[str, Moment] = {
            rule_id: moment for rule_id, moment in moments.items() if rule_id in rules.records
        }
        # Rules that any value may change: not quiet, failing, or with a guard that holds.
        self._awake: dict[str, RuleRecord] = {}
        for record in rules.records.values():
            self._rouse(record, self.moment_of(record.rule))
        self.due = NEVER  # ms, server clock: no state changes without a report before this
        if not rules:
            self.due = FAR

    def report(
        self,
        ts: int,
        attributes: dict[str, Any],
        from_device: bool = True,
        *,
        received: bool = False,
        received_at: int | None = None,
    ) -> Sequence[Decision]:
        """Evaluates a report with the timestamp ``ts``; on the hot path of every report. A value older than the current
        one of its attribute is ignored, unless ``ts`` is the time of receipt (``received``): then a clock was wrong.

        Args:
            received_at: ms, server clock; default: ``ts``.

        Returns:
            The decisions to store, in order.
        """
        facts, rules = self.facts, self.rules
        if received_at is None:
            received_at = ts
        if from_device and ts >= facts.newest and received_at < self.due and not self._awake and not rules.everything:
            if not facts.passed or facts.passed.keys() != attributes.keys():
                facts.catch_up()
                self._screen = rules.screens.of(attributes)
            if self._screen(attributes):
                facts.passed = attributes  # replaces one with the same attributes, which is never applied
                facts.passed_at = received_at
                facts.newest = ts
                return NOTHING
        return self._report(ts, attributes, from_device, received, received_at)

    def _report(
        self, ts: int, attributes: dict[str, Any], from_device: bool, received: bool, received_at: int
    ) -> list[Decision]:
        facts, times = self.facts, self.facts.times
        facts.catch_up()
        if received and from_device:
            self.set_back(ts)
        moved = received_at >= self.due
        decisions = self.pass_time(received_at) if moved else []
        arrived = {
            name: value
            for name, value in attributes.items()
            if received
            or (known := times.get(name, NEVER)) < ts
            or (known == ts and facts.values[name] != value)  # otherwise repeated
        }
        ends_silence = from_device and received_at > facts.data_at
        heard = facts.listened & attributes.keys() if facts.listened else facts.listened
        # The newest instant: no pending level is later.
        present = Moment(ts, ts - received_at) if received and from_device else None
        concerned = []
        for record in self._concerned(arrived, heard, ends_silence).values():
            fresh = not arrived.keys().isdisjoint(record.rule.reads)
            moment = present if fresh else None
            if moment is None:
                moment = self._next_moment(record.rule, ts if fresh else None, arrived, received, received_at)
            moved = self._advance(record, moment, decisions) or moved
            concerned.append((record, moment, fresh))
        self._take(ts, arrived, from_device, received, received_at)
        if heard:
            facts.hear(heard, received_at)
        for record, moment, fresh in concerned:
            self._note_kinds(record, arrived)
            facts.shift = moment.offset
            self._take_over(record, self._step(record, moment.at, fresh=fresh), moment.at, fresh, decisions)
            moved = self._rouse(record, moment) or moved
        if moved or decisions:
            self._look_ahead()
        return decisions

    def _take(self, ts: int, arrived: dict[str, Any], from_device: bool, received: bool, received_at: int) -> None:
        """Stores arrived values as the current ones."""
        facts, times = self.facts, self.facts.times
        for name in self.rules.changes & arrived.keys() & facts.values.keys():
            facts.previous[name] = facts.values[name]
        facts.values.update(arrived)
        times.update(dict.fromkeys(arrived, ts))
        facts.newest = max(times.values(), default=NEVER) if received else max(ts, facts.newest)
        if from_device:
            facts.data_at = max(facts.data_at, received_at)
            if ts == facts.newest:
                facts.offset = ts - received_at

    def _next_moment(
        self, rule: CompiledRule, ts: int | None, arrived: dict[str, Any], received: bool, received_at: int
    ) -> Moment:
        """The instant at which a report is evaluated for a rule. ``ts``: timestamp of a value that the rule reads;
        None: the report only ends a silence."""
        known = self.moment_of(rule)
        if ts is None:
            at = received_at + known.offset
        elif received:
            at = ts
        else:
            times = self.facts.times
            at = max((times.get(name, NEVER) for name in rule.reads if name not in arrived), default=NEVER)
            at = max(ts, at)
        if rule.id in self._moments and not is_quiet(self.state_of(rule)):
            at = max(at, known.at)  # a pending level or an open alarm does not go back in time
        return Moment(at, known.offset if ts is None else at - received_at)

    def _advance(self, record: RuleRecord, moment: Moment, decisions: list[Decision]) -> bool:
        """Advances a rule to a moment. Returns whether its due instant may have changed."""
        rule = record.rule
        known = self._moments.get(rule.id)
        if known is None:
            return False
        state = self.states.get(rule.id)
        # Without a report, other rules change only through delays that have begun.
        if (rule.timed or rule.hours is not None or (state is not None and is_waiting(state))) and moment.at > known.at:
            self.facts.shift = moment.offset
            stepped, _ = advance(rule, self.state_of(rule), self.facts, known.at, moment.at)
            self._take_over(record, stepped, moment.at, False, decisions)
        return moment.offset > known.offset

    def forget(self, names: Iterable[str]) -> None:
        """Removes the values of attributes: the next value of each counts as its first."""
        facts = self.facts
        facts.catch_up()
        for known in (facts.values, facts.times, facts.previous, facts.heard):
            for name in names:
                known.pop(name, None)
        facts.newest = max(facts.times.values(), default=NEVER)

    def set_back(self, at: int, by_ms: int = 0) -> None:
        """Limits all instants to ``at``, because the clock now shows ``at``. Delays continue from there.

        Args:
            by_ms: how far the server's own clock was set back; timestamps of the device are not affected.
        """
        facts = self.facts
        facts.catch_up()
        moved = facts.set_back(at) or by_ms > 0
        for rule_id, (known, offset) in self._moments.items():
            if by_ms and offset:
                self._moments[rule_id] = Moment(known, offset + by_ms)
            elif known > at:
                moved = True
                self._moments[rule_id] = Moment(at, 0)
                if rule_id in self.states:
                    self.states[rule_id] = set_back(self.states[rule_id], at)
        if facts.offset:
            facts.offset += by_ms
        if moved:
            self._look_ahead()

    def _concerned(self, arrived: dict[str, Any], heard: frozenset[str], ends_silence: bool) -> dict[str, RuleRecord]:
        """The rules that these values may change; ``heard``: arrived attributes whose silence is watched."""
        found: dict[str, RuleRecord] = {}
        for name, value in arrived.items():
            for record in self.rules.readers.get(name, ()):
                if record.rule.id in self._awake or not record.rule.gates[name].passes(value):
                    found[record.rule.id] = record
        for name in heard - arrived.keys():
            for record in self.rules.readers[name]:
                if any(name == silent for silent, _ in record.rule.silences):
                    found[record.rule.id] = record
        if ends_silence:
            found.update((record.rule.id, record) for record in self.rules.everything)
            found.update(
                (rule_id, record)
                for rule_id, record in self._awake.items()
                if any(name is None for name, _ in record.rule.silences)
            )
        return found

    def pass_time(self, now: int) -> list[Decision]:
        """Evaluates due rules up to ``now`` (ms, server clock), without new values."""
        decisions: list[Decision] = []
        self.facts.catch_up()
        for record in (self._awake | self.rules.timed).values():
            known = self.moment_of(record.rule)
            until = now + known.offset
            if until <= known.at:
                continue
            self.facts.shift = known.offset
            stepped, reached = advance(record.rule, self.state_of(record.rule), self.facts, known.at, until)
            self._take_over(record, stepped, until, False, decisions)
            # Not further than necessary: the timestamp of the next value may be before ``until``.
            if reached > known.at:
                self._rouse(record, Moment(reached, known.offset))
        self._look_ahead()
        return decisions

    def look(self, now: int) -> list[Decision]:
        """Evaluates every rule with the current values; call it after a rule was created."""
        decisions = self.pass_time(now)
        for record in self.rules.records.values():
            self._note_kinds(record, {})
            self._judge(record, now, decisions)
        self._look_ahead()
        return decisions

    def presence(self, offline_since: int, now: int) -> list[Decision]:
        """Handles that the device came online (``ALWAYS_ONLINE``), or went offline at ``offline_since`` (ms, server
        clock)."""
        decisions = self.pass_time(now)
        self.facts.offline_since = offline_since
        for record in self.rules.timed.values():
            if not record.rule.absences:
                continue
            known = self.state_of(record.rule)
            self.states[record.rule.id] = RuleState(known.levels, known.cleared_at, offline_since)
            self._judge(record, now, decisions, known)
        self._look_ahead()
        return decisions

    def clear_by_hand(self, rule_id: str, now: int) -> list[Decision]:
        """Handles that a person cleared the alarm of a rule: conditions on time are evaluated at once, all others with
        the next value."""
        record = self.rules.records.get(rule_id)
        if record is None:
            return []
        self.facts.catch_up()
        known = self.moment_of(record.rule)
        at = max(now + known.offset, known.at)
        self.facts.shift = known.offset
        decisions: list[Decision] = []
        cleared = Step(cleared_by_hand(record.rule, self.state_of(record.rule), at), ())
        self._take_over(record, cleared, at, False, decisions)
        self._judge(record, now, decisions)
        self._look_ahead()
        return decisions

    def _judge(self, record: RuleRecord, now: int, decisions: list[Decision], before: RuleState | None = None) -> None:
        """Evaluates a rule without a new value."""
        known = self.moment_of(record.rule)
        at = max(now + known.offset, known.at)
        count = len(decisions)
        self.facts.shift = known.offset
        self._take_over(record, self._step(record, at, fresh=False), at, False, decisions, before)
        self._rouse(record, Moment(at, known.offset) if len(decisions) > count else known)

    def moment_of(self, rule: CompiledRule) -> Moment:
        """The newest evaluated instant of a rule."""
        known = self._moments.get(rule.id)
        if known is not None:
            return known
        facts = self.facts
        at = max((facts.times.get(name, NEVER) for name in rule.reads), default=NEVER)
        # If a timestamp is in the future, time has not yet reached it.
        return Moment(min(at, facts.data_at + facts.offset), facts.offset)

    def state_of(self, rule: CompiledRule) -> RuleState:
        """The state of a rule."""
        return self.states.get(rule.id) or idle_state(rule)

    def _step(self, record: RuleRecord, at: int, *, fresh: bool) -> Step:
        return step(record.rule, self.state_of(record.rule), self.facts, at, fresh=fresh)

    def _take_over(
        self,
        record: RuleRecord,
        stepped: Step,
        at: int,
        fresh: bool,
        decisions: list[Decision],
        before: RuleState | None = None,
    ) -> None:
        """Stores the result of an evaluation, and appends a decision if the state changed."""
        rule, state = record.rule, stepped.state
        before = before or self.state_of(record.rule)
        if fresh or state != before:
            record.evaluated += 1
            values = {name: self.facts.values[name] for name in rule.reads if name in self.facts.values}
            record.evaluations.append(Evaluation(self.device_id, at, fresh, values, before, state, stepped.transitions))
        if state == before:
            return
        if is_idle(state):
            self.states.pop(rule.id, None)
        else:
            self.states[rule.id] = state
        due = next_due(rule, state, self.facts, at)
        due = None if due is None else due - self.facts.shift
        occurrences = tuple(occurrence_of(rule, transition, self.facts) for transition in stepped.transitions)
        decisions.append(Decision(rule, None if is_idle(state) else state, due, occurrences))

    def _note_kinds(self, record: RuleRecord, arrived: dict[str, Any]) -> None:
        """Marks the rule as failing on this device while a value has a kind that it cannot compare."""
        why = ""
        for name, kind in record.rule.kinds.items():
            value = arrived.get(name, self.facts.values.get(name))
            if value is not None and kind_of(value) != kind:
                why = reason("rule_compares_otherwise", attribute=name, kind=kind, reported=_described(value)).message
        record.fail(self.device_id, why)

    def _rouse(self, record: RuleRecord, moment: Moment) -> bool:
        """Updates whether every report must evaluate a rule, and its moment. Returns whether the former changed."""
        rule = record.rule
        self.facts.shift = moment.offset
        awake = (
            not is_quiet(self.state_of(rule)) or self.device_id in record.failing or rule.awake(self.facts, moment.at)
        )
        if awake or rule.timed:
            self._moments[rule.id] = moment
        else:
            self._moments.pop(rule.id, None)
        if awake is (rule.id in self._awake):
            return False
        if awake:
            self._awake[rule.id] = record
        else:
            del self._awake[rule.id]
        return True

    def _look_ahead(self) -> None:
        self.due = min(self._dues((self._awake | self.rules.timed).values()), default=FAR)

    def _dues(self, records: Iterable[RuleRecord]) -> Iterable[int]:
        for record in records:
            known = self.moment_of(record.rule)
            self.facts.shift = known.offset
            due = next_due(record.rule, self.state_of(record.rule), self.facts, known.at)
            if due is not None:
                yield due - known.offset


def _described(value: Any) -> str:
    return kind_of(value) or ("list" if isinstance(value, list) else "object")
