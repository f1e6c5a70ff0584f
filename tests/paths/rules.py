"""Message rules in tests: made, and what they came to."""

from typing import Any

from tests.project_api import ProjectApi
from tests.running import Running


def add_rule(running: Running, *actions: Any, **members: Any) -> str:
    body = {"name": "Fan", "on": "after_report", "devices": [running.device_id], "actions": actions, **members}
    return str(running.api.call("POST", "/message_rule", json=body)["id"])


def effects(api: ProjectApi, rule_id: str) -> int:
    count: int = api.call("GET", f"/message_rule/{rule_id}/statistics")["effects"]
    return count


def outcomes(api: ProjectApi, rule_id: str) -> dict[str, int]:
    """Messages of a rule by what came of them."""
    counted: dict[str, int] = api.call("GET", f"/message_rule/{rule_id}/statistics")["outcomes"]
    return counted


def newest(api: ProjectApi, rule_id: str) -> Any:
    return api.call("GET", f"/message_rule/{rule_id}/trace")["items"][0]


def push(running: Running, attributes: dict[str, Any], device_id: str = "") -> None:
    path = f"/control/device/{device_id or running.device_id}/attributes"
    running.api.call("POST", path, json=attributes)


def set_cloud(running: Running, attributes: dict[str, Any]) -> None:
    running.api.call("PUT", f"/control/device/{running.device_id}/attributes", json=attributes)
