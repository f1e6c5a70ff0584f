"""Any bytes from an admitted client: packets, or the end of its connection; never a traceback, never harm to others."""

import random

import pytest

from tests.broker.conftest import V5, House, report
from thingstead.mqtt.connection_packets import Pingreq
from thingstead.mqtt.decoder import Packet
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel
from thingstead.mqtt.subscription_packets import Subscribe, SubscriptionRequest, Unsubscribe

TOPICS = ["attributes", "attributes/series", "attributes/get/1", "event/report/2", "command/reply/3", "x/y"]
PAYLOADS = [b"", b"{}", b"[]", b'{"a":1}', b'{"ts":1,"a":2}', b'{"method":"m","params":[]}', b"\xff", b"[" * 2_000]
ROUNDS = 150


def packet(chance: random.Random) -> Packet:
    packet_id = chance.randint(1, 5)
    qos = chance.randint(0, 2)
    properties = {Property.TOPIC_ALIAS: chance.randint(1, 40)} if chance.random() < 0.2 else {}
    topic = "" if properties and chance.random() < 0.5 else chance.choice(TOPICS)
    choices: list[Packet] = [
        Publish(topic, chance.choice(PAYLOADS), qos, packet_id if qos else 0, properties=properties),
        chance.choice((Puback, Pubrec, Pubrel, Pubcomp))(packet_id),
        Subscribe(packet_id, [SubscriptionRequest(chance.choice(["#", "+/+", "command/send/+"]), qos)]),
        Unsubscribe(packet_id, ["#"]),
        Pingreq(),
    ]
    return chance.choices(choices, [6, 2, 1, 1, 1])[0]


def damaged(data: bytes, chance: random.Random) -> bytes:
    bent = bytearray(data)
    for _ in range(chance.randint(0, 2)):
        bent[chance.randrange(len(bent))] = chance.randrange(256)
    return bytes(bent)


@pytest.mark.parametrize("version", ProtocolVersion)
async def test_no_stream_of_packets_damaged_or_not_reveals_a_bug(
    house: House, version: ProtocolVersion, capsys: pytest.CaptureFixture[str]
) -> None:
    device, bystander = await house.device(), await house.log_in(await house.device(), V5)
    chance = random.Random(version)
    for number in range(ROUNDS):
        peer = await house.log_in(device, version)
        await peer.subscribe("attributes/push", "command/send/+", qos=1)
        packets = b"".join(packet(chance).serialize(version) for _ in range(chance.randint(1, 12)))
        peer.send_bytes(damaged(packets, chance))
        if number % 3 == 0:
            await house.platform.control.push_attributes(house.project_id, device.id, {"n": number})
        await bystander.receive_nothing()
        await peer.close()
    bystander.send(report(1))
    await bystander.receive(Puback)
    assert house.counters.messages_received > ROUNDS
    assert house.counters.protocol_errors > 0
    said = capsys.readouterr().out
    assert "Traceback" not in said
    assert "failed" not in said
