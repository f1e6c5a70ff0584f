"""Message rules, their results, and test runs."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.model.message_rules.action import Action
from thingstead.model.message_rules.rule import MessageCondition, On


class SwitchedOff(msgspec.Struct, frozen=True, kw_only=True):
    """A function that was switched off because it failed again and again; saving the rule switches it on again."""

    action: int  # place of the action in the rule, from 0
    reason: str  # for people
    ts: int  # ms


class MessageRuleInfo(msgspec.Struct, frozen=True, kw_only=True, rename={"if_": "if"}):
    """A message rule."""

    id: str
    name: str
    descr: str
    on: On
    type: str  # "" if it listens to selected devices
    devices: list[str]
    enabled: bool
    disabled_devices: list[str]  # devices on which it is disabled
    identifier: str  # of the event or stream; "" for all
    if_: MessageCondition | UnsetType = UNSET
    actions: list[Action]
    functions_off: list[SwitchedOff]
    create_time: int  # ms
    update_time: int  # ms
    version: int  # extension: incremented by each change, from 1; send it with a change to detect conflicts


class MessageRuleStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule came to since it was created. If the server is killed, all but `effects` and `last_effect_at` may
    lack the last seconds."""

    seen: int  # messages that it was evaluated on
    matched: int  # those that meet its condition
    outcomes: dict[str, int]  # messages by what came of them, such as `acted`, `condition`, `rate`
    effects: int  # actions that were done since the rule was created
    last_effect_at: int | None  # ms


class RuleEffect(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an action came to."""

    action: str  # push, set, command, data
    device_id: str
    outcome: str  # `acted`, `delayed`, or why it has no effect
    reason: str = ""
    code: str = ""  # of the reason, in docs/refusals.md
    args: dict[str, Any] = {}  # values in its text
    id: str = ""  # of the command
    due_at: int = 0  # ms, of a delayed action
    logs: list[str] = []  # of the console of a function


class RuleEvaluation(msgspec.Struct, frozen=True, kw_only=True):
    """A rule and one message."""

    ts: int  # ms
    device_id: str
    message_id: str  # "" if the condition does not hold; of an event its id
    cause: list[str]  # rules whose effects led to the message, the first one first; empty: it came from outside
    version: int  # of the rule
    values: dict[str, Any]  # that the condition reads
    outcome: str  # "" while the rule acts
    detail: str
    effects: list[RuleEffect]


class MessageRuleTrace(msgspec.Struct, frozen=True, kw_only=True):
    """The last evaluations of a rule, newest first."""

    enabled: bool
    items: list[RuleEvaluation]


class RuleTestItem(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would do about one message."""

    ts: int  # ms
    values: dict[str, Any]  # attributes, or parameters of the event
    identifier: str  # of the event or stream
    holds: bool | None  # null: an attribute of the condition is missing
    outcome: str  # `acted`, or why it would not act
    actions: list[Action]  # that would be done; functions are replaced by what they lead to
    result: dict[str, Any] | UnsetType = UNSET  # attributes that would be stored, of a rule that changes messages
    sent: str | UnsetType = UNSET  # bytes that would be sent in place of a push, in hex
    detail: str = ""  # why a function failed
    logs: list[str] = []  # of the console of the functions


class MessageRuleTest(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would do. Nothing was done."""

    items: list[RuleTestItem]
