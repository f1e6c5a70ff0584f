"""Alarm rules, and what explains them: traces and dry runs."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.model.alarms.alarm import Phase
from thingstead.model.alarms.notification import Channel
from thingstead.model.alarms.rule import Condition, Level, RuleWarning, Schedule
from thingstead.wire.common import Created


class AlarmRuleInfo(msgspec.Struct, frozen=True, kw_only=True, rename={"raise_": "raise"}):
    """An alarm rule."""

    id: str
    name: str
    descr: str
    type: str  # "" where it watches chosen devices
    devices: list[str]
    enabled: bool
    disabled_devices: list[str]  # devices for which it is switched off
    level: int | UnsetType = UNSET
    raise_: Condition | UnsetType = UNSET
    clear: Condition | UnsetType = UNSET
    levels: list[Level] | UnsetType = UNSET  # in place of level, raise and clear
    raise_delay_ms: int
    clear_delay_ms: int
    raise_count: int
    clear_count: int
    cool_down_ms: int
    schedule: Schedule | UnsetType = UNSET
    notify: list[Channel]
    failing: str  # why it cannot be evaluated on some device; "" where it can
    create_time: int  # ms
    update_time: int  # ms
    warnings: list[RuleWarning] | UnsetType = UNSET  # of a change that was just made
    open_total: int | UnsetType = UNSET  # open alarms, where a list was asked for `statistics`
    raised_last_day: int | UnsetType = UNSET  # alarms raised within 24 hours, likewise
    version: int = 0  # extension: counts its changes, from 1; a change may name the one that was read


class CreatedRule(Created, frozen=True, kw_only=True):
    """What was created."""

    warnings: list[RuleWarning] | UnsetType = UNSET


class DryRunItem(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm would have been raised, changed or cleared."""

    device_id: str
    ts: int  # ms
    alarm_status: int  # 1 raised, 0 cleared
    alarm_level: int
    phase: Phase  # after it
    attributes: dict[str, Any]
    conditions: list[Any]


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would have done, by device and in order of time."""

    items: list[DryRunItem]
    raised_total: int
    cleared_total: int
    open_total: int  # still open at the end
    open_ms: int  # how long alarms were open within the range, all devices together
    phases: dict[Phase, int]  # devices that were replayed, by the phase of the rule at the end
    devices: int  # that were replayed
    points: int  # that were read
    complete: bool  # no budget was reached: nothing is left out
    notes: list[str]


class TracedCondition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A condition of the rule at one look. `holds` is left out where it cannot be told afterwards."""

    condition: dict[str, Any]
    value: Any = None  # of its attribute; null: it had none
    holds: bool | None = None


class TraceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a rule on one device."""

    ts: int  # ms
    device: str  # id
    level: int  # of the alarm after it; 0: none
    phase: Phase | None = None  # of the alarm after it; null: not known, the values are from history
    outcome: str  # what came of it, and what is still wanted
    attributes: dict[str, Any]
    conditions: list[TracedCondition]


class RuleTrace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last looks at a rule since the server started, and the last values in history, newest first; `now` is how it
    stands on the device asked for, or on the one that was looked at last."""

    enabled: bool
    watched: bool  # whether it watches the device, where one was asked for
    failing: str
    evaluated: int = 0  # looks since the server started; where a value is plainly within bounds none is needed
    now: TraceEntry | None = None
    items: list[TraceEntry] = []
