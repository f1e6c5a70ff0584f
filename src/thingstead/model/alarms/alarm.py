"""An alarm, the messages of its life, and what one evaluation changes."""

import enum
from typing import Any

import msgspec


class Phase(enum.StrEnum):
    """Where an alarm stands on one device."""

    IDLE = "idle"  # the raise condition does not hold
    PENDING = "pending"  # it holds; a delay, a count or a cool-down is not over, or the next value is awaited
    RAISED = "raised"  # the alarm is open
    CLEARING = "clearing"  # it is open; the clear condition holds, and its delay or count is not over


RAISED, CLEARED = 1, 0  # alarm_status (wire reference §15.12)


class AlarmLog(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm message: an alarm was raised (status 1), changed its level (status 1) or cleared (status 0)."""

    id: str  # the message that raises an alarm has the alarm's own id
    alarm_id: str
    project_id: str
    device_id: str
    device_name: str = ""  # filled when read
    rule_id: str
    alarm_status: int
    alarm_level: int  # 1 普通, 2 严重, 3 紧急
    alarm_info: dict[str, Any] = {}  # {rule_id, rule_name, conditions, attributes}, and reason where a person cleared
    notify_logs: tuple[dict[str, Any], ...] = ()  # filled when read
    ts: int  # ms, when it happened, by the device's timestamps
    create_time: int  # ms, when the server noticed


class AlarmComment(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said about an alarm."""

    by: str
    text: str
    ts: int  # ms


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm from its raising on. At most one is open per rule and device."""

    id: str
    project_id: str
    device_id: str
    device_name: str = ""  # filled when read
    rule_id: str
    rule_name: str
    alarm_level: int  # the present one; of a cleared alarm the last
    raised_at: int  # ms
    cleared_at: int | None = None  # ms; None: open
    clear_reason: str = ""
    acknowledged_at: int | None = None  # ms
    acknowledged_by: str = ""
    comments: tuple[AlarmComment, ...] = ()  # oldest first
    shelved_until: int | None = None  # ms; filled when read: until then its rule and device are silent


class AlarmFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which alarms or messages a list shows; unset members do not narrow it."""

    device_id: str | None = None
    rule_id: str | None = None
    alarm_level: int | None = None
    alarm_status: int | None = None
    acknowledged: bool | None = None  # of alarms only
    start_time: int | None = None  # ms, inclusive
    end_time: int | None = None  # ms, inclusive


class AlarmChange(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at a rule and a device changes, all in one transaction."""

    project_id: str
    device_id: str
    rule_id: str
    state: bytes | None  # where the rule stands now; None: idle
    due_at: int | None = None  # ms, by the server's clock: when time alone may change that
    messages: tuple[AlarmLog, ...] = ()  # in order


class KeptState(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a rule on a device: where it stands, and its open alarm."""

    rule_id: str
    state: bytes | None  # None: idle
    alarm_id: str | None  # of the open alarm
    alarm_level: int = 0
    due_at: int | None = None  # when time alone may change it, by the server's clock
