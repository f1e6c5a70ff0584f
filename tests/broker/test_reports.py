"""Reports over real sockets: when they are acknowledged, in which order, and with what answer."""

import json
import random
from typing import Any

import pytest

from tests.broker.conftest import V3_1_1, V5, House, Peer, report
from thingstead.model.device_type import AttributeDefinition, Functions
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel
from thingstead.mqtt.reasons import ReasonCode

THERMOMETER = Functions(
    attributes=(
        AttributeDefinition(identifier="temperature", data_options={"min": -40, "max": 85}),
        AttributeDefinition(identifier="humidity", data_options={"min": 0, "max": 100}),
    )
)


async def answer(peer: Peer, topic: str) -> Any:
    packet = await peer.receive(Publish)
    assert packet.topic == topic
    return json.loads(packet.payload)


@pytest.mark.parametrize("version", ProtocolVersion)
async def test_a_report_is_kept_acknowledged_and_answered(house: House, version: ProtocolVersion) -> None:
    device = await house.device()
    peer = await house.log_in(device, version)
    await peer.subscribe("attributes/response")
    peer.send(report(7, b'{"temperature":21.5,"on":true}'))
    assert (await peer.receive(Puback)) == Puback(7)
    assert await answer(peer, "attributes/response") == {"result": 1}
    assert await house.values(device) == {"temperature": 21.5, "on": True}


async def test_a_publish_is_on_disk_before_it_is_acknowledged(house: House) -> None:
    peer = await house.log_in(await house.device())
    await peer.subscribe("attributes/response")
    with house.held_writes():
        peer.send(report(1), report(qos=0))
        await peer.receive_nothing()
    assert (await peer.receive(Puback)).packet_id == 1
    assert await answer(peer, "attributes/response") == {"result": 1}
    assert await answer(peer, "attributes/response") == {"result": 1}


async def test_acknowledgements_keep_the_order_of_the_publishes(house: House) -> None:
    """[MQTT-4.6.0-2] also where some of them wait for no commit, and some for another kind of write."""
    peer = await house.log_in(await house.device())
    with house.held_writes():
        peer.send(
            report(9),
            report(3, b"not JSON"),
            report(5, b"x", topic="unknown/topic"),
            report(4, b'{"method":"boot"}', topic="event/report/1"),
            report(8),
            report(2, b'{"method":"boot"}', topic="command/reply/1"),
            report(6),
        )
        await peer.receive_nothing()
    assert [(await peer.receive(Puback)).packet_id for _ in range(7)] == [9, 3, 5, 4, 8, 2, 6]


async def test_a_device_that_does_not_listen_gets_no_answer(house: House) -> None:
    peer = await house.log_in(await house.device())
    peer.send(report(1))
    await peer.receive(Puback)
    await peer.subscribe("attributes/response")
    peer.send(report(2))
    await peer.receive(Puback)
    await answer(peer, "attributes/response")


@pytest.mark.parametrize(
    "payload",
    [b"", b"nonsense", b"[1]", b'"text"', b"{", b"\xff\xfe", b"[" * 5000, b'{"a":NaN}', b'{"\xff":1}', b'{"a":"\xd7"}'],
)
async def test_what_is_not_a_json_object_is_refused_and_the_connection_stays(house: House, payload: bytes) -> None:
    peer = await house.log_in(await house.device(), V5)
    await peer.subscribe("attributes/response")
    peer.send(report(1, payload))
    packet = await peer.receive(Puback)
    refusal = await answer(peer, "attributes/response")
    assert (refusal["result"], refusal["errcode"]) == (0, 400)
    assert refusal["message"]
    reason = {Property.REASON_STRING: refusal["message"]}
    assert packet == Puback(1, ReasonCode.PAYLOAD_FORMAT_INVALID, reason)
    peer.send(report(2))
    assert await peer.receive(Puback) == Puback(2)


async def test_values_that_break_the_definition_are_named_and_the_others_kept(house: House) -> None:
    device = await house.device(THERMOMETER)
    peer = await house.log_in(device)
    await peer.subscribe("attributes/response")
    peer.send(report(qos=0, payload=b'{"temperature":500,"humidity":40}'))
    body = await answer(peer, "attributes/response")
    assert body["result"] == 1
    assert [text.partition(":")[0] for text in body["refused"]] == ["temperature"]
    peer.send(report(qos=0, payload=b'{"temperature":500}'))
    body = await answer(peer, "attributes/response")
    assert (body["result"], body["errcode"]) == (0, 400)
    assert body["message"].startswith("temperature")
    assert await house.values(device) == {"humidity": 40}


async def test_a_topic_that_means_nothing_leaves_a_qos_2_exchange_as_it_is(house: House) -> None:
    peer = await house.log_in(await house.device(), V5)
    peer.send(report(7, qos=2, topic="nothing"))
    reason = {Property.REASON_STRING: "unknown topic"}
    assert await peer.receive(Pubrec) == Pubrec(7, ReasonCode.NO_MATCHING_SUBSCRIBERS, reason)
    peer.send(Pubrel(7))
    assert await peer.receive(Pubcomp) == Pubcomp(7)


async def test_a_qos_2_report_is_taken_once(house: House) -> None:
    """[MQTT-4.3.3-10]"""
    device = await house.device()
    peer = await house.log_in(device)
    with house.held_writes():
        peer.send(report(7, b'{"n":1}', qos=2), Publish("attributes", b'{"n":2}', 2, 7, dup=True))
        await peer.receive_nothing()
    assert await peer.receive(Pubrec) == Pubrec(7)
    assert await peer.receive(Pubrec) == Pubrec(7)
    peer.send(Pubrel(7))
    assert await peer.receive(Pubcomp) == Pubcomp(7)
    assert await house.values(device) == {"n": 1}
    peer.send(report(7, b'{"n":3}', qos=2))
    await peer.receive(Pubrec)
    assert await house.values(device) == {"n": 3}


async def test_past_reports_enter_history_and_do_not_become_current(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("#")
    peer.send(report(1, b'{"t":2}'))
    await peer.receive(Puback)
    await answer(peer, "attributes/response")
    series = [{"ts": 1_600_000_000_000, "attributes": {"t": 1}}]
    peer.send(report(2, json.dumps(series).encode(), topic="attributes/series"))
    await peer.receive(Puback)
    assert await answer(peer, "attributes/series/response") == {"result": 1}
    assert await house.values(device) == {"t": 2}


async def test_topics_that_mean_nothing_are_tolerated(house: House) -> None:
    peer = await house.log_in(await house.device())
    topics = ["x", "attributes/push", "attributes/response", "event/report", "event/report/", "a/b/c", "$SYS/x"]
    peer.send(*(report(number, topic=topic) for number, topic in enumerate(topics, 1)))
    assert [(await peer.receive(Puback)).packet_id for _ in topics] == list(range(1, len(topics) + 1))
    assert house.counters.messages_ignored == len(topics)


async def test_a_topic_alias_stands_for_its_topic(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device, V5)
    alias = {Property.TOPIC_ALIAS: 1}
    peer.send(
        Publish("attributes", b'{"a":1}', 1, 1, properties=alias), Publish("", b'{"b":2}', 1, 2, properties=alias)
    )
    for _ in range(2):
        await peer.receive(Puback)
    assert await house.values(device) == {"a": 1, "b": 2}


@pytest.mark.parametrize("version", [V3_1_1, V5])
async def test_thousands_of_reports_in_one_piece_are_all_acknowledged_in_order(
    house: House, version: ProtocolVersion
) -> None:
    device = await house.device()
    peer = await house.log_in(device, version)
    count = 1000
    peer.send(*(report(number, b'{"n":%d}' % number) for number in range(1, count + 1)))
    assert [(await peer.receive(Puback)).packet_id for _ in range(count)] == list(range(1, count + 1))
    assert await house.values(device) == {"n": count}
    assert house.counters.messages_received == count


BODIES = (
    b'{"temperature":21.5}',
    b'{"temperature":21,"humidity":40,"undefined":[1]}',
    b'{"temperature":99}',
    b'{"temperature":20,"humidity":101}',
    b'{"a b":1}',
    b'{"n":18446744073709551616}',
    b"[1]",
    b"{",
    b"{}",
)


async def answered(peer: Peer) -> tuple[Puback, bytes]:
    """The next acknowledgement, and the answer behind it."""
    return await peer.receive(Puback), (await peer.receive(Publish)).payload


@pytest.mark.parametrize("version", [V3_1_1, V5])
@pytest.mark.parametrize("seed", range(6))
async def test_what_comes_in_one_piece_is_answered_as_if_it_came_one_by_one(
    house: House, version: ProtocolVersion, seed: int
) -> None:
    chance = random.Random(seed)
    reports = [report(number, chance.choice(BODIES[: 4 + seed])) for number in range(1, 40)]
    answers, kept = [], []
    for together in (True, False):
        device = await house.device(THERMOMETER)
        peer = await house.log_in(device, version)
        await peer.subscribe("attributes/response")
        seen = []
        for piece in [reports] if together else [[each] for each in reports]:
            peer.send(*piece)
            seen += [await answered(peer) for _ in piece]
        answers.append(seen)
        kept.append(await house.values(device))
    assert answers[0] == answers[1]
    assert kept[0] == kept[1]
