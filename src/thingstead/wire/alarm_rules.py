"""Alarm rules, traces and dry runs."""

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
    type: str  # "" if it watches selected devices
    devices: list[str]
    enabled: bool
    disabled_devices: list[str]  # devices on which it is disabled
    level: int | UnsetType = UNSET
    raise_: Condition | UnsetType = UNSET
    clear: Condition | UnsetType = UNSET
    levels: list[Level] | UnsetType = UNSET  # instead of level, raise and clear
    raise_delay_ms: int
    clear_delay_ms: int
    raise_count: int
    clear_count: int
    cool_down_ms: int
    schedule: Schedule | UnsetType = UNSET
    notify: list[Channel]
    failing: str  # why it cannot be evaluated on some device; "" if it can
    failing_code: str = ""  # of `failing`, in docs/refusals.md; empty: it has none
    failing_args: dict[str, Any] = {}  # values in its text; `problem_code`: the code of the text `problem`
    create_time: int  # ms
    update_time: int  # ms
    warnings: list[RuleWarning] | UnsetType = UNSET  # only in the answer to a change
    open_total: int | UnsetType = UNSET  # open alarms, if a list with `statistics` was requested
    raised_last_day: int | UnsetType = UNSET  # alarms raised within 24 hours, likewise
    version: int = 0  # extension: incremented by each change, from 1; send it with a change to detect conflicts


class CreatedRule(Created, frozen=True, kw_only=True):
    """The created rule."""

    warnings: list[RuleWarning] | UnsetType = UNSET


class DryRunItem(msgspec.Struct, frozen=True, kw_only=True):
    """A point in time at which the rule would have raised, changed or cleared an alarm."""

    device_id: str
    ts: int  # ms
    alarm_status: int  # 1 raised, 0 cleared
    alarm_level: int
    phase: Phase  # after the change
    attributes: dict[str, Any]
    conditions: list[Any]


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would have done, by device and time."""

    items: list[DryRunItem]
    raised_total: int
    cleared_total: int
    open_total: int  # alarms still open at the end
    open_ms: int  # how long alarms were open within the range, sum of all devices
    phases: dict[Phase, int]  # replayed devices by the phase of the rule at the end
    devices: int  # replayed
    points: int  # read
    complete: bool  # no limit was reached, so nothing is missing
    notes: list[str]


class TracedCondition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A condition of the rule in one evaluation. `holds` is absent if it cannot be determined afterwards."""

    condition: dict[str, Any]
    value: Any = None  # of its attribute; null: no value
    holds: bool | None = None


class TraceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluation of a rule on one device."""

    ts: int  # ms
    device: str  # id
    level: int  # of the alarm after the evaluation; 0: none
    phase: Phase | None = None  # of the alarm after the evaluation; null: unknown, the values are from history
    outcome: str  # the result, and what the rule is still waiting for
    attributes: dict[str, Any]
    conditions: list[TracedCondition]


class RuleTrace(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The last evaluations of a rule since the server started, and the last values in history, newest first; `now` is
    its state on the requested device, or on the one that was evaluated last."""

    enabled: bool
    watched: bool  # whether the rule watches the requested device
    failing: str
    failing_code: str = ""
    failing_args: dict[str, Any] = {}
    evaluated: int = 0  # evaluations since the server started; values that cannot change the rule are not evaluated
    now: TraceEntry | None = None
    items: list[TraceEntry] = []
