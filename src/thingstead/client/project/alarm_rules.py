"""Alarm rules: what raises and clears alarms."""

from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.client.call import Call, Listing, members
from thingstead.client.http import segment
from thingstead.model.alarms.rule import RuleStatistics
from thingstead.wire.alarm_rules import (
    AlarmRuleInfo,
    CreatedRule,
    DryRun,
    RuleTrace,
)
from thingstead.wire.common import Empty, Listed


def create(rule: Mapping[str, Any]) -> Call[CreatedRule]:
    """Creates a rule; ``rule`` is the JSON object of ``POST /alarm_rule``."""
    return Call("POST", "/alarm_rule", CreatedRule, dict(rule))


def list_rules(
    *,
    type: str | None = None,
    device: str | None = None,
    enabled: bool | None = None,
    failing: bool | None = None,
    keyword: str | None = None,
    statistics: bool | None = None,
) -> Listing[AlarmRuleInfo]:
    """Oldest rule first; all given filters must match."""
    query = {
        "type": type,
        "device": device,
        "enabled": enabled,
        "failing": failing,
        "keyword": keyword,
        "statistics": statistics,
    }
    return Listing(Call("GET", "/alarm_rules", Listed[AlarmRuleInfo], query=query))


def read(rule_id: str) -> Call[AlarmRuleInfo]:
    """One rule; secrets of channels are shown as ``***``."""
    return Call("GET", f"/alarm_rule/{segment(rule_id)}", AlarmRuleInfo)


def update(rule_id: str, rule: Mapping[str, Any], *, version: int | None = None) -> Call[AlarmRuleInfo]:
    """Changes the members that are in ``rule``."""
    return Call("PUT", f"/alarm_rule/{segment(rule_id)}", AlarmRuleInfo, {**rule, **members(version=version)})


def delete(rule_id: str) -> Call[Empty]:
    """Removes a rule and clears its open alarms."""
    return Call("DELETE", f"/alarm_rule/{segment(rule_id)}", Empty)


def enable_for_device(rule_id: str, device_id: str, enabled: bool) -> Call[Empty]:
    """Enables or disables a rule for one of its devices."""
    path = f"/alarm_rule/{segment(rule_id)}/device/{segment(device_id)}"
    return Call("PUT", path, Empty, {"enabled": enabled})


def statistics(rule_id: str) -> Call[RuleStatistics]:
    """Counts of the rule's alarms, and how long they were open."""
    return Call("GET", f"/alarm_rule/{segment(rule_id)}/statistics", RuleStatistics)


def trace(rule_id: str, *, device: str | None = None) -> Call[RuleTrace]:
    """Last evaluations of a rule, with the reasons for their results."""
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
    """Replays a new or an existing rule over stored history; no notices are sent."""
    body = members(rule=rule, rule_id=rule_id, device=device, devices=devices, start_time=start_time, end_time=end_time)
    return Call("POST", "/alarm_rule_test", DryRun, body)
