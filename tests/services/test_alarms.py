"""Reports, time, presence, rules and people raise and clear alarms; what is acknowledged is on disk with its alarm."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.services.alarm_plant import HOT, HOUR, MINUTE, SECOND, Plant, planted
from tests.services.conftest import NOW
from thingstead.errors import Conflict, InvalidInput, NotFound, Unavailable
from thingstead.model.alarm import AlarmChange
from thingstead.model.device import Device, OpenAlarm
from thingstead.model.device_type import AttributeDefinition, Functions
from thingstead.services.commits import committed
from thingstead.services.device_types import DeviceTypeService

THERMOMETER = Functions(attributes=(AttributeDefinition(identifier="t"), AttributeDefinition(identifier="p")))


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with planted(tmp_path) as plant:
        yield plant


@pytest.fixture
async def type_id(plant: Plant) -> str:
    return await plant.workshop.add_type(THERMOMETER)


@pytest.fixture
async def device(plant: Plant, type_id: str) -> Device:
    return await plant.workshop.add_device(type_id=type_id)


async def shown(plant: Plant, device: Device) -> OpenAlarm | None:
    return (await plant.store.devices.get_view("p1", device.id)).alarm


# Reports


async def test_a_report_raises_an_alarm_that_is_there_when_the_report_is(
    plant: Plant, device: Device, type_id: str
) -> None:
    rule = await plant.add_rule(HOT, type=type_id)
    plant.clock.advance(5)
    await plant.report(device, t=81, p=3)

    (log,) = await plant.logs()
    assert (log.alarm_status, log.alarm_level, log.device_id, log.rule_id) == (1, 2, device.id, rule.id)
    assert (log.ts, log.create_time) == (NOW + 5, NOW + 5)
    info = {"rule_id": rule.id, "rule_name": "Too hot", "conditions": [HOT], "attributes": {"t": 81}}
    assert log.alarm_info == info
    assert await shown(plant, device) == OpenAlarm(alarm_level=2, ts=NOW + 5)
    (news,) = plant.heard
    assert (news.device_id, news.alarm_id, news.alarm_status, news.alarm_info) == (device.id, log.id, 1, info)

    await plant.report(device, t=60)
    assert await plant.told() == [(1, 2), (0, 2)]
    assert await shown(plant, device) is None
    assert [news.alarm_status for news in plant.heard] == [1, 0]


async def test_report_and_alarm_share_a_transaction(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id)
    link = await plant.workshop.ingest.link(device)
    outcome = plant.workshop.ingest.report_values(link, {"t": 81})
    assert outcome.commit is not None
    heard: list[int] = []
    outcome.commit.on_done(lambda error: heard.append(len(plant.heard)))
    assert plant.heard == []
    await committed(outcome.commit)
    assert heard == [1]  # the bus was told before the report is acknowledged


async def test_the_alarm_counts_of_a_project_follow_at_once(plant: Plant, device: Device, type_id: str) -> None:
    levels = [{"level": 1, "raise": HOT}, {"level": 3, "raise": {**HOT, "value": 90}}]
    await plant.add_rule(type=type_id, levels=levels)
    other = await plant.workshop.add_device(type_id=type_id)

    async def counts() -> tuple[int, ...]:
        stat = await plant.store.devices.alarm_stat("p1")
        alarmed = (await plant.store.devices.stat("p1", 0)).alarm_device_total
        return (stat.alarm_1_total, stat.alarm_2_total, stat.alarm_3_total, stat.normal_total, alarmed)

    assert await counts() == (0, 0, 0, 2, 0)
    await plant.report(device, t=85)
    assert await counts() == (1, 0, 0, 1, 1)
    await plant.report(device, t=95)
    await plant.report(other, t=85)
    assert await counts() == (1, 0, 1, 0, 2)
    await plant.report(device, t=10)
    assert await counts() == (1, 0, 0, 1, 1)
    assert await plant.told(device_id=device.id) == [(1, 1), (1, 3), (0, 3)]
    assert len({log.alarm_id for log in await plant.logs(device_id=device.id)}) == 1


async def test_late_data_neither_raises_nor_clears(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id)
    await plant.report(device, NOW, t=70)
    await plant.report(device, NOW - 1, t=90)
    assert await plant.told() == []
    await plant.restart()
    await plant.report(device, NOW - 1, t=90)
    await plant.report(device, NOW + 1, t=90)
    await plant.report(device, NOW, t=70)
    assert await plant.told() == [(1, 2)]


async def test_a_series_is_judged_in_the_order_of_time(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id)
    link = await plant.workshop.ingest.link(device)
    series = b'[{"ts":1699999999000,"t":70},{"ts":1699999998000,"t":90},{"ts":1699999997000,"t":60}]'
    outcome = plant.workshop.ingest.report_series(link, series)
    assert outcome.commit is not None
    await committed(outcome.commit)
    assert [(log.alarm_status, log.ts) for log in await plant.logs()] == [(0, NOW - 1000), (1, NOW - 2000)]


async def test_pushed_and_cloud_values_are_judged_too(plant: Plant, device: Device) -> None:
    await plant.add_rule({"attribute": "mode", "op": "==", "value": "off"}, devices=[device.id])
    await plant.workshop.control.update_cloud_attributes("p1", device.id, {"mode": "off"})
    assert await plant.told() == [(1, 2)]


async def test_chosen_devices_alone_are_watched(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule(HOT, devices=[device.id])
    other = await plant.workshop.add_device(type_id=type_id)
    for each in (other, device):
        await plant.report(each, t=81)
    assert [log.device_id for log in await plant.logs()] == [device.id]


async def test_another_project_is_never_touched(plant: Plant, device: Device, type_id: str) -> None:
    await plant.workshop.add_project("p2")
    theirs = await plant.workshop.add_device("p2")
    await plant.add_rule(HOT, type=type_id)
    with pytest.raises(InvalidInput):
        await plant.add_rule(HOT, project_id="p2", type=type_id)
    with pytest.raises(InvalidInput):
        await plant.add_rule(HOT, devices=[theirs.id])
    await plant.report(theirs, t=99)
    await plant.report(device, t=99)
    assert [log.device_id for log in await plant.logs()] == [device.id]


async def test_ten_thousand_alarms_of_one_moment_are_all_kept(plant: Plant, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id)
    devices = [await plant.workshop.add_device(type_id=type_id) for _ in range(200)]
    links = [await plant.workshop.ingest.link(each) for each in devices]
    outcome = None
    for _ in range(25):
        for link in links:
            plant.workshop.ingest.report_values(link, {"t": 81})
            outcome = plant.workshop.ingest.report_values(link, {"t": 70})
    assert outcome is not None
    assert outcome.commit is not None
    await committed(outcome.commit)
    (total,) = plant.store._database.reader.execute("SELECT count(*) FROM alarm_logs").fetchone()
    assert total == len(plant.heard) == 10_000
    assert [news.alarm_status for news in plant.heard if news.device_id == devices[7].id] == [1, 0] * 25
    assert plant.heard[:2] == [news for news in plant.heard if news.device_id == devices[0].id][:2]


# Time


async def test_a_hold_goes_on_over_a_restart_in_its_middle(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id, raise_delay_ms=MINUTE)
    await plant.report(device, t=81)
    await plant.wait(40 * SECOND)
    await plant.restart()
    await plant.wait(19 * SECOND)
    assert await plant.told() == []
    await plant.wait(2 * SECOND)
    (log,) = await plant.logs()
    assert (log.ts, log.create_time) == (NOW + MINUTE, NOW + 61 * SECOND)


async def test_a_hold_that_ended_while_the_server_was_down_raises_at_its_start(
    plant: Plant, device: Device, type_id: str
) -> None:
    await plant.add_rule(HOT, type=type_id, raise_delay_ms=MINUTE)
    await plant.report(device, t=81)
    await plant.close()
    plant.clock.advance(HOUR)
    await plant.open()
    await plant.settle()
    assert [log.ts for log in await plant.logs()] == [NOW + MINUTE]


async def test_counts_survive_a_restart(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id, raise_count=3)
    for _ in range(2):
        plant.clock.advance(1)
        await plant.report(device, t=81)
    await plant.restart()
    assert await plant.told() == []
    plant.clock.advance(1)
    await plant.report(device, t=82)
    assert await plant.told() == [(1, 2)]


async def test_a_clear_delay_ends_by_itself(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id, clear_delay_ms=MINUTE)
    await plant.report(device, t=81)
    await plant.wait(SECOND)
    await plant.report(device, t=70)
    await plant.restart()
    await plant.wait(MINUTE)
    assert [(log.alarm_status, log.ts) for log in await plant.logs()] == [(0, NOW + MINUTE + SECOND), (1, NOW)]


async def test_a_hold_counts_by_the_clock_of_a_device_that_runs_behind(
    plant: Plant, device: Device, type_id: str
) -> None:
    await plant.add_rule(HOT, type=type_id, raise_delay_ms=MINUTE)
    await plant.report(device, NOW - HOUR, t=81)
    await plant.wait(59 * SECOND)
    assert await plant.told() == []
    await plant.wait(SECOND)
    assert [log.ts for log in await plant.logs()] == [NOW - HOUR + MINUTE]


async def test_silence_is_noticed_also_of_devices_that_nobody_has_in_memory(
    plant: Plant, device: Device, type_id: str
) -> None:
    silent = await plant.workshop.add_device(type_id=type_id)
    await plant.add_rule({"no_data_ms": 10 * MINUTE}, type=type_id)
    await plant.wait(5 * MINUTE)
    await plant.report(device, t=1)
    await plant.restart()
    await plant.wait(5 * MINUTE)
    assert [log.device_id for log in await plant.logs()] == [silent.id]
    await plant.wait(5 * MINUTE)
    assert [(log.device_id, log.ts) for log in await plant.logs()] == [
        (device.id, NOW + 15 * MINUTE), (silent.id, NOW + 10 * MINUTE),
    ]  # fmt: skip
    await plant.report(device, t=1)
    assert [alarm.device_id for alarm in await plant.open_alarms()] == [silent.id]


async def test_absence_is_noticed_and_ends_with_the_next_session(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule({"offline_ms": 10 * MINUTE}, type=type_id)
    await plant.connect(device)
    await plant.wait(HOUR)
    await plant.disconnect(device)
    await plant.wait(9 * MINUTE)
    assert await plant.told() == []
    await plant.restart()
    await plant.wait(2 * MINUTE)
    assert [log.ts for log in await plant.logs()] == [NOW + HOUR + 10 * MINUTE]
    await plant.connect(device)
    assert await plant.told() == [(1, 2), (0, 2)]


async def test_a_device_that_was_online_when_the_server_died_is_absent_from_the_restart_on(
    plant: Plant, device: Device, type_id: str
) -> None:
    await plant.add_rule({"offline_ms": 10 * MINUTE}, type=type_id)
    await plant.connect(device)
    await plant.wait(HOUR)
    await plant.restart()
    await plant.wait(9 * MINUTE)
    assert await plant.told() == []
    await plant.wait(MINUTE)
    assert [log.ts for log in await plant.logs()] == [NOW + HOUR + 10 * MINUTE]


async def test_a_schedule_opens_by_itself(plant: Plant, device: Device, type_id: str) -> None:
    # NOW is 22:13:20 UTC.
    await plant.add_rule(HOT, type=type_id, schedule={"hours": [{"from": "23:00", "to": "01:00"}]})
    await plant.report(device, t=81)
    await plant.restart()
    await plant.wait(46 * MINUTE)
    assert await plant.told() == []
    await plant.wait(MINUTE)
    assert [log.ts for log in await plant.logs()] == [NOW + 46 * MINUTE + 40 * SECOND]


# Rules


async def test_a_new_rule_is_judged_by_the_present_values_of_all_its_devices(
    plant: Plant, device: Device, type_id: str
) -> None:
    idle = await plant.workshop.add_device(type_id=type_id)
    link = await plant.workshop.ingest.link(device)
    for each in (device, idle):
        await plant.report(each, t=90)
    await plant.add_rule(HOT, type=type_id)
    assert {log.device_id for log in await plant.logs()} == {device.id, idle.id}
    assert link.watch.armed


async def test_a_changed_rule_clears_its_alarms_and_judges_anew(plant: Plant, device: Device, type_id: str) -> None:
    rule = await plant.add_rule(HOT, type=type_id)
    await plant.report(device, t=85)
    await plant.change_rule(rule, name="Very hot", notify=[{"webhook": "http://example.com/"}])
    assert await plant.told() == [(1, 2)]
    await plant.change_rule(rule, raises={**HOT, "value": 90})
    assert await plant.told() == [(1, 2), (0, 2)]
    assert (await plant.logs())[0].alarm_info["reason"] == "the rule was changed"
    await plant.change_rule(rule, raises={**HOT, "value": 50})
    assert await plant.told() == [(1, 2), (0, 2), (1, 2)]
    assert (await plant.logs())[0].alarm_info["rule_name"] == "Very hot"
    assert len(await plant.open_alarms()) == 1


async def test_a_rule_that_is_switched_off_or_removed_clears_its_alarms(
    plant: Plant, device: Device, type_id: str
) -> None:
    rule = await plant.add_rule(HOT, type=type_id)
    await plant.report(device, t=85)
    await plant.change_rule(rule, enabled=False)
    await plant.report(device, t=86)
    assert await plant.open_alarms() == []
    await plant.change_rule(rule, enabled=True)
    assert len(await plant.open_alarms()) == 1
    await plant.rules.delete("p1", rule.id)
    await plant.settle()
    await plant.report(device, t=87)
    assert await plant.told() == [(1, 2), (0, 2), (1, 2), (0, 2)]
    assert [log.alarm_info.get("reason") for log in await plant.logs(alarm_status=0)] == [
        "the rule was removed", "the rule was switched off",
    ]  # fmt: skip
    assert [news.alarm_status for news in plant.heard] == [1, 0, 1, 0]


async def test_a_rule_is_switched_off_for_one_device(plant: Plant, device: Device, type_id: str) -> None:
    rule = await plant.add_rule(HOT, type=type_id)
    other = await plant.workshop.add_device(type_id=type_id)
    for each in (device, other):
        await plant.report(each, t=85)
    await plant.rules.enable_for_device("p1", rule.id, device.id, enabled=False)
    await plant.settle()
    await plant.report(device, t=86)
    assert [alarm.device_id for alarm in await plant.open_alarms()] == [other.id]
    await plant.restart()
    await plant.report(device, t=87)
    assert [alarm.device_id for alarm in await plant.open_alarms()] == [other.id]
    await plant.rules.enable_for_device("p1", rule.id, device.id, enabled=True)
    await plant.settle()
    assert len(await plant.open_alarms()) == 2


@pytest.mark.parametrize("in_memory", [True, False])
async def test_a_device_of_another_type_leaves_the_rules_of_the_first(
    plant: Plant, device: Device, type_id: str, in_memory: bool
) -> None:
    await plant.add_rule(HOT, type=type_id)
    await plant.report(device, t=85)
    if not in_memory:
        await plant.restart()
    link = await plant.workshop.ingest.link(device) if in_memory else None
    await plant.workshop.devices.change_type("p1", device.id, None)
    await plant.settle()
    assert await plant.open_alarms() == []
    assert (await plant.logs())[0].alarm_info["reason"] == "the rule does not watch the device any more"
    assert link is None or not link.watch.armed


async def test_a_type_that_is_removed_takes_its_rules_along(plant: Plant) -> None:
    types = DeviceTypeService(plant.store, plant.bus, plant.clock)
    type_id = await plant.workshop.add_type(THERMOMETER)
    rule = await plant.add_rule(HOT, type=type_id)
    device = await plant.workshop.add_device(type_id=type_id)
    await plant.report(device, t=81)
    await plant.workshop.devices.change_type("p1", device.id, None)
    await types.delete("p1", type_id)
    await plant.settle()
    assert await plant.told() == [(1, 2), (0, 2)]
    assert rule.id not in plant.engine.watches.library.records
    with pytest.raises(NotFound):
        await plant.rules.get("p1", rule.id)


async def test_a_value_of_another_type_marks_the_rule_as_failing(plant: Plant, device: Device) -> None:
    rule = await plant.add_rule({"attribute": "x", "op": ">", "value": 1}, devices=[device.id])
    await plant.report(device, x="text")
    await plant.settle()
    failing = (await plant.rules.get("p1", rule.id)).failing
    assert failing == f"on device {device.id}: x is compared as number, and the device reports text"
    await plant.restart()
    assert (await plant.rules.get("p1", rule.id)).failing == failing
    plant.clock.advance(1)
    await plant.report(device, x=5)
    await plant.settle()
    assert (await plant.rules.get("p1", rule.id)).failing == ""
    assert await plant.told() == [(1, 2)]


async def test_a_removed_device_disturbs_nothing(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id, raise_delay_ms=MINUTE)
    link = await plant.workshop.ingest.link(device)
    await plant.report(device, t=85)
    await plant.workshop.devices.delete("p1", device.id)
    plant.workshop.ingest.report_values(link, {"t": 86})
    await plant.wait(HOUR)
    assert await plant.told() == []


# People


async def test_an_alarm_is_acknowledged_once_and_commented_on(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id)
    await plant.report(device, t=85)
    (alarm,) = await plant.open_alarms()
    plant.clock.advance(5)
    acknowledged = await plant.alarms.acknowledge("p1", alarm.id, "alice", "on my way")
    assert (acknowledged.acknowledged_by, acknowledged.acknowledged_at) == ("alice", NOW + 5)
    with pytest.raises(Conflict):
        await plant.alarms.acknowledge("p1", alarm.id, "bob")
    commented = await plant.alarms.comment("p1", alarm.id, "bob", "thanks")
    assert [(each.by, each.text) for each in commented.comments] == [("alice", "on my way"), ("bob", "thanks")]
    with pytest.raises(InvalidInput):
        await plant.alarms.comment("p1", alarm.id, "bob", " ")
    with pytest.raises(NotFound):
        await plant.alarms.comment("p1", "nosuch", "bob", "hello")


async def test_after_a_manual_clear_the_next_value_raises_again(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id)
    await plant.report(device, t=85)
    (alarm,) = await plant.open_alarms()
    cleared = await plant.alarms.clear("p1", alarm.id, "alice", "a test")
    assert (cleared.cleared_at, cleared.clear_reason) == (NOW, "cleared by alice")
    assert await shown(plant, device) is None
    with pytest.raises(Conflict):
        await plant.alarms.clear("p1", alarm.id, "alice")
    await plant.wait(HOUR)
    assert await plant.open_alarms() == []
    await plant.restart()
    await plant.wait(HOUR)
    assert await plant.open_alarms() == []
    await plant.report(device, t=84)
    (again,) = await plant.open_alarms()
    assert again.id != alarm.id
    assert [news.alarm_status for news in plant.heard] == [1, 0, 1]


async def test_a_silence_that_goes_on_raises_again_at_once(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule({"no_data_ms": MINUTE}, type=type_id)
    await plant.wait(2 * MINUTE)
    (alarm,) = await plant.open_alarms()
    await plant.alarms.clear("p1", alarm.id, "alice")
    assert await plant.told() == [(1, 2), (0, 2), (1, 2)]


async def test_a_shelf_needs_an_end_in_the_future(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id)
    await plant.report(device, t=85)
    (alarm,) = await plant.open_alarms()
    for until in (NOW, NOW + 367 * 24 * HOUR):
        with pytest.raises(InvalidInput):
            await plant.alarms.shelve("p1", alarm.id, "alice", until=until)
    assert (await plant.alarms.shelve("p1", alarm.id, "alice", for_ms=MINUTE)).shelved_until == NOW + MINUTE
    await plant.wait(MINUTE)
    assert (await plant.alarms.get("p1", alarm.id)).shelved_until is None
    await plant.alarms.shelve("p1", alarm.id, "alice", until=NOW + HOUR)
    assert (await plant.alarms.unshelve("p1", alarm.id, "alice")).shelved_until is None


# Failures


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
        await committed(outcome.commit)
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
    plant.store._database.reader.execute("SELECT 1")
    await plant.store._database.write(lambda connection: connection.execute("DELETE FROM alarm_states"))
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
        await committed(plant.store.alarms.append([change]))
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
    broken = plant.workshop.watches.find(devices[1].id)
    assert broken is not None
    monkeypatch.setattr(broken.monitor.facts, "data_at", None)
    await plant.wait(MINUTE)
    assert {alarm.device_id for alarm in await plant.open_alarms()} == {devices[0].id, devices[2].id}
