"""Reports raise and clear alarms; what is acknowledged is on disk with its alarm."""

import json

import pytest

from tests.services.alarm_plant import HOT, HOUR, MINUTE, SECOND, Plant
from tests.services.conftest import NOW
from tests.stores import ask
from thingstead.errors import InvalidInput
from thingstead.model.device import Device, OpenAlarm
from thingstead.services.alarms.dry_run import AlarmDryRunService
from thingstead.services.shared.commits import settled


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
    assert await plant.shown(device) == OpenAlarm(alarm_level=2, ts=NOW + 5)
    (news,) = plant.heard
    assert (news.device_id, news.alarm_id, news.alarm_status, news.alarm_info) == (device.id, log.id, 1, info)

    await plant.report(device, t=60)
    assert await plant.told() == [(1, 2), (0, 2)]
    assert await plant.shown(device) is None
    assert [news.alarm_status for news in plant.heard] == [1, 0]


async def test_report_and_alarm_share_a_transaction(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id)
    link = await plant.workshop.ingest.link(device)
    outcome = plant.workshop.ingest.report_values(link, {"t": 81})
    assert outcome.commit is not None
    heard: list[int] = []
    outcome.commit.on_done(lambda error: heard.append(len(plant.heard)))
    assert plant.heard == []
    await settled(outcome.commit)
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
    await settled(outcome.commit)
    assert [(log.alarm_status, log.ts) for log in await plant.logs()] == [(0, NOW - 1000), (1, NOW - 2000)]


@pytest.mark.parametrize("restart", [False, True])
async def test_a_backlog_is_judged_at_its_own_instants_beside_a_newer_attribute_as_a_replay_says(
    plant: Plant, device: Device, type_id: str, restart: bool
) -> None:
    rules = [await plant.add_rule(HOT, type=type_id, raise_delay_ms=delay_ms) for delay_ms in (0, MINUTE)]
    plant.clock.advance(HOUR)
    await plant.report(device, battery=90)
    for begin in (0, 11):  # the first one ends in the middle of a hold
        points = [
            {"ts": NOW + minute * MINUTE, "attributes": {"t": 81 if 10 <= minute < 20 else 20}}
            for minute in range(begin, 11 if begin == 0 else 40)
        ]
        link = await plant.workshop.ingest.link(device)
        outcome = plant.workshop.ingest.report_series(link, json.dumps(points).encode())
        assert outcome.commit is not None
        await settled(outcome.commit)
        await plant.wait(SECOND)
        if restart:
            await plant.restart()
    dry_run = AlarmDryRunService(plant.store, plant.clock, plant.rules)
    for rule, raised in zip(rules, (10, 11), strict=True):
        told = [(log.alarm_status, log.ts) for log in reversed(await plant.logs(rule_id=rule.id))]
        assert told == [(1, NOW + raised * MINUTE), (0, NOW + 20 * MINUTE)]
        replay = await dry_run.run("p1", rule.id, start_time=NOW, end_time=NOW + HOUR)
        assert [(item.alarm_status, item.ts) for item in replay.items] == told


async def test_different_values_of_one_millisecond_are_judged_as_a_replay_says(
    plant: Plant, device: Device, type_id: str
) -> None:
    rule = await plant.add_rule(HOT, type=type_id)
    for value in (81, 20):
        await plant.report(device, NOW + 5, t=value)
    dry_run = AlarmDryRunService(plant.store, plant.clock, plant.rules)
    plant.clock.advance(SECOND)
    replay = await dry_run.run("p1", rule.id, start_time=NOW, end_time=NOW + SECOND)
    told = [(log.alarm_status, log.ts) for log in reversed(await plant.logs())]
    assert [(item.alarm_status, item.ts) for item in replay.items] == told == [(1, NOW + 5), (0, NOW + 5)]


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
    await settled(outcome.commit)
    [(total,)] = ask(plant.store, "SELECT count(*) FROM alarm_logs")
    assert total == len(plant.heard) == 10_000
    assert [news.alarm_status for news in plant.heard if news.device_id == devices[7].id] == [1, 0] * 25
    assert plant.heard[:2] == [news for news in plant.heard if news.device_id == devices[0].id][:2]
