"""Alarm rules: what raises and clears alarms."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.client.call import Call, Created, Listing, Nothing, Page, members
from thingstead.client.http import segment
from thingstead.model.alarms.notification import Channel
from thingstead.model.alarms.rule import Condition, Level, RuleStatistics, RuleWarning, Schedule


class AlarmRule(msgspec.Struct, frozen=True, kw_only=True, rename={"raise_": "raise"}):
    """An alarm rule. Secrets of its channels are hidden."""

    id: str
    name: str
    descr: str
    type: str  # "" where it watches chosen devices
    devices: list[str]
    enabled: bool
    disabled_devices: list[str]  # for which it is switched off
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


class CreatedRule(Created, frozen=True, kw_only=True):
    """What was created."""

    warnings: list[RuleWarning] | UnsetType = UNSET  # attributes that none of its devices has ever reported


class TracedCondition(msgspec.Struct, frozen=True, kw_only=True):
    """What a condition came to."""

    condition: dict[str, Any]
    value: Any = None  # of its attribute
    holds: bool | None = None  # None: it cannot be told afterwards


class TraceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a rule on one device."""

    ts: int  # ms
    device: str  # id
    level: int  # of the alarm after it; 0: none
    outcome: str
    attributes: dict[str, Any]
    conditions: list[TracedCondition]


class RuleTrace(msgspec.Struct, frozen=True, kw_only=True):
    """The last looks at a rule, newest first."""

    enabled: bool
    watched: bool
    failing: str
    evaluated: int = 0
    now: TraceEntry | None = None
    items: list[TraceEntry] = []


class DryRunItem(msgspec.Struct, frozen=True, kw_only=True):
    """A message that the rule would have made."""

    device_id: str
    ts: int  # ms
    alarm_status: int  # 1 raised, 0 cleared
    alarm_level: int
    attributes: dict[str, Any]
    conditions: list[Any]


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule would have done with stored history."""

    items: list[DryRunItem]
    raised_total: int
    cleared_total: int
    open_total: int
    devices: int
    points: int
    complete: bool
    notes: list[str]


def create(rule: Mapping[str, Any]) -> Call[CreatedRule]:
    """``rule``: the JSON object of ``POST /alarm_rule``."""
    return Call("POST", "/alarm_rule", CreatedRule, dict(rule))


def list_rules(
    *,
    type: str | None = None,
    device: str | None = None,
    enabled: bool | None = None,
    failing: bool | None = None,
) -> Listing[AlarmRule]:
    """Oldest first; filters that are given must all match."""
    query = {"type": type, "device": device, "enabled": enabled, "failing": failing}
    return Listing(Call("GET", "/alarm_rules", Page[AlarmRule], query=query))


def read(rule_id: str) -> Call[AlarmRule]:
    return Call("GET", f"/alarm_rule/{segment(rule_id)}", AlarmRule)


def update(rule_id: str, rule: Mapping[str, Any]) -> Call[AlarmRule]:
    """Changes the members that ``rule`` has."""
    return Call("PUT", f"/alarm_rule/{segment(rule_id)}", AlarmRule, dict(rule))


def delete(rule_id: str) -> Call[Nothing]:
    return Call("DELETE", f"/alarm_rule/{segment(rule_id)}", Nothing)


def enable_for_device(rule_id: str, device_id: str, enabled: bool) -> Call[Nothing]:
    path = f"/alarm_rule/{segment(rule_id)}/device/{segment(device_id)}"
    return Call("PUT", path, Nothing, {"enabled": enabled})


def statistics(rule_id: str) -> Call[RuleStatistics]:
    return Call("GET", f"/alarm_rule/{segment(rule_id)}/statistics", RuleStatistics)


def trace(rule_id: str, *, device: str | None = None) -> Call[RuleTrace]:
    """Why a rule did, or did not, raise."""
    return Call("GET", f"/alarm_rule/{segment(rule_id)}/trace", RuleTrace, query={"device": device})


def try_on_history(
    *,
    rule: Mapping[str, Any] | None = None,
    rule_id: str | None = None,
    device: str | None = None,
    devices: Sequence[str] | None = None,
    start_time: int | None = None,
    end_time: int | None = None,
) -> Call[DryRun]:
    """Replays a rule, or one that exists, over stored history; nobody is told."""
    body = members(rule=rule, rule_id=rule_id, device=device, devices=devices, start_time=start_time, end_time=end_time)
    return Call("POST", "/alarm_rule_test", DryRun, body)
