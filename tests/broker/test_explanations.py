"""A device, and whoever looks for its fault, learns why a message was refused or a subscription stays silent."""

from typing import Any

import pytest

from tests.broker.conftest import V5, House, message, report
from thingstead.broker.devices.topics import explain_filter, explain_topic
from thingstead.model.device import Device, Page
from thingstead.model.device_type import AttributeDefinition, Functions
from thingstead.mqtt.properties import Property
from thingstead.mqtt.publish_packets import Puback, Pubrec
from thingstead.mqtt.reasons import ReasonCode
from thingstead.refusals import TEXTS
from thingstead.services.shared.device_logs import PARTS_REFUSED

IDENTIFIER = "method: must be an identifier: 1 to 64 letters, digits, _ and -"
TYPED = Functions(attributes=(AttributeDefinition(identifier="t", data_options={"max": 125}),))


async def rejected(house: House, device: Device) -> list[tuple[str, str]]:
    """Topic, and reason with the parts, of what was refused of the device, newest first."""
    entries, _ = await house.platform.device_logs.list_page(device, "rejected", Page())
    shown = []
    for entry in entries:
        parts = [f"{error['field']}: {error['message']}" for error in entry.body["errors"]]
        whole = entry.body["reason"]
        shown.append((entry.body["topic"], f"{whole}: {'; '.join(parts)}" if whole == PARTS_REFUSED.message else whole))
    return shown


@pytest.mark.parametrize(
    ("topic", "payload", "reason_code", "reason"),
    [
        ("attributes", b"{a:1}", 0x99, "invalid JSON: expected a quoted name at byte 1"),
        ("attributes", b"", 0x99, "the payload is empty"),
        ("attributes", b'{"t":500}', 0x99, "values were refused: t: 500 is above the maximum 125"),
        ("attributes", b'{"t":500,"u":1}', 0x00, "values were refused: t: 500 is above the maximum 125"),
        (
            "event/report/1",
            b'{"method":"a b"}',
            0x99,
            IDENTIFIER,
        ),
        ("attribute", b"{}", 0x10, "unknown topic; did you mean attributes?"),
        ("gateway/connect", b'{"device":"a"}', 0x87, "the device is not a gateway: the conn_type of its type is not 3"),
    ],
)
async def test_an_acknowledgement_says_what_the_log_says(
    house: House, topic: str, payload: bytes, reason_code: int, reason: str
) -> None:
    device = await house.device(TYPED)
    peer = await house.log_in(device, V5)
    for qos, kind in ((1, Puback), (2, Pubrec)):
        peer.send(report(qos, payload, topic=topic, qos=qos))
        packet: Any = await peer.receive(kind)
        assert (packet.reason_code, packet.properties) == (reason_code, {Property.REASON_STRING: reason})
        if qos == 1:
            peer.send(report(9, b'{"u":1}'))  # its commit is no earlier than that of the log
            await peer.receive(Puback)
            assert await rejected(house, device) == [(topic, reason)]


@pytest.mark.parametrize("properties", [{Property.REQUEST_PROBLEM_INFORMATION: 0}, {Property.MAXIMUM_PACKET_SIZE: 30}])
async def test_a_client_that_wants_or_takes_no_reason_is_given_the_code_alone(
    house: House, properties: dict[Property, int]
) -> None:
    device = await house.device()
    peer = await house.log_in(device, V5, properties=properties)
    peer.send(report(1, b"{a:1}"))
    packet = await peer.receive(Puback)
    assert (packet.reason_code, packet.properties) == (ReasonCode.PAYLOAD_FORMAT_INVALID, {})


async def test_a_reason_holds_no_control_characters(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device, V5)
    peer.send(report(1, b'{"a\\u0000\\u001b[31m":1,"b":1}'))
    packet = await peer.receive(Puback)
    assert packet.properties[Property.REASON_STRING].isprintable()


async def test_a_subscription_that_nothing_matches_is_granted_and_noted(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("attribute/push", "attributes/push", "gateway/#", "+/response")
    peer.send(report(9, b'{"u":1}', qos=1))
    await peer.receive(Puback)
    assert await rejected(house, device) == [
        ("gateway/#", TEXTS["topic_of_gateways"]["en"]),
        ("attribute/push", "no message is ever sent to the device on this topic; did you mean attributes/push?"),
    ]


async def test_a_device_that_is_no_gateway_is_answered_at_once(house: House) -> None:
    device = await house.device()
    peer = await house.log_in(device)
    await peer.subscribe("#")
    for topic, answer in (
        ("gateway/attributes", "gateway/attributes/response"),
        ("gateway/attributes/get", "gateway/attributes/get/response"),
        ("gateway/event/report", "gateway/event/response"),
    ):
        peer.send(report(0, b"{}", topic=topic, qos=0))
        assert (await message(peer, answer))["errcode"] == 403


@pytest.mark.parametrize(
    ("topic", "hint"),
    [
        ("attributes/", "attributes"),
        ("/Attributes", "attributes"),
        ("attributes/get", "attributes/get/<id>"),
        ("events/report/5", "event/report/<id>"),
        ("data", "data/<identifier>"),
        ("v1/devices/me/telemetry", None),
        ("x" * 60_000, None),
    ],
)
def test_the_topic_that_was_probably_meant_is_named(topic: str, hint: str | None) -> None:
    reason = explain_topic(topic, gateway=False)
    assert reason.message == "unknown topic" + (f"; did you mean {hint}?" if hint else "")


def test_a_topic_that_devices_listen_to_is_told_from_one_that_they_publish() -> None:
    assert explain_topic("attributes/push", gateway=False).code == "topic_is_downlink"


@pytest.mark.parametrize("topic_filter", ["#", "attributes/+", "command/send/1000", "data/a/set", "$share/g/+/push"])
def test_a_filter_that_something_may_match_needs_no_explanation(topic_filter: str) -> None:
    assert explain_filter(topic_filter, gateway=False) is None


async def test_a_sub_device_that_may_not_be_made_is_refused_in_the_acknowledgement_in_its_turn(house: House) -> None:
    gateway = await house.device(conn_type="3")
    peer = await house.log_in(gateway, V5)
    announced = b'{"device":"new","type_key":"nosuchtype"}'
    peer.send(report(1, announced, topic="gateway/connect"), report(2, b'{"x":1}'))
    refused: Any = await peer.receive(Puback)
    assert (refused.packet_id, refused.reason_code) == (1, ReasonCode.NOT_AUTHORIZED)
    assert "no type has this type_key" in refused.properties[Property.REASON_STRING]
    accepted: Any = await peer.receive(Puback)
    assert (accepted.packet_id, accepted.reason_code) == (2, ReasonCode.SUCCESS)

    peer.send(report(3, announced, topic="gateway/connect", qos=2))
    received: Any = await peer.receive(Pubrec)
    assert (received.packet_id, received.reason_code) == (3, ReasonCode.SUCCESS)
    assert received.properties == refused.properties
