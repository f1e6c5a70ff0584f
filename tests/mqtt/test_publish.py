"""Chapter 3.3 PUBLISH and 3.4 to 3.7, its acknowledgements."""

import pytest

from tests.mqtt.conftest import Decode, Refusal
from thingstead.mqtt import wire
from thingstead.mqtt.aliases import InboundAliases, OutboundAliases
from thingstead.mqtt.properties import NO_PROPERTIES, Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Publish, Pubrel
from thingstead.mqtt.reasons import MqttError, ReasonCode

V3_1, V3_1_1, V5 = ProtocolVersion


@pytest.mark.parametrize("version", ProtocolVersion)
def test_a_publish_is_read_field_by_field(decode: Decode, version: ProtocolVersion) -> None:
    properties = b"\0" if version is V5 else b""
    data = wire.packet(0x3D, b"\0\x03a/b\x12\x34" + properties + b"payload")
    assert decode(version, data) == Publish("a/b", b"payload", 2, 0x1234, True, True, NO_PROPERTIES)


@pytest.mark.parametrize(
    ("first_byte", "body", "reason_code", "broken"),
    [
        (0x36, b"\0\x01a\0\x01", ReasonCode.MALFORMED_PACKET, "[MQTT-3.3.1-4] QoS 3"),
        (0x38, b"\0\x01a", ReasonCode.MALFORMED_PACKET, "[MQTT-3.3.1-2] DUP at QoS 0"),
        (0x30, b"\0\0", ReasonCode.MALFORMED_PACKET, "[MQTT-4.7.3-1] empty topic name"),
        (0x30, b"\0\x03a/+", ReasonCode.MALFORMED_PACKET, "[MQTT-3.3.2-2] wildcard"),
        (0x30, b"\0\x03a/#", ReasonCode.MALFORMED_PACKET, "[MQTT-3.3.2-2] wildcard"),
        (0x30, b"\0\x02a\0", ReasonCode.MALFORMED_PACKET, "[MQTT-1.5.4-2] U+0000"),
        (0x30, b"\0\x03\xed\xa0\x80", ReasonCode.MALFORMED_PACKET, "[MQTT-1.5.4-1] surrogate"),
        (0x30, b"\0\x02\xff\xff", ReasonCode.MALFORMED_PACKET, "not UTF-8"),
        (0x30, b"\0\x02a\x01", ReasonCode.MALFORMED_PACKET, "1.5.4 control character"),
        (0x30, b"\0\x05a", ReasonCode.MALFORMED_PACKET, "topic name longer than the packet"),
        (0x30, b"\0", ReasonCode.MALFORMED_PACKET, "too short for a topic name"),
        (0x32, b"\0\x01a", ReasonCode.MALFORMED_PACKET, "no packet identifier"),
        (0x32, b"\0\x01a\0\0", ReasonCode.PROTOCOL_ERROR, "[MQTT-2.3.1-1] packet identifier 0"),
    ],
)
def test_a_broken_publish_is_refused(
    refusal: Refusal, first_byte: int, body: bytes, reason_code: ReasonCode, broken: str
) -> None:
    assert refusal(V3_1_1, wire.packet(first_byte, body)) is reason_code, broken


@pytest.mark.parametrize(
    ("body", "reason_code", "broken"),
    [
        (b"\0\x01a", ReasonCode.MALFORMED_PACKET, "no property length"),
        (b"\0\0\0", ReasonCode.PROTOCOL_ERROR, "neither topic name nor alias"),
        (b"\0\x01a\x03\x23\0\0", ReasonCode.TOPIC_ALIAS_INVALID, "[MQTT-3.3.2-8] alias 0"),
        (b"\0\x01a\x02\x0b\x01", ReasonCode.PROTOCOL_ERROR, "[MQTT-3.3.4-6] subscription identifier from a client"),
        (b"\0\x01a\x04\x08\0\x01#", ReasonCode.PROTOCOL_ERROR, "[MQTT-3.3.2-14] response topic with a wildcard"),
        (b"\0\x01a\x02\x01\x02", ReasonCode.PROTOCOL_ERROR, "payload format indicator 2"),
        (b"\0\x01a\x04\x01\x01\x01\x01", ReasonCode.PROTOCOL_ERROR, "a property twice"),
        (b"\0\x01a\x03\x21\0\x01", ReasonCode.MALFORMED_PACKET, "a property of another packet"),
        (b"\0\x01a\x02\x7f\0", ReasonCode.MALFORMED_PACKET, "an unknown property"),
        (b"\0\x01a\x05\x01\x01", ReasonCode.MALFORMED_PACKET, "properties longer than the packet"),
        (b"\0\x01a\x02\x02\0", ReasonCode.MALFORMED_PACKET, "a property cut short"),
    ],
)
def test_a_broken_5_0_publish_is_refused(refusal: Refusal, body: bytes, reason_code: ReasonCode, broken: str) -> None:
    assert refusal(V5, wire.packet(0x30, body)) is reason_code, broken


def test_a_name_over_200_levels_is_refused(refusal: Refusal) -> None:
    data = Publish("/" * 200, b"").serialize(V5)
    assert refusal(V5, data) is ReasonCode.IMPLEMENTATION_SPECIFIC_ERROR


def test_acknowledgements_without_reason_code_or_properties_mean_success(decode: Decode) -> None:
    for body in (b"\0\x07", b"\0\x07\0", b"\0\x07\0\0"):
        assert decode(V5, wire.packet(0x40, body)) == Puback(7)


@pytest.mark.parametrize(
    ("version", "data", "reason_code"),
    [
        (V3_1_1, b"\x40\x02\0\0", ReasonCode.PROTOCOL_ERROR),
        (V3_1_1, b"\x40\x03\0\x01\0", ReasonCode.MALFORMED_PACKET),
        (V3_1_1, b"\x40\x01\0", ReasonCode.MALFORMED_PACKET),
        (V3_1_1, b"\x41\x02\0\x01", ReasonCode.MALFORMED_PACKET),
        (V3_1_1, b"\x60\x02\0\x01", ReasonCode.MALFORMED_PACKET),
        (V3_1_1, b"\x6a\x02\0\x01", ReasonCode.MALFORMED_PACKET),
        (V5, b"\x40\x03\0\x01\xff", ReasonCode.PROTOCOL_ERROR),
        (V5, b"\x62\x03\0\x01\x80", ReasonCode.PROTOCOL_ERROR),
        (V5, b"\x40\x05\0\x01\0\0\0", ReasonCode.MALFORMED_PACKET),
    ],
)
def test_a_broken_acknowledgement_is_refused(
    refusal: Refusal, version: ProtocolVersion, data: bytes, reason_code: ReasonCode
) -> None:
    assert refusal(version, data) is reason_code


def test_a_3_1_client_may_repeat_pubrel_with_dup(decode: Decode) -> None:
    assert decode(V3_1, b"\x6a\x02\0\x01") == Pubrel(1)


def test_an_inbound_alias_stands_for_the_name_it_came_with() -> None:
    aliases = InboundAliases(5)
    aliases.resolve(Publish("a", b"", properties={Property.TOPIC_ALIAS: 3}))
    publish = Publish("", b"", properties={Property.TOPIC_ALIAS: 3})
    aliases.resolve(publish)
    assert publish.topic == "a"
    aliases.resolve(Publish("b", b"", properties={Property.TOPIC_ALIAS: 3}))
    again = Publish("", b"", properties={Property.TOPIC_ALIAS: 3})
    aliases.resolve(again)
    assert again.topic == "b"


@pytest.mark.parametrize(
    ("alias", "reason_code"), [(6, ReasonCode.TOPIC_ALIAS_INVALID), (2, ReasonCode.PROTOCOL_ERROR)]
)
def test_an_alias_over_the_maximum_or_never_set_is_refused(alias: int, reason_code: ReasonCode) -> None:
    with pytest.raises(MqttError) as caught:
        InboundAliases(5).resolve(Publish("", b"", properties={Property.TOPIC_ALIAS: alias}))
    assert caught.value.reason_code is reason_code


def test_outbound_aliases_are_understood_by_the_other_end() -> None:
    sender, receiver = OutboundAliases(2), InboundAliases(2)
    for topic in ("a", "b", "a", "c", "b", "c"):
        alias = sender.next(topic)
        properties = {} if alias is None else {Property.TOPIC_ALIAS: alias.number}
        sent = Publish("" if alias is not None and alias.known else topic, b"x", properties=properties)
        receiver.resolve(sent)
        assert sent.topic == topic
    assert sender.next("a") == (1, True)
    assert sender.next("c") is None


def test_no_first_publish_is_taken_for_a_repetition(refusal: Refusal) -> None:
    """A topic name that is longer than its packet is malformed, whatever its bytes are."""
    for body in (b"\xff" * 7, b"\0" * 2 + b"\0\1" + b"x", b"\xff" * 4 + b"\0\1"):
        assert refusal(V3_1_1, wire.packet(0x32, body)) is ReasonCode.MALFORMED_PACKET
