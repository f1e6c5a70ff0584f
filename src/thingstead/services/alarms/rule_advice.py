"""Warnings about a rule that is valid and yet cannot work as intended, at once or after a change of its device type."""

import difflib
from collections.abc import Iterable, Mapping

from thingstead.errors import NotFound
from thingstead.model.alarms.rule import AlarmRule, RuleWarning, attributes_of
from thingstead.model.alarms.rule_checks import check_body
from thingstead.model.alarms.rule_form import form_of
from thingstead.model.device_type import AttributeDefinition
from thingstead.model.limits import Problems
from thingstead.refusals import reason
from thingstead.storage.base import Store

DEVICES_LIMIT = 50  # devices of a rule whose attributes are checked


async def definitions_of(
    store: Store, project_id: str, type_ids: Iterable[str]
) -> list[Mapping[str, AttributeDefinition]]:
    """Attribute definitions of these types, by identifier; unknown types are skipped."""
    found: list[Mapping[str, AttributeDefinition]] = []
    for type_id in sorted(type_ids):
        try:
            device_type = await store.device_types.get(project_id, type_id)
        except NotFound:
            continue
        found.append({each.identifier: each for each in device_type.functions.attributes})
    return found


async def types_of(store: Store, rule: AlarmRule) -> set[str]:
    """The types of the devices that a rule watches."""
    if rule.type_id is not None:
        return {rule.type_id}
    devices = [await store.devices.find(device_id) for device_id in rule.device_ids]
    return {device.type_id for device in devices if device is not None and device.type_id is not None}


async def what_is_impossible(store: Store, rule: AlarmRule) -> str:
    """Why a stored rule would be refused now, because a definition of its types has changed; "" if it would not."""
    problems = Problems()
    definitions = await definitions_of(store, rule.project_id, await types_of(store, rule))
    check_body(rule.body, definitions, problems, flat=form_of(rule, ()).flat)
    if not problems.errors:
        return ""
    field, problem = problems.errors[0]
    if (count := len(problems.errors) - 1) > 0:
        return reason("rule_excluded_by_type_more", field=field, problem=problem.message, count=count).message
    return reason("rule_excluded_by_type", field=field, problem=problem.message).message


async def never_reported(store: Store, rule: AlarmRule) -> list[RuleWarning]:
    """A warning for each attribute of the rule that none of its devices has ever reported."""
    wanted = set(attributes_of(rule.body))
    known: set[str] = set()
    devices = await store.alarm_rules.devices_of(rule, None, DEVICES_LIMIT + 1)
    for device in devices[:DEVICES_LIMIT]:
        if wanted <= known:
            break
        known |= (await store.history.current(device.number)).keys()
    for definition in await definitions_of(store, rule.project_id, await types_of(store, rule)):
        known |= definition.keys() - wanted
    count = min(len(devices), DEVICES_LIMIT)
    warnings = []
    for name in sorted(wanted - known):
        near = difflib.get_close_matches(name, sorted(known), n=1)
        why = reason("never_reported", count=count)
        if near:
            why = reason("never_reported_near", count=count, near=near[0])
        warnings.append(RuleWarning(attribute=name, message=why.message, code=why.code, args=dict(why.args)))
    return warnings
