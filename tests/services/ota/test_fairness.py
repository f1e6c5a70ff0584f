"""Upgrades of one project do not keep the devices of others waiting."""

import asyncio
import hashlib

from tests.ota.offers import offers_of
from tests.services.conftest import NOW, Workshop
from thingstead.model.messages import EventReported
from thingstead.services.ota.checks import ANSWERED_AT_ONCE, CHECKS_WAITING, METHOD, OtaChecks
from thingstead.services.ota.runner import ORDERED_AT_ONCE, order_of_chance
from thingstead.services.triggers.index import TriggerIndex


def asked(project_id: str, number: int) -> EventReported:
    return EventReported(f"{project_id}-{number}", str(number), METHOD, {}, NOW, project_id)


async def test_many_checks_of_one_project_neither_fill_the_queue_nor_go_before_those_of_others(
    workshop: Workshop,
) -> None:
    offers = offers_of(workshop.store, workshop.bus, workshop.clock, workshop.control)
    checks = OtaChecks(workshop.store, workshop.bus, workshop.clock, offers, TriggerIndex())
    for number in range(CHECKS_WAITING):
        workshop.bus.publish(asked("hostile", number))
    for number in range(3):
        workshop.bus.publish(asked("other", number))
    async with asyncio.timeout(30):
        while checks.outcomes["dropped"] < CHECKS_WAITING // 2:  # noqa: ASYNC110 - the bus tells later
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0)
    taken = [check.device_id for check in checks.take()]
    assert len(taken) == ANSWERED_AT_ONCE
    assert taken[:7] == ["hostile-0", "other-0", "hostile-1", "other-1", "hostile-2", "other-2", "hostile-3"]
    await checks.close()


async def test_the_devices_of_a_rollout_are_put_in_order_with_other_work_between() -> None:
    devices = [f"device{number}" for number in range(10 * ORDERED_AT_ONCE)]
    turns = 0

    async def work() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    other = asyncio.create_task(work())
    found = await order_of_chance("r", devices)
    other.cancel()
    assert found == sorted(devices, key=lambda each: hashlib.sha256(f"r/{each}".encode()).digest())
    assert turns >= 10
    assert await order_of_chance("r", devices[:3]) == [each for each in found if each in devices[:3]]
