"""Alarms, alarm messages, and the changes of one evaluation."""

import enum
from typing import Any, Literal, NamedTuple

import msgspec

from thingstead.refusals import Reason


class Phase(enum.StrEnum):
    """The state of an alarm on one device."""

    IDLE = "idle"  # the raise condition does not hold
    PENDING = "pending"  # the condition holds; waiting for a delay, a count, the end of a cool-down, or the next value
    RAISED = "raised"  # the alarm is open
    CLEARING = "clearing"  # the alarm is open; the clear condition holds, waiting for its delay or count


RAISED, CLEARED = 1, 0  # alarm_status (wire reference §15.12)


class AlarmLog(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm message: an alarm was raised (status 1), changed its level (status 1) or cleared (status 0)."""

    id: str  # the message of a raise has the id of its alarm
    alarm_id: str
    project_id: str
    device_id: str
    device_name: str = ""  # filled when read
    rule_id: str
    alarm_status: int
    alarm_level: int  # 1 普通, 2 严重, 3 紧急
    alarm_info: dict[str, Any] = {}  # {rule_id, rule_name, conditions, attributes}, and reason if a person cleared it
    notify_logs: tuple[dict[str, Any], ...] = ()  # filled when read
    ts: int  # ms, when it happened, by the timestamps of the device
    create_time: int  # ms, when the server detected it


class AlarmComment(msgspec.Struct, frozen=True, kw_only=True):
    """A comment of a person on an alarm."""

    by: str
    text: str
    ts: int  # ms


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm, open or cleared. At most one is open per rule and device."""

    id: str
    project_id: str
    device_id: str
    device_name: str = ""  # filled when read
    rule_id: str
    rule_name: str
    alarm_level: int  # the current level; of a cleared alarm the last one
    raised_at: int  # ms
    cleared_at: int | None = None  # ms; None: open
    clear_reason: str = ""
    acknowledged_at: int | None = None  # ms
    acknowledged_by: str = ""
    comments: tuple[AlarmComment, ...] = ()  # oldest first
    shelved_until: int | None = None  # ms; filled when read: no notices for this rule and device until then
    alarm_info: dict[str, Any] = {}  # filled when read: from the message of the raise


AlarmVerb = Literal["acknowledge", "shelve", "unshelve", "clear", "comment"]


class AlarmAction(msgspec.Struct, frozen=True, kw_only=True):
    """An action of a person on alarms."""

    verb: AlarmVerb
    by: str
    at: int  # ms
    until: int | None = None  # ms; of ``shelve``
    comment: str = ""  # added to each alarm that is changed


class AlarmOutcome(NamedTuple):
    """The result of an action on one alarm."""

    id: str  # as given by the caller
    alarm: Alarm | None = None  # after the action; None: unknown alarm
    changed: bool = False
    refusal: Reason | None = None


class AlarmFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Filter of a list of alarms or messages; unset members do not narrow it."""

    alarm_id: str | None = None  # only for messages
    device_id: str | None = None
    rule_id: str | None = None
    alarm_level: int | None = None
    alarm_status: int | None = None
    acknowledged: bool | None = None  # of alarms only
    start_time: int | None = None  # ms, inclusive
    end_time: int | None = None  # ms, inclusive
    # Only for alarms:
    type_id: str | None = None  # of the device
    group_id: str | None = None  # of a group with the device
    keyword: str | None = None  # part of the name of the rule, or of a text by which devices are found
    attention: bool | None = None  # open or unacknowledged
    cleared_start: int | None = None  # ms, inclusive
    cleared_end: int | None = None  # ms, inclusive
    undone: AlarmAction | None = None  # only alarms that this action would change


class LevelTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of alarms by level."""

    total: int = 0
    alarm_1_total: int = 0
    alarm_2_total: int = 0
    alarm_3_total: int = 0


class HourTotal(msgspec.Struct, frozen=True, kw_only=True):
    """Number of alarms raised in one hour."""

    ts: int  # ms, begin of the hour
    total: int


class AlarmsStat(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of the alarms of a project."""

    open: LevelTotals
    unacknowledged: LevelTotals  # open or cleared
    attention_total: int  # open or unacknowledged
    raised: tuple[HourTotal, ...]  # by hour, oldest first; the last is the current one


class AlarmChange(msgspec.Struct, frozen=True, kw_only=True):
    """The changes of one evaluation of a rule on a device, written in one transaction."""

    project_id: str
    device_id: str
    rule_id: str
    state: bytes | None  # the serialized state of the rule; None: idle
    due_at: int | None = None  # ms, server clock: when the state may change without a report
    messages: tuple[AlarmLog, ...] = ()  # in order


class KeptState(msgspec.Struct, frozen=True, kw_only=True):
    """The stored state of a rule on a device, and its open alarm."""

    rule_id: str
    state: bytes | None  # None: idle
    alarm_id: str | None  # of the open alarm; None: no alarm is open
    alarm_level: int = 0
    due_at: int | None = None  # ms, server clock: when the state may change without a report
