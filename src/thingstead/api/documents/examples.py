"""Example values for the documentation, made from JSON Schemas, so that no endpoint can be without one."""

from collections.abc import Mapping
from typing import Any

# Typical values by member name.
BY_NAME: dict[str, Any] = {
    "id": "k3v9x2ma",
    "name": "Boiler 3",
    "descr": "Cellar, next to the pump",
    "device_key": "867997030000000",
    "tags": {"site": "north"},
    "create_time": 1_700_000_000_000,
    "ts": 1_700_000_000_000,
    "timestamp": "2023-11-14T22:13:20.000Z",
    "start_time": 1_700_000_000_000,
    "end_time": 1_700_086_400_000,
    "access_token": "tbn5k8r2w9x1c4ma",
    "app_id": "p7w2m5kd",
    "access_key": "Zk8sQ2mTr5xWv9LpB3nH",
    "secret_key": "wJ4hT7kPz1Rf6Yc9Nq2Vb8Xs3Ld5Gm0AeUoKiZtC",
    "account": "alice",
    "password": "correct horse battery",
    "email": "alice@example.com",
    "mobile": "+86 130 0000 0000",
    "locale": "",
    "device_id": "k3v9x2ma",
    "type": "m4t8y1qz",
    "group": "g5n2b7ws",
    "groups": "g5n2b7ws,h8c3v6rt",
    "parent": "g5n2b7ws",
    "device_code": "q1w2e3r4t5y6u7i8",
    "view_token": "a9s8d7f6g5h4j3k2",
    "project_key": "aB3dE5gH7j",
    "type_key": "z1x2c3v4b5",
    "identifier": "temperature",
    "method": "restart",
    "params": {"delay": 5},
    "value": 21.5,
    "interval": "1h",
    "timezone": "Europe/Berlin",
    "fn": "avg",
    "keyword": "boiler",
    "tag": "site:north",
    "page": 1,
    "total": 1,
    "page_total": 1,
    "keys": ["site"],
    "devices": ["k3v9x2ma"],
    "children": [],
    "notify_logs": [],
    "errors": [],
    "message": "",
    "attributes": {"temperature": 21.5},
    "conn_type": "1",
    "conn_protocol": "1",
    "attr_type": "report",
    "data_type": "number",
    "gateway": "",
    "sub_address": "",
    "event": 1_700_000_000_000,
    "command_reply": 1_700_000_000_000,
    "data": 1_700_000_000_000,
    "connect": 1_700_000_000_000,
    "command": "c0m3a4n5",
    "next_cursor": "",
    "next_before": "",
    "reason": "",
    "trouble": "",
    "failing": "",
    "replaced": "",
    "alarm_id": "a7l3m9rx",
    "rule_id": "r8d2k5vn",
    "rule_name": "Too hot",
    "acknowledged_by": "alice",
    "by": "alice",
    "client_id": "pump-3",
    "remote_address": "192.0.2.7",
    "address": "192.0.2.7",
    "host": "things.example.com",
    "protocol": "mqtt",
    "direction": "up",
    "payload": '{"temperature": 21.5}',
    "topic": "attributes",
    "version": "0.1.0",
    "view_key": "wR4tY7uI2o",
    "view_secret": "kP9sD3fG6hJ1qW8eR5tY2uI7oA4zX0cV",
    "previous_project_key": "qW8eR5tY2u",
    "session_id": "s9e3s5nq",
    "advice": "",
    "user_agent": "Mozilla/5.0",
    "attribute": "temperature",
    "query": "online=0",
    "target": "night@example.com",
    "ota_version": "v7f2k9qx",
    "version_name": "1.1.5",
    "version_attribute": "version",
    "module": "main",
    "types": ["m4t8y1qz"],
    "from_versions": ["1.1.3", "1.1.4"],
    "from_version": "1.1.4",
    "waves": [1, 10, 50, 100],
    "counts": {"waiting": 90, "downloading": 2, "verified": 8},
    "progress": [],
    "selection": {"devices": ["k3v9x2ma"]},
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "md5": "098f6bcd4621d373cade4e832627b4f6",
    "pause_code": "",
    "device_name": "Boiler 3",
    "rollout": "r3w8n5tb",
}
# Values of path parameters in examples.
BY_PATH: dict[str, str] = {
    "device_id": "k3v9x2ma",
    "type_id": "m4t8y1qz",
    "group_id": "g5n2b7ws",
    "customer_id": "c4u8s2tm",
    "rule_id": "r8d2k5vn",
    "message_rule_id": "u4m7q1bz",
    "forward_target_id": "f7w2k9dr",
    "task_id": "t3k8s1nw",
    "task_run_id": "x5r2u9np",
    "ota_version_id": "v7f2k9qx",
    "ota_rollout_id": "r3w8n5tb",
    "alarm_id": "a7l3m9rx",
    "job_id": "j2b6q4wn",
    "view_id": "v5w1x8yz",
    "admin_id": "a3d9m1np",
    "app_id": "b8p4l1ct",
    "notify_group_id": "n6g2t4hk",
    "session_id": "s9e3s5nq",
    "id": "c0m3a4n5",
    "identifier": "temperature",
}
# Typical values by struct and member name, where the name is ambiguous.
BY_MEMBER: dict[str, Any] = {
    "AccessToken.access_token": "lJGoOHQ3dzJtNWtkwM_Pl8s6Yv0x4uVn2eJq1fKd",
    "AdministratorBody.name": "Alice",
    "AdministratorInfo.name": "Alice",
    "AdministratorInfoBody.name": "Alice",
    "ApplicationBody.name": "Panel",
    "ApplicationInfo.name": "Panel",
    "ApplicationKeys.name": "Panel",
    "ApplicationInfo.id": "p7w2m5kd",
    "ApplicationKeys.id": "p7w2m5kd",
    "CommandBody.id": 1000,
    "CustomerBody.name": "Alice",
    "CustomerBody.descr": "",
    "CustomerInfo.name": "Alice",
    "CustomerInfo.descr": "",
    "CustomerInfoBody.name": "Alice",
    "CustomerInfoBody.descr": "",
    "AlarmComment.text": "on my way",
    "AlarmInfo.clear_code": "cleared_by_person",
    "AlarmInfo.clear_reason": "cleared by alice",
    "AuditItem.action": "update",
    "AuditMember.member": "name",
    "BulkInfo.job": "j2b6q4wn",
    "CheckResult.check": "session",
    "DeviceActive.attributes": 1_700_000_000_000,
    "HealthWarning.code": "rows_set_aside",
    "HealthWarning.message": "2 rows of the history were moved to the quarantine",
    "Kept.code": "above_maximum",
    "Kept.refused": ["temperature: 130 is above the maximum 125"],
    "OtaFileInfo.name": "fw.bin",
    "OtaUpgradeInfo.code": "",
    "OtaUpgradeInfo.detail": "",
    "OtaUpgradeInfo.cause": "",
    "OtaVersionInfo.devices": [],
    "MessageRuleInfo.name": "Fan",
    "MessageRuleInfo.identifier": "",
    "MessageRuleInfo.devices": [],
    "MessageRuleInfo.descr": "",
    "ProjectInfo.name": "Thingstead",
    "ProjectInfo.descr": "",
    "SeriesItem.name": "temperature",
    "RuleTestItem.identifier": "",
    "SeriesItem.type": "number",
}
# Members with many parts that only make sense together.
WHOLE: dict[str, Any] = {
    "AlarmItem.alarm_info": {
        "rule_id": "r8d2k5vn",
        "rule_name": "Too hot",
        "conditions": [{"attribute": "temperature", "op": ">", "value": 80}],
        "attributes": {"temperature": 81.5},
    },
    "AlarmRuleInfo.raise": {"attribute": "temperature", "op": ">", "value": 80},
    "AlarmRuleInfo.clear": {"attribute": "temperature", "op": "<", "value": 75},
    "AlarmRuleInfo.levels": [{"level": 3, "raise": {"attribute": "temperature", "op": ">", "value": 95}}],
    "AlarmRuleInfo.schedule": {"timezone": "+08:00", "hours": [{"days": [1, 5], "from": "22:00", "to": "06:00"}]},
    "AlarmRuleInfo.warnings": [{"attribute": "temperatur_1", "message": "none of its devices has ever reported it"}],
    "CreatedRule.warnings": [
        {"attribute": "temperatur_1", "message": "none of its devices has ever reported it; did you mean temperature?"}
    ],
    "AlarmRuleInfo.notify": [{"webhook": "https://alarms.example.com/in", "secret": "***"}],
    "DryRunItem.conditions": [{"attribute": "temperature", "op": ">", "value": 80}],
    "MessageRuleInfo.if": {"attribute": "temperature", "op": ">", "value": 30},
    "MessageRuleInfo.actions": [{"push": {"fan": True}}],
    "MessageRuleStatistics.outcomes": {"acted": 3, "condition": 120},
    "RuleEvaluation.values": {"temperature": 31.5},
    "RuleEvaluation.effects": [{"action": "push", "device_id": "k3v9x2ma", "outcome": "acted"}],
    "RuleTestItem.values": {"temperature": 31.5},
    "RuleTestItem.actions": [{"push": {"fan": True}}],
    "NotifyGroupInfo.channels": [{"email": ["night@example.com"]}],
    "TracedCondition.condition": {"attribute": "temperature", "op": ">", "value": 80},
}
FREE_OBJECT = {"temperature": 21.5, "relay": True}  # a body that is any object of attributes


def example(schema: Mapping[str, Any], components: Mapping[str, Any], name: str = "", struct: str = "") -> Any:
    """Makes a value that is valid by a schema.

    Args:
        components: schemas that ``$ref`` may refer to.
        name: name of the member that the value is for; many have a fixed example.
        struct: title of the schema that the member belongs to.
    """
    target = resolve(schema, components)
    whole = WHOLE.get(f"{struct}.{name}")
    if whole is not None:
        return whole
    known = BY_MEMBER.get(f"{struct}.{name}", BY_NAME.get(name))
    if known is not None and _fits(known, target, components):
        return known
    return _made(target, components)


def resolve(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follows references, and removes null from alternatives."""
    while True:
        if "$ref" in schema:
            schema = components[schema["$ref"].rsplit("/", 1)[1]]
        elif "anyOf" in schema:
            schema = next(option for option in schema["anyOf"] if option.get("type") != "null")
        else:
            return schema


def _fits(value: Any, schema: Mapping[str, Any], components: Mapping[str, Any]) -> bool:
    """Whether a fixed example has the type of this member and is within its bounds."""
    if "enum" in schema:
        return value in schema["enum"]
    kind = schema.get("type")
    if kind == "object":
        return isinstance(value, dict) and "properties" not in schema
    if kind == "array":
        items = resolve(schema.get("items", {}), components)
        return isinstance(value, list) and (not value or items.get("type") == "string")
    if kind == "string":
        return isinstance(value, str) and len(value) >= schema.get("minLength", 0)
    return kind is None or (kind in ("integer", "number") and isinstance(value, int | float))


def _made(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Any:
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object":
        members = schema.get("properties")
        if members is None:
            return dict(FREE_OBJECT) if schema.get("minProperties") else {}
        title = schema.get("title", "")
        return {name: example(member, components, name, title) for name, member in members.items()}
    if kind == "array":
        return [example(schema["items"], components)] if schema.get("items") else []
    if kind == "boolean":
        return True
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    return "text" if kind == "string" else None
