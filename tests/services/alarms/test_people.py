"""People acknowledge, shelve, clear and comment."""

import pytest

from tests.services.alarm_plant import HOT, HOUR, MINUTE, Plant
from tests.services.conftest import NOW
from thingstead.errors import Conflict, InvalidInput, NotFound
from thingstead.model.device import Device


async def test_an_alarm_is_acknowledged_once_and_commented_on(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id)
    await plant.report(device, t=85)
    (alarm,) = await plant.open_alarms()
    plant.clock.advance(5)
    acknowledged = await plant.act("acknowledge", alarm.id, "alice", "on my way")
    assert (acknowledged.acknowledged_by, acknowledged.acknowledged_at) == ("alice", NOW + 5)
    with pytest.raises(Conflict):
        await plant.act("acknowledge", alarm.id, "bob")
    commented = await plant.act("comment", alarm.id, "bob", "thanks")
    assert [(each.by, each.text) for each in commented.comments] == [("alice", "on my way"), ("bob", "thanks")]
    with pytest.raises(InvalidInput):
        await plant.act("comment", alarm.id, "bob", " ")
    with pytest.raises(NotFound):
        await plant.act("comment", "nosuch", "bob", "hello")


async def test_after_a_manual_clear_the_next_value_raises_again(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id)
    await plant.report(device, t=85)
    (alarm,) = await plant.open_alarms()
    cleared = await plant.act("clear", alarm.id, "alice", "a test")
    assert (cleared.cleared_at, cleared.clear_reason) == (NOW, "cleared by alice")
    assert await plant.shown(device) is None
    with pytest.raises(Conflict):
        await plant.act("clear", alarm.id, "alice")
    await plant.wait(HOUR)
    assert await plant.open_alarms() == []
    await plant.restart()
    await plant.wait(HOUR)
    assert await plant.open_alarms() == []
    await plant.report(device, t=84)
    (again,) = await plant.open_alarms()
    assert again.id != alarm.id
    assert [(news.action, news.by) for news in plant.heard] == [("raise", ""), ("clear", "alice"), ("raise", "")]


async def test_a_silence_that_goes_on_raises_again_at_once(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule({"no_data_ms": MINUTE}, type=type_id)
    await plant.wait(2 * MINUTE)
    (alarm,) = await plant.open_alarms()
    await plant.act("clear", alarm.id, "alice")
    assert await plant.told() == [(1, 2), (0, 2), (1, 2)]


async def test_a_shelf_needs_an_end_in_the_future(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule(HOT, type=type_id)
    await plant.report(device, t=85)
    (alarm,) = await plant.open_alarms()
    for until in (NOW, NOW + 367 * 24 * HOUR):
        with pytest.raises(InvalidInput):
            await plant.act("shelve", alarm.id, "alice", until=until)
    assert (await plant.act("shelve", alarm.id, "alice", for_ms=MINUTE)).shelved_until == NOW + MINUTE
    await plant.wait(MINUTE)
    assert (await plant.alarms.get("p1", alarm.id)).shelved_until is None
    await plant.act("shelve", alarm.id, "alice", until=NOW + HOUR)
    assert (await plant.act("unshelve", alarm.id, "alice")).shelved_until is None
