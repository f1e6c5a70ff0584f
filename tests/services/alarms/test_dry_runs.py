"""Rules are tried out a few at a time: each holds its points in memory."""

import asyncio

import pytest

from tests.services.alarm_plant import HOT, HOUR, Plant
from tests.services.conftest import NOW
from thingstead.errors import NotFound, TooManyRequests
from thingstead.model.device import Device
from thingstead.services.alarms import dry_run as dry_run_module
from thingstead.services.alarms.dry_run import PROJECT_RUNS_COUNT, AlarmDryRunService
from thingstead.wire.alarm_rules import DryRun


async def test_runs_over_the_bound_of_a_project_are_refused_and_those_of_another_are_not(
    plant: Plant, device: Device, type_id: str
) -> None:
    rule = await plant.add_rule(HOT, type=type_id)
    await plant.report(device, NOW + 5, t=81)
    plant.clock.advance(HOUR)
    dry_run = AlarmDryRunService(plant.store, plant.clock, plant.rules)

    runs = [dry_run.run("p1", rule.id, start_time=NOW, end_time=NOW + HOUR) for _ in range(PROJECT_RUNS_COUNT + 3)]
    *ends, stranger = await asyncio.gather(*runs, dry_run.run("another", rule.id), return_exceptions=True)
    assert [end.raised_total for end in ends if isinstance(end, DryRun)] == [1] * PROJECT_RUNS_COUNT
    assert [type(end) for end in ends if not isinstance(end, DryRun)] == [TooManyRequests] * 3
    assert isinstance(stranger, NotFound)
    assert isinstance(await dry_run.run("p1", rule.id, start_time=NOW, end_time=NOW + HOUR), DryRun)


async def test_a_run_that_nobody_waits_for_gives_its_turn_back(plant: Plant, device: Device, type_id: str) -> None:
    rule = await plant.add_rule(HOT, type=type_id)
    dry_run = AlarmDryRunService(plant.store, plant.clock, plant.rules)
    runs = [asyncio.ensure_future(dry_run.run("p1", rule.id)) for _ in range(PROJECT_RUNS_COUNT)]
    await asyncio.sleep(0)
    for run in runs:
        run.cancel()
    await asyncio.gather(*runs, return_exceptions=True)
    assert isinstance(await dry_run.run("p1", rule.id), DryRun)


@pytest.mark.parametrize(("devices", "complete"), [(2, True), (3, False)])
async def test_a_run_over_more_devices_than_are_tried_at_once_says_so(
    plant: Plant, type_id: str, monkeypatch: pytest.MonkeyPatch, devices: int, complete: bool
) -> None:
    monkeypatch.setattr(dry_run_module, "DEVICES", 2)
    rule = await plant.add_rule(HOT, type=type_id)
    for _ in range(devices):
        device = await plant.workshop.add_device(type_id=type_id)
        await plant.report(device, NOW + 5, t=81)
    plant.clock.advance(HOUR)
    service = AlarmDryRunService(plant.store, plant.clock, plant.rules)
    ended = await service.run("p1", rule.id, start_time=NOW, end_time=NOW + HOUR)
    assert (ended.devices, ended.raised_total, ended.complete) == (2, 2, complete)
