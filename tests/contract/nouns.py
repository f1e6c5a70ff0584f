"""Nouns as the tests need them: distinct where they must be, and told from each other by their ids."""

import asyncio
import itertools
from typing import Any

from thingstead.model.alarms.alarm import AlarmAction, AlarmChange, AlarmLog, AlarmOutcome, AlarmVerb
from thingstead.model.alarms.notification import Channel, KeptChannel, NotifyGroup
from thingstead.model.alarms.rule import AlarmRule, Condition, Level, RuleBody
from thingstead.model.command import Command
from thingstead.model.customer import Customer
from thingstead.model.device import Device, DeviceGroup, DeviceSession
from thingstead.model.device_type import DeviceType
from thingstead.model.project import Administrator, Application, Project
from thingstead.storage.base import Commit, Store

NOW = 1_700_000_000_000
_serial = itertools.count(1)


def project_of(project_id: str, **more: Any) -> tuple[Project, Application, Administrator]:
    project = Project(
        id=project_id,
        name=f"Project {project_id}",
        project_key=f"{project_id}-key",
        view_key=f"{project_id}-view",
        view_secret_hash=b"\x00\xff",
        create_time=NOW,
    )
    first_application = application(f"{project_id}-app", project_id)
    return project, first_application, administrator(f"{project_id}-admin", project_id, **more)


def application(app_id: str, project_id: str = "ours", **more: Any) -> Application:
    values = {"name": app_id, "access_key": f"{app_id}-access", "secret_hash": b"\x01", "create_time": NOW}
    return Application(id=app_id, project_id=project_id, **{**values, **more})


def administrator(admin_id: str, project_id: str = "ours", **more: Any) -> Administrator:
    values = {"account": f"{admin_id}@example.com", "password_hash": "argon2id", "create_time": NOW}
    return Administrator(id=admin_id, project_id=project_id, **{**values, **more})


def device_type(type_id: str, project_id: str = "ours", **more: Any) -> DeviceType:
    values = {"name": f"Type {type_id}", "type_key": f"{type_id}-key", "create_time": NOW}
    return DeviceType(id=type_id, project_id=project_id, **{**values, **more})


def device_group(group_id: str, project_id: str = "ours", **more: Any) -> DeviceGroup:
    return DeviceGroup(id=group_id, project_id=project_id, **{"name": group_id, "create_time": NOW, **more})


def customer(customer_id: str, project_id: str = "ours", **more: Any) -> Customer:
    values = {"account": customer_id, "name": customer_id, "password_hash": "argon2id", "create_time": NOW}
    return Customer(id=customer_id, project_id=project_id, **{**values, **more})


def device(device_id: str | None = None, project_id: str = "ours", **more: Any) -> Device:
    serial = next(_serial)
    values = {
        "name": f"Device {device_id or serial}",
        "access_token": f"token-{serial}",
        "view_token": f"view-{serial}",
        "device_code": f"code-{serial}",
        "create_time": NOW,
    }
    return Device(id=device_id or f"d{serial}", project_id=project_id, **{**values, **more})


def session(session_id: str, **more: Any) -> DeviceSession:
    return DeviceSession(
        **{"session_id": session_id, "node": "node-1", "protocol": "mqtt", "connected_at": NOW, **more}
    )


def command(row_id: str, device_id: str, **more: Any) -> Command:
    values = {"method": "turn", "command_id": 1000, "create_time": NOW, "expire_time": NOW + 1, "update_time": NOW}
    return Command(**{"id": row_id, "project_id": "ours", "device_id": device_id, **values, **more})


def alarm(message_id: str, device_id: str, **more: Any) -> AlarmLog:
    """An alarm message; it raises an alarm with its own id, or concerns the ``alarm_id`` that is given."""
    values = {"project_id": "ours", "rule_id": "rule-1", "alarm_status": 1, "alarm_level": 2, "create_time": NOW}
    values |= {"alarm_id": message_id, "ts": more.get("create_time", NOW)}
    return AlarmLog(id=message_id, device_id=device_id, **{**values, **more})


async def record(store: Store, *messages: AlarmLog, state: bytes | None = None, due_at: int | None = None) -> None:
    """Appends alarm messages of one rule and device, and waits for the commit."""
    first = messages[0]
    change = AlarmChange(
        project_id=first.project_id,
        device_id=first.device_id,
        rule_id=first.rule_id,
        state=state,
        due_at=due_at,
        messages=messages,
    )
    assert await ended(store.alarms.append([change])) is None


async def ended(commit: Commit) -> Exception | None:
    """How a commit ended."""
    future: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    commit.on_done(future.set_result)
    return await future


async def act(store: Store, verb: AlarmVerb, alarm_id: str = "a1", by: str = "alice", **more: Any) -> AlarmOutcome:
    """What a person does to an alarm at NOW."""
    action = AlarmAction(**{"verb": verb, "by": by, "at": NOW, **more})
    return (await store.alarms.act("ours", [alarm_id], action))[0]


def alarm_rule(rule_id: str, project_id: str = "ours", **more: Any) -> AlarmRule:
    condition = Condition(attribute="t", op=">", value=80)
    values = {"body": RuleBody(levels=(Level(level=2, raise_=condition),)), "create_time": NOW, "update_time": NOW}
    return AlarmRule(id=rule_id, project_id=project_id, name=f"Rule {rule_id}", **{**values, **more})


def channel(channel_id: str) -> KeptChannel:
    kept = Channel(webhook=f"http://example.com/{channel_id}", secret="shared")
    return KeptChannel(id=channel_id, kind="webhook", channel=kept)


def notify_group(group_id: str, project_id: str = "ours", **more: Any) -> NotifyGroup:
    return NotifyGroup(id=group_id, project_id=project_id, **{"name": group_id, "create_time": NOW, **more})
