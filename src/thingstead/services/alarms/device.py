"""Alarm state of one device: loaded from the store, evaluated, and written back as rows."""

from collections.abc import Collection, Iterable, Mapping

import msgspec
import structlog

from thingstead.model.alarms.alarm import CLEARED, RAISED, AlarmChange, AlarmLog, KeptState, Phase
from thingstead.model.device import Device
from thingstead.model.ids import new_id
from thingstead.model.report import Report
from thingstead.rules.decision import Decision
from thingstead.rules.device_rules import NO_RULES, DeviceRules
from thingstead.rules.evaluation import LevelState, RuleState, idle_state, level_of, next_due
from thingstead.rules.evaluator import FAR, DeviceEvaluator
from thingstead.rules.facts import ALWAYS_ONLINE, NEVER, Facts, Moment
from thingstead.rules.rule import CompiledRule
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.alarms")

PREVIOUS_POINTS = 2  # of a series: the current and the previous value

_encode_state = msgspec.msgpack.Encoder().encode
_decode_state = msgspec.msgpack.Decoder(RuleState).decode


class DeviceAlarms:
    """Alarm state of one device: its evaluator and open alarms. One object per device, shared by all who report for
    it."""

    __slots__ = (
        "__weakref__",
        "_evaluator",
        "alarm_ids",
        "armed",
        "device",
        "held",
        "online",
        "scheduled",
        "stale",
    )

    def __init__(self, device: Device) -> None:
        self.device = device
        self._evaluator: DeviceEvaluator | None = None  # None until a rule applies to the device
        self.armed = False  # whether any rule applies to it
        self.held: list[Report] | None = None  # reports received while the device is being loaded; None: not loading
        self.stale = False  # memory is ahead of the disk, because a commit failed
        self.alarm_ids: dict[str, str] = {}  # open alarms by rule id
        self.online = False  # when it was loaded
        self.scheduled = FAR  # ms, server clock: when it will be evaluated without a report

    @property
    def evaluator(self) -> DeviceEvaluator:
        """The evaluator of its rules; created on first use."""
        if self._evaluator is None:
            self._evaluator = DeviceEvaluator(self.device.id, NO_RULES, Facts(self.device.create_time), {})
        return self._evaluator

    def retarget(self, rules: DeviceRules, reset: Collection[str], reason: str, now: int) -> list[AlarmChange]:
        """Sets the rules that now apply to the device. Alarms of other rules, and of those in ``reset``, are cleared
        with the reason."""
        before = self.evaluator.rules.records
        ended = [rule_id for rule_id in before if rule_id not in rules.records or rule_id in reset]
        changes = []
        for rule_id in ended:
            rule = before[rule_id].rule
            state = self.evaluator.states.pop(rule_id, None)
            level = level_of(rule, state) if state is not None else 0
            message = self.close_message(rule_id, rule.name, level or 1, reason, now)
            if state is not None or message is not None:
                changes.append(
                    AlarmChange(
                        project_id=self.device.project_id,
                        device_id=self.device.id,
                        rule_id=rule_id,
                        state=None,
                        messages=() if message is None else (message,),
                    )
                )
        self.evaluator.take_over(rules, self.evaluator.states)
        self.armed = bool(rules)
        self.scheduled = FAR
        return changes

    def changes(self, decisions: Iterable[Decision], now: int) -> list[AlarmChange]:
        """Converts decisions to rows; opens and closes alarms in memory."""
        return [
            AlarmChange(
                project_id=self.device.project_id,
                device_id=self.device.id,
                rule_id=decision.rule.id,
                state=None if decision.state is None else _encode_state(decision.state),
                due_at=decision.due,
                messages=tuple(self._messages(decision, now)),
            )
            for decision in decisions
        ]

    def _messages(self, decision: Decision, now: int) -> Iterable[AlarmLog]:
        rule = decision.rule
        for transition, conditions, attributes in decision.occurrences:
            message_id = new_id() + new_id()
            log.debug(
                "alarm changed",
                rule=rule.id,
                device=self.device.id,
                phase=Phase.RAISED if transition.level else Phase.IDLE,
                level=transition.level,
                ts=transition.at,
            )
            if not transition.before:
                self.alarm_ids[rule.id] = message_id
            alarm_id = self.alarm_ids.get(rule.id, message_id)
            if not transition.level:
                self.alarm_ids.pop(rule.id, None)
            info = {
                "rule_id": rule.id, "rule_name": rule.name, "conditions": conditions, "attributes": attributes,
            }  # fmt: skip
            yield AlarmLog(
                id=message_id,
                alarm_id=alarm_id,
                project_id=self.device.project_id,
                device_id=self.device.id,
                rule_id=rule.id,
                alarm_status=RAISED if transition.level else CLEARED,
                alarm_level=transition.level or transition.before,
                alarm_info=info,
                ts=transition.at,
                create_time=now,
            )

    def close_message(self, rule_id: str, rule_name: str, level: int, reason: str, now: int) -> AlarmLog | None:
        """The message that clears the open alarm of a rule for a reason other than its condition; None if none is
        open."""
        alarm_id = self.alarm_ids.pop(rule_id, None)
        if alarm_id is None:
            return None
        info = {"rule_id": rule_id, "rule_name": rule_name, "conditions": [], "attributes": {}, "reason": reason}
        return AlarmLog(
            id=new_id() + new_id(),
            alarm_id=alarm_id,
            project_id=self.device.project_id,
            device_id=self.device.id,
            rule_id=rule_id,
            alarm_status=CLEARED,
            alarm_level=level,
            alarm_info=info,
            ts=max(0, now + self._offset_of(rule_id)),
            create_time=now,
        )

    def _offset_of(self, rule_id: str) -> int:
        """Device timestamps of a rule minus server clock, ms."""
        record = self.evaluator.rules.records.get(rule_id)
        return self.evaluator.facts.offset if record is None else self.evaluator.moment_of(record.rule).offset

    async def load(self, store: Store, rules: DeviceRules) -> list[str]:
        """Loads values and states from the store; call :meth:`catch_up` afterwards to evaluate them.

        Returns:
            Ids of rules with stored state that no longer apply to the device.
        """
        facts = Facts(self.device.create_time)
        newest_uplink = await self._load_values(store, facts, rules)
        kept = await store.alarms.states(self.device.id)
        self.alarm_ids = {each.rule_id: each.alarm_id for each in kept if each.alarm_id is not None}
        states = {
            each.rule_id: _consistent(each, rules.records[each.rule_id].rule)
            for each in kept
            if each.rule_id in rules.records
        }
        if rules.absences:
            known = max((state.offline_since for state in states.values()), default=NEVER)
            facts.offline_since = known if known != NEVER else newest_uplink
        self.evaluator.facts = facts
        due = {each.rule_id: each.due_at for each in kept if each.due_at is not None}
        self.evaluator.take_over(rules, states, _moments(rules, states, facts, due))
        self.armed = bool(rules)
        self.scheduled = FAR
        return [each.rule_id for each in kept if each.rule_id not in rules.records]

    def catch_up(self, now: int) -> list[Decision]:
        """Evaluates the current values, and the time that has passed since they arrived."""
        ahead = self.evaluator.facts.data_at - now
        if ahead > 0:  # the last arrival is in the future: the server clock was set back
            self.evaluator.set_back(now, ahead)
        decisions = self.evaluator.look(now)
        if self.evaluator.rules.absences:
            since = ALWAYS_ONLINE if self.online else self.evaluator.facts.offline_since or now
            decisions += self.evaluator.presence(since, now)
        return decisions

    async def _load_values(self, store: Store, facts: Facts, rules: DeviceRules) -> int:
        """Loads values and timestamps into ``facts``. Returns when the device last sent anything (ms, server clock)."""
        current = await store.history.current(self.device.number)
        for identifier, kept in current.items():
            facts.values[identifier] = kept.value
            facts.times[identifier] = kept.ts
        facts.newest = max(facts.times.values(), default=NEVER)
        for identifier in rules.changes & current.keys():
            points = await store.history.series(
                self.device.number, identifier, 0, current[identifier].ts, offset=0, limit=PREVIOUS_POINTS
            )
            if len(points) == PREVIOUS_POINTS:
                facts.previous[identifier] = points[1].value
        view = await store.devices.get_view(self.device.project_id, self.device.id)
        reported_at = view.active.get("attributes")
        if reported_at is not None:
            # Values that were pushed, or set in the cloud, are newer than the last report, so only a clock that is
            # behind can be detected.
            facts.offset = min(0, facts.newest - reported_at)
            facts.data_at = reported_at
            # Arrival times of single attributes are not stored; they are derived from timestamps.
            for name in rules.silences & facts.times.keys():
                facts.heard[name] = min(facts.times[name] - facts.offset, reported_at)
        self.online = view.online
        return max(view.active.values(), default=self.device.create_time)


def _moments(
    rules: DeviceRules, states: Mapping[str, RuleState], facts: Facts, due: Mapping[str, int]
) -> dict[str, Moment]:
    """The evaluated moments of rules with a pending delay. The offset is the difference of the end of the delay in
    device time and its stored due instant in server time."""
    found = {}
    for rule_id, due_at in due.items():
        record, state = rules.records.get(rule_id), states.get(rule_id)
        if record is None or state is None or record.rule.timed:
            continue
        at = max(level.since for level in state.levels)
        ends = next_due(record.rule, state, facts, at)
        if ends is not None:
            found[rule_id] = Moment(at, ends - due_at)
    return found


def _consistent(kept: KeptState, rule: CompiledRule) -> RuleState:
    """Reconciles a stored rule state with the open alarm on disk; the disk wins."""
    state = idle_state(rule)
    if kept.state is not None:
        try:
            state = _decode_state(kept.state)
        except msgspec.MsgspecError as exc:
            log.error("the state of an alarm rule cannot be read", rule=rule.id, error=str(exc))
    if len(state.levels) != len(rule.levels):
        state = idle_state(rule)
    if (level_of(rule, state) > 0) is (kept.alarm_id is not None):
        return state
    levels = tuple(LevelState(on=level.level == kept.alarm_level) for level in rule.levels)
    return RuleState(levels, state.cleared_at, state.offline_since)
