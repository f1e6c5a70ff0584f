"""What is sent down to a device: answers to its requests, pushes, commands; and that it is sent to no other."""

import json
from typing import Any

import pytest

from tests.broker.conftest import V3_1_1, V5, House, command, message, report
from thingstead.broker.connection import queue_bounds
from thingstead.errors import DeviceOffline, Unavailable
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Unsuback, Unsubscribe
from thingstead.services.history.history import HistoryService


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"keys":[]}', b'{"keys":null}'])
async def test_a_device_reads_all_its_attributes(house: House, payload: bytes) -> None:
    peer = await house.log_in(await house.device())
    await peer.subscribe("attributes/get/response/+")
    peer.send(report(1, b'{"a":1,"b":{"c":[true]}}'))
    await peer.receive(Puback)
    peer.send(report(payload=payload, qos=0, topic="attributes/get/1000"))
    expected = {"result": 1, "attributes": {"a": 1, "b": {"c": [True]}}}
    assert await message(peer, "attributes/get/response/1000") == expected


async def test_a_device_reads_some_of_its_attributes(house: House) -> None:
    peer = await house.log_in(await house.device())
    await peer.subscribe("attributes/get/response/7")
    peer.send(report(1, b'{"a":1,"b":2}'))
    await peer.receive(Puback)
    for number in (8, 7):
        peer.send(report(payload=b'{"keys":["b","x"]}', qos=0, topic=f"attributes/get/{number}"))
    assert await message(peer, "attributes/get/response/7") == {"result": 1, "attributes": {"b": 2}}


@pytest.mark.parametrize("payload", [b"x", b"[]", b'{"keys":1}', b'{"keys":[1]}', b"[" * 9_000])
async def test_a_broken_request_is_refused(house: House, payload: bytes) -> None:
    peer = await house.log_in(await house.device())
    await peer.subscribe("#")
    peer.send(report(payload=payload, qos=0, topic="attributes/get/1"))
    answer = await message(peer, "attributes/get/response/1")
    assert (answer["result"], answer["errcode"]) == (0, 400)


async def test_hundreds_of_requests_in_one_piece_are_answered_in_order(house: House) -> None:
    peer = await house.log_in(await house.device())
    await peer.subscribe("attributes/get/response/+")
    peer.send(*(report(payload=b"{}", qos=0, topic=f"attributes/get/{number}") for number in range(300)))
    for number in range(300):
        await message(peer, f"attributes/get/response/{number}")


async def test_an_event_is_answered_when_it_is_kept(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("event/response/+")
    with house.held_writes():
        peer.send(report(1, b'{"method":"boot","params":{"n":1}}', topic="event/report/12"))
        await peer.receive_nothing()
    await peer.receive(Puback)
    assert await message(peer, "event/response/12") == {"result": 1}
    peer.send(report(payload=b'{"params":{}}', qos=0, topic="event/report/13"))
    assert (await message(peer, "event/response/13"))["errcode"] == 400


@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_a_push_reaches_the_device(house: House, qos: int) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    suback = await peer.subscribe("attributes/push", qos=qos)
    assert suback.reason_codes == (qos,)
    await house.platform.control.push_attributes(house.project_id, device.id, {"relay": False})
    assert await message(peer, "attributes/push") == {"relay": False}
    await peer.receive_nothing()


async def test_the_client_s_receive_maximum_bounds_what_is_in_flight(house: House) -> None:
    """[MQTT-3.3.4-7]"""
    device = await house.device()
    peer = await house.log_in(device, V5, properties={Property.RECEIVE_MAXIMUM: 1})
    await peer.subscribe("attributes/push", qos=1)
    for number in range(3):
        await house.platform.control.push_attributes(house.project_id, device.id, {"n": number})
    for number in range(3):
        packet = await peer.receive(Publish)
        assert json.loads(packet.payload) == {"n": number}
        await peer.receive_nothing()
        peer.send(Puback(packet.packet_id))


async def test_the_client_s_maximum_packet_size_is_kept(house: House) -> None:
    """[MQTT-3.1.2-24]"""
    device = await house.device()
    peer = await house.log_in(device, V5, properties={Property.MAXIMUM_PACKET_SIZE: 60})
    await peer.subscribe("#")
    await house.platform.control.push_attributes(house.project_id, device.id, {"long": "x" * 60})
    await house.platform.control.push_attributes(house.project_id, device.id, {"n": 1})
    assert await message(peer, "attributes/push") == {"n": 1}
    assert house.counters.messages_dropped == 1
    with pytest.raises(DeviceOffline):
        await house.platform.control.send_command(house.project_id, device.id, "x", {"long": "x" * 60})


async def test_a_device_sees_its_own_downlinks_and_nothing_else(house: House) -> None:
    device, other = await house.device(), await house.device()
    peer, other_peer = await house.log_in(device), await house.log_in(other)
    for each in (peer, other_peer):
        await each.subscribe("#", "+/+", "$share/g/#", qos=1)
    other_peer.send(report(qos=0), report(payload=b"x", qos=0, topic="attributes/push"))
    assert await message(other_peer, "attributes/response") == {"result": 1}
    await house.platform.control.push_attributes(house.project_id, other.id, {"n": 1})
    assert await message(other_peer, "attributes/push") == {"n": 1}
    await peer.receive_nothing()
    await other_peer.receive_nothing()


async def test_matching_subscriptions_give_one_message_with_all_their_identifiers(house: House) -> None:
    """[MQTT-3.3.4-3]"""
    device = await house.device()
    peer = await house.log_in(device, V5)
    await peer.subscribe("attributes/push", properties={Property.SUBSCRIPTION_IDENTIFIER: (3,)})
    await peer.subscribe("attributes/+", qos=1, properties={Property.SUBSCRIPTION_IDENTIFIER: (9,)})
    await house.platform.control.push_attributes(house.project_id, device.id, {"n": 1})
    packet = await peer.receive(Publish)
    assert (packet.qos, sorted(packet.properties[Property.SUBSCRIPTION_IDENTIFIER])) == (1, [3, 9])
    await peer.receive_nothing()


async def test_unsubscribing_ends_a_subscription(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device, V5)
    await peer.subscribe("attributes/response")
    peer.send(Unsubscribe(2, ["attributes/response", "never"]))
    unsuback = await peer.receive(Unsuback)
    assert unsuback.reason_codes == (ReasonCode.SUCCESS, ReasonCode.NO_SUBSCRIPTION_EXISTED)
    peer.send(report(1))
    await peer.receive(Puback)
    await peer.receive_nothing()


async def test_a_device_has_a_bounded_number_of_subscriptions(house: House) -> None:
    peer = await house.log_in(await house.device(), V5)
    most = house.config.mqtt.max_device_subscriptions
    suback = await peer.subscribe(*(f"t/{number}" for number in range(most + 1)))
    assert set(suback.reason_codes[:-1]) == {ReasonCode.SUCCESS}
    assert suback.reason_codes[-1] is ReasonCode.QUOTA_EXCEEDED


@pytest.mark.parametrize(("version", "refused"), [(V3_1_1, 0x80), (V5, ReasonCode.TOPIC_FILTER_INVALID)])
async def test_a_filter_that_is_far_too_long_is_refused(house: House, version: ProtocolVersion, refused: int) -> None:
    peer = await house.log_in(await house.device(), version)
    suback = await peer.subscribe("data/" + "x" * 251, "data/" + "x" * 252, "#")
    assert suback.reason_codes == (0, refused, 0)


async def test_messages_over_the_bound_of_the_queue_are_dropped(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_bounds, "QUEUE_LIMIT", 2)
    device = await house.device()
    peer = await house.log_in(device, V5, properties={Property.RECEIVE_MAXIMUM: 1})
    await peer.subscribe("#", qos=1)
    for number in range(5):
        await house.platform.control.push_attributes(house.project_id, device.id, {"n": number})
    with pytest.raises(DeviceOffline, match="too many bytes wait"):
        await command(house, device)
    assert house.counters.messages_dropped == 3
    for number in range(3):
        assert await message(peer, "attributes/push") == {"n": number}


async def test_a_request_that_cannot_be_answered_does_not_stop_the_next(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> dict[str, Any]:
        raise Unavailable("too_many_reads")

    peer = await house.log_in(await house.device())
    await peer.subscribe("attributes/get/response/+")
    with monkeypatch.context() as patch:
        patch.setattr(HistoryService, "current_values", fail)
        peer.send(report(payload=b"", qos=0, topic="attributes/get/1"))
        answer = await message(peer, "attributes/get/response/1")
        assert (answer["result"], answer["errcode"]) == (0, 503)
    peer.send(report(payload=b"", qos=0, topic="attributes/get/2"))
    assert await message(peer, "attributes/get/response/2") == {"result": 1, "attributes": {}}


async def test_answers_out_of_place_end_the_connection(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("attributes/push", qos=1)
    await house.platform.control.push_attributes(house.project_id, device.id, {"n": 1})
    packet = await peer.receive(Publish)
    peer.send_bytes(b"\x70\x02" + packet.packet_id.to_bytes(2, "big"))
    await peer.receive_close()
