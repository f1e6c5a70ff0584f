"""Rules as the tests write them: JSON, as a caller of the API would."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from thingstead.model.alarms.rule import AlarmRule, Condition, RuleBody
from thingstead.rules.decision import Decision
from thingstead.rules.device_rules import DeviceRules, RuleRecord
from thingstead.rules.evaluator import DeviceEvaluator
from thingstead.rules.facts import Facts
from thingstead.rules.rule import CompiledRule

NOW = 1_700_000_000_000  # a Tuesday, 22:13:20 UTC
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000


def over(value: float, attribute: str = "t") -> dict[str, Any]:
    return {"attribute": attribute, "op": ">", "value": value}


def under(value: float, attribute: str = "t") -> dict[str, Any]:
    return {"attribute": attribute, "op": "<", "value": value}


def condition(tree: dict[str, Any]) -> Condition:
    return msgspec.json.decode(json.dumps(tree), type=Condition)


def rule(raises: Any = None, *, rule_id: str = "r1", **body: Any) -> CompiledRule:
    """A rule of one level, or of ``levels``."""
    clear = body.pop("clear", None)
    if "levels" not in body:
        body["levels"] = [{"level": 2, "raise": raises, "clear": clear}]
    decoded = msgspec.json.decode(json.dumps(body), type=RuleBody)
    return CompiledRule(
        AlarmRule(id=rule_id, project_id="p1", name="rule", body=decoded, create_time=NOW, update_time=NOW)
    )


Told = tuple[str, int, int]  # rule id, level (0: cleared), ms since NOW


class Device:
    """A monitored device that remembers what was decided. Instants are ms since :data:`NOW`."""

    def __init__(self, *rules: CompiledRule, born_at: int = 0) -> None:
        self.told: list[Told] = []
        self.decisions: list[Decision] = []
        facts = Facts(NOW + born_at)
        facts.newest = NOW - 1
        self.evaluator = DeviceEvaluator("d1", DeviceRules(RuleRecord(each) for each in rules), facts, {})

    def _take(self, decisions: Sequence[Decision]) -> list[tuple[int, int]]:
        self.decisions += decisions
        new = [
            (decision.rule.id, occurrence.transition.level, occurrence.transition.at - NOW)
            for decision in decisions
            for occurrence in decision.occurrences
        ]
        self.told += new
        return [(level, at) for _, level, at in new]

    def report(self, at: int, **values: Any) -> list[tuple[int, int]]:
        """What a report at ``at`` brings about: (level, when)."""
        return self._take(self.evaluator.report(NOW + at, values))

    def hand_in(self, at: int, received_at: int, **values: Any) -> list[tuple[int, int]]:
        """The same of a report with a timestamp of its own that is received later."""
        return self._take(self.evaluator.report(NOW + at, values, received_at=NOW + received_at))

    def wait(self, until: int) -> list[tuple[int, int]]:
        return self._take(self.evaluator.pass_time(NOW + until))

    def look(self, at: int) -> list[tuple[int, int]]:
        return self._take(self.evaluator.look(NOW + at))

    def offline(self, at: int) -> list[tuple[int, int]]:
        return self._take(self.evaluator.presence(NOW + at, NOW + at))

    def online(self, at: int) -> list[tuple[int, int]]:
        return self._take(self.evaluator.presence(0, NOW + at))

    def clear(self, at: int, rule_id: str = "r1") -> list[tuple[int, int]]:
        return self._take(self.evaluator.clear_by_hand(rule_id, NOW + at))
