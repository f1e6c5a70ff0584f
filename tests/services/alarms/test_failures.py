"""Failed commits, lost memory, faults of ours: alarms are right again afterwards."""

import sqlite3
from typing import Any

import pytest
from msgspec.structs import replace

from tests.services.alarm_plant import HOT, MINUTE, Plant
from tests.services.conftest import NOW
from tests.stores import needs_embedded_store
from thingstead.errors import Unavailable
from thingstead.model.alarms.alarm import AlarmChange
from thingstead.model.device import Device
from thingstead.services.shared.commits import settled


async def test_after_a_failed_commit_the_device_is_judged_from_the_disk(
    plant: Plant, device: Device, type_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plant.add_rule(HOT, type=type_id)
    link = await plant.workshop.ingest.link(device)
    await plant.report(device, t=70)
    plant.clock.advance(1)

    failing = FailingWrites(plant)
    outcome = plant.workshop.ingest.report_values(link, {"t": 85})
    assert outcome.commit is not None
    with pytest.raises(Unavailable):
        await settled(outcome.commit)
    with pytest.raises(Unavailable):
        plant.workshop.ingest.report_values(link, {"t": 70})
    failing.end()

    await plant.settle()
    assert await plant.told() == []
    assert plant.heard == []
    plant.clock.advance(1)
    await plant.report(device, t=86)
    assert await plant.told() == [(1, 2)]


class FailingWrites:
    """A database that another program has locked for longer than anybody waits."""

    def __init__(self, plant: Plant) -> None:
        needs_embedded_store(plant.store)
        database = plant.store._database
        database._writer_connection.execute("PRAGMA busy_timeout=0")
        self._other = sqlite3.connect(plant.path, isolation_level=None)
        self._other.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        self._other.execute("ROLLBACK")
        self._other.close()


async def test_an_alarm_that_the_memory_forgot_is_taken_from_the_disk(
    plant: Plant, device: Device, type_id: str
) -> None:
    await plant.add_rule(HOT, type=type_id)
    await plant.report(device, t=85)
    await plant.store.database.write(lambda connection: connection.execute("DELETE FROM alarm_states"))
    await plant.restart()
    plant.clock.advance(1)
    await plant.report(device, t=60)
    assert await plant.told() == [(1, 2), (0, 2)]


async def test_many_devices_wait_in_the_agenda_in_order(plant: Plant, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id, raise_delay_ms=MINUTE)
    devices: list[Any] = [await plant.workshop.add_device(type_id=type_id) for _ in range(50)]
    for each in devices:
        plant.clock.advance(10)
        await plant.report(each, t=85)
    await plant.wait(MINUTE - 250)
    assert [log.device_id for log in reversed(await plant.logs())] == [each.id for each in devices[:25]]
    await plant.wait(MINUTE)
    assert len(await plant.open_alarms()) == 50


async def test_a_rule_that_cannot_be_evaluated_on_this_machine_stops_no_other(
    plant: Plant, device: Device, type_id: str
) -> None:
    hours = {"timezone": "Asia/Shanghai", "hours": [{"from": "00:00", "to": "24:00"}]}
    broken = await plant.add_rule(HOT, name="broken", type=type_id, schedule=hours)
    await plant.add_rule(HOT, name="sound", type=type_id)
    assert broken.body.schedule is not None
    schedule = replace(broken.body.schedule, timezone="Asia/Atlantis")  # this machine knows fewer zones than the last
    await plant.store.alarm_rules.replace(replace(broken, body=replace(broken.body, schedule=schedule)), NOW, None)
    await plant.restart()
    await plant.report(device, t=81)
    assert [alarm.rule_name for alarm in await plant.open_alarms()] == ["sound"]
    assert "Asia/Atlantis" in (await plant.rules.get("p1", broken.id)).failing

    await plant.change_rule(broken, schedule=None)
    assert (await plant.rules.get("p1", broken.id)).failing == ""
    assert {alarm.rule_name for alarm in await plant.open_alarms()} == {"sound", "broken"}


async def test_a_state_that_cannot_be_read_begins_anew(plant: Plant, device: Device, type_id: str) -> None:
    rule = await plant.add_rule(HOT, type=type_id)
    await plant.report(device, t=81)
    for state in (b"", b"\xff", b"\x93\x01\x02\x03"):
        change = AlarmChange(project_id="p1", device_id=device.id, rule_id=rule.id, state=state)
        await settled(plant.store.alarms.append([change]))
        await plant.restart()
        assert [alarm.rule_id for alarm in await plant.open_alarms()] == [rule.id]
    await plant.report(device, t=70)
    assert await plant.told() == [(1, 2), (0, 2)]


async def test_a_fault_with_one_device_keeps_no_other_waiting(
    plant: Plant, type_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plant.add_rule({"no_data_ms": MINUTE}, type=type_id)
    devices = [await plant.workshop.add_device(type_id=type_id) for _ in range(3)]
    for device in devices:
        await plant.report(device, t=1)
    broken = plant.workshop.evaluations.find(devices[1].id)
    assert broken is not None
    monkeypatch.setattr(broken.evaluator.facts, "data_at", None)
    await plant.wait(MINUTE)
    assert {alarm.device_id for alarm in await plant.open_alarms()} == {devices[0].id, devices[2].id}
