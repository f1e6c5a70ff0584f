"""Alarm rules (告警规则): conditions, delays and channels of alarms."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import PageQuery, listed
from thingstead.errors import Conflict, NotFound
from thingstead.model import limits
from thingstead.model.alarms.rule import AlarmRule, AlarmRuleFilter
from thingstead.model.alarms.rule_form import RuleForm, RulePatch, form_of
from thingstead.model.roles import ADMIN, OPERATOR, VIEWER
from thingstead.services.alarms.rules import channels_of
from thingstead.services.shared.recorded_reasons import failing_reason
from thingstead.wire.alarm_rules import AlarmRuleInfo, CreatedRule
from thingstead.wire.common import Listed

TAG = "Alarm rules"
COMMON: Mapping[str, Any] = {"tag": TAG, "extension": True}
DRY_RUN_DEVICES = 100
Instant = Annotated[int, Meta(ge=0, le=limits.INSTANT_MS)]

SMALLEST: Mapping[str, Any] = {
    "name": "Too hot",
    "type": "m4t8y1qz",
    "level": 2,
    "raise": {"attribute": "temperature", "op": ">", "value": 80},
    "clear": {"attribute": "temperature", "op": "<", "value": 75},
    "raise_delay_ms": 0,
    "clear_delay_ms": 0,
    "notify": [{"webhook": "https://alarms.example.com/in", "secret": "keep this to yourself"}],
}
THOROUGH: Mapping[str, Any] = {
    "name": "Boiler out of bounds at night",
    "type": "m4t8y1qz",
    "levels": [
        {"level": 1, "raise": {"attribute": "temperature", "op": ">", "value": 80, "deadband": 5}},
        {
            "level": 3,
            "raise": {
                "or": [
                    {"attribute": "temperature", "op": ">", "value": 95},
                    {"and": [{"attribute": "pump", "op": "==", "value": False}, {"no_data_ms": 600_000}]},
                ]
            },
        },
    ],
    "raise_delay_ms": 60_000,
    "raise_count": 3,
    "cool_down_ms": 300_000,
    "schedule": {"timezone": "Asia/Shanghai", "hours": [{"days": [1, 2, 3, 4, 5], "from": "22:00", "to": "06:00"}]},
    "notify": [{"group": "n6g2t4hk"}],
}


class AlarmRulesQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list; all given filters must match."""

    type: Annotated[str, Meta(description="Only of this device type (id).")] | None = None
    device: (
        Annotated[str, Meta(description="Only rules that watch this device (id), directly or by its type.")] | None
    ) = None
    enabled: Annotated[bool, Meta(description="1: only enabled rules, 0: only disabled ones.")] | None = None
    failing: Annotated[bool, Meta(description="1: only failing rules, 0: only the others.")] | None = None
    keyword: (
        Annotated[str, Meta(max_length=limits.KEYWORD_LENGTH, description="Part of the name, in any case.")] | None
    ) = None
    statistics: Annotated[bool, Meta(description="1: items have `open_total` and `raised_last_day`.")] = False


class EnabledBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the rule is enabled."""

    enabled: bool


def _shown(rule: AlarmRule) -> AlarmRuleInfo:
    form = form_of(rule, channels_of(rule, hidden=True))
    why = failing_reason(rule.failing)
    body = rule.body
    return AlarmRuleInfo(
        id=rule.id,
        version=rule.version,
        name=rule.name,
        descr=rule.descr,
        type=rule.type_id or "",
        devices=list(rule.device_ids),
        enabled=rule.enabled,
        disabled_devices=list(rule.disabled_devices),
        level=form.level if form.flat else UNSET,
        raise_=form.raise_,
        clear=form.clear or UNSET,
        levels=UNSET if form.flat else list(body.levels),
        raise_delay_ms=body.raise_delay_ms,
        clear_delay_ms=body.clear_delay_ms,
        raise_count=body.raise_count,
        clear_count=body.clear_count,
        cool_down_ms=body.cool_down_ms,
        schedule=body.schedule or UNSET,
        notify=list(form.notify),
        failing=rule.failing,
        failing_code=why.code,
        failing_args=dict(why.args),
        create_time=rule.create_time,
        update_time=rule.update_time,
    )


async def create_rule(call: ApiCall) -> CreatedRule:
    """A rule watches a device type (`type`) or selected devices (`devices`). It raises an alarm on a device when
    `raise` holds for `raise_delay_ms` and for `raise_count` consecutive values, and clears it when `clear` holds and
    `raise` does not; without `clear`, when `raise` (with its deadbands) no longer holds. `levels` in place of `level`,
    `raise` and `clear` gives one alarm several levels; the highest that holds is used.

    A condition compares an attribute (`op`: `>`, `>=`, `<`, `<=`, `==`, `!=`, `between`, `change`), checks a geofence
    (`inside` or `outside` of a `circle` or a `polygon`), missing data (`no_data_ms`, of an attribute or of the device)
    or offline time (`offline_ms`), or combines others: `{"and": […]}`, `{"or": […]}`, `{"not": {…}}`. Values are
    evaluated by their device timestamps; late data changes no alarm. An impossible rule is refused, and the error names
    the part; `warnings` list attributes that none of its devices has ever reported."""
    rule = await call.platform.alarm_rules.create(call.caller.project_id, call.body)
    return CreatedRule(id=rule.id, name=rule.name, warnings=await call.platform.alarm_rules.warnings(rule) or UNSET)


async def rules(call: ApiCall) -> Listed[AlarmRuleInfo]:
    """Oldest rule first."""
    query: AlarmRulesQuery = call.query
    page = query.to_page()
    rule_filter = AlarmRuleFilter(
        type_id=query.type, device_id=query.device, enabled=query.enabled, failing=query.failing, keyword=query.keyword
    )
    found, total = await call.platform.alarm_rules.list_page(call.caller.project_id, rule_filter, page)
    items = [_shown(rule) for rule in found]
    if query.statistics:
        counts = await call.platform.alarm_rules.counts([rule.id for rule in found])
        items = [msgspec.structs.replace(item, **counts[item.id]._asdict()) for item in items]
    return listed(items, total, page)


async def rule(call: ApiCall) -> AlarmRuleInfo:
    """Secrets of channels are shown as `***`. `failing` lists devices that report another type than the rule
    compares."""
    return _shown(await call.platform.alarm_rules.get(call.caller.project_id, call.path["rule_id"]))


async def update_rule(call: ApiCall) -> AlarmRuleInfo:
    """Absent members stay unchanged; null removes `clear`, `levels`, `schedule` or `notify`. If the conditions of the
    rule change, its open alarms are cleared and its devices are evaluated again."""
    changed = await call.platform.alarm_rules.update(call.caller.project_id, call.path["rule_id"], call.body)
    warnings = await call.platform.alarm_rules.warnings(changed) or UNSET
    return msgspec.structs.replace(_shown(changed), warnings=warnings)


async def delete_rule(call: ApiCall) -> None:
    """Clears the rule's open alarms. All its alarms stay in the lists."""
    await call.platform.alarm_rules.delete(call.caller.project_id, call.path["rule_id"])


async def enable_for_device(call: ApiCall) -> None:
    """Disables the rule for one of its devices, which clears its alarm there, or enables it again."""
    await call.platform.alarm_rules.enable_for_device(
        call.caller.project_id, call.path["rule_id"], call.path["device_id"], enabled=call.body.enabled
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/alarm_rule",
        summary="Create an alarm rule",
        handler=create_rule,
        role=ADMIN,
        body=RuleForm,
        info=CreatedRule,
        refusals=(Conflict,),
        example=SMALLEST,
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/alarm_rules",
        summary="List alarm rules",
        handler=rules,
        role=VIEWER,
        query=AlarmRulesQuery,
        info=Listed[AlarmRuleInfo],
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/alarm_rule/{rule_id}",
        summary="Read an alarm rule",
        handler=rule,
        role=VIEWER,
        info=AlarmRuleInfo,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/alarm_rule/{rule_id}",
        summary="Change an alarm rule",
        handler=update_rule,
        role=ADMIN,
        body=RulePatch,
        read_only=AlarmRuleInfo,
        info=AlarmRuleInfo,
        refusals=(NotFound,),
        example=THOROUGH,
        **COMMON,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/alarm_rule/{rule_id}",
        summary="Remove an alarm rule",
        handler=delete_rule,
        role=ADMIN,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/alarm_rule/{rule_id}/device/{device_id}",
        summary="Enable or disable an alarm rule for one device",
        handler=enable_for_device,
        role=OPERATOR,
        body=EnabledBody,
        refusals=(NotFound,),
        **COMMON,
    ),
)
