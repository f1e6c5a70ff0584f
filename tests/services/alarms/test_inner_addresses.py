"""Private addresses: open to the only project, closed to several, and never a window into the operator's network."""

from typing import Any

import pytest

from tests.services.alarm_plant import HOT, Plant
from tests.services.alarms.sending import Sender
from tests.services.receivers import HttpReceiver, reply
from thingstead.model.alarms.notification import NotifyLog
from thingstead.model.device import Device
from thingstead.services.notifications.audit import _bad_names

NOT_ALLOWED = "127.0.0.1 has an address that is refused (notify.private_addresses)"


async def told(plant: Plant, device: Device, channel: dict[str, Any], **settings: Any) -> NotifyLog:
    """The result of the first notice of a rule."""
    await plant.add_rule(HOT, devices=[device.id], notify=[channel])
    await plant.report(device, t=81)
    sender = Sender(plant, **settings)
    await sender.send()
    await sender.dispatcher.close()
    return (await sender.logs())[-1]


async def test_private_addresses_are_closed_as_soon_as_there_are_several_projects(
    plant: Plant, device: Device, receiver: HttpReceiver
) -> None:
    assert (await told(plant, device, {"webhook": receiver.url})).message == "HTTP 200"
    await plant.workshop.add_project("p2")
    await plant.report(device, t=1)
    sender = Sender(plant)
    await sender.send()
    log = (await sender.logs())[0]
    assert (log.state, log.message) == ("failed", NOT_ALLOWED)
    assert len(receiver.received) == 1
    await sender.dispatcher.close()


@pytest.mark.parametrize(("setting", "state"), [(True, "sent"), (False, "failed")])
async def test_the_operator_says_it_outright(
    plant: Plant, device: Device, receiver: HttpReceiver, setting: bool, state: str
) -> None:
    await plant.workshop.add_project("p2")
    log = await told(plant, device, {"webhook": receiver.url}, private_addresses=setting)
    assert log.state == state


@pytest.mark.parametrize(
    ("channel", "answer", "state"),
    [
        ("webhook", reply(200, b"root:x:0"), "sent"),
        ("webhook", reply(404, b"root:x:0"), "failed"),
        ("webhook", reply(503), "waiting"),
        ("webhook", b"SSH-2.0-OpenSSH\r\n", "waiting"),
        ("wecom", reply(200, b'{"errcode":7,"errmsg":"root:x:0"}'), "failed"),
    ],
)
async def test_what_an_inner_service_answered_is_nothing_for_one_project_of_several(
    plant: Plant, device: Device, receiver: HttpReceiver, channel: str, answer: bytes, state: str
) -> None:
    await plant.workshop.add_project("p2")
    receiver.answers = [answer]
    log = await told(plant, device, {channel: receiver.url}, private_addresses=True)
    assert log.state == state
    shown = "taken" if state == "sent" else "not accepted; the answer of a private address is not shown"
    assert log.message == shown


async def test_a_port_that_is_closed_looks_like_one_that_says_no(plant: Plant, device: Device) -> None:
    await plant.workshop.add_project("p2")
    log = await told(plant, device, {"webhook": "http://127.0.0.1:1/"}, private_addresses=True)
    assert log.message == "not accepted; the answer of a private address is not shown"


async def test_the_bot_api_that_the_operator_chose_may_be_anywhere(
    plant: Plant, device: Device, receiver: HttpReceiver
) -> None:
    await plant.workshop.add_project("p2")
    channel = {"telegram": {"bot_token": "1:abc", "chat_id": "5"}}
    log = await told(plant, device, channel, private_addresses=False, telegram_api=receiver.url)
    assert log.state == "sent"


@pytest.mark.parametrize(("private", "bad"), [(True, set()), (False, {"localhost"})])
async def test_names_that_lead_to_this_machine_are_bad_where_private_addresses_are(
    private: bool, bad: set[str]
) -> None:
    assert await _bad_names(["localhost"], private=private) == bad
    assert await _bad_names([], private=private) == set()
