"""What becomes of alarms when rules and devices change."""

import pytest

from tests.services.alarm_plant import HOT, HOUR, MINUTE, Plant
from tests.services.alarms.conftest import THERMOMETER
from thingstead.errors import NotFound
from thingstead.model.device import Device
from thingstead.services.registry.device_types import DeviceTypeService


async def test_a_new_rule_is_judged_by_the_present_values_of_all_its_devices(
    plant: Plant, device: Device, type_id: str
) -> None:
    idle = await plant.workshop.add_device(type_id=type_id)
    link = await plant.workshop.ingest.link(device)
    for each in (device, idle):
        await plant.report(each, t=90)
    await plant.add_rule(HOT, type=type_id)
    assert {log.device_id for log in await plant.logs()} == {device.id, idle.id}
    assert link.device_alarms.armed


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
        "the rule was removed", "the rule was disabled",
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
    assert (await plant.logs())[0].alarm_info["reason"] == "the rule no longer watches the device"
    assert link is None or not link.device_alarms.armed


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
    assert rule.id not in plant.engine.evaluations.rule_index.records
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
