"""Notices reach whom they are for: in order, signed, tried again, and not twice within a lease."""

import asyncio
import hashlib
import hmac
from typing import Any

import pytest

from tests.services.alarm_plant import HOT, HOUR, MINUTE, Plant
from tests.services.alarms.sending import Sender, flap
from tests.services.receivers import HttpReceiver, reply
from thingstead.model.device import Device
from thingstead.services.notifications import text as notification_text
from thingstead.services.notifications.dispatch import LEASE_MS

DAY = 24 * HOUR


async def test_a_webhook_gets_signed_json_in_order(
    plant: Plant, device: Device, receiver: HttpReceiver, sender: Sender
) -> None:
    url = f"{receiver.url}/in?x=1"
    rule = await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": url, "secret": "shared"}])
    await flap(plant, device, 3)
    await sender.send()

    assert [each.json["alarm"]["alarm_status"] for each in receiver.received] == [1, 0, 1, 0, 1, 0]
    assert receiver.connections == 1
    first, log = receiver.received[0], (await plant.logs())[-1]
    assert first.path == "/in?x=1"
    body = first.json
    assert (body["kind"], body["project_id"]) == ("alarm", "p1")
    assert body["device"] == {"id": device.id, "name": "device", "device_key": ""}
    assert body["alarm"]["id"] == log.id
    assert body["alarm"]["alarm_info"] == {
        "rule_id": rule.id, "rule_name": "Too hot", "conditions": [HOT], "attributes": {"t": 81},
    }  # fmt: skip
    timestamp = first.headers["x-thingstead-timestamp"]
    expected = hmac.new(b"shared", f"{timestamp}.".encode() + first.body, hashlib.sha256).hexdigest()
    assert first.headers["x-thingstead-signature"] == f"sha256={expected}"
    assert first.headers["x-thingstead-notice"] == body["notice_id"]
    assert len({each.json["notice_id"] for each in receiver.received}) == 6

    assert [(each.state, each.message, each.target) for each in await sender.logs()] == [
        ("sent", "HTTP 200", receiver.url)
    ] * 6
    assert [each["state"] for each in log.notify_logs] == ["sent"]


@pytest.mark.parametrize("notices", [1, 4])
async def test_notices_over_a_webhook_cost_two_transactions(
    plant: Plant,
    device: Device,
    receiver: HttpReceiver,
    sender: Sender,
    monkeypatch: pytest.MonkeyPatch,
    notices: int,
) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    for number in range(notices):
        await plant.report(device, t=70 if number % 2 else 81)
    before, database = await plant.store.notify.next_try(), plant.store.history._database
    written, submit = [], database.submit

    def counted(run: Any, deliver: Any) -> None:
        written.append(run)
        submit(run, deliver)

    monkeypatch.setattr(database, "submit", counted)
    await sender.send()
    assert (before, len(receiver.received), len(await sender.logs("sent"))) == (0, notices, notices)
    assert len(written) == 2


async def test_the_status_of_a_webhook_suffices_and_of_a_robot_does_not(
    plant: Plant, device: Device, receiver: HttpReceiver, sender: Sender
) -> None:
    channels = [{"webhook": receiver.url}, {"feishu": f"{receiver.url}/robot"}]
    await plant.add_rule(HOT, devices=[device.id], notify=channels)
    await plant.report(device, t=81)
    receiver.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200_000] * 2
    await sender.send()
    assert sorted((each.channel, each.state) for each in await sender.logs()) == [
        ("feishu", "waiting"),
        ("webhook", "sent"),
    ]


async def test_a_webhook_gets_the_text_for_people_in_its_language(
    plant: Plant, device: Device, receiver: HttpReceiver, sender: Sender
) -> None:
    channels = [{"webhook": f"{receiver.url}/{language}", "language": language} for language in ("en", "zh")]
    await plant.store.projects.update("p1", {"timezone": "Asia/Shanghai"})
    await plant.add_rule(HOT, devices=[device.id], notify=channels)
    await plant.report(device, t=81)
    await sender.send()
    texts = {each.path: (each.json["subject"], each.json["text"]) for each in receiver.received}
    assert texts["/en"][0] == "[serious] alarm: Too hot · device"
    assert texts["/zh"] == (
        "[严重] 告警: Too hot · device",
        "规则: Too hot\n设备: device\n级别: 严重\n时间: 2023-11-15 06:13:20 +08:00\n数值: t=81",
    )


async def test_what_is_refused_for_now_is_tried_again_later_and_later_in_order(
    plant: Plant, device: Device, receiver: HttpReceiver, sender: Sender
) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    await flap(plant, device, 1)
    receiver.answers = [reply(503), reply(500), reply(429, Retry_After="30")]
    waits = []
    while not await sender.logs("sent"):
        await sender.send()
        due = await plant.store.notify.next_try()
        if due is not None:
            waits.append(due - plant.clock.now_ms())
            plant.clock.advance(waits[-1] - 1)
            await sender.send()
            plant.clock.advance(1)
    assert waits == [1_000, 2_000, 30_000]
    assert [each.json["alarm"]["alarm_status"] for each in receiver.received] == [1, 1, 1, 1, 0]
    assert len({each.json["notice_id"] for each in receiver.received[:4]}) == 1
    assert [each.message for each in reversed(await sender.logs("waiting"))] == ["HTTP 503", "HTTP 500", "HTTP 429"]


@pytest.mark.parametrize("status", [400, 404, 410, 301, 302])
async def test_what_is_refused_for_good_does_not_hold_up_the_next(
    plant: Plant, device: Device, receiver: HttpReceiver, sender: Sender, status: int
) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    await flap(plant, device, 1)
    receiver.answers = [reply(status, Location="http://127.0.0.1:9/")]
    await sender.send()
    assert [each.state for each in await sender.logs()] == ["sent", "failed"]
    assert len(receiver.received) == 2


async def test_a_notice_that_cannot_be_sent_for_a_day_expires(plant: Plant, device: Device, sender: Sender) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": "http://127.0.0.1:1/"}])
    await plant.report(device, t=81)
    await sender.send()
    assert "cannot be reached" in (await sender.logs("waiting"))[0].message
    plant.clock.advance(DAY)
    await sender.send()
    assert len(await sender.logs("expired")) == 1
    assert await plant.store.notify.next_try() is None


async def test_a_crash_between_alarm_and_notice_loses_neither(
    plant: Plant, device: Device, receiver: HttpReceiver
) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    await plant.report(device, t=81)
    await plant.restart()
    sender = Sender(plant)
    await sender.send()
    assert [each.json["alarm"]["alarm_status"] for each in receiver.received] == [1]
    await sender.dispatcher.close()


async def test_what_a_dead_sender_may_have_sent_is_sent_again_only_after_its_lease(
    plant: Plant, device: Device, receiver: HttpReceiver
) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    await flap(plant, device, 1)
    receiver.hold = asyncio.Event()
    first = Sender(plant)
    await first.dispatcher.dispatch()
    await receiver.arrived.wait()
    await first.die()
    receiver.hold = None

    second = Sender(plant)
    await second.send()
    plant.clock.advance(LEASE_MS - 1)
    await second.send()
    assert len(receiver.received) == 1
    plant.clock.advance(1)
    await second.send()
    ids = [each.json["notice_id"] for each in receiver.received]
    assert len(ids) == 3
    assert ids[0] == ids[1] != ids[2]
    await second.dispatcher.close()


async def test_a_sender_that_stops_in_order_gives_its_leases_back(
    plant: Plant, device: Device, receiver: HttpReceiver
) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    await flap(plant, device, 2)
    receiver.hold = asyncio.Event()
    first = Sender(plant)
    await first.dispatcher.dispatch()
    await receiver.arrived.wait()
    closing = asyncio.create_task(first.dispatcher.close())
    receiver.hold.set()
    await closing
    second = Sender(plant)
    await second.send()
    assert [each.json["alarm"]["alarm_status"] for each in receiver.received] == [1, 0, 1, 0]
    await second.dispatcher.close()


async def test_an_attempt_that_outlasts_its_lease_is_not_made_twice_by_one_sender(
    plant: Plant, device: Device, receiver: HttpReceiver, sender: Sender
) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    await flap(plant, device, 1)
    receiver.hold = asyncio.Event()
    await sender.dispatcher.dispatch()
    await receiver.arrived.wait()
    plant.clock.advance(LEASE_MS)
    await sender.dispatcher.dispatch()
    receiver.hold.set()
    await sender.dispatcher.idle()
    await sender.send()
    assert [each.json["alarm"]["alarm_status"] for each in receiver.received] == [1, 0]


async def test_a_notice_that_cannot_be_made_fails_alone(
    plant: Plant, device: Device, receiver: HttpReceiver, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answers = [reply(200, b'{"errcode":0}')]
    await plant.add_rule(HOT, devices=[device.id], notify=[{"wecom": receiver.url}])
    await plant.report(device, t=81)
    monkeypatch.delitem(notification_text._WORDS["en"], "raised")  # as a mistake of ours would have it
    await sender.send()
    monkeypatch.undo()
    await plant.report(device, t=70)
    await sender.send()
    assert [each.state for each in await sender.logs()] == ["sent", "failed"]


async def test_channels_do_not_wait_for_each_other(plant: Plant, device: Device, receiver: HttpReceiver) -> None:
    async with HttpReceiver() as other:
        rules = [{"webhook": receiver.url}, {"webhook": other.url}]
        await plant.add_rule(HOT, devices=[device.id], notify=rules)
        await plant.report(device, t=81)
        receiver.hold = asyncio.Event()
        sender = Sender(plant)
        await sender.dispatcher.dispatch()
        await other.arrived.wait()
        receiver.hold.set()
        await sender.dispatcher.idle()
        await sender.dispatcher.close()


async def test_a_running_sender_is_woken_by_an_alarm(plant: Plant, device: Device, receiver: HttpReceiver) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    sender = Sender(plant)
    sender.dispatcher.start()
    await plant.report(device, t=81)
    await asyncio.wait_for(receiver.arrived.wait(), 30)
    await sender.dispatcher.close()


async def test_a_shelved_alarm_tells_nobody_until_the_end(
    plant: Plant, device: Device, receiver: HttpReceiver, sender: Sender
) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    await flap(plant, device, 1)
    alarm_id = (await plant.logs())[0].alarm_id
    await plant.act("shelve", alarm_id, "alice", for_ms=MINUTE)
    await flap(plant, device, 2)
    await plant.report(device, plant.clock.now_ms() + 1, t=85)
    await sender.send()
    assert [each.json["alarm"]["alarm_status"] for each in receiver.received] == [1, 0]
    await plant.wait(MINUTE)
    await sender.send()
    assert [each.json["kind"] for each in receiver.received] == ["alarm", "alarm", "unshelved"]
