"""Chapter 3.8 SUBSCRIBE to 3.11 UNSUBACK."""

import pytest

from tests.mqtt.conftest import Decode, Refusal
from thingstead.mqtt import wire
from thingstead.mqtt.protocol import ProtocolVersion, RetainHandling
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Suback, Subscribe, SubscriptionRequest, Unsuback, Unsubscribe

V3_1, V3_1_1, V5 = ProtocolVersion


def test_subscription_options_are_read_bit_by_bit(decode: Decode) -> None:
    expected = SubscriptionRequest("a/+", 1, True, True, RetainHandling.NEVER)
    assert decode(V5, wire.packet(0x82, b"\0\x01\0\0\x03a/+\x2d")) == Subscribe(1, [expected])


@pytest.mark.parametrize(
    ("version", "body", "reason_code", "broken"),
    [
        (V3_1_1, b"\0\x01", ReasonCode.PROTOCOL_ERROR, "[MQTT-3.8.3-3] no filter"),
        (V3_1_1, b"\0\x01\0\x01a", ReasonCode.MALFORMED_PACKET, "no options"),
        (V3_1_1, b"\0\x01\0\x01a\x03", ReasonCode.PROTOCOL_ERROR, "3.8.3.1 QoS 3"),
        (V3_1_1, b"\0\x01\0\x01a\x04", ReasonCode.MALFORMED_PACKET, "[MQTT-3-8.3-4] reserved bits"),
        (V3_1_1, b"\0\x01\0\0\0", ReasonCode.MALFORMED_PACKET, "[MQTT-4.7.3-1] empty filter"),
        (V3_1_1, b"\0\0\0\x01a\0", ReasonCode.PROTOCOL_ERROR, "[MQTT-2.3.1-1] packet identifier 0"),
        (V5, b"\0\x01\0\0\x01a\x30", ReasonCode.PROTOCOL_ERROR, "retain handling 3"),
        (V5, b"\0\x01\0\0\x01a\x40", ReasonCode.MALFORMED_PACKET, "[MQTT-3.8.3-5] reserved bits"),
        (V5, b"\0\x01\0\0\x0a$share/p/p\x04", ReasonCode.PROTOCOL_ERROR, "[MQTT-3.8.3-4] No Local on shared"),
        (V5, b"\0\x01\x02\x0b\0\0\x01a\0", ReasonCode.PROTOCOL_ERROR, "subscription identifier 0"),
        (V5, b"\0\x01\x04\x0b\x01\x0b\x01\0\x01a\0", ReasonCode.PROTOCOL_ERROR, "two subscription identifiers"),
    ],
)
def test_a_broken_subscribe_is_refused(
    refusal: Refusal, version: ProtocolVersion, body: bytes, reason_code: ReasonCode, broken: str
) -> None:
    assert refusal(version, wire.packet(0x82, body)) is reason_code, broken


def test_wrong_fixed_flags_are_malformed(refusal: Refusal) -> None:
    """[MQTT-3.8.1-1] [MQTT-3.10.1-1]"""
    for first_byte in (0x80, 0x83, 0x84, 0x8A, 0xA0, 0xA3):
        assert refusal(V3_1_1, wire.packet(first_byte, b"\0\x01\0\x01a\0")) is ReasonCode.MALFORMED_PACKET


def test_unsubscribe_needs_a_filter(refusal: Refusal, decode: Decode) -> None:
    """[MQTT-3.10.3-2]"""
    assert refusal(V3_1_1, wire.packet(0xA2, b"\0\x01")) is ReasonCode.PROTOCOL_ERROR
    assert decode(V3_1_1, wire.packet(0xA2, b"\0\x01\0\x01a")) == Unsubscribe(1, ["a"])


def test_old_acknowledgements_know_one_failure_and_no_reasons() -> None:
    codes = [ReasonCode.SUCCESS, ReasonCode.GRANTED_QOS_2, ReasonCode.QUOTA_EXCEEDED]
    assert Suback(1, codes).serialize(V3_1_1) == b"\x90\x05\0\x01\0\x02\x80"
    assert Unsuback(1, codes).serialize(V3_1_1) == b"\xb0\x02\0\x01"


def test_only_a_server_sends_suback(refusal: Refusal) -> None:
    assert refusal(V3_1_1, b"\x90\x03\0\x01\0") is ReasonCode.PROTOCOL_ERROR
