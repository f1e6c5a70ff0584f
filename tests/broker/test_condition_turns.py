"""Reports whose rules have many conditions are handled share by share, so that other projects are not kept waiting."""

import asyncio
import json
import time
from collections.abc import Sequence

from tests.broker.conftest import House
from thingstead.model.device import Device
from thingstead.model.message_rules.action import Action
from thingstead.model.message_rules.rule import NODES_PER_TURN, MessageCondition, MessageRule, MessageRuleBody
from thingstead.mqtt.connection_packets import Disconnect
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.services.shared.turn_budget import DEBT_TURNS
from thingstead.services.triggers.trace import TriggerRule

REPORTS = 60
HALF_A_SHARE = NODES_PER_TURN // 2


def add_rule(house: House, device: Device) -> TriggerRule:
    """A rule whose condition never holds, and costs half of a share."""
    part = MessageCondition(attribute="t", op=">", value=100)
    rule = MessageRule(
        id=f"rule of {device.id}", project_id=device.project_id, name="", on_message="after_report",
        device_ids=(device.id,),
        body=MessageRuleBody(
            condition=MessageCondition(or_=(part,) * (HALF_A_SHARE - 1)), actions=(Action(set_={"hot": True}),)
        ),
        create_time=0, update_time=0,
    )  # fmt: skip
    triggers = house.platform.ingest.triggers
    triggers.put(rule)
    assert triggers.index.rules[rule.id].cost == HALF_A_SHARE
    return triggers.index.rules[rule.id]


def report(number: int, qos: int = 1, topic: str = "attributes") -> Publish:
    return Publish(topic, json.dumps({"t": number}).encode(), qos, packet_id=number if qos else 0)


async def most_in_a_turn(rules: Sequence[TriggerRule], total: int) -> int:
    """How many messages were evaluated in one turn of the event loop at most, until ``total`` were for each rule."""
    most = before = 0
    async with asyncio.timeout(30):
        while before < total * len(rules):
            await asyncio.sleep(0)
            seen = sum(rule.seen for rule in rules)
            most, before = max(most, seen - before), seen
    return most


async def test_a_project_evaluates_a_share_of_conditions_in_a_turn(house: House) -> None:
    device = await house.device()
    rule = add_rule(house, device)
    peer = await house.log_in(device)
    peer.send(*(report(number) for number in range(1, REPORTS + 1)))
    assert await most_in_a_turn([rule], REPORTS) <= 2
    for number in range(1, REPORTS + 1):
        assert (await peer.receive(Puback)).packet_id == number


async def test_devices_of_a_project_share_its_turns(house: House) -> None:
    devices = [await house.device() for _ in range(2)]
    rules = [add_rule(house, device) for device in devices]
    peers = [await house.log_in(device) for device in devices]
    for peer in peers:
        peer.send(*(report(number) for number in range(1, REPORTS + 1)))
    most = await most_in_a_turn(rules, REPORTS)
    assert most <= 2, "of both together"
    for peer in peers:
        for number in range(1, REPORTS + 1):
            assert (await peer.receive(Puback)).packet_id == number


async def test_messages_of_every_kind_keep_their_order_while_they_wait(house: House) -> None:
    device = await house.device()
    rule = add_rule(house, device)
    peer = await house.log_in(device)
    event = json.dumps({"method": "alert", "params": {}}).encode()
    sent: list[Publish] = []
    for number in range(1, REPORTS + 1, 3):
        sent += [report(number), report(number, 0), Publish("event/report", event, 1, packet_id=number + 1)]
    peer.send(*sent)
    assert await most_in_a_turn([rule], REPORTS // 3 * 2) <= 2
    for packet in sent:
        if packet.qos:
            assert (await peer.receive(Puback)).packet_id == packet.packet_id
    peer.send(Disconnect())
    await peer.receive_close()


async def test_a_series_is_evaluated_up_to_a_limit_and_kept_beyond_it(house: House) -> None:
    device = await house.device()
    rule = add_rule(house, device)
    peer = await house.log_in(device)
    now = int(time.time() * 1000)
    allowed, more = DEBT_TURNS * 2, 7
    series = [{"ts": now - place, "attributes": {"t": place}} for place in range(allowed + more)]
    peer.send(Publish("attributes/series", json.dumps(series).encode(), 1, packet_id=1))
    await peer.receive(Puback)
    assert rule.unmet == allowed
    assert rule.outcomes["rate"] == more
    points = await house.store.history.series(device.number, "t", 0, now, offset=0, limit=1_000)
    assert len(points) == allowed + more


async def test_projects_without_many_conditions_are_not_counted(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    peer.send(*(report(number) for number in range(1, REPORTS + 1)))
    for _ in range(REPORTS):
        await peer.receive(Puback)
    assert not house.platform.ingest.triggers.conditions.charged
