"""A clock that is set back is noticed, said, and waited for by nobody."""

from tests.services.alarm_plant import HOT, HOUR, MINUTE, SECOND, Plant
from tests.services.alarms.sending import Sender
from tests.services.conftest import NOW
from tests.services.receivers import HttpReceiver, reply
from thingstead.clock import ManualClock
from thingstead.model.device import Device
from thingstead.services.history.clock_watch import ClockWatch


class SetClock(ManualClock):
    """One that can be set; the reading that never goes back does not notice."""

    def set_back(self, ms: int) -> None:
        self._now_ms -= ms


async def test_a_step_back_is_counted_and_said_until_the_clock_has_caught_up() -> None:
    clock, told = SetClock(NOW), list[tuple[int, int]]()
    watch = ClockWatch(clock, lambda now, by_ms: told.append((now, by_ms)))
    watch.start(NOW)
    for _ in range(3):
        clock.advance(1_000)
        await watch.look()
    clock.set_back(900)  # as a clock that is steered does
    await watch.look()
    assert (watch.steps_back, watch.warnings(), told) == (0, [], [])
    clock.set_back(8 * HOUR)
    clock.advance(1_000)
    await watch.look()
    await watch.look()
    assert (watch.steps_back, told) == (1, [(clock.now_ms(), 8 * HOUR)])
    assert [warning.code for warning in watch.warnings()] == ["clock_set_back"]
    clock.advance(8 * HOUR)
    await watch.look()
    assert watch.warnings() == []
    await watch.close()


async def test_a_start_behind_what_an_earlier_run_saw_is_a_step_back() -> None:
    clock, told = SetClock(NOW), list[tuple[int, int]]()
    watch = ClockWatch(clock, lambda now, by_ms: told.append((now, by_ms)))
    watch.start(NOW + HOUR)
    assert told == [(NOW, HOUR)]
    assert "2023-11-14T23:13:20" in watch.warnings()[0].message
    await watch.close()


async def test_alarms_do_not_wait_for_a_clock_that_was_set_back(plant: Plant, device: Device, type_id: str) -> None:
    timed = await plant.workshop.add_device(type_id=type_id)
    await plant.add_rule({"no_data_ms": 10 * MINUTE}, type=type_id)
    await plant.add_rule({**HOT, "value": 90}, type=type_id, raise_delay_ms=MINUTE)
    await plant.report(device, t=95)
    await plant.report(timed, NOW - 8 * HOUR, t=95)  # its own clock is right
    await plant.wait(30 * SECOND)
    plant.clock.advance(-8 * HOUR)
    plant.engine.evaluations.clock_set_back(plant.clock.now_ms(), 8 * HOUR)
    await plant.settle()
    assert await plant.told() == []
    await plant.wait(MINUTE)
    assert await plant.told() == [(1, 2)] * 2
    await plant.wait(9 * MINUTE)
    assert await plant.told() == [(1, 2)] * 4  # both are silent


async def test_alarms_do_not_wait_for_what_an_earlier_run_saw(plant: Plant, device: Device, type_id: str) -> None:
    await plant.add_rule({"no_data_ms": 10 * MINUTE}, type=type_id)
    await plant.report(device, t=95)
    assert await plant.store.history.newest_uplink() == NOW
    await plant.close()
    plant.clock.advance(-8 * HOUR)
    await plant.open()
    plant.engine.evaluations.clock_set_back(plant.clock.now_ms(), 8 * HOUR)
    await plant.settle()
    assert await plant.told() == []
    await plant.wait(10 * MINUTE)
    assert await plant.told() == [(1, 2)]


async def test_a_channel_waits_no_longer_than_a_lease_after_the_clock_was_set_back_and_then_as_long_as_ever(
    plant: Plant, device: Device, receiver: HttpReceiver, sender: Sender
) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    await plant.report(device, t=81)
    receiver.answers = [reply(503), reply(429, Retry_After="300"), reply(200)]
    await sender.send()
    plant.clock.advance(-8 * HOUR)
    sender.dispatcher.clock_set_back(plant.clock.now_ms(), 8 * HOUR)
    await sender.send()
    assert len(receiver.received) == 2
    for ms, sent in ((299 * SECOND, 2), (SECOND, 3)):
        plant.clock.advance(ms)
        await sender.send()
        assert len(receiver.received) == sent
