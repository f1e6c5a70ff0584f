"""Notices reach whom they are for: in order, signed, tried again, capped, and not twice within a lease."""

import asyncio
import base64
import hashlib
import hmac
import ssl
from collections.abc import AsyncIterator
from email import message_from_string
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from tests.certificates import Authority
from tests.services.alarm_plant import HOT, HOUR, MINUTE, Plant, planted
from tests.services.conftest import NOW
from tests.services.receivers import HttpReceiver, SmtpReceiver, reply
from thingstead.config import NotifySettings
from thingstead.errors import Conflict, InvalidInput, NotFound
from thingstead.model.device import Device, Page
from thingstead.model.notification import Channel, NotifyLog, Telegram
from thingstead.services import notification_text
from thingstead.services.notification_http import HttpSender, SendFailed, may_be_reached
from thingstead.services.notify import GroupForm, NotifyService
from thingstead.services.notify_dispatch import LEASE_MS, NotifyDispatcher
from thingstead.services.notify_targets import hide_secrets

DAY = 24 * HOUR


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with planted(tmp_path) as plant:
        yield plant


@pytest.fixture
async def device(plant: Plant) -> Device:
    return await plant.workshop.add_device()


@pytest.fixture
async def receiver() -> AsyncIterator[HttpReceiver]:
    async with HttpReceiver() as receiver:
        yield receiver


class Sender:
    """A dispatcher that works when it is told to."""

    def __init__(self, plant: Plant, **settings: Any) -> None:
        self.plant = plant
        self.dispatcher = NotifyDispatcher(
            plant.store, plant.bus, plant.clock, NotifySettings(**{"timeout_s": 2, **settings})
        )

    async def send(self) -> None:
        await self.dispatcher.dispatch()
        await self.dispatcher.settled()

    async def die(self) -> None:
        """Ends as a killed process does: nothing is noted, no lease is given back."""
        tasks = list(self.dispatcher._draining.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.dispatcher.close()

    async def logs(self, state: str | None = None) -> list[NotifyLog]:
        logs, _ = await self.plant.store.notify.list_logs("p1", None, state, Page(records=1000))
        return logs


@pytest.fixture
async def sender(plant: Plant) -> AsyncIterator[Sender]:
    sender = Sender(plant)
    yield sender
    await sender.dispatcher.close()


async def flap(plant: Plant, device: Device, times: int) -> None:
    """Raises and clears an alarm so often."""
    for _ in range(times):
        for value in (81, 70):
            plant.clock.advance(1)
            await plant.report(device, t=value)


# Webhooks


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
    await sender.dispatcher.settled()
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
        await sender.dispatcher.settled()
        await sender.dispatcher.close()


async def test_a_running_sender_is_woken_by_an_alarm(plant: Plant, device: Device, receiver: HttpReceiver) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    sender = Sender(plant)
    sender.dispatcher.start()
    await plant.report(device, t=81)
    await asyncio.wait_for(receiver.arrived.wait(), 10)
    await sender.dispatcher.close()


async def test_a_shelved_alarm_tells_nobody_until_the_end(
    plant: Plant, device: Device, receiver: HttpReceiver, sender: Sender
) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"webhook": receiver.url}])
    await flap(plant, device, 1)
    alarm_id = (await plant.logs())[0].alarm_id
    await plant.alarms.shelve("p1", alarm_id, "alice", for_ms=MINUTE)
    await flap(plant, device, 2)
    await plant.report(device, plant.clock.now_ms() + 1, t=85)
    await sender.send()
    assert [each.json["alarm"]["alarm_status"] for each in receiver.received] == [1, 0]
    await plant.wait(MINUTE)
    await sender.send()
    assert [each.json["kind"] for each in receiver.received] == ["alarm", "alarm", "unshelved"]


# The HTTP client


@pytest.fixture
async def http() -> AsyncIterator[HttpSender]:
    http = HttpSender(timeout_s=1, private_addresses=True)
    yield http
    await http.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"hello\r\n\r\n", "the answer is not HTTP"),
        (b"", "closed without an answer"),
        (b"HTTP/1.1 2", "ended early"),
    ],
)
async def test_what_is_no_answer_is_a_failure(
    receiver: HttpReceiver, http: HttpSender, answer: bytes, reason: str
) -> None:
    receiver.answers = [answer]
    with pytest.raises(SendFailed, match=reason) as failure:
        await http.post(f"{receiver.url}/", b"{}")
    assert not failure.value.permanent


async def test_a_peer_that_never_answers_ends_by_time(receiver: HttpReceiver, http: HttpSender) -> None:
    receiver.hold = asyncio.Event()
    with pytest.raises(SendFailed, match="no answer within 1 s"):
        await http.post(f"{receiver.url}/", b"{}")


async def test_an_endless_answer_is_cut_off(receiver: HttpReceiver, http: HttpSender) -> None:
    receiver.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 200_000]
    answer = await http.post(f"{receiver.url}/", b"{}")
    assert (answer.status, len(answer.body)) == (200, 65_536)


async def test_a_connection_that_was_closed_while_idle_is_opened_again(
    receiver: HttpReceiver, http: HttpSender
) -> None:
    await http.post(f"{receiver.url}/", b"1")
    await asyncio.gather(*(task for task in receiver._tasks if task.cancel()), return_exceptions=True)
    answer = await http.post(f"{receiver.url}/", b"2")
    assert answer.status == 200
    assert [each.body for each in receiver.received] == [b"1", b"2"]


async def test_private_addresses_are_refused_where_the_operator_says_so(receiver: HttpReceiver) -> None:
    http = HttpSender(timeout_s=1, private_addresses=False)
    with pytest.raises(SendFailed, match="where nothing may be sent to") as failure:
        await http.post(f"{receiver.url}/", b"{}")
    assert failure.value.permanent
    assert receiver.received == []


@pytest.mark.parametrize(
    ("address", "private", "public"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1::1", True, True),
        ("10.0.0.1", True, False),
        ("127.0.0.1", True, False),
        ("::1", True, False),
        ("::ffff:192.168.1.1", True, False),
        ("169.254.169.254", False, False),
        ("fe80::1%eth0", False, False),
        ("100.100.100.200", False, False),  # metadata of Alibaba Cloud
        ("fd00:ec2::254", False, False),  # metadata of AWS
        ("64:ff9b::a9fe:a9fe", False, False),  # 169.254.169.254 through NAT64
        ("64:ff9b::a00:1", True, False),  # 10.0.0.1 through NAT64
        ("64:ff9b::5db8:d822", True, True),
        ("2002:a9fe:a9fe::1", False, False),  # 169.254.169.254 through 6to4
        ("224.0.0.1", False, False),
        ("0.0.0.0", False, False),  # noqa: S104 - an address to be refused
    ],
)
def test_addresses_that_may_be_sent_to(address: str, private: bool, public: bool) -> None:
    assert may_be_reached(address, private=True) is private
    assert may_be_reached(address, private=False) is public


# Robots


async def told(plant: Plant, device: Device, channel: dict[str, Any], **settings: Any) -> list[NotifyLog]:
    """What became of one notice over one channel."""
    await plant.add_rule(HOT, devices=[device.id], notify=[channel])
    await plant.report(device, t=81)
    sender = Sender(plant, **settings)
    await sender.send()
    await sender.dispatcher.close()
    return await sender.logs()


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
        "[严重] 告警: Too hot · device\n规则: Too hot\n设备: device\n级别: 严重\n时间: 2023-11-14T22:13"
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


# Mail


async def test_a_mail_goes_to_all_its_addresses(plant: Plant, device: Device) -> None:
    async with SmtpReceiver() as smtp:
        settings = {
            "smtp_host": "127.0.0.1",
            "smtp_port": smtp.port,
            "smtp_security": "none",
            "mail_from": "a@b.example",
        }
        (log,) = await told(plant, device, {"email": ["x@c.example", "y@c.example"]}, **settings)
    assert (log.state, log.message, log.target) == ("sent", "accepted", "x@c.example, y@c.example")
    (mail,) = smtp.mails
    assert (mail.sender, mail.recipients) == ("a@b.example", ["x@c.example", "y@c.example"])
    message = message_from_string(mail.text)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == f"<{log.notice_id}@b.example>"
    assert message["Date"] == "Tue, 14 Nov 2023 22:13:20 +0000"
    assert "Too hot" in mail.text


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_mail_server_is_logged_in_to_behind_tls_and_must_show_who_it_is(
    plant: Plant, device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    authority = Authority(tmp_path)
    signed = authority.sign("mail")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(signed.certificate, signed.key)
    async with SmtpReceiver(tls, starttls=security == "starttls") as smtp:
        settings = {
            "smtp_host": "127.0.0.1", "smtp_port": smtp.port, "smtp_security": security, "smtp_user": "alarms",
            "smtp_password": "pass phrase",
        }  # fmt: skip
        (log,) = await told(plant, device, {"email": ["x@c.example"]}, **settings)
        assert (log.state, smtp.logins, smtp.mails) == ("waiting", [], [])
        assert "certificate verify failed" in log.message

        monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
        plant.clock.advance(MINUTE)
        sender = Sender(plant, **settings)
        await sender.send()
        await sender.dispatcher.close()
    assert [each.state for each in await sender.logs()] == ["sent", "waiting"]
    assert smtp.logins == [b"\0alarms\0pass phrase"]
    assert len(smtp.mails) == 1


@pytest.mark.parametrize(
    ("command", "answer", "state"),
    [
        ("RCPT", b"550 no such user\r\n", "failed"),
        ("RCPT", b"450 busy\r\n", "waiting"),
        ("MAIL", b"552 too big\r\n", "failed"),
        ("DATA", b"451 later\r\n", "waiting"),
    ],
)
async def test_a_mail_server_says_no_for_now_or_for_good(
    plant: Plant, device: Device, command: str, answer: bytes, state: str
) -> None:
    async with SmtpReceiver() as smtp:
        smtp.answers[command] = answer
        settings = {"smtp_host": "127.0.0.1", "smtp_port": smtp.port, "smtp_security": "none"}
        (log,) = await told(plant, device, {"email": ["x@c.example"]}, **settings)
    assert (log.state, smtp.mails) == (state, [])


async def test_without_a_mail_server_the_log_says_so(plant: Plant, device: Device) -> None:
    (log,) = await told(plant, device, {"email": ["x@c.example"]})
    assert (log.state, log.message) == ("failed", "no SMTP server is configured (notify.smtp_host)")


async def test_a_flapping_sensor_does_not_send_a_thousand_mails(plant: Plant, device: Device) -> None:
    await plant.add_rule(HOT, devices=[device.id], notify=[{"email": ["x@c.example"]}])
    async with SmtpReceiver() as smtp:
        sender = Sender(plant, smtp_host="127.0.0.1", smtp_port=smtp.port, smtp_security="none", device_daily_max=10)
        for _ in range(30):
            await flap(plant, device, 5)
            await sender.send()
            plant.clock.advance(MINUTE)
        assert len(smtp.mails) == 10
        plant.clock.advance(HOUR)
        await sender.send()
        await sender.dispatcher.close()
    assert len(smtp.mails) == 11
    subject = message_from_string(smtp.mails[-1].text)["Subject"]
    assert "290 more notices since 2023-11-14T22:" in subject.replace("\n", "")
    assert len(await sender.logs("held")) == 290
    assert len(await plant.logs()) == 300


# Groups


def form(*channels: Channel, **members: Any) -> GroupForm:
    return GroupForm(name="night", channels=channels, **members)


async def test_a_group_tests_all_its_channels(plant: Plant, receiver: HttpReceiver, sender: Sender) -> None:
    notify = NotifyService(plant.store, plant.clock, sender.dispatcher)
    group = await notify.create("p1", form(Channel(webhook=f"{receiver.url}/a"), Channel(feishu=f"{receiver.url}/b")))
    assert await notify.test("p1", group.id) == 2
    await sender.send()
    assert {each.path for each in receiver.received} == {"/a", "/b"}
    hook = next(each for each in receiver.received if each.path == "/a")
    assert hook.json["kind"] == "test"


async def test_a_group_that_is_replaced_keeps_hidden_secrets_and_waiting_notices(
    plant: Plant, device: Device, receiver: HttpReceiver, sender: Sender
) -> None:
    notify = NotifyService(plant.store, plant.clock, sender.dispatcher)
    bot = Telegram(bot_token="1:abc", chat_id="5")
    group = await notify.create("p1", form(Channel(webhook=receiver.url, secret="shared"), Channel(telegram=bot)))
    await plant.add_rule(HOT, devices=[device.id], notify=[{"group": group.id}])
    await plant.report(device, t=81)
    hidden = Telegram(bot_token="***", chat_id="5")
    changed = await notify.update(
        "p1", group.id, form(Channel(telegram=hidden), Channel(webhook=receiver.url, secret="***"))
    )
    assert [kept.channel.secret for kept in changed.channels] == [None, "shared"]
    assert changed.channels[0].channel.telegram == bot
    assert {kept.id for kept in changed.channels} == {kept.id for kept in group.channels}
    await notify.update("p1", group.id, form(Channel(webhook=receiver.url, secret="***")))
    await sender.send()
    assert len(receiver.received) == 1
    assert "x-thingstead-signature" in receiver.received[0].headers


async def test_the_addresses_of_robots_are_shown_without_what_lets_others_write(plant: Plant, sender: Sender) -> None:
    notify = NotifyService(plant.store, plant.clock, sender.dispatcher)
    given = (
        Channel(dingtalk="https://ding.example/robot/send?access_token=0123456789abcdef"),
        Channel(dingtalk="https://ding.example/robot/send?access_token=0123456789abcxyz", secret="SEC"),
        Channel(wecom="https://wecom.example/send?key=short"),
        Channel(feishu="https://feishu.example/hook/0123456789abcdef"),
    )
    group = await notify.create("p1", form(*given))
    shown = tuple(hide_secrets(kept.channel) for kept in group.channels)
    assert [each.dingtalk or each.wecom or each.feishu for each in shown] == [
        "https://ding.example/robot/send?access_token=***cdef",
        "https://ding.example/robot/send?access_token=***cxyz",
        "https://wecom.example/send?key=***",
        "https://feishu.example/hook/***cdef",
    ]
    changed = await notify.update("p1", group.id, form(*reversed(shown[1:])))
    assert [kept.channel for kept in changed.channels] == list(reversed(given[1:]))


@pytest.mark.parametrize(
    "channel",
    [
        Channel(webhook="http://other.example/", secret="***"),
        Channel(dingtalk="https://ding.example/robot/send?access_token=***cdef"),
        Channel(telegram=Telegram(bot_token="***", chat_id="6")),
    ],
)
async def test_what_is_hidden_must_have_been_there(plant: Plant, sender: Sender, channel: Channel) -> None:
    notify = NotifyService(plant.store, plant.clock, sender.dispatcher)
    group = await notify.create("p1", form(Channel(webhook="http://one.example/", secret="shared")))
    for refused in (notify.create("p1", form(channel)), notify.update("p1", group.id, form(channel))):
        with pytest.raises(InvalidInput) as refusal:
            await refused
        assert [error.field for error in refusal.value.errors] == ["channels[0]"]
    device = await plant.workshop.add_device()
    with pytest.raises(InvalidInput) as refusal:
        await plant.add_rule(HOT, devices=[device.id], notify=[msgspec.to_builtins(channel)])
    assert [error.field for error in refusal.value.errors] == ["notify[0]"]


async def test_an_impossible_group_is_refused_by_its_part(plant: Plant, sender: Sender) -> None:
    notify = NotifyService(plant.store, plant.clock, sender.dispatcher)
    with pytest.raises(InvalidInput) as refusal:
        await notify.create("p1", form(Channel(group="x"), Channel(webhook="javascript:1")))
    assert [error.field for error in refusal.value.errors] == ["channels[0]", "channels[1].webhook"]
    group = await notify.create("p1", form())
    device = await plant.workshop.add_device()
    await plant.add_rule(HOT, devices=[device.id], notify=[{"group": group.id}])
    with pytest.raises(Conflict):
        await notify.delete("p1", group.id)
    for project_id, group_id in (("p2", group.id), ("p1", "nosuch00"), ("p1", "not an id")):
        with pytest.raises(NotFound):
            await notify.get(project_id, group_id)
