"""Messages of rules to addresses outside: bounded, given up in time, and no project waits for another."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from tests.services.conftest import NOW, Workshop
from tests.services.receivers import HttpReceiver, reply
from thingstead.config import NotifySettings
from thingstead.model.device import Device
from thingstead.model.message_rules.action import Action
from thingstead.model.message_rules.outgoing import OUTGOING_LIFETIME_MS, OutgoingMessage
from thingstead.model.message_rules.rule import MessageRule, MessageRuleBody
from thingstead.model.outbound.mqtt import MqttEndpoint
from thingstead.services.message_rules.outside.outbox import LANES_LIMIT, PROJECT_LANES_LIMIT, Outbox
from thingstead.services.message_rules.outside.sender import REQUESTS_LIMIT, TURN_S, Delivered, OutsideSender
from thingstead.services.outbound.network import TENANT_THREADS_LIMIT
from thingstead.services.shared.fair_room import FairRoom

TIMEOUT_S = 30


class Post:
    """An outbox over a real store, and rules that use it."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.store = workshop.store
        self.triggers = workshop.ingest.triggers
        settings = NotifySettings(private_addresses=True, timeout_s=10)
        sender = OutsideSender(workshop.store, workshop.clock, settings)
        self.outbox = Outbox(workshop.store, workshop.clock, self.triggers, sender)
        self.device: Device | None = None

    async def add_rule(self, rule_id: str, *actions: Action, project_id: str = "p1", enabled: bool = True) -> None:
        device = await self.workshop.add_device(project_id=project_id)
        rule = MessageRule(
            id=rule_id,
            project_id=project_id,
            name=rule_id,
            on_message="event",
            device_ids=(device.id,),
            enabled=enabled,
            body=MessageRuleBody(actions=actions),
            create_time=NOW,
            update_time=NOW,
        )
        await self.store.message_rules.create(rule)
        self.triggers.put(rule)

    def put(self, rule_id: str, text: str, project_id: str = "p1", device_id: str = "d") -> bool:
        return self.outbox.append(
            OutgoingMessage(
                number=self.outbox.next_number(), id=text, project_id=project_id, rule_id=rule_id, action=0,
                device_id=device_id, kind="event", names={}, create_time=NOW, body=text.encode(),
            )
        )  # fmt: skip

    async def until(self, outcome: str, count: int) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while self.outbox.outcomes[outcome] < count:  # type: ignore[index]  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def empty(self) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while self.outbox.waiting or self.outbox._lanes:  # noqa: ASYNC110 - lanes that end
                await asyncio.sleep(0.005)


@pytest.fixture
async def post(workshop: Workshop) -> AsyncIterator[Post]:
    post = Post(workshop)
    await workshop.add_project("p2")
    await post.outbox.start()
    yield post
    await post.outbox.close()


@pytest.fixture
async def receiver() -> AsyncIterator[HttpReceiver]:
    async with HttpReceiver() as receiver:
        yield receiver


async def test_the_messages_of_a_device_are_sent_in_order_and_those_of_others_do_not_wait(
    post: Post, receiver: HttpReceiver
) -> None:
    await post.add_rule("r", Action(url=receiver.url + "/"))
    for number in range(30):
        post.put("r", f"{number % 3}-{number}", device_id=f"d{number % 3}")
    await post.until("delivered", 30)
    for device in range(3):
        own = [each.body.decode() for each in receiver.received if each.body.startswith(b"%d-" % device)]
        assert own == [f"{device}-{number}" for number in range(device, 30, 3)]
    await post.empty()


async def test_a_message_is_given_up_after_a_day(post: Post, receiver: HttpReceiver) -> None:
    receiver.answers = [reply(500)]
    await post.add_rule("r", Action(url=receiver.url + "/"))
    post.put("r", "late")
    await post.until("retrying", 1)
    post.workshop.clock.advance(OUTGOING_LIFETIME_MS + 1)
    post.outbox.retry("r")
    await post.until("expired", 1)
    assert len(receiver.received) == 1
    assert post.triggers.index.rules["r"].state().outcomes == {"expired": 1}
    assert post.triggers.index.rules["r"].evaluations()[0].effects[0].code == "outgoing_expired"
    await post.empty()


async def test_addresses_that_never_answer_hold_up_their_own_project_alone(post: Post, receiver: HttpReceiver) -> None:
    async with HttpReceiver() as hanging:
        hanging.hold = asyncio.Event()
        for number in range(LANES_LIMIT + 8):
            await post.add_rule(f"h{number}", Action(url=hanging.url + "/"))
            post.put(f"h{number}", "waits")
        async with asyncio.timeout(TIMEOUT_S):
            while len(hanging.received) < PROJECT_LANES_LIMIT:  # noqa: ASYNC110 - of another part
                await asyncio.sleep(0.005)
        await post.add_rule("theirs", Action(url=receiver.url + "/"), project_id="p2")
        post.put("theirs", "goes", "p2")
        await post.until("delivered", 1)
        assert len(hanging.received) == PROJECT_LANES_LIMIT
        assert [each.body for each in receiver.received] == [b"goes"]
        hanging.hold.set()
        await post.until("delivered", LANES_LIMIT + 9)


async def test_an_address_that_answers_slowly_gives_its_turn_back_between_messages(
    post: Post, receiver: HttpReceiver
) -> None:
    receiver.hold = asyncio.Event()
    action = Action(url=receiver.url + "/")
    await post.add_rule("r", action)
    for text in ("first", "second"):
        post.put("r", text)
    async with asyncio.timeout(TIMEOUT_S):
        while not receiver.received:  # noqa: ASYNC110 - of another part
            await asyncio.sleep(0.005)
    seen: list[int] = []
    plain = post.outbox._conclude

    async def conclude(messages: Sequence[OutgoingMessage], over: Delivered) -> None:
        seen.append(len(over))
        await plain(messages, over)

    post.outbox._conclude = conclude  # type: ignore[method-assign]
    post.workshop.clock.advance(round(TURN_S * 1000))
    receiver.hold.set()
    await post.until("delivered", 2)
    assert seen == [1, 1]
    await post.empty()


async def test_what_finds_no_room_is_refused_and_a_removed_rule_gives_its_room_back(post: Post) -> None:
    post.outbox._room = FairRoom(4, 1 << 20)
    await post.add_rule("r", Action(url="http://127.0.0.1:1/"))
    assert [post.put("r", str(number)) for number in range(3)] == [True, True, False]
    await post.until("retrying", 1)
    await post.store.message_rules.delete("p1", "r")
    post.triggers.drop("r")
    post.outbox.retry("r")
    await post.empty()
    assert post.outbox.waiting == 0


async def test_messages_of_a_rule_that_was_disabled_are_not_sent(post: Post, receiver: HttpReceiver) -> None:
    await post.add_rule("r", Action(url=receiver.url + "/"))
    post.triggers.drop("r")
    post.put("r", "off")
    await post.until("off", 1)
    assert receiver.received == []
    await post.empty()


async def test_what_waits_goes_on_after_a_restart(post: Post, receiver: HttpReceiver) -> None:
    receiver.answers = [reply(503)]
    await post.add_rule("r", Action(url=receiver.url + "/"))
    for number in range(5):
        post.put("r", str(number))
    await post.until("retrying", 1)
    await post.outbox.close()
    again = Post(post.workshop)
    await again.outbox.start()
    assert again.outbox.waiting == 5
    await again.until("delivered", 5)
    await again.outbox.close()
    assert [each.body for each in receiver.received] == [b"0", b"0", b"1", b"2", b"3", b"4"]


@pytest.mark.parametrize("kind", ["http", "mqtt"])
async def test_a_tenant_does_not_see_how_a_private_address_failed(post: Post, kind: str) -> None:
    address = MqttEndpoint(url="mqtt://127.0.0.1:1", topic="t")
    action: dict[str, Any] = {"mqtt": address} if kind == "mqtt" else {"url": "http://127.0.0.1:1/"}
    await post.add_rule("r", Action(**action))
    sender = post.outbox._sender
    await sender._look()
    message = OutgoingMessage(
        number=1, id="m", project_id="p1", rule_id="r", action=0, device_id="d", kind="event", names={},
        create_time=NOW, body=b"{}",
    )  # fmt: skip
    found = await sender.deliver(Action(**action), [message])
    failed = found[1]
    assert failed is not None
    assert failed.why.code == "notice_not_taken"


async def test_slow_names_of_a_project_leave_look_ups_to_others(
    post: Post, receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, plain = threading.Event(), socket.getaddrinfo
    asked: list[str] = []

    def slow(name: Any, *more: Any, **options: Any) -> Any:
        if str(name).startswith("slow"):
            asked.append(name)
            go_on.wait(60)
            raise OSError(name)
        return plain(name, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        for number in range(PROJECT_LANES_LIMIT):
            await post.add_rule(f"r{number}", Action(url=f"http://slow{number}.example/"))
            for device in range(REQUESTS_LIMIT):
                post.put(f"r{number}", f"{device}", device_id=f"d{device}")
        async with asyncio.timeout(TIMEOUT_S):
            while len(asked) < TENANT_THREADS_LIMIT:  # noqa: ASYNC110 - threads
                await asyncio.sleep(0.005)
        await post.add_rule("ours", Action(url=receiver.url + "/"), project_id="p2")
        post.put("ours", "quick", project_id="p2")
        await post.until("delivered", 1)
        assert len(asked) == TENANT_THREADS_LIMIT
    finally:
        go_on.set()
