"""Index of the rules of a device by attribute, so that a report costs only the rules that read its attributes.

Most reports change nothing: none of their values can make an idle rule hold. Each attribute therefore has a gate
(``prefilter.py``) for all rules that read it; a report whose values all pass their gates is not evaluated.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from thingstead.rules.evaluation import RuleState, Transition
from thingstead.rules.prefilter import Screens, merged
from thingstead.rules.rule import CompiledRule

EVALUATIONS_KEPT = 50  # kept per rule, for its trace
FAILING_KEPT = 100  # failing devices kept per rule


class Evaluation(NamedTuple):
    """One evaluation of a rule on a device, as the trace shows it."""

    device_id: str
    at: int  # ms
    fresh: bool  # whether a new value was evaluated; False: only time passed
    values: Mapping[str, Any]  # of the attributes that the rule reads
    before: RuleState
    after: RuleState
    transitions: tuple[Transition, ...]


class RuleRecord:
    """A compiled rule with the record of its evaluations on all devices since it was compiled."""

    __slots__ = ("evaluated", "evaluations", "failing", "impossible", "rule", "unstored")

    def __init__(self, rule: CompiledRule) -> None:
        self.rule = rule
        self.evaluated = 0
        self.evaluations: deque[Evaluation] = deque(maxlen=EVALUATIONS_KEPT)
        self.failing: dict[str, str] = {}  # by device id: why the rule cannot be evaluated there
        self.impossible = ""  # why the rule would be refused if it were saved now
        self.unstored = False  # whether either changed since it was last stored

    def fail(self, device_id: str, reason: str) -> None:
        """Sets why the rule cannot be evaluated on a device; an empty reason removes it."""
        if self.failing.get(device_id, "") == reason:
            return
        if reason and (device_id in self.failing or len(self.failing) < FAILING_KEPT):
            self.failing[device_id] = reason
        elif not reason:
            del self.failing[device_id]
        self.unstored = True


class DeviceRules:
    """The compiled rules of a device type, or of a device with rules of its own. Shared by all devices to which it
    applies."""

    def __init__(self, records: Iterable[RuleRecord] = ()) -> None:
        self.records = {record.rule.id: record for record in records}
        rules = [record.rule for record in self.records.values()]
        names = {name for rule in rules for name in rule.reads}
        self.readers = {
            name: tuple(record for record in self.records.values() if name in record.rule.reads) for name in names
        }
        self.screens = Screens(
            {name: merged(each.rule.gates[name] for each in readers) for name, readers in self.readers.items()}
        )
        self.timed = {record.rule.id: record for record in self.records.values() if record.rule.timed}
        self.everything = tuple(record for record in self.records.values() if record.rule.reads_everything)
        self.changes = frozenset(name for rule in rules for name in rule.changes)
        self.absences = any(rule.absences for rule in rules)
        self.silences = frozenset(name for rule in rules for name, _ in rule.silences if name is not None)

    def __bool__(self) -> bool:
        return bool(self.records)


NO_RULES = DeviceRules()
