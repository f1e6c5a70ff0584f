"""Watches one device: takes its reports and the passing of time, and says what changes.

It runs ahead of the store: what it decides is put into the open commit together with the report, and whoever drives it
must build it anew from the store when that commit fails.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from thingstead.model.alarm_rule import plain
from thingstead.rules.book import Evaluation, RuleBook, RuleRecord
from thingstead.rules.conditions import kind_of
from thingstead.rules.evaluation import (
    RuleState,
    Step,
    Transition,
    advance,
    cleared_by_hand,
    idle_state,
    is_idle,
    is_quiet,
    next_due,
    set_back,
    step,
)
from thingstead.rules.facts import NEVER, Facts
from thingstead.rules.rule import CompiledRule

FAR = 2**63  # later than every instant
NOTHING: Sequence["Decision"] = ()


class Occurrence(NamedTuple):
    """A transition and what it was due to."""

    transition: Transition
    conditions: list[Any]  # those that held, as JSON shows them
    attributes: dict[str, Any]  # the values that the rule reads


class Decision(NamedTuple):
    """What one look at a rule changes, all of it in one transaction."""

    rule: CompiledRule
    state: RuleState | None  # None: idle, nothing need be kept
    due: int | None  # ms by the device's timestamps: when to look again if nothing arrives
    occurrences: tuple[Occurrence, ...]


class DeviceMonitor:
    """The rules of one device at work."""

    __slots__ = ("__weakref__", "_awake", "_screen", "book", "device_id", "due", "facts", "states")

    def __init__(self, device_id: str, book: RuleBook, facts: Facts, states: dict[str, RuleState]) -> None:
        self.device_id = device_id
        self.facts = facts
        self.take_over(book, states)

    def take_over(self, book: RuleBook, states: dict[str, RuleState]) -> None:
        """Begins anew with these rules and their states; states of other rules, or of another shape, are left aside."""
        self.facts.settle()
        self.book = book
        self.states = {
            rule_id: state
            for rule_id, state in states.items()
            if rule_id in book.records and len(state.levels) == len(book.records[rule_id].rule.levels)
        }
        # Rules that any of their values may change: not quiet, failing, or with a guard that holds.
        self._awake: dict[str, RuleRecord] = {}
        for record in book.records.values():
            self._rouse(record, self.facts.at)
        self.due = NEVER  # a lower bound, by the device's timestamps, of when time alone may change something
        if not book:
            self.due = FAR

    def report(
        self, ts: int, attributes: dict[str, Any], from_device: bool = True, *, received: bool = False
    ) -> Sequence[Decision]:
        """Values arrived with the timestamp ``ts``. A value older than the one that is known of its attribute is left
        aside, unless ``ts`` is the time of its receipt (``received``): then a clock was wrong. On the path of every
        report."""
        facts, book = self.facts, self.book
        if from_device and ts >= facts.newest and ts < self.due and not self._awake and not book.everything:
            if not facts.passed or facts.passed.keys() != attributes.keys():
                facts.settle()
                self._screen = book.screens.of(attributes)
            if self._screen(attributes):
                facts.passed = attributes  # supersedes one with the same attributes, which needs not be settled then
                facts.newest = ts
                return NOTHING
        return self._report(ts, attributes, from_device, received)

    def _report(self, ts: int, attributes: dict[str, Any], from_device: bool, received: bool) -> list[Decision]:
        facts, times = self.facts, self.facts.times
        facts.settle()
        if received and from_device:
            self.set_back(ts)
        at = max(ts, facts.at)
        moved = at >= self.due
        decisions = self.pass_time(at) if moved else []
        arrived = {
            name: value
            for name, value in attributes.items()
            if received
            or (known := times.get(name, NEVER)) < ts
            or (known == ts and facts.values[name] != value)  # else: resent
        }
        for name in self.book.changes & arrived.keys() & facts.values.keys():
            facts.previous[name] = facts.values[name]
        facts.values.update(arrived)
        times.update(dict.fromkeys(arrived, ts))
        facts.newest = max(times.values(), default=NEVER) if received else max(ts, facts.newest)
        facts.at = at
        ends_silence = from_device and ts > facts.data_at
        if ends_silence:
            facts.data_at = ts
        for record in self._concerned(arrived, ends_silence).values():
            fresh = not arrived.keys().isdisjoint(record.rule.reads)
            self._note_kinds(record, arrived)
            self._settle(record, self._step(record, at, fresh=fresh), at, fresh, decisions)
            moved = self._rouse(record, at) or moved
        if moved or decisions:
            self._look_ahead()
        return decisions

    def set_back(self, at: int) -> None:
        """The clock shows ``at``: what seems to have been later has only just been. What waits goes on from there."""
        facts = self.facts
        facts.settle()
        if at >= facts.at:
            return
        facts.at = at
        facts.data_at = min(facts.data_at, at)
        facts.offline_since = min(facts.offline_since, at)
        self.states = {rule_id: set_back(state, at) for rule_id, state in self.states.items()}
        self._look_ahead()

    def _concerned(self, arrived: dict[str, Any], ends_silence: bool) -> dict[str, RuleRecord]:
        """The rules that these values may change."""
        found: dict[str, RuleRecord] = {}
        for name, value in arrived.items():
            for record in self.book.readers.get(name, ()):
                if record.rule.id in self._awake or not record.rule.gates[name].passes(value):
                    found[record.rule.id] = record
        if ends_silence:
            found.update((record.rule.id, record) for record in self.book.everything)
            found.update(
                (rule_id, record)
                for rule_id, record in self._awake.items()
                if any(name is None for name, _ in record.rule.silences)
            )
        return found

    def pass_time(self, until: int) -> list[Decision]:
        """Time has passed up to ``until`` (ms by the device's timestamps) with nothing arriving."""
        decisions: list[Decision] = []
        self.facts.settle()
        until = max(until, self.facts.at)
        visited = self.facts.at
        for record in (self._awake | self.book.timed).values():
            stepped, reached = advance(record.rule, self.state_of(record.rule), self.facts, until)
            self._settle(record, stepped, until, False, decisions)
            if reached > self.facts.at:
                self._rouse(record, reached)
            visited = max(visited, reached)
        # No further than needed: the next report may bear a timestamp from before ``until``.
        self.facts.at = visited
        self._look_ahead()
        return decisions

    def look(self, at: int) -> list[Decision]:
        """Evaluates every rule with the values that are known, as for a rule that has just been made."""
        decisions = self.pass_time(at)
        for record in self.book.records.values():
            self._note_kinds(record, {})
            self._judge(record, at, decisions)
        self._look_ahead()
        return decisions

    def presence(self, offline_since: int, at: int) -> list[Decision]:
        """The device came online (``ALWAYS_ONLINE``), or went offline at ``offline_since``."""
        decisions = self.pass_time(at)
        self.facts.offline_since = offline_since
        for record in self.book.timed.values():
            if not record.rule.absences:
                continue
            known = self.state_of(record.rule)
            self.states[record.rule.id] = RuleState(known.levels, known.cleared_at, offline_since)
            self._judge(record, at, decisions, known)
        self._look_ahead()
        return decisions

    def clear_by_hand(self, rule_id: str, at: int) -> list[Decision]:
        """A person has cleared the alarm of a rule. What time alone brings about is judged at once, everything else
        with the next value that arrives."""
        record = self.book.records.get(rule_id)
        if record is None:
            return []
        at = max(at, self.facts.at)
        self.facts.settle()
        decisions: list[Decision] = []
        cleared = Step(cleared_by_hand(record.rule, self.state_of(record.rule), at), ())
        self._settle(record, cleared, at, False, decisions)
        self._judge(record, at, decisions)
        self._look_ahead()
        return decisions

    def _judge(self, record: RuleRecord, at: int, decisions: list[Decision], before: RuleState | None = None) -> None:
        """Evaluates a rule although nothing arrived."""
        at = max(at, self.facts.at)
        known = len(decisions)
        self._settle(record, self._step(record, at, fresh=False), at, False, decisions, before)
        self._rouse(record, at)
        if len(decisions) > known:
            self.facts.at = at

    def state_of(self, rule: CompiledRule) -> RuleState:
        """Where a rule stands."""
        return self.states.get(rule.id) or idle_state(rule)

    def _step(self, record: RuleRecord, at: int, *, fresh: bool) -> Step:
        return step(record.rule, self.state_of(record.rule), self.facts, at, fresh=fresh)

    def _settle(
        self,
        record: RuleRecord,
        stepped: Step,
        at: int,
        fresh: bool,
        decisions: list[Decision],
        before: RuleState | None = None,
    ) -> None:
        """Takes over what an evaluation came to, and adds to ``decisions`` what must be kept of it."""
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
        occurrences = tuple(self._occurrence(rule, transition) for transition in stepped.transitions)
        decisions.append(Decision(rule, None if is_idle(state) else state, due, occurrences))

    def _occurrence(self, rule: CompiledRule, transition: Transition) -> Occurrence:
        wanted = transition.level or transition.before
        level = next(level for level in rule.levels if level.level == wanted)
        leaves = level.raise_leaves if transition.level else level.clear_leaves
        conditions = [
            {"not": plain(leaf.condition)} if leaf.negated else plain(leaf.condition)
            for leaf in leaves
            if leaf.test(self.facts, transition.at)
        ]
        values = {name: self.facts.values[name] for name in sorted(rule.reads) if name in self.facts.values}
        return Occurrence(transition, conditions, values)

    def _note_kinds(self, record: RuleRecord, arrived: dict[str, Any]) -> None:
        """Marks the rule as failing on this device while a value is of a kind that it cannot compare."""
        reason = ""
        for name, kind in record.rule.kinds.items():
            value = arrived.get(name, self.facts.values.get(name))
            if value is not None and kind_of(value) != kind:
                reason = f"{name} is compared as {kind}, and the device reports {_described(value)}"
        record.fail(self.device_id, reason)

    def _rouse(self, record: RuleRecord, at: int) -> bool:
        """Notes whether any value of a rule must be looked at from now on; whether that is news."""
        rule = record.rule
        awake = not is_quiet(self.state_of(rule)) or self.device_id in record.failing or rule.awake(self.facts, at)
        if awake is (rule.id in self._awake):
            return False
        if awake:
            self._awake[rule.id] = record
        else:
            del self._awake[rule.id]
        return True

    def _look_ahead(self) -> None:
        self.due = min(self._dues((self._awake | self.book.timed).values()), default=FAR)

    def _dues(self, records: Iterable[RuleRecord]) -> Iterable[int]:
        for record in records:
            due = next_due(record.rule, self.state_of(record.rule), self.facts, self.facts.at)
            if due is not None:
                yield due


def _described(value: Any) -> str:
    return kind_of(value) or ("list" if isinstance(value, list) else "object")
