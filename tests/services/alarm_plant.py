"""A plant with devices, rules and alarms over a real store; time stands still until it is moved."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.services.conftest import NOW, Workshop
from tests.stores import open_store
from thingstead.bus.local import LocalBus
from thingstead.clock import ManualClock
from thingstead.model.alarms.alarm import Alarm, AlarmFilter, AlarmLog, AlarmVerb
from thingstead.model.alarms.rule import AlarmRule
from thingstead.model.alarms.rule_form import RuleForm, RulePatch
from thingstead.model.device import Device, DeviceSession, OpenAlarm, Page
from thingstead.model.messages import AlarmChanged
from thingstead.services.alarms.alarms import AlarmService
from thingstead.services.alarms.rules import AlarmRuleService
from thingstead.services.shared.commits import settled

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
HOT = {"attribute": "t", "op": ">", "value": 80}


class Plant:
    """:meth:`restart` closes everything and opens it again on the same file; :meth:`crash` lets nothing be told."""

    def __init__(self, path: Path, clock: ManualClock) -> None:
        self.path = path
        self.clock = clock
        self.heard: list[AlarmChanged] = []

    async def open(self) -> None:
        store = await open_store(self.path, self.clock)
        self.workshop = Workshop(store, LocalBus(round_trip=True), self.clock)
        self.store = store
        self.bus = self.workshop.bus
        self.bus.subscribe(AlarmChanged, self.heard.append)
        self.engine = self.workshop.alarm_engine
        self.rules = AlarmRuleService(store, self.bus, self.clock, self.workshop.evaluations)
        self.alarms = AlarmService(store, self.bus, self.clock, self.engine)
        if await store.projects.list_all():
            await store.presence.clear_node("node1")
        await self.engine.start(run=False)

    async def close(self) -> None:
        await self.workshop.sub_devices.close()
        await self.workshop.control.close()
        await self.workshop.ingest.close()
        await self.engine.close()
        await self.bus.close()
        await self.store.close()

    async def restart(self) -> None:
        await self.close()
        await self.open()
        await self.settle()

    async def add_rule(self, raises: Any = None, project_id: str = "p1", **members: Any) -> AlarmRule:
        """A rule as JSON would state it, in effect."""
        body = {"name": "Too hot", "level": 2, **members}
        if raises is not None:
            body["raise"] = raises
        rule = await self.rules.create(project_id, msgspec.json.decode(json.dumps(body), type=RuleForm))
        await self.settle()
        return rule

    async def change_rule(self, rule: AlarmRule, **members: Any) -> AlarmRule:
        body = {"raise" if name == "raises" else name: value for name, value in members.items()}
        patch = msgspec.json.decode(json.dumps(body), type=RulePatch)
        changed = await self.rules.update("p1", rule.id, patch)
        await self.settle()
        return changed

    async def act(self, verb: AlarmVerb, alarm_id: str, by: str, comment: str = "", **when: int) -> Alarm:
        """What a person does to an alarm; of ``shelve`` with ``until`` or ``for_ms``."""
        return await self.alarms.act("p1", alarm_id, self.alarms.action(verb, by, comment, **when))

    async def settle(self) -> None:
        """Does all that is due, and waits until it is on disk."""
        await self.engine.sweep()
        await settled(self.store.alarms.append([]))

    async def wait(self, ms: int) -> None:
        self.clock.advance(ms)
        await self.settle()

    async def report(self, device: Device, ts: int | None = None, **values: Any) -> None:
        link = await self.workshop.ingest.link(device)
        commit = self.workshop.ingest.report_values(link, values, ts).commit
        assert commit is not None
        await settled(commit)

    async def connect(self, device: Device, session_id: str = "s1") -> None:
        session = DeviceSession(session_id=session_id, node="node1", protocol="mqtt", connected_at=self.clock.now_ms())
        await self.workshop.presence.open(device, session)
        await self.settle()

    async def disconnect(self, device: Device, session_id: str = "s1") -> None:
        await self.workshop.presence.close(device, session_id, "closed")
        await self.settle()

    async def shown(self, device: Device) -> OpenAlarm | None:
        """The ``alarm`` of a device."""
        return (await self.store.devices.get_view("p1", device.id)).alarm

    async def logs(self, **narrowing: Any) -> list[AlarmLog]:
        """Messages, newest first."""
        logs, total = await self.alarms.list_logs("p1", AlarmFilter(**narrowing), Page(records=1000))
        assert total == len(logs)
        return logs

    async def told(self, **narrowing: Any) -> list[tuple[int, int]]:
        """(status, level) of messages, oldest first."""
        return [(log.alarm_status, log.alarm_level) for log in reversed(await self.logs(**narrowing))]

    async def open_alarms(self, **narrowing: Any) -> list[Alarm]:
        alarms, _ = await self.alarms.list_alarms("p1", AlarmFilter(alarm_status=1, **narrowing), Page(records=1000))
        return alarms


@asynccontextmanager
async def planted(folder: Path, now_ms: int = NOW) -> AsyncIterator[Plant]:
    """A plant in a folder, with the project ``p1``."""
    plant = Plant(folder / "thingstead.db", ManualClock(now_ms))
    await plant.open()
    await plant.workshop.add_project("p1")
    yield plant
    await plant.close()
