"""Matches messages to the message rules of their device, and puts what the rules have to do into the commit of the
message.

The work of a commit is a row of the same transaction, so that a message and what follows from it are on disk together.
After the commit it is handed to :attr:`Triggers.on_work`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from thingstead.clock import Clock
from thingstead.model.device import Device
from thingstead.model.ids import new_id
from thingstead.model.message_rules.rule import (
    BEFORE_DEVICE_RATE,
    BEFORE_RATE,
    DELAYED_BYTES,
    DELAYED_COUNT,
    DEPTH,
    LATE_MS,
    NODES_PER_TURN,
    PROJECT_RATE,
    RULE_DEVICE_RATE,
    RULE_RATE,
    RULES_PER_MESSAGE,
    MessageRule,
    Outcome,
)
from thingstead.model.message_rules.work import Cause, RuleMessage, Work, WorkItem, encoded
from thingstead.model.report import EventRecord, Report
from thingstead.rules.message_rules import holds, misled
from thingstead.services.shared.fair_room import FairRoom
from thingstead.services.shared.rate_limit import TokenBuckets
from thingstead.services.shared.turn_budget import TurnBudget
from thingstead.services.triggers.index import CHARGED_NODES, DeviceTriggers, Entry, TriggerIndex, concerns
from thingstead.services.triggers.trace import RuleMatch, TriggerRule
from thingstead.storage.base import Commit, Store

ITEMS_PER_WORK = 100  # more of one commit are work of their own
VALUE_LENGTH = 128  # of a value in a trace
_ABSENT = object()
_SHORT = frozenset({int, float, bool, type(None)})


class PendingWork:
    """Work of a commit, with the evaluations that it came from, in the same order."""

    __slots__ = ("evaluations", "items", "work")

    def __init__(self, work_id: int, project_id: str) -> None:
        self.items: list[WorkItem] = []
        self.evaluations: list[RuleMatch] = []
        self.work = Work(work_id, 0, self.items, project_id)


class Triggers:
    """The rules in memory. Nothing happens until :meth:`put` adds one.

    Attributes:
        on_work: called after a commit with the work that it contains.
        on_off: called with a rule one of whose functions was switched off.
        off: rules are kept out of memory, so that none acts.
        on_change: called after rules of these devices were changed, to look them up again.
        room: for items that are not done yet.
        conditions: shares the evaluation of conditions between projects, in nodes.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._now_ms = clock.now_ms
        self.index = TriggerIndex()
        self.on_work: Callable[[PendingWork], None] = lambda work: None
        self.on_change: Callable[[Callable[[Device], bool]], None] = lambda concerned: None
        self.on_off: Callable[[MessageRule], None] = lambda rule: None
        self.off = False
        self.room = FairRoom(DELAYED_COUNT, DELAYED_BYTES)
        self.conditions = TurnBudget(NODES_PER_TURN)
        self._rates = TokenBuckets(clock, RULE_RATE, 1 / RULE_RATE)
        self._device_rates = TokenBuckets(clock, RULE_DEVICE_RATE, 1 / RULE_DEVICE_RATE)
        self._project_rates = TokenBuckets(clock, PROJECT_RATE, 1 / PROJECT_RATE)
        self._before_rates = TokenBuckets(clock, BEFORE_RATE, 1 / BEFORE_RATE)
        self._before_device_rates = TokenBuckets(clock, BEFORE_DEVICE_RATE, 1 / BEFORE_DEVICE_RATE)
        self._commit: Commit | None = None  # the newest, to which _pending belongs
        self._pending: dict[str, PendingWork] = {}  # by project id
        self._last_id = 0

    # Rules

    def put(self, rule: MessageRule) -> None:
        """Adds, replaces or (if it is disabled) removes a rule."""
        before = self.index.rules.get(rule.id)
        if rule.enabled and not self.off:
            self.index.put(rule)
        else:
            self.index.drop(rule.id)
        if before is not None:
            self.on_change(concerns(before.rule))
        self.on_change(concerns(rule))

    def drop(self, rule_id: str) -> None:
        """Removes a rule."""
        before = self.index.drop(rule_id)
        if before is not None:
            self.on_change(concerns(before))

    # Messages

    def reports(
        self, device: Device, triggers: DeviceTriggers, commit: Commit, reports: Sequence[Report],
        cause: Cause | None = None,
    ) -> None:  # fmt: skip
        """Evaluates reports, or values that were pushed or set in the cloud, which were just added to ``commit``. Most
        meet no condition, so that nothing is made for them."""
        if triggers.cost and not self._charge(device, triggers, reports):
            return
        for report in reports:
            entries = triggers.reports if report.source == "report" else self._entries(triggers, report)
            attributes = report.attributes
            acting: list[TriggerRule] | None = None
            for attribute, test, operand, rule in entries:
                value: Any = None
                if attribute is None:
                    met = test(attributes, operand)
                else:
                    value = attributes.get(attribute, _ABSENT)
                    if value is _ABSENT:
                        rule.absent += 1
                        continue
                    try:
                        met = test(value, operand)
                    except TypeError:  # another type
                        met = False
                if met and (attribute is None or not misled(value, operand)):
                    acting = [rule] if acting is None else [*acting, rule]
                    continue
                rule.unmet += 1
                if rule.room:
                    rule.room -= 1
                    rule.missed.append((report.ts, device.id, value if type(value) in _SHORT else shortened(value)))
                elif report.received_at >= rule.room_at:
                    rule.miss(report, device.id, value if type(value) in _SHORT else shortened(value))
            if acting is not None:
                self._act(device, acting, commit, attributes, cause)

    def before(self, device: Device, rules: Sequence[TriggerRule], attributes: dict[str, Any]) -> list[TriggerRule]:
        """Those of the rules that change a report or a push before it is stored, in order. At most
        :data:`RULES_PER_MESSAGE`."""
        cost = sum(rule.cost for rule in rules)
        if cost >= CHARGED_NODES:
            self.conditions.spend(device.project_id, cost)
        acting: list[TriggerRule] = []
        for rule in rules:
            if self._meets(device, rule, "", attributes):
                rule.matched += 1
                acting.append(rule)
        return acting[:RULES_PER_MESSAGE]

    def change_refusal(self, rule: TriggerRule, device: Device, cause: Cause | None) -> Outcome | None:
        """Why a rule does not change a message that meets its condition."""
        rule_id = rule.rule.id
        if cause is not None and rule_id in cause.rule_ids:
            return "loop"
        device_left = self._before_device_rates.take((rule_id, device.id))
        return "rate" if device_left is None or self._before_rates.take(rule_id) is None else None

    def event(self, device: Device, triggers: DeviceTriggers, commit: Commit, event: EventRecord) -> None:
        """Evaluates an event that was just added to ``commit``."""
        if triggers.cost:
            self.conditions.spend(device.project_id, triggers.cost)
        acting = [rule for rule in triggers.events if self._meets(device, rule, event.method, event.params)]
        if acting:
            self._act(device, acting, commit, event.params, Cause(event.id), event.method)

    def data(self, device: Device, triggers: DeviceTriggers, commit: Commit, identifier: str, data: bytes) -> None:
        """Evaluates custom data that was just added to ``commit``."""
        acting = [rule for rule in triggers.data if self._meets(device, rule, identifier, {})]
        if acting:
            self._act(device, acting, commit, {}, None, identifier, data)

    def clock_set_back(self) -> None:
        """Handles that the server clock was set back."""
        for rule in self.index.rules.values():
            rule.room_at = 0

    def next_id(self) -> int:
        """An id of work, greater than those before."""
        self._last_id = max(self._last_id + 1, self._now_ms() * 1000)
        return self._last_id

    def ids_used(self, last_id: int) -> None:
        """Tells the greatest id of stored work."""
        self._last_id = max(self._last_id, last_id)

    def _charge(self, device: Device, triggers: DeviceTriggers, reports: Sequence[Report]) -> bool:
        """Counts the evaluation of conditions; False: the project has had far more than its share in this turn of the
        event loop, and the rules do not act."""
        if self.conditions.indebted(device.project_id):
            for report in reports:
                for *_, rule in triggers.reports if report.source == "report" else self._entries(triggers, report):
                    rule.outcomes["rate"] += 1
            return False
        self.conditions.spend(device.project_id, triggers.cost * len(reports))
        return True

    def _entries(self, triggers: DeviceTriggers, report: Report) -> tuple[Entry, ...]:
        """The rules that listen to values that are not a report, or one with a timestamp of its own."""
        if report.source == "push":
            return triggers.pushes
        if report.source == "cloud":
            return triggers.reports
        if report.source != "series":
            return ()
        if report.received_at - report.ts <= LATE_MS:
            return triggers.reports
        for *_, rule in triggers.reports:
            rule.outcomes["late"] += 1
        return ()

    def _meets(self, device: Device, rule: TriggerRule, identifier: str, values: dict[str, Any]) -> bool:
        wanted = rule.rule.body.identifier
        if wanted and wanted != identifier:
            return False
        found = holds(rule.compiled, values)
        if found is None:
            rule.absent += 1
        elif not found:
            rule.unmet += 1
            value = values.get(rule.compiled.attribute or "")
            rule.missed.append((self._now_ms(), device.id, shortened(value)))
        return found is True

    def _act(
        self, device: Device, rules: Sequence[TriggerRule], commit: Commit, values: dict[str, Any], cause: Cause | None,
        identifier: str = "", data: bytes = b"",
    ) -> None:  # fmt: skip
        now = self._now_ms()
        origin = cause  # of a message from outside made when it is needed
        messages: dict[str, bytes] = {}
        for count, rule in enumerate(rules):
            rule.matched += 1
            outcome = self._refusal(rule, device, cause, count)
            if outcome is not None and not rule.has_room(now):
                rule.outcomes[outcome] += 1
                continue
            origin = origin or Cause(new_id() + new_id())
            item: WorkItem | None = None
            if outcome is None:
                message = b""
                if rule.reads_message:
                    on = rule.rule.on_message
                    if on not in messages:
                        messages[on] = encoded(RuleMessage(on, values, identifier, data))
                    message = messages[on]
                caused = Cause(origin.message_id, (*origin.rule_ids, rule.rule.id))
                item = WorkItem(device.project_id, device.id, rule.rule.id, now, caused, message=message)
                if not self.room.take(item.project_id, item.size_bytes):
                    outcome = "full"
            evaluation = RuleMatch(now, device.id, origin, rule.rule.version, read_by(rule, values), outcome)
            rule.note(evaluation)
            if item is not None and outcome is None:
                pending = self._work_of(commit, device.project_id)
                pending.items.append(item)
                pending.evaluations.append(evaluation)

    def _refusal(self, rule: TriggerRule, device: Device, cause: Cause | None, before: int) -> Outcome | None:
        """Why a rule does not act on a message that meets its condition."""
        rule_id = rule.rule.id
        if cause is not None:
            if rule_id in cause.rule_ids:
                return "loop"
            if cause.depth >= DEPTH:
                return "depth"
        if before >= RULES_PER_MESSAGE:
            return "too_many_rules"
        if self._device_rates.take((rule_id, device.id)) is None or self._rates.take(rule_id) is None:
            return "rate"
        return "rate" if self._project_rates.take(device.project_id) is None else None

    def _work_of(self, commit: Commit, project_id: str) -> PendingWork:
        """Where work of a commit is added. Each project has its own, since they are done independently."""
        if commit is not self._commit:
            self._commit, self._pending = commit, {}
        pending = self._pending.get(project_id)
        if pending is None or len(pending.items) >= ITEMS_PER_WORK:
            pending = self._pending[project_id] = PendingWork(self.next_id(), project_id)
            self._store.message_rules.append_work(pending.work)
            commit.on_done(lambda error, pending=pending: self._ended(pending, error))  # type: ignore[misc]
        return pending

    def _ended(self, pending: PendingWork, error: Exception | None) -> None:
        if error is None:
            self.on_work(pending)
            return
        for item in pending.items:
            self.room.give(item.project_id, item.size_bytes)
        for evaluation in pending.evaluations:  # the device was not acknowledged, and sends it again
            evaluation.outcome, evaluation.detail = "refused", "the message could not be stored"


def read_by(rule: TriggerRule, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a message that the condition of a rule reads, as a trace keeps them."""
    return {name: shortened(values[name]) for name in rule.reads if name in values}


def shortened(value: Any) -> Any:
    """A value as a trace keeps it."""
    if type(value) in _SHORT and (type(value) is not int or -(2**63) <= value < 2**64):
        return value
    text = value if isinstance(value, str) else repr(value)[: VALUE_LENGTH + 1]
    return text if len(text) <= VALUE_LENGTH else f"{text[:VALUE_LENGTH]}…"
