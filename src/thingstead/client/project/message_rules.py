"""Message rules: what is done about a message of a device."""

from collections.abc import Mapping
from typing import Any

from thingstead.client.call import Call, Listing, members
from thingstead.client.http import segment
from thingstead.wire.common import Created, Empty, Listed
from thingstead.wire.rules.message_rules import (
    MessageRuleInfo,
    MessageRuleStatistics,
    MessageRuleTest,
    MessageRuleTrace,
)


def create(rule: Mapping[str, Any]) -> Call[Created]:
    """Creates a rule; ``rule`` is the JSON object of ``POST /message_rule``."""
    return Call("POST", "/message_rule", Created, dict(rule))


def list_rules(
    *,
    type: str | None = None,
    device: str | None = None,
    on: str | None = None,
    enabled: bool | None = None,
    keyword: str | None = None,
) -> Listing[MessageRuleInfo]:
    """Oldest rule first; all given filters must match."""
    query = {"type": type, "device": device, "on": on, "enabled": enabled, "keyword": keyword}
    return Listing(Call("GET", "/message_rules", Listed[MessageRuleInfo], query=query))


def read(rule_id: str) -> Call[MessageRuleInfo]:
    """One rule."""
    return Call("GET", f"/message_rule/{segment(rule_id)}", MessageRuleInfo)


def update(rule_id: str, rule: Mapping[str, Any], *, version: int | None = None) -> Call[MessageRuleInfo]:
    """Changes the members that are in ``rule``."""
    return Call("PUT", f"/message_rule/{segment(rule_id)}", MessageRuleInfo, {**rule, **members(version=version)})


def delete(rule_id: str) -> Call[Empty]:
    """Removes a rule; its delayed actions are not done."""
    return Call("DELETE", f"/message_rule/{segment(rule_id)}", Empty)


def enable_for_device(rule_id: str, device_id: str, enabled: bool) -> Call[Empty]:
    """Enables or disables a rule for one of its devices."""
    path = f"/message_rule/{segment(rule_id)}/device/{segment(device_id)}"
    return Call("PUT", path, Empty, {"enabled": enabled})


def statistics(rule_id: str) -> Call[MessageRuleStatistics]:
    """On how many messages a rule was evaluated, and what came of them."""
    return Call("GET", f"/message_rule/{segment(rule_id)}/statistics", MessageRuleStatistics)


def trace(rule_id: str, *, device: str | None = None) -> Call[MessageRuleTrace]:
    """Last evaluations of a rule, with the reasons for their results."""
    return Call("GET", f"/message_rule/{segment(rule_id)}/trace", MessageRuleTrace, query={"device": device})


def try_on_messages(
    *,
    rule: Mapping[str, Any] | None = None,
    rule_id: str | None = None,
    device: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    method: str | None = None,
    params: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> Call[MessageRuleTest]:
    """Evaluates a new or an existing rule on a message, or on the last messages of a device; nothing is done."""
    body = members(
        rule=rule, rule_id=rule_id, device=device, attributes=attributes, method=method, params=params, data=data
    )
    return Call("POST", "/message_rule_test", MessageRuleTest, body)
