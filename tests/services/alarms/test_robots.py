"""DingTalk, Feishu, WeCom and Telegram get what they understand, and are understood."""

import asyncio
import base64
import hashlib
import hmac
import json
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.services.alarm_plant import HOT, Plant
from tests.services.alarms.sending import Sender, flap, told
from tests.services.conftest import NOW
from tests.services.receivers import HttpReceiver, reply
from thingstead.model.alarms.notification import Channel
from thingstead.model.device import Device
from thingstead.services.notifications.dispatch import LEASE_MS
from thingstead.services.notifications.robots import judge, wecom
from thingstead.services.notifications.text import NoticeText
from thingstead.services.outbound.http import HttpResponse, SendFailed


async def test_dingtalk_gets_a_signed_text(plant: Plant, device: Device, receiver: HttpReceiver) -> None:
    receiver.answers = [reply(200, b'{"errcode":0,"errmsg":"ok"}')]
    channel = {"dingtalk": f"{receiver.url}/robot/send?access_token=abc", "secret": "SEC123"}
    (log,) = await told(plant, device, channel, language="zh")
    assert (log.state, log.target) == ("sent", receiver.url)
    query = parse_qs(urlsplit(receiver.received[0].path).query)
    timestamp = query["timestamp"][0]
    digest = hmac.new(b"SEC123", f"{timestamp}\nSEC123".encode(), hashlib.sha256).digest()
    assert query["sign"] == [base64.b64encode(digest).decode()]
    assert query["access_token"] == ["abc"]
    text = receiver.received[0].json["text"]["content"]
    assert text.startswith(
        "[严重] 告警: Too hot · device\n规则: Too hot\n设备: device\n级别: 严重\n时间: 2023-11-14 22:13"
    )
    assert "数值: t=81" in text


async def test_feishu_gets_a_signed_text(plant: Plant, device: Device, receiver: HttpReceiver) -> None:
    receiver.answers = [reply(200, b'{"code":0,"msg":"success"}')]
    (log,) = await told(plant, device, {"feishu": f"{receiver.url}/hook/abc", "secret": "s"})
    assert log.state == "sent"
    body = receiver.received[0].json
    digest = hmac.new(f"{body['timestamp']}\ns".encode(), b"", hashlib.sha256).digest()
    assert body["sign"] == base64.b64encode(digest).decode()
    assert int(body["timestamp"]) == NOW // 1000
    assert body["content"]["text"].startswith("[serious] alarm: Too hot · device")


async def test_wecom_gets_a_text(plant: Plant, device: Device, receiver: HttpReceiver) -> None:
    receiver.answers = [reply(200, b'{"errcode":0}')]
    (log,) = await told(plant, device, {"wecom": f"{receiver.url}/send?key=abc"})
    assert log.state == "sent"
    assert receiver.received[0].json["msgtype"] == "text"


async def test_wecom_gets_as_much_of_a_long_text_as_it_takes_in_whole_characters() -> None:
    channel = Channel(wecom="https://example.com/")
    for start in ("", "a", "ab"):
        request = wecom(channel, NoticeText("", start + "告" * 1_000))
        content = json.loads(request.body)["text"]["content"].encode()
        assert 1_998 <= len(content) <= 2_000


async def test_telegram_gets_a_message_of_the_bot(plant: Plant, device: Device, receiver: HttpReceiver) -> None:
    channel = {"telegram": {"bot_token": "1:abc", "chat_id": "-5"}}
    (log,) = await told(plant, device, channel, telegram_api=receiver.url)
    assert (log.state, log.target) == ("sent", "chat -5")
    assert receiver.received[0].path == "/bot1:abc/sendMessage"
    assert receiver.received[0].json["chat_id"] == "-5"


@pytest.mark.parametrize(
    ("kind", "body", "state", "reason"),
    [
        ("dingtalk", b'{"errcode":310000,"errmsg":"sign not match"}', "failed", "refused with 310000: sign not match"),
        ("dingtalk", b'{"errcode":130101}', "waiting", "refused with 130101: "),
        ("wecom", b'{"errcode":45009,"errmsg":"api freq out of limit"}', "waiting", "45009"),
        ("wecom", b'{"errcode":93000}', "failed", "93000"),
        ("feishu", b'{"code":19021,"msg":"sign match fail"}', "failed", "19021"),
        ("feishu", b'{"code":11232}', "waiting", "11232"),
        ("feishu", b'{"code":9499,"msg":"too many request"}', "waiting", "9499"),
        ("feishu", b'{"code":9499,"msg":"Bad Request"}', "failed", "9499"),
        ("feishu", b"<html>", "failed", "not the answer of a robot"),
    ],
)
async def test_a_robot_says_no_in_its_own_way(
    plant: Plant, device: Device, receiver: HttpReceiver, kind: str, body: bytes, state: str, reason: str
) -> None:
    receiver.answers = [reply(200, body)]
    (log,) = await told(plant, device, {kind: receiver.url})
    assert log.state == state
    assert reason in log.message


async def test_telegram_says_when_to_come_back(plant: Plant, device: Device, receiver: HttpReceiver) -> None:
    receiver.answers = [reply(429, b'{"ok":false,"error_code":429,"parameters":{"retry_after":35}}')]
    (log,) = await told(plant, device, {"telegram": {"bot_token": "1:abc", "chat_id": "-5"}}, telegram_api=receiver.url)
    assert (log.state, await plant.store.notify.next_try()) == ("waiting", NOW + 35_000)


async def test_people_read_nothing_twice_where_the_sender_dies_between_two_notices(
    plant: Plant, device: Device, receiver: HttpReceiver
) -> None:
    channel = {"telegram": {"bot_token": "1:abc", "chat_id": "-5"}}
    await plant.add_rule(HOT, devices=[device.id], notify=[channel])
    await flap(plant, device, 1)
    first = Sender(plant, telegram_api=receiver.url)
    await first.dispatcher.dispatch()
    await receiver.arrived.wait()
    receiver.hold = asyncio.Event()  # the second stays without an answer
    async with asyncio.timeout(30):
        while len(receiver.received) < 2:
            receiver.arrived.clear()
            await receiver.arrived.wait()
    await first.die()
    receiver.hold = None

    second = Sender(plant, telegram_api=receiver.url)
    plant.clock.advance(LEASE_MS)
    await second.send()
    texts = [each.json["text"] for each in receiver.received]
    assert len(texts) == 3
    assert texts.count(texts[0]) == 1
    await second.dispatcher.close()


@pytest.mark.parametrize("kind", ["feishu", "wecom"])
async def test_what_a_device_is_named_mentions_nobody_and_turns_no_text_around(
    plant: Plant, receiver: HttpReceiver, kind: str
) -> None:
    device = await plant.workshop.add_device()
    name = '<at user_id="all">\u202e\x1b[31m</at><@all>'
    await plant.workshop.devices.update_info("p1", device.id, name=name)
    receiver.answers = [reply(200, b'{"errcode":0,"code":0}')]
    await told(plant, device, {kind: f"{receiver.url}/hook"})
    text = str(receiver.received[0].json)
    assert not {"<", ">", "\u202e", "\x1b"} & set(text)
    assert "at user_id=" in text


@pytest.mark.parametrize(("status", "taken"), [(199, False), (200, True), (299, True), (300, False)])
def test_only_a_status_of_success_means_that_a_webhook_took_a_notice(status: int, taken: bool) -> None:
    answer = HttpResponse(status, {}, b"")
    if taken:
        assert judge("webhook", answer) == f"HTTP {status}"
    else:
        with pytest.raises(SendFailed) as failed:
            judge("webhook", answer)
        assert failed.value.permanent
