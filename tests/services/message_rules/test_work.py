"""The work of message rules: bounded, fair, and ended even if the server fails at it."""

from typing import Any

import msgspec
import pytest

from tests.ota.offers import offers_of
from tests.services.conftest import NOW, Workshop
from thingstead.config import NotifySettings
from thingstead.model.device import Device
from thingstead.model.message_rules.action import Action
from thingstead.model.message_rules.rule import MessageRule, MessageRuleBody
from thingstead.model.message_rules.work import Cause, Work, WorkItem
from thingstead.services.message_rules.effects import Effects
from thingstead.services.message_rules.outside.outbox import Outbox
from thingstead.services.message_rules.outside.sender import OutsideSender
from thingstead.services.message_rules.runner import ATTEMPTS_COUNT, BROKEN_RETRY_MS, RuleRunner
from thingstead.services.shared.fair_room import FairRoom
from thingstead.storage.commit import settled

SET = Action(set_={"seen": True})


class Plant:
    """Two devices with a rule each, and a runner without tasks."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.store = workshop.store
        self.triggers = workshop.ingest.triggers
        self.devices: list[Device] = []
        ota = offers_of(workshop.store, workshop.bus, workshop.clock, workshop.control)
        sender = OutsideSender(workshop.store, workshop.clock, NotifySettings())
        outbox = Outbox(workshop.store, workshop.clock, self.triggers, sender)
        effects = Effects(workshop.store, workshop.ingest, workshop.control, workshop.streams, ota, outbox)
        self.runner = RuleRunner(workshop.store, workshop.clock, self.triggers, effects)

    async def add(self, rule_id: str, *actions: Action, project_id: str = "p1") -> Device:
        device = await self.workshop.add_device(project_id=project_id)
        rule = MessageRule(
            id=rule_id,
            project_id=project_id,
            name=rule_id,
            on_message="after_report",
            device_ids=(device.id,),
            body=MessageRuleBody(actions=actions),
            create_time=NOW,
            update_time=NOW,
        )
        await self.store.message_rules.create(rule)
        self.triggers.put(rule)
        return device

    async def report(self, device: Device, values: dict[str, Any]) -> None:
        link = await self.workshop.ingest.link(device)
        outcome = self.workshop.ingest.report_values(link, values)
        assert outcome.commit is not None
        await settled(outcome.commit)

    async def values(self, device: Device) -> dict[str, Any]:
        return {name: value.value for name, value in (await self.store.history.current(device.number)).items()}

    def outcomes(self, rule_id: str) -> dict[str, int]:
        return {**self.triggers.index.rules[rule_id].state().outcomes}

    async def done(self) -> None:
        """Until the commit of the effects has ended."""
        await self.runner.sweep()
        await settled(self.store.history.touch(self.devices[0].number, "attributes", NOW))


@pytest.fixture
async def plant(workshop: Workshop) -> Plant:
    plant = Plant(workshop)
    await workshop.add_project("p2")
    plant.devices = [await plant.add("ours", SET), await plant.add("theirs", SET, project_id="p2")]
    return plant


def test_a_project_has_half_of_the_room_at_most() -> None:
    room = FairRoom(10, 1_000)
    assert [room.take("a", 100) for _ in range(6)] == [True] * 5 + [False]
    assert room.take("b", 500) is True
    assert room.take("c", 1) is False
    room.give("b", 500)
    assert [room.take("c", 100) for _ in range(6)] == [True] * 5 + [False]
    for project_id in "ac" * 5:
        room.give(project_id, 100)
    assert (room.count, room.size_bytes) == (0, 0)


async def test_what_finds_no_room_is_not_done_and_others_have_their_share(plant: Plant) -> None:
    plant.triggers.room = FairRoom(4, 1 << 20)
    ours, theirs = plant.devices
    for number in range(3):
        await plant.report(ours, {"n": number})
    await plant.report(theirs, {"n": 1})
    await plant.done()
    assert plant.outcomes("ours") == {"full": 1, "acted": 2, "loop": 2}
    assert plant.outcomes("theirs") == {"acted": 1, "loop": 1}
    assert (plant.triggers.room.count, plant.triggers.room.size_bytes) == (0, 0)


async def test_work_at_which_the_server_fails_ends_and_does_not_stop_other_work(plant: Plant) -> None:
    ours, theirs = plant.devices
    broken = Action(function="module.exports = () => null")  # whose message is missing
    items = [
        WorkItem("p1", ours.id, "ours", NOW, Cause("m1", ("ours",)), broken),
        WorkItem("p1", ours.id, "ours", NOW, Cause("m2", ("ours",)), Action(set_={"mine": 1})),
    ]
    await settled(plant.store.message_rules.append_work(Work(7, 0, items, "p1")))
    await plant.runner.start(run=False)
    for _ in range(ATTEMPTS_COUNT):
        assert await plant.values(ours) == {}
        await plant.done()
        plant.workshop.clock.advance(BROKEN_RETRY_MS)
        await plant.report(theirs, {"n": 1})
    assert await plant.values(ours) == {"mine": 1}
    assert plant.runner.broken == 1
    await plant.done()
    assert await plant.store.message_rules.list_work(0, 10) == []
    assert plant.outcomes("theirs")["acted"] == ATTEMPTS_COUNT
    assert plant.outcomes("ours") == {"error": 1, "acted": 1, "loop": 1}
    assert plant.triggers.room.count == 0


async def test_counted_work_is_counted_again_after_a_restart(plant: Plant) -> None:
    later = Action(set_={"later": 1}, delay_ms=5_000)
    device = await plant.add("slow", later)
    await plant.report(device, {"n": 1})
    await plant.done()
    assert plant.triggers.room.count == 1
    again = Plant(plant.workshop)
    again.triggers.room = FairRoom(10, 10_000)
    again.devices = plant.devices
    await again.runner.start(run=False)
    assert again.triggers.room.count == 1
    again.workshop.clock.advance(5_000)
    await again.done()
    assert (await again.values(device))["later"] == 1
    assert again.triggers.room.count == 0


async def test_a_clock_that_is_set_back_makes_no_action_wait_for_longer_than_its_delay(plant: Plant) -> None:
    clock, hour = plant.workshop.clock, 3_600_000
    device = await plant.add("slow", Action(set_={"later": 1}, delay_ms=5_000))
    clock.advance(hour)
    await plant.report(device, {"n": 1})
    await plant.done()
    clock.advance(-hour)
    plant.runner.clock_set_back(clock.now_ms(), hour)
    await plant.done()
    assert "later" not in await plant.values(device)
    clock.advance(5_000)
    await plant.done()
    assert plant.triggers.room.count == 0
    assert (await plant.store.message_rules.totals("p1", "slow")).effects == 1


async def test_a_removed_rule_gives_the_room_of_its_waiting_actions_back(plant: Plant) -> None:
    plant.triggers.room = FairRoom(100, 1 << 20)
    first = await plant.add("first", msgspec.structs.replace(SET, delay_ms=1_000_000))
    second = await plant.add("second", msgspec.structs.replace(SET, delay_ms=500_000))
    for device in (first, first, second):
        await plant.report(device, {"n": 1})
        await plant.done()
    assert plant.triggers.room.count == 3
    await plant.store.message_rules.delete("p1", "first")
    plant.triggers.drop("first")
    await plant.runner.drop("p1", "first")
    await plant.done()
    assert (plant.triggers.room.count, len(await plant.store.message_rules.list_work(0, 10))) == (1, 1)
    plant.workshop.clock.advance(500_001)
    await plant.done()
    assert (await plant.values(second))["seen"] is True
    assert plant.triggers.room.count == 0
