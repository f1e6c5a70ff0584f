"""Notification groups: tests of them, secrets that stay hidden, what is refused."""

from typing import Any

import msgspec
import pytest

from tests.services.alarm_plant import HOT, Plant
from tests.services.alarms.sending import Sender
from tests.services.receivers import HttpReceiver
from thingstead.config import NotifySettings
from thingstead.errors import Conflict, InvalidInput, NotFound
from thingstead.model.alarms.notification import HEADERS_COUNT, Channel, Telegram
from thingstead.model.device import Device
from thingstead.services.notifications.channels import hide_secrets
from thingstead.services.notifications.notify import GroupForm, NotifyService


def form(*channels: Channel, **members: Any) -> GroupForm:
    return GroupForm(name="night", channels=channels, **members)


def notify_service(plant: Plant, sender: Sender) -> NotifyService:
    return NotifyService(plant.store, plant.clock, NotifySettings(), sender.dispatcher)


async def test_a_webhook_gets_its_headers_and_token_and_nobody_reads_them(
    plant: Plant, receiver: HttpReceiver, sender: Sender
) -> None:
    notify = notify_service(plant, sender)
    given = Channel(webhook=receiver.url, bearer_token="abc123", headers={"X-Plant": "three", "user-agent": "Ours"})
    group = await notify.create("p1", form(given))
    shown = hide_secrets(group.channels[0].channel)
    assert (shown.bearer_token, shown.headers) == ("***", {"X-Plant": "***", "user-agent": "***"})
    partly = msgspec.structs.replace(shown, headers={"x-plant": "***", "X-New": "1"})
    changed = await notify.update("p1", group.id, form(partly))
    assert changed.channels[0].channel.headers == {"x-plant": "three", "X-New": "1"}
    await notify.test("p1", group.id)
    await sender.send()
    headers = receiver.received[0].headers
    assert (headers["authorization"], headers["x-plant"], headers["x-new"]) == ("Bearer abc123", "three", "1")
    assert headers["host"] == receiver.url.removeprefix("http://")
    logs = str(await sender.logs())
    assert "abc123" not in logs
    assert "three" not in logs


@pytest.mark.parametrize(
    ("channel", "field"),
    [
        (Channel(webhook="http://a.example/", headers={"Host": "b"}), "channels[0].headers.Host"),
        (Channel(webhook="http://a.example/", headers={"content-length": "1"}), "channels[0].headers.content-length"),
        (Channel(webhook="http://a.example/", headers={"X-Thingstead-A": "1"}), "channels[0].headers.X-Thingstead-A"),
        (Channel(webhook="http://a.example/", headers={"a b": "1"}), "channels[0].headers"),
        (Channel(webhook="http://a.example/", headers={"A": "1\r\nB: 2"}), "channels[0].headers.A"),
        (Channel(webhook="http://a.example/", headers={"A": "1", "a": "2"}), "channels[0].headers"),
        (Channel(webhook="http://a.example/", bearer_token="1\n2"), "channels[0].bearer_token"),
        (
            Channel(webhook="http://a.example/", bearer_token="1", headers={"Authorization": "2"}),
            "channels[0].headers.Authorization",
        ),
        (Channel(wecom="http://a.example/", bearer_token="1"), "channels[0].bearer_token"),
        (Channel(email=("a@example.com",), headers={"A": "1"}), "channels[0].headers"),
        (
            Channel(webhook="http://a.example/", headers={f"A{number}": "1" for number in range(HEADERS_COUNT + 1)}),
            "channels[0].headers",
        ),
    ],
)  # fmt: skip
async def test_headers_that_cannot_be_sent_are_refused(
    plant: Plant, sender: Sender, channel: Channel, field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await notify_service(plant, sender).create("p1", form(channel))
    assert [error.field for error in refused.value.errors] == [field]


async def test_a_header_that_is_hidden_and_was_never_set_is_refused(plant: Plant, sender: Sender) -> None:
    notify = notify_service(plant, sender)
    group = await notify.create("p1", form(Channel(webhook="http://a.example/", headers={"A": "1"})))
    hidden = Channel(webhook="http://a.example/", headers={"A": "***", "B": "***"})
    with pytest.raises(InvalidInput, match="cannot stand for anything"):
        await notify.update("p1", group.id, form(hidden))


async def test_a_group_tests_all_its_channels(plant: Plant, receiver: HttpReceiver, sender: Sender) -> None:
    notify = notify_service(plant, sender)
    group = await notify.create("p1", form(Channel(webhook=f"{receiver.url}/a"), Channel(feishu=f"{receiver.url}/b")))
    assert await notify.test("p1", group.id) == 2
    await sender.send()
    assert {each.path for each in receiver.received} == {"/a", "/b"}
    hook = next(each for each in receiver.received if each.path == "/a")
    assert hook.json["kind"] == "test"


async def test_a_group_that_is_replaced_keeps_hidden_secrets_and_waiting_notices(
    plant: Plant, device: Device, receiver: HttpReceiver, sender: Sender
) -> None:
    notify = notify_service(plant, sender)
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
    notify = notify_service(plant, sender)
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
    notify = notify_service(plant, sender)
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
    notify = notify_service(plant, sender)
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


@pytest.mark.parametrize(
    ("telegram", "field"),
    [
        (Telegram(bot_token="no token", chat_id="1"), "channels[0].telegram.bot_token"),
        (Telegram(bot_token=f"1:{'a' * 35}", chat_id=""), "channels[0].telegram.chat_id"),
        (Telegram(bot_token=f"1:{'a' * 35}", chat_id="1" * 65), "channels[0].telegram.chat_id"),
    ],
)
async def test_a_chat_that_cannot_be_is_refused(plant: Plant, sender: Sender, telegram: Telegram, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await notify_service(plant, sender).create("p1", form(Channel(telegram=telegram)))
    assert [error.field for error in refused.value.errors] == [field]


async def test_what_a_change_or_a_test_of_a_group_brings_is_sent_at_once(
    plant: Plant, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[None] = []
    monkeypatch.setattr(sender.dispatcher, "ring", lambda: rung.append(None))
    notify = notify_service(plant, sender)
    group = await notify.create("p1", form(Channel(webhook="http://a.example/")))
    rung.clear()
    await notify.update("p1", group.id, form(Channel(webhook="http://b.example/")))
    assert len(rung) == 1
    assert await notify.test("p1", group.id) == 1
    assert len(rung) == 2
