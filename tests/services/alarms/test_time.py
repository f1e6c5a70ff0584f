"""Time, silence, absence and hours raise and clear alarms, over restarts too."""

from tests.services.alarm_plant import HOT, HOUR, MINUTE, SECOND, Plant
from tests.services.conftest import NOW
from thingstead.model.device import Device


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


async def test_a_report_is_judged_although_a_point_lies_ahead(plant: Plant, device: Device, type_id: str) -> None:
    await plant.report(device, NOW + 8 * HOUR, t=20)
    await plant.add_rule(HOT, type=type_id, raise_delay_ms=MINUTE)
    await plant.add_rule({"no_data_ms": 2 * MINUTE}, type=type_id)
    for minute in range(4):
        await plant.report(device, t=95)
        await plant.wait(MINUTE)
        assert await plant.told() == [(1, 2)], minute
    (log,) = await plant.logs()
    assert (log.ts, log.alarm_info["rule_name"]) == (NOW + MINUTE, "Too hot")


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
