"""Shared subscriptions: one member of a group gets each message, and none is lost with a member that goes."""

from collections import Counter

import pytest

from tests.open_port.conftest import Broker, Client
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel
from thingstead.mqtt.reasons import ReasonCode


async def members(broker: Broker, *names: str, qos: int = 1, topic_filter: str = "$share/group/a/+") -> list[Client]:
    clients = [await broker.connect(name) for name in names]
    for client in clients:
        await client.listen(topic_filter, qos=qos)
    return clients


async def publish(broker: Broker, count: int, qos: int = 1) -> None:
    publisher = await broker.connect()
    for number in range(count):
        assert await publisher.publish("a/b", b"%d" % number, qos) == ReasonCode.SUCCESS


async def payloads(clients: list[Client], count: int) -> Counter[bytes]:
    """What the clients get, ``count`` messages each."""
    found: Counter[bytes] = Counter()
    for client in clients:
        found.update(await client.messages(count))
        await client.receive_nothing()
    return found


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_each_message_goes_to_one_member_in_turns(broker: Broker, qos: int) -> None:
    group = await members(broker, "one", "two", "three", qos=qos)
    await publish(broker, 9, qos)
    assert await payloads(group, 3) == Counter(b"%d" % number for number in range(9))


async def test_groups_and_plain_subscribers_each_get_every_message(broker: Broker) -> None:
    [first] = await members(broker, "first")
    [second] = await members(broker, "second", topic_filter="$share/other/a/+")
    [plain] = await members(broker, "plain", topic_filter="a/#")
    both = await broker.connect("both")
    await both.listen("$share/alone/a/b", "a/b", qos=1)
    await publish(broker, 3)
    for client in (first, second, plain):
        assert await client.messages(3) == [b"0", b"1", b"2"]
        await client.receive_nothing()
    assert sorted(await both.messages(6)) == [b"0", b"0", b"1", b"1", b"2", b"2"]


async def test_what_a_member_left_unacknowledged_goes_to_another_one(broker: Broker) -> None:
    slow, quick = await members(broker, "slow", "quick")
    await publish(broker, 6)
    left = [(await slow.receive(Publish)).payload for _ in range(3)]
    taken = await quick.messages(3)
    slow.abort()
    again = [await quick.message() for _ in range(3)]
    assert [message.payload for message in again] == left
    assert not any(message.dup for message in again), "it was never sent to this client"
    assert len({*left, *taken}) == 6


async def test_a_qos_2_message_that_a_member_may_have_received_goes_to_nobody_else(broker: Broker) -> None:
    gone, other = await members(broker, "gone", "other", qos=2)
    await publish(broker, 2, 2)
    await gone.receive(Publish)
    await other.message()
    gone.abort()
    await broker.settle()
    await publish(broker, 1, 2)
    assert await other.messages(1) == [b"0"]
    await other.receive_nothing()


async def test_a_member_that_is_away_and_will_come_back_gets_what_nobody_else_can_take(broker: Broker) -> None:
    await broker.away("away", "$share/group/a/+")
    await publish(broker, 2)
    [present] = await members(broker, "present")
    await publish(broker, 2)
    assert await present.messages(2) == [b"0", b"1"]
    assert await (await broker.resume("away")).messages(2) == [b"0", b"1"]


async def test_what_waits_for_a_member_whose_session_ends_goes_to_another_one(broker: Broker) -> None:
    await broker.away("away", "$share/group/a/+", expiry_s=10)
    await publish(broker, 3)
    [present] = await members(broker, "present")
    await present.receive_nothing()
    await broker.later(11)
    assert await present.messages(3) == [b"0", b"1", b"2"]


async def test_a_refusal_is_final(broker: Broker) -> None:
    refusing, other = await members(broker, "refusing", "other", qos=2)
    publisher = await broker.connect()
    for qos in (1, 2):
        await publisher.publish("a/b", b"", qos)
    first = await refusing.receive(Publish)
    answer = Puback if first.qos == 1 else Pubrec
    refusing.send(answer(first.packet_id, ReasonCode.QUOTA_EXCEEDED))
    await refusing.receive_nothing()
    await other.message()
    await other.receive_nothing()


async def test_a_member_that_does_not_read_is_passed_over(broker: Broker) -> None:
    stuck, quick = await members(broker, "stuck", "quick")
    await stuck.listen("flood")
    stuck.pause_reading()
    publisher = await broker.connect()
    delivery = broker.gateway.open_port.sessions.by_key["stuck"].delivery
    while delivery is not None and delivery.keeps_up:
        await publisher.publish("flood", bytes(100_000))
    await publish(broker, 5)
    assert await quick.messages(5) == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_member_in_the_middle_of_an_exchange_finishes_it(broker: Broker) -> None:
    [member] = await members(broker, "member", qos=2)
    await publish(broker, 1, 2)
    message = await member.receive(Publish)
    member.send(Pubrec(message.packet_id))
    await member.receive(Pubrel)
    await member.unsubscribe("$share/group/a/+")
    member.send(Pubcomp(message.packet_id))
    await member.receive_nothing()
