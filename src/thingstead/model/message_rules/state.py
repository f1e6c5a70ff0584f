"""What a message rule came to: counters, switched-off functions, and single evaluations."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

LOG_LINES_COUNT = 10  # of the console of a function, that a trace keeps …
LOG_LENGTH = 200  # … and characters of each


class FunctionOff(msgspec.Struct, frozen=True):
    """A function that was switched off because it failed again and again."""

    reason: str  # for people
    at: int  # ms


class MessageRuleState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The counters of a rule since it was created."""

    matched: int = 0  # messages that meet its condition
    unmet: int = 0  # condition does not hold
    absent: int = 0  # an attribute is not in the message
    outcomes: dict[str, int] = {}  # messages that meet the condition, by what came of them
    functions_off: dict[str, FunctionOff] = {}  # by index of the action


class RuleEffectRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What an action came to."""

    action: str  # kind
    device_id: str
    outcome: str
    reason: str = ""
    code: str = ""
    args: dict[str, Any] = {}
    id: str = ""  # of its row
    due_at: int = 0  # ms
    logs: list[str] = []  # of the console of a function


def kept_logs(lines: Sequence[str]) -> list[str]:
    """What a trace keeps of the console of a function."""
    return [line[:LOG_LENGTH] for line in lines[:LOG_LINES_COUNT]]


class EvaluationRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rule and one message."""

    ts: int  # ms
    device_id: str
    message_id: str
    cause: list[str] = []  # rules that led to the message, the first one first
    version: int  # of the rule
    values: dict[str, Any] = {}
    outcome: str
    detail: str = ""
    effects: list[RuleEffectRecord] = []


class StoredEvaluation(NamedTuple):
    """An evaluation to store."""

    rule_id: str
    number: int  # greater than those before
    record: EvaluationRecord
