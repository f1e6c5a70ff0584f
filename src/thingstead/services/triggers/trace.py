"""What the rules came to since the server started: counters, and the last evaluations of each rule."""

from collections import Counter, deque
from typing import Any

from thingstead.model.message_rules.rule import EVALUATIONS_KEPT, MessageRule, Outcome
from thingstead.rules.message_rules import compile_condition


class RuleMatch:
    """A rule and a message. ``effects`` grows while the actions are done."""

    __slots__ = ("detail", "device_id", "effects", "message_id", "outcome", "ts", "values", "version")

    def __init__(
        self, ts: int, device_id: str, message_id: str, version: int, values: dict[str, Any], outcome: Outcome | None
    ) -> None:
        self.ts = ts  # ms
        self.device_id = device_id
        self.message_id = message_id
        self.version = version  # of the rule
        self.values = values  # that the condition reads
        self.outcome = outcome  # None: it acts, and is not done yet
        self.detail = ""  # of the outcome, for people
        self.effects: list[dict[str, Any]] = []


class TriggerRule:
    """An enabled rule in memory, with its results."""

    __slots__ = (
        "absent", "compiled", "last", "matched", "missed", "outcomes", "reads", "rule", "unmet",
    )  # fmt: skip

    def __init__(self, rule: MessageRule, before: "TriggerRule | None" = None) -> None:
        self.rule = rule
        self.compiled = compile_condition(rule.body.condition)
        self.reads = _attributes(rule)
        self.matched: int = 0 if before is None else before.matched  # messages on which it acts, or would
        self.unmet: int = 0 if before is None else before.unmet  # condition does not hold
        self.absent: int = 0 if before is None else before.absent  # attribute is not in the message
        self.outcomes: Counter[Outcome] = Counter() if before is None else before.outcomes
        self.last: deque[RuleMatch] = deque(maxlen=EVALUATIONS_KEPT) if before is None else before.last
        # The newest messages that do not meet the condition: (instant, device, value).
        self.missed: deque[tuple[int, str, Any]] = deque(maxlen=EVALUATIONS_KEPT) if before is None else before.missed

    @property
    def seen(self) -> int:
        """Messages that it was evaluated on."""
        return self.matched + self.unmet + self.absent

    def note(self, evaluation: RuleMatch) -> None:
        """Keeps an evaluation on which it acts, or would have acted."""
        self.last.append(evaluation)
        if evaluation.outcome is not None:
            self.outcomes[evaluation.outcome] += 1

    def evaluations(self) -> list[RuleMatch]:
        """The last evaluations, newest first."""
        attribute = self.compiled.attribute
        missed = [
            RuleMatch(
                ts, device_id, "", self.rule.version, {} if attribute is None else {attribute: value}, "condition"
            )
            for ts, device_id, value in self.missed
        ]
        found = sorted([*self.last, *missed], key=lambda each: each.ts, reverse=True)
        return found[:EVALUATIONS_KEPT]

    def values_of(self, values: dict[str, Any]) -> dict[str, Any]:
        """The values of a message that the condition reads."""
        return {name: values[name] for name in self.reads if name in values}


def _attributes(rule: MessageRule) -> tuple[str, ...]:
    found: dict[str, None] = {}
    waiting = [] if rule.body.condition is None else [rule.body.condition]
    for condition in waiting:
        if condition.attribute is not None:
            found[condition.attribute] = None
        waiting.extend(condition.and_ or ())
        waiting.extend(condition.or_ or ())
        if condition.not_ is not None:
            waiting.append(condition.not_)
    return tuple(found)
