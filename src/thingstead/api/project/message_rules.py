"""Message rules (消息规则): what is done about a message of a device."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import PageQuery, listed
from thingstead.errors import Conflict, InvalidInput, NotFound
from thingstead.model import limits
from thingstead.model.message_rules.action import DataAction
from thingstead.model.message_rules.outside_checks import hide_secrets
from thingstead.model.message_rules.rule import MessageRule, MessageRuleFilter, On
from thingstead.model.message_rules.rule_form import MessageRuleForm, MessageRulePatch
from thingstead.model.roles import ADMIN, OPERATOR, VIEWER
from thingstead.services.message_rules.rules import MessageRuleService
from thingstead.services.shared.payloads import encode_message
from thingstead.wire.common import Created, Listed
from thingstead.wire.rules.message_rules import (
    MessageRuleInfo,
    MessageRuleStatistics,
    MessageRuleTest,
    MessageRuleTrace,
)

TAG = "Message rules"
COMMON: Mapping[str, Any] = {"tag": TAG, "extension": True}

SMALLEST: Mapping[str, Any] = {
    "name": "Fan",
    "on": "after_report",
    "type": "m4t8y1qz",
    "if": {"attribute": "temperature", "op": ">", "value": 30},
    "actions": [{"push": {"fan": True}}],
}
THOROUGH: Mapping[str, Any] = {
    "name": "Door opened",
    "on": "event",
    "devices": ["k3v9x2ma"],
    "identifier": "opened",
    "if": {"attribute": "by", "op": "!=", "value": "owner"},
    "actions": [
        {"set": {"door": "open"}},
        {"command": {"method": "siren", "params": {"seconds": 10}}, "delay_ms": 30_000},
        {"data": {"identifier": "stream", "format": "hex", "body": "01 06 00 01 00 01"}},
    ],
}


class MessageRulesQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list; all given filters must match."""

    type: Annotated[str, Meta(description="Only of this device type (id).")] | None = None
    device: (
        Annotated[str, Meta(description="Only rules that listen to this device (id), directly or by its type.")] | None
    ) = None
    on: Annotated[On, Meta(description="Only of this kind.")] | None = None
    enabled: Annotated[bool, Meta(description="1: only enabled rules, 0: only disabled ones.")] | None = None
    keyword: (
        Annotated[str, Meta(max_length=limits.KEYWORD_LENGTH, description="Part of the name, in any case.")] | None
    ) = None


class MessageRuleEnabledBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the rule is enabled."""

    enabled: bool


class MessageRuleTraceQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The device."""

    device: Annotated[str, Meta(description="Only evaluations of this device (id).")] | None = None


class MessageRuleTestBody(msgspec.Struct, frozen=True, kw_only=True):
    """The rule to test (new or existing), and a message, or a device whose last messages are taken."""

    rule: MessageRuleForm | None = None
    rule_id: Annotated[str, Meta(description="In place of `rule`: the id of an existing rule.")] | None = None
    device: Annotated[str, Meta(description="The device (id) whose last messages are taken.")] | None = None
    attributes: Annotated[dict[str, Any], Meta(description="The attributes of a report to test.")] | None = None
    method: Annotated[str, Meta(description="The method of an event to test.")] | None = None
    params: Annotated[dict[str, Any], Meta(description="The parameters of an event to test.")] | None = None
    data: DataAction | None = None


def _shown(rule: MessageRule, rules: MessageRuleService) -> MessageRuleInfo:
    return MessageRuleInfo(
        id=rule.id,
        name=rule.name,
        descr=rule.descr,
        on=rule.on_message,
        type=rule.type_id or "",
        devices=list(rule.device_ids),
        enabled=rule.enabled,
        disabled_devices=list(rule.disabled_devices),
        identifier=rule.body.identifier,
        if_=rule.body.condition or UNSET,
        actions=hide_secrets(rule.body.actions),
        functions_off=rules.functions_off(rule.id),
        create_time=rule.create_time,
        update_time=rule.update_time,
        version=rule.version,
    )


async def create_rule(call: ApiCall) -> Created:
    """A rule listens to the messages of a device type (`type`) or of selected devices (`devices`): to reported
    attributes (`after_report`), pushed attributes (`after_push`), events (`event`) or custom data (`data`). If its
    condition (`if`) holds for the values of the message, all its actions are done: `push` stores attributes and sends
    them to the device, `set` only stores them, `report` stores them as if a sub-device had reported them, `command`
    sends a command, `data` sends custom data, `function` calls a cloud function. The functions of `before_report` and
    `before_push` rules change a message before it is stored.

    The effects of a message are stored once, also when the server is killed at any moment. A rule acts on at most 1,000
    messages a second, and 10 of one device; the trace says what it left out."""
    rule = await call.platform.message_rules.create(call.caller.project_id, call.body)
    return Created(id=rule.id, name=rule.name)


async def rules(call: ApiCall) -> Listed[MessageRuleInfo]:
    """Oldest rule first."""
    query: MessageRulesQuery = call.query
    page = query.to_page()
    rule_filter = MessageRuleFilter(
        type_id=query.type,
        device_id=query.device,
        on_message=query.on,
        enabled=query.enabled,
        keyword=query.keyword,
    )
    found, total = await call.platform.message_rules.list_page(call.caller.project_id, rule_filter, page)
    return listed([_shown(rule, call.platform.message_rules) for rule in found], total, page)


async def rule(call: ApiCall) -> MessageRuleInfo:
    """A rule as it is stored."""
    rules = call.platform.message_rules
    return _shown(await rules.get(call.caller.project_id, call.path["message_rule_id"]), rules)


async def update_rule(call: ApiCall) -> MessageRuleInfo:
    """Absent members stay unchanged; null removes `if` or `identifier`. Delayed actions that wait already are done as
    they were."""
    project_id, rule_id = call.caller.project_id, call.path["message_rule_id"]
    rules = call.platform.message_rules
    return _shown(await rules.update(project_id, rule_id, call.body), rules)


async def delete_rule(call: ApiCall) -> None:
    """Its delayed actions that wait are not done."""
    await call.platform.message_rules.delete(call.caller.project_id, call.path["message_rule_id"])


async def enable_for_device(call: ApiCall) -> None:
    """For one device of the rule's source; the rule stays enabled on the others."""
    body: MessageRuleEnabledBody = call.body
    await call.platform.message_rules.enable_for_device(
        call.caller.project_id, call.path["message_rule_id"], call.path["device_id"], enabled=body.enabled
    )


async def statistics(call: ApiCall) -> MessageRuleStatistics:
    """On how many messages a rule was evaluated, and what came of them."""
    return await call.platform.message_rules.statistics(call.caller.project_id, call.path["message_rule_id"])


async def trace(call: ApiCall) -> MessageRuleTrace:
    """The last 50 evaluations of the rule, with the values that its condition read, what came of them, and what each
    action came to. Of messages that do not meet the condition the first 50 of a second are shown. After a restart of
    the server those are left that came to something."""
    query: MessageRuleTraceQuery = call.query
    return await call.platform.message_rules.trace(call.caller.project_id, call.path["message_rule_id"], query.device)


async def test_run(call: ApiCall) -> MessageRuleTest:
    """Evaluates a rule on a message (`attributes`, `method` and `params`, or `data`), or on the last messages of a
    device: its current attributes as one report, its last 10 events, or its last 10 pieces of custom data, of which the
    first 1,024 bytes are known. Functions are called; nothing is stored or sent."""
    body: MessageRuleTestBody = call.body
    if (body.rule is None) is (body.rule_id is None):
        raise InvalidInput.field("rule", "rule_or_rule_id")
    values, data, identifier = body.attributes, None, body.method or ""
    if body.method is not None:
        values = body.params or {}
    if body.data is not None:
        data, identifier = encode_message(body.data.format, body.data.body), body.data.identifier
    return await call.platform.message_rule_test.run(
        call.caller.project_id,
        body.rule if body.rule is not None else body.rule_id or "",
        body.device,
        values,
        identifier,
        data,
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/message_rule",
        summary="Create a message rule",
        handler=create_rule,
        role=ADMIN,
        body=MessageRuleForm,
        info=Created,
        refusals=(Conflict,),
        example=SMALLEST,
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/message_rules",
        summary="List message rules",
        handler=rules,
        role=VIEWER,
        query=MessageRulesQuery,
        info=Listed[MessageRuleInfo],
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/message_rule/{message_rule_id}",
        summary="Read a message rule",
        handler=rule,
        role=VIEWER,
        info=MessageRuleInfo,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/message_rule/{message_rule_id}",
        summary="Change a message rule",
        handler=update_rule,
        role=ADMIN,
        body=MessageRulePatch,
        read_only=MessageRuleInfo,
        info=MessageRuleInfo,
        refusals=(NotFound, Conflict),
        example=THOROUGH,
        **COMMON,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/message_rule/{message_rule_id}",
        summary="Remove a message rule",
        handler=delete_rule,
        role=ADMIN,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/message_rule/{message_rule_id}/device/{device_id}",
        summary="Enable or disable a message rule for one device",
        handler=enable_for_device,
        role=OPERATOR,
        body=MessageRuleEnabledBody,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/message_rule/{message_rule_id}/statistics",
        summary="Read what came of the messages of a rule",
        handler=statistics,
        role=VIEWER,
        info=MessageRuleStatistics,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/message_rule/{message_rule_id}/trace",
        summary="Read why a message rule acted, or did not",
        handler=trace,
        role=VIEWER,
        query=MessageRuleTraceQuery,
        info=MessageRuleTrace,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/message_rule_test",
        summary="Test a message rule on messages",
        handler=test_run,
        role=OPERATOR,
        body=MessageRuleTestBody,
        info=MessageRuleTest,
        refusals=(NotFound,),
        example={"rule": SMALLEST, "attributes": {"temperature": 31}},
        **COMMON,
    ),
)
