"""Alarms and notices go when their time is over, open ones never."""

from tests.services.alarm_plant import HOT, Plant
from thingstead.config import NotifySettings, StorageSettings
from thingstead.model.alarms.notification import NotifyLog
from thingstead.model.device import Device, OpenAlarm, Page
from thingstead.model.retention import DAY_MS
from thingstead.services.history.retention import RetentionService
from thingstead.services.notifications.dispatch import NotifyDispatcher

NOWHERE = {"email": ["a@example.com"]}  # without a mail server such notices fail for good


async def flap_and_stay(plant: Plant) -> Device:
    """A device with an alarm that cleared and one that is open, and what was told of them."""
    device = await plant.workshop.add_device()
    await plant.add_rule(HOT, devices=[device.id], notify=[NOWHERE])
    for value in (81, 70, 90):
        plant.clock.advance(1)
        await plant.report(device, t=value)
    dispatcher = NotifyDispatcher(plant.store, plant.bus, plant.clock, NotifySettings())
    await dispatcher.dispatch()
    await dispatcher.idle()
    await dispatcher.close()
    return device


async def notices(plant: Plant) -> list[NotifyLog]:
    logs, _ = await plant.store.notify.list_logs("p1", None, None, Page(records=100))
    return logs


async def test_a_cleared_alarm_goes_when_its_time_is_over_and_an_open_one_stays(plant: Plant) -> None:
    device = await flap_and_stay(plant)
    settings = StorageSettings(alarm_retention_days=10, notice_retention_days=5)
    service = RetentionService(plant.store, plant.clock, settings)
    plant.clock.advance(5 * DAY_MS + 1)
    await service.run()
    assert (await plant.told(), await notices(plant)) == ([(1, 2), (0, 2), (1, 2)], [])

    plant.clock.advance(500 * DAY_MS)
    await service.run()
    assert len(await plant.logs()) == 3  # a jump that is not believed yet
    plant.clock.advance(DAY_MS)
    await service.run()
    (raised,) = await plant.logs()
    assert [alarm.id for alarm in await plant.open_alarms()] == [raised.id]
    assert (await plant.store.devices.get_view("p1", device.id)).alarm == OpenAlarm(alarm_level=2, ts=raised.ts)
    assert (service.alarms_dropped, service.notices_dropped) == (1, 3)
    await plant.report(device, t=20)
    assert await plant.told() == [(1, 2), (0, 2)]


async def test_nothing_goes_where_all_is_kept_for_ever(plant: Plant) -> None:
    await flap_and_stay(plant)
    plant.clock.advance(10_000 * DAY_MS)
    settings = StorageSettings(alarm_retention_days=0, notice_retention_days=0)
    await RetentionService(plant.store, plant.clock, settings).run()
    assert (len(await plant.logs()), len(await notices(plant))) == (3, 3)
