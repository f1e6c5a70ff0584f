"""What the rules came to since the server started: counters, and the last evaluations of each rule."""

from collections import Counter, deque
from typing import Any

from thingstead.model.message_rules.rule import EVALUATIONS_KEPT, MessageRule, Outcome
from thingstead.model.message_rules.state import EvaluationRecord, FunctionOff, MessageRuleState, RuleEffectRecord
from thingstead.model.message_rules.work import Cause
from thingstead.model.report import Report
from thingstead.refusals import Reason
from thingstead.rules.message_rules import compile_condition, nodes

UNSAVED_COUNT = 10  # evaluations of a rule from one time of storing them to the next; the oldest is dropped
LOGS_KEPT = 5  # newest evaluations of a rule whose logs of functions are in memory
NOTHING = Cause("")  # of an evaluation that nothing follows from


class RuleMatch:
    """A rule and a message. ``effects`` grows while the actions are done."""

    __slots__ = ("cause", "detail", "device_id", "effects", "outcome", "ts", "values", "version")

    def __init__(
        self, ts: int, device_id: str, cause: Cause, version: int, values: dict[str, Any], outcome: Outcome | None
    ) -> None:
        self.ts = ts  # ms
        self.device_id = device_id
        self.cause = cause  # the message, and the rules that led to it
        self.version = version  # of the rule
        self.values = values  # that the condition reads
        self.outcome = outcome  # None: it acts, and is not done yet
        self.detail = ""  # of the outcome, for people
        self.effects: list[RuleEffectRecord] = []

    def record(self) -> EvaluationRecord:
        """The evaluation as it is stored."""
        return EvaluationRecord(
            ts=self.ts,
            device_id=self.device_id,
            message_id=self.cause.message_id,
            cause=list(self.cause.rule_ids),
            version=self.version,
            values=self.values,
            outcome=self.outcome or "",
            detail=self.detail,
            effects=self.effects,
        )


class TriggerRule:
    """An enabled rule in memory, with its results."""

    __slots__ = (
        "absent", "compiled", "cost", "functions_off", "last", "matched", "missed", "outcomes", "reads",
        "reads_message", "room", "room_at", "rule", "saved", "unmet", "unsaved",
    )  # fmt: skip

    def __init__(self, rule: MessageRule, before: "TriggerRule | None" = None) -> None:
        self.rule = rule
        self.compiled = compile_condition(rule.body.condition)
        self.cost = len(nodes(rule.body.condition))
        self.reads = _attributes(rule)
        self.reads_message = any(action.reads_message for action in rule.body.actions)
        self.room = EVALUATIONS_KEPT  # messages that nothing follows from, to be kept until …
        self.room_at = 0  # ms: … this instant; beyond them they are only counted
        self.matched: int = 0 if before is None else before.matched  # messages on which it acts, or would
        self.unmet: int = 0 if before is None else before.unmet  # condition does not hold
        self.absent: int = 0 if before is None else before.absent  # attribute is not in the message
        self.outcomes: Counter[Outcome] = Counter() if before is None else before.outcomes
        self.last: deque[RuleMatch] = deque(maxlen=EVALUATIONS_KEPT) if before is None else before.last
        # The newest messages that do not meet the condition: (instant, device, value).
        self.missed: deque[tuple[int, str, Any]] = deque(maxlen=EVALUATIONS_KEPT) if before is None else before.missed
        # Functions that were switched off, by index of the action; forgotten when the rule is saved.
        self.functions_off: dict[int, FunctionOff] = {} if before is None else before.functions_off
        self.saved: tuple[int, ...] = (0,) * 5 if before is None else before.saved  # mark of what is stored
        # The newest evaluations that are not stored yet.
        self.unsaved: deque[RuleMatch] = deque(maxlen=UNSAVED_COUNT) if before is None else before.unsaved

    @property
    def seen(self) -> int:
        """Messages that it was evaluated on."""
        return self.matched + self.unmet + self.absent

    def restore(self, state: MessageRuleState) -> None:
        """Goes on from a stored state."""
        self.matched, self.unmet, self.absent = state.matched, state.unmet, state.absent
        self.outcomes = Counter(state.outcomes)  # type: ignore[arg-type]
        self.functions_off = {int(index): off for index, off in state.functions_off.items()}
        self.saved = self.mark()

    def mark(self) -> tuple[int, ...]:
        """Changes whenever the state does."""
        offs = sum(off.at for off in self.functions_off.values())
        return self.matched, self.unmet, self.absent, sum(self.outcomes.values()), offs

    def state(self) -> MessageRuleState:
        """The state as it is stored."""
        return MessageRuleState(
            matched=self.matched,
            unmet=self.unmet,
            absent=self.absent,
            outcomes={outcome: count for outcome, count in self.outcomes.items() if count},
            functions_off={str(index): off for index, off in self.functions_off.items()},
        )

    def miss(self, report: Report, device_id: str, value: Any) -> None:
        """Keeps the first of a second of messages that do not meet the condition."""
        self._begin_second(report.received_at)
        self.missed.append((report.ts, device_id, value))

    def has_room(self, now_ms: int) -> bool:
        """Whether one more message that nothing follows from is kept; otherwise it is only counted."""
        if self.room:
            self.room -= 1
            return True
        if now_ms >= self.room_at:
            self._begin_second(now_ms)
            return True
        return False

    def _begin_second(self, now_ms: int) -> None:
        self.room = EVALUATIONS_KEPT - 1
        self.room_at = now_ms + 1_000

    def note(self, evaluation: RuleMatch) -> None:
        """Keeps an evaluation on which it acts, or would have acted."""
        self.keep(evaluation)
        if evaluation.outcome is not None:
            self.outcomes[evaluation.outcome] += 1

    def keep(self, evaluation: RuleMatch) -> None:
        """:meth:`note` without counting the outcome."""
        if len(self.last) >= LOGS_KEPT:
            for effect in self.last[-LOGS_KEPT].effects:
                effect.logs = []
        self.last.append(evaluation)
        if evaluation.outcome != "loop":  # each effect of a rule on its own device leads to one
            self.unsaved.append(evaluation)

    def tell(self, message_id: str, device_id: str, now_ms: int, outcome: Outcome, why: Reason | None) -> None:
        """Notes the outcome of a message to an address outside.

        Args:
            message_id: the id of its effect.
        """
        effect = next((each for match in reversed(self.last) for each in match.effects if each.id == message_id), None)
        lost = outcome in ("undelivered", "expired")
        if effect is None and lost:  # its evaluation is forgotten
            effect = RuleEffectRecord(action="", device_id=device_id, outcome=outcome, id=message_id)
            evaluation = RuleMatch(now_ms, device_id, NOTHING, self.rule.version, {}, outcome)
            evaluation.effects.append(effect)
            self.note(evaluation)
        elif lost:
            self.outcomes[outcome] += 1
        if effect is not None:
            effect.outcome = outcome
            effect.reason, effect.code, effect.args = (
                ("", "", {}) if why is None else (why.message, why.code, dict(why.args))
            )

    def evaluations(self) -> list[RuleMatch]:
        """The last evaluations, newest first."""
        attribute = self.compiled.attribute
        missed = [
            RuleMatch(
                ts, device_id, NOTHING, self.rule.version, {} if attribute is None else {attribute: value}, "condition"
            )
            for ts, device_id, value in self.missed
        ]
        found = [*missed, *self.last]
        found.sort(key=lambda each: each.ts)  # those of one instant stay in their order
        return found[: -EVALUATIONS_KEPT - 1 : -1]


def _attributes(rule: MessageRule) -> tuple[str, ...]:
    found = (node.attribute for node in nodes(rule.body.condition) if node.attribute is not None)
    return tuple(dict.fromkeys(found))
