"""Which rules concern a device, by attribute, so that a report costs only the rules that read what it carries.

Most reports change nothing: every number lies where no idle rule begins to hold. Each attribute therefore has a
*gate*, the range in which that is certain for all rules that read it; a report whose numbers lie within the gates needs
no rule to be looked at. A gate may be too narrow, which costs time; it is never too wide (``conditions.py`` says why
that works).
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from thingstead.rules.conditions import ANY_NUMBER
from thingstead.rules.evaluation import RuleState, Transition
from thingstead.rules.rule import CompiledRule

EVALUATIONS_KEPT = 50  # of one rule
REPORTS_KEPT = 200  # of one book
FAILING_KEPT = 100  # devices of one rule


class Evaluation(NamedTuple):
    """One look at a rule, for whoever asks why it did (not) raise."""

    device_id: str
    at: int  # ms
    fresh: bool  # a value had arrived; else time had passed
    values: Mapping[str, Any]  # of the attributes that the rule reads
    before: RuleState
    after: RuleState
    transitions: tuple[Transition, ...]


class Passed(NamedTuple):
    """A report that no rule had to be looked at for."""

    device_id: str
    ts: int  # ms
    attributes: Mapping[str, Any]


class RuleRecord:
    """A rule with what is remembered of its evaluations, over all devices, since it was compiled."""

    __slots__ = ("evaluated", "evaluations", "failing", "rule", "unsaid")

    def __init__(self, rule: CompiledRule) -> None:
        self.rule = rule
        self.evaluated = 0
        self.evaluations: deque[Evaluation] = deque(maxlen=EVALUATIONS_KEPT)
        self.failing: dict[str, str] = {}  # why it cannot be evaluated, by device id
        self.unsaid = False  # whether ``failing`` changed since it was last told to the store

    def fail(self, device_id: str, reason: str) -> None:
        """Notes that a device's value cannot be compared; the empty reason that it can again."""
        if self.failing.get(device_id, "") == reason:
            return
        if reason and (device_id in self.failing or len(self.failing) < FAILING_KEPT):
            self.failing[device_id] = reason
        elif not reason:
            del self.failing[device_id]
        self.unsaid = True


class Watch:
    """One attribute and the rules that read it."""

    __slots__ = ("high", "low", "records")

    def __init__(self, name: str, records: Iterable[RuleRecord]) -> None:
        self.records = tuple(records)
        gates = [record.rule.gates.get(name, ANY_NUMBER) for record in self.records]
        self.low = max(gate[0] for gate in gates)
        self.high = min(gate[1] for gate in gates)


class RuleBook:
    """The rules of a device type, or of a device that has others than its type. Shared by the devices it is for."""

    def __init__(self, records: Iterable[RuleRecord] = ()) -> None:
        self.records = {record.rule.id: record for record in records}
        rules = [record.rule for record in self.records.values()]
        names = {name for rule in rules for name in rule.reads}
        self.watches = {
            name: Watch(name, [record for record in self.records.values() if name in record.rule.reads])
            for name in names
        }
        self.timed = {record.rule.id: record for record in self.records.values() if record.rule.timed}
        self.everything = tuple(record for record in self.records.values() if record.rule.reads_everything)
        self.changes = frozenset(name for rule in rules for name in rule.changes)
        self.absences = any(rule.absences for rule in rules)
        self.passed: deque[Passed] = deque(maxlen=REPORTS_KEPT)
        self.reports = 0  # seen, over all devices

    def __bool__(self) -> bool:
        return bool(self.records)


NO_RULES = RuleBook()
