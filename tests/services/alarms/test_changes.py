"""Alarms follow what changes around them: values and devices that come and go, a store that fails for a moment."""

import asyncio

import pytest

from tests.services.alarm_plant import HOT, MINUTE, Plant
from tests.services.conftest import NOW
from thingstead.errors import Unavailable
from thingstead.model.device import Device
from thingstead.model.device_type import AttributeDefinition, Functions
from thingstead.model.messages import DeviceChanged
from thingstead.refusals import Reason
from thingstead.services.history.history import HistoryService
from thingstead.services.registry.device_types import DeviceTypeService
from thingstead.services.registry.new_device import NewDevice
from thingstead.services.shared.commits import settled
from thingstead.services.shared.recorded_reasons import failing_reason


def temperature(most: float) -> Functions:
    return Functions(attributes=(AttributeDefinition(identifier="t", data_options={"min": 0, "max": most}),))


BOTH = {"and": [HOT, {"attribute": "p", "op": ">", "value": 5}]}


async def remove(plant: Plant, device: Device, *names: str) -> None:
    await HistoryService(plant.store, plant.bus).remove_attributes("p1", device.id, names)


async def test_a_value_that_was_removed_makes_no_condition_hold(plant: Plant, device: Device) -> None:
    await plant.add_rule(BOTH, devices=[device.id])
    await plant.report(device, t=81)
    await remove(plant, device, "t")
    await plant.report(device, p=9)  # at once, before anybody has looked again
    assert await plant.told() == []
    await plant.settle()
    await plant.report(device, p=8)
    assert await plant.told() == []
    await plant.report(device, t=90)
    assert await plant.told() == [(1, 2)]


async def test_the_first_value_after_a_removal_is_no_change(plant: Plant, device: Device) -> None:
    await plant.add_rule({"attribute": "t", "op": "change"}, devices=[device.id])
    await plant.report(device, t=1)
    await remove(plant, device, "t")
    await plant.report(device, t=2)
    assert await plant.told() == []
    await plant.report(device, t=3)
    assert await plant.told() == [(1, 2)]


async def test_the_alarm_of_a_value_that_was_removed_clears(plant: Plant, device: Device) -> None:
    await plant.add_rule(HOT, devices=[device.id])
    await plant.report(device, t=81)
    await remove(plant, device, "t")
    await plant.settle()
    assert await plant.told() == [(1, 2), (0, 2)]


async def test_a_wrong_point_ahead_that_was_removed_holds_nothing_back(plant: Plant, device: Device) -> None:
    await plant.add_rule(HOT, devices=[device.id])
    await plant.report(device, NOW + 8 * 60 * MINUTE, t=20)
    await remove(plant, device, "t")
    await plant.report(device, NOW + 1, t=95)
    assert await plant.told() == [(1, 2)]


async def test_a_type_that_is_narrowed_makes_its_rules_fail_until_it_is_widened(
    plant: Plant, device: Device, type_id: str
) -> None:
    types = DeviceTypeService(plant.store, plant.bus, plant.clock)
    rules = [await plant.add_rule(HOT, type=type_id), await plant.add_rule(HOT, devices=[device.id])]

    async def failing() -> list[str]:
        await plant.settle()
        return [(await plant.rules.get("p1", rule.id)).failing for rule in rules]

    await types.put_functions("p1", type_id, temperature(most=50))
    for text in await failing():
        why = failing_reason(text)
        assert (why.code, why.args["problem_code"]) == ("rule_excluded_by_type", "value_unreachable"), text
    await plant.restart()
    assert all(await failing())
    types = DeviceTypeService(plant.store, plant.bus, plant.clock)
    await types.put_functions("p1", type_id, temperature(most=100))
    assert await failing() == ["", ""]


async def test_an_attribute_that_nobody_ever_reported_is_warned_of(plant: Plant, device: Device, type_id: str) -> None:
    await plant.report(device, temperature=20, t=1)
    condition = {"attribute": "temperatur_1", "op": ">", "value": 80}
    rule = await plant.add_rule({"or": [condition, HOT, {"no_data_ms": MINUTE}]}, type=type_id)
    [warning] = await plant.rules.warnings(rule)
    assert (warning.attribute, warning.code) == ("temperatur_1", "never_reported_near")
    assert warning.args == {"count": 1, "near": "temperature"}
    await plant.report(device, temperatur_1=1)
    assert await plant.rules.warnings(rule) == []


async def test_a_connected_device_that_gets_a_type_is_evaluated_by_its_rules(plant: Plant, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id)
    device = await plant.workshop.add_device()
    link = await plant.workshop.ingest.link(device)
    await plant.store.devices.update("p1", device.id, {"type_id": type_id})
    plant.bus.publish(DeviceChanged(device.id))
    await plant.settle()
    commit = plant.workshop.ingest.report_values(link, {"t": 81}).commit
    assert commit is not None
    await settled(commit)
    assert await plant.told() == [(1, 2)]


async def test_who_needs_a_device_that_is_being_loaded_waits_for_it(plant: Plant, device: Device) -> None:
    await plant.add_rule(HOT, devices=[device.id])
    await plant.restart()

    async def armed() -> bool:
        return (await plant.engine.evaluations.device_alarms(device)).armed

    assert all(await asyncio.gather(armed(), armed(), armed()))


@pytest.mark.parametrize("online", [False, True])
async def test_a_rule_on_absence_that_comes_later_knows_whether_the_device_is_connected(
    plant: Plant, device: Device, online: bool
) -> None:
    await plant.add_rule(HOT, devices=[device.id])
    link = await plant.workshop.ingest.link(device)  # in memory before it connects
    if online:
        await plant.connect(device)
    await plant.add_rule({"offline_ms": MINUTE}, devices=[device.id])
    await plant.wait(2 * MINUTE)
    assert await plant.told() == ([] if online else [(1, 2)])
    assert link.device_alarms.armed


@pytest.mark.parametrize("imported", [False, True])
async def test_a_device_that_comes_after_a_rule_on_silence_is_watched_from_its_creation(
    plant: Plant, type_id: str, imported: bool
) -> None:
    await plant.add_rule({"no_data_ms": MINUTE}, type=type_id)
    await plant.add_rule({"offline_ms": 2 * MINUTE}, type=type_id)
    if imported:
        await plant.workshop.devices.import_rows("p1", [{"name": "new", "type": type_id}])
    else:
        await plant.workshop.devices.create("p1", NewDevice(name="new", type_id=type_id))
    await plant.settle()
    await plant.wait(MINUTE)
    assert [log.ts for log in await plant.logs()] == [NOW + MINUTE]
    await plant.wait(MINUTE)
    assert [log.ts for log in await plant.logs()] == [NOW + 2 * MINUTE, NOW + MINUTE]


async def test_that_a_rule_fails_is_said_although_the_store_failed_once(
    plant: Plant, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = await plant.add_rule({"attribute": "q", "op": ">", "value": 80}, devices=[device.id])
    await plant.report(device, q="hot")

    async def fail(*_: object) -> None:
        raise Unavailable(Reason("unknown_refusal", "the disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(plant.store.alarm_rules, "note_failing", fail)
        with pytest.raises(Unavailable):
            await plant.engine.sweep()
    await plant.settle()
    assert "q is compared as number" in (await plant.rules.get("p1", rule.id)).failing
