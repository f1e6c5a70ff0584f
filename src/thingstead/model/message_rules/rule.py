"""A message rule (消息规则): its devices, the messages it listens to, its condition and its actions."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from thingstead.model.message_rules.action import Action, MessageRulePart

On = Literal["before_report", "after_report", "before_push", "after_push", "event", "data"]
ONLY_FUNCTIONS: frozenset[On] = frozenset(
    ("before_report", "before_push")
)  # they change a message, and do nothing else
Op = Literal[">", ">=", "<", "<=", "==", "!=", "between"]
# Why a rule did not act on a message, or an action had no effect.
Outcome = Literal[
    "acted", "off", "condition", "no_attribute", "late", "loop", "depth", "rate", "too_many_rules",
    "target_gone", "target_offline", "refused", "full",
    "empty", "function_off", "function_error", "function_time", "function_memory", "deadline", "error",
    "delivered", "retrying", "undelivered", "expired",
]  # fmt: skip

ACTIONS_COUNT = 20  # of one rule
DEVICES_COUNT = 1_000  # that one rule names
RULES_COUNT = 10_000  # in a project
RULES_OF_SOURCE_COUNT = 100  # of one device type, or that name a device; bounds the cost of a report
BODY_BYTES = 65_536  # of the condition and the actions, as JSON
RULES_PER_MESSAGE = 20  # that act on one message
DEPTH = 8  # effects that cause each other
RULE_RATE = 1_000  # messages per second on which one rule acts …
RULE_DEVICE_RATE = 10  # … and of one device
PROJECT_RATE = 2_000  # the same of all rules of a project
BEFORE_RATE = 20_000  # the same of rules that change a message before it is stored …
BEFORE_DEVICE_RATE = 1_000  # … and of one device
NODES_PER_TURN = 4_000  # of conditions, that the messages of one project have evaluated until others have their turn
EVALUATIONS_KEPT = 50  # of each rule, in memory
LATE_MS = 600_000  # a report that is older than this when it arrives does not act
DELAYED_COUNT = 100_000  # of all projects that wait to be done; one more is not done
DELAYED_BYTES = 128 << 20  # of the same
DATA_WAIT_MS = 60_000  # how long custom data waits for a device without a connection


class MessageCondition(MessageRulePart, frozen=True, kw_only=True):
    """One of: a comparison of an attribute (`attribute`, `op`, `value`), or `and`, `or`, `not` of other conditions."""

    attribute: (
        Annotated[str, Meta(description="The identifier of an attribute; for events, of a parameter.")] | None
    ) = None
    op: Annotated[Op, Meta(description="`between` includes both bounds.")] | None = None
    value: (
        bool
        | int
        | float
        | str
        | Annotated[tuple[int | float, ...], Meta(description="For `between`: the lowest and the highest value.")]
        | None
    ) = None
    and_: tuple["MessageCondition", ...] | None = None
    or_: tuple["MessageCondition", ...] | None = None
    not_: "MessageCondition | None" = None


class MessageRuleBody(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the evaluation of a rule depends on."""

    identifier: str = ""  # the method of the event, or the identifier of the stream; empty: any
    condition: MessageCondition | None = None
    actions: tuple[Action, ...]


class MessageRule(msgspec.Struct, frozen=True, kw_only=True):
    """A stored rule. Its source is either a device type or selected devices."""

    id: str
    project_id: str
    name: str
    descr: str = ""
    on_message: On
    type_id: str | None = None
    device_ids: tuple[str, ...] = ()
    enabled: bool = True
    disabled_devices: tuple[str, ...] = ()  # devices of the source on which the rule is disabled
    body: MessageRuleBody
    create_time: int  # ms
    update_time: int  # ms
    version: int = 1  # incremented by each change


class MessageRuleFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filter of a list of rules; unset members do not narrow it."""

    type_id: str | None = None
    device_id: str | None = None  # rules whose source includes this device, also by its type
    on_message: On | None = None
    enabled: bool | None = None
    keyword: str | None = None  # part of the name, case-insensitive


class RuleTotals(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule has done since it was created. Each is counted in the transaction of its effect."""

    effects: int = 0
    last_effect_at: int | None = None  # ms


def plain_condition(condition: MessageCondition | None) -> Any:
    """A condition as plain JSON values; None if there is none."""
    return None if condition is None else msgspec.to_builtins(condition)
