"""Places for sending are shared out by project, a first try is short, and what fails often waits longer."""

import asyncio

import pytest

from tests.services.alarm_plant import HOT, Plant
from tests.services.alarms.sending import Sender, flap
from tests.services.receivers import HttpReceiver, reply
from thingstead.model.alarms.notification import AlarmNotice, Channel, KeptChannel, NotifyGroup
from thingstead.model.device import Device
from thingstead.services.notifications import dispatch as notify_dispatch
from thingstead.storage.base_alarms import Caps, Shares

CHANNELS = 40


async def add_tests(plant: Plant, project_id: str, url: str, count: int) -> None:
    """A group of channels to one place, and a test notice for each of them."""
    channels = tuple(
        KeptChannel(id=f"{project_id}c{number}", kind="webhook", channel=Channel(webhook=f"{url}/{number}"))
        for number in range(count)
    )
    now = plant.clock.now_ms()
    group = NotifyGroup(id=f"g-{project_id}", project_id=project_id, name="g", channels=channels, create_time=now)
    await plant.store.notify.create_group(group)
    for each in channels:
        notice = AlarmNotice(
            id=f"n-{each.id}", project_id=project_id, device_id=None, rule_id="", message_id="", channel_id=each.id,
            channel_kind="webhook", kind="test", create_time=now, expire_time=now + 3_600_000, update_time=now,
        )  # fmt: skip
        await plant.store.notify.add(notice)


async def test_receivers_that_never_answer_hold_up_nobody_elses_notice(
    plant: Plant, device: Device, receiver: HttpReceiver
) -> None:
    await plant.workshop.add_project("p2")
    async with HttpReceiver() as pit:
        pit.hold = asyncio.Event()
        await add_tests(plant, "p2", pit.url, CHANNELS)
        sender = Sender(plant, private_addresses=True)
        await sender.dispatcher.dispatch()
        assert len(sender.dispatcher._draining) == notify_dispatch.SHARES.per_project
        await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
        await plant.report(device, t=81)
        await sender.dispatcher.dispatch()
        await receiver.arrived.wait()
        await sender.die()


async def test_the_project_with_the_fewest_gets_the_next_place(plant: Plant, device: Device) -> None:
    await plant.workshop.add_project("p2")
    await add_tests(plant, "p1", "http://127.0.0.1:1", 4)
    await add_tests(plant, "p2", "http://127.0.0.1:1", 4)
    shares = Shares(in_all=5, per_project=3)
    now = plant.clock.now_ms()
    claims = await plant.store.notify.claim("n1", now, now + 1, shares, {"p1": 1}, 1, Caps(0, 0))
    assert [each.project_id for each in claims] == ["p2", "p1", "p2", "p1"]
    assert await plant.store.notify.claim("n1", now, now + 1, shares, {"p1": 3, "p2": 2}, 1, Caps(0, 0)) == []


async def test_a_first_try_is_short_and_a_second_one_has_its_time(
    plant: Plant, device: Device, receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify_dispatch, "FIRST_TRY_TIMEOUT_S", 0.05)
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    await flap(plant, device, 1)
    receiver.hold = asyncio.Event()
    sender = Sender(plant)
    await sender.send()
    assert [(log.state, log.message) for log in await sender.logs()] == [("waiting", "no answer within 0.05 s")]
    plant.clock.advance(2_000)
    receiver.arrived.clear()
    await sender.dispatcher.dispatch()
    await receiver.arrived.wait()
    plant.clock.advance(100)  # what the answer takes
    receiver.hold.set()
    await sender.dispatcher.idle()
    assert [log.state for log in await sender.logs()] == ["sent", "sent", "waiting"]
    assert len(sender.dispatcher._slow) == 0  # the last answer was quick again
    await sender.dispatcher.close()


async def test_a_channel_that_answers_slowly_is_given_its_time(
    plant: Plant, device: Device, receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify_dispatch, "FIRST_TRY_TIMEOUT_S", 0.05)
    rule = await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    await plant.report(device, t=81)
    sender = Sender(plant)
    sender.dispatcher._note_pace(rule.channels[0].id, 100)
    receiver.hold = asyncio.Event()
    await sender.dispatcher.dispatch()
    asyncio.get_running_loop().call_later(0.2, receiver.hold.set)
    await sender.dispatcher.idle()
    assert [log.state for log in await sender.logs()] == ["sent"]
    await sender.dispatcher.close()


async def test_a_channel_that_fails_often_waits_longer_than_one_that_failed_once(
    plant: Plant, device: Device, receiver: HttpReceiver, sender: Sender
) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    await flap(plant, device, 1)
    receiver.answers = [*[reply(503)] * 4, reply(200), reply(503)]
    waits = []
    while (due := await plant.store.notify.next_try()) is not None:
        waits.append(max(0, due - plant.clock.now_ms()))
        plant.clock.advance(waits[-1])
        await sender.send()
    assert waits == [0, 1_000, 2_000, 4_000, 8_000, 4_000]
