"""Chapter 1.5 data representations, 2.2.2 properties."""

import pytest

from tests.mqtt.conftest import Refusal
from thingstead.mqtt import publish_packets, wire
from thingstead.mqtt.connection_packets import Connack
from thingstead.mqtt.decoder import Decoder
from thingstead.mqtt.properties import NO_PROPERTIES, Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import MqttError, ReasonCode

V3_1, V3_1_1, V5 = ProtocolVersion


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8001"),
        (16_383, "ff7f"),
        (16_384, "808001"),
        (2_097_151, "ffff7f"),
        (2_097_152, "80808001"),
        (268_435_455, "ffffff7f"),
    ],
)
def test_variable_byte_integers_are_those_of_table_1_1(value: int, encoded: str) -> None:
    data = bytes.fromhex(encoded)
    assert wire.variable_byte_integer(value) == data
    assert wire.Reader(data, 0, len(data)).variable_byte_integer() == value


@pytest.mark.parametrize("encoded", ["8000", "808000", "80808080", "8080808001", "80"])
def test_other_variable_byte_integers_are_malformed(encoded: str) -> None:
    """[MQTT-1.5.5-1]"""
    data = bytes.fromhex(encoded)
    with pytest.raises(MqttError) as caught:
        wire.Reader(data, 0, len(data)).variable_byte_integer()
    assert caught.value.reason_code is ReasonCode.MALFORMED_PACKET


def test_a_leading_byte_order_mark_stays() -> None:
    """[MQTT-1.5.4-3]"""
    assert wire.decode_utf8(b"\xef\xbb\xbfa") == "\ufeffa"


def test_what_has_no_encoding_is_the_caller_s_bug() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        wire.variable_byte_integer(268_435_456)
    with pytest.raises(ValueError, match="longer than"):
        wire.utf8("x" * 65_536)
    with pytest.raises(ValueError, match="not allowed"):
        Puback(1, properties={Property.TOPIC_ALIAS: 1}).serialize(V5)


def test_packets_without_properties_share_what_nobody_can_change() -> None:
    assert Puback(1).properties is Publish("t", b"").properties
    with pytest.raises(TypeError):
        NO_PROPERTIES[Property.REASON_STRING] = "x"  # type: ignore[index]  # the point of the test


def test_remembered_topic_names_are_bounded() -> None:
    for number in range(publish_packets._NAMES_LIMIT + 10):
        data = Publish(f"t/{number}", b"").serialize(V3_1_1)
        publish_packets.parse_publish(data, data[0], 2, len(data), with_properties=False)
        assert len(publish_packets._names) <= publish_packets._NAMES_LIMIT
    long = Publish("l" * 1_000, b"").serialize(V3_1_1)
    publish_packets.parse_publish(long, long[0], 3, len(long), with_properties=False)
    assert b"l" * 1_000 not in publish_packets._names


@pytest.mark.parametrize(
    ("version", "data"),
    [(V3_1_1, b"\x20\x02\x02\0"), (V3_1_1, b"\x20\x02\0\x06"), (V3_1_1, b"\x90\x02\0\x01"), (V5, b"\xb0\x03\0\x01\0")],
)
def test_a_client_refuses_broken_answers_of_a_server(version: ProtocolVersion, data: bytes) -> None:
    decoder = Decoder(1_000, version)
    assert decoder.receive_data(data) == []
    assert decoder.error is not None


def test_a_client_reads_old_return_codes_as_reason_codes() -> None:
    [connack] = Decoder(1_000, V3_1_1).receive_data(b"\x20\x02\0\x05")
    assert connack == Connack(False, ReasonCode.NOT_AUTHORIZED)


def test_a_user_property_cut_short_is_malformed(refusal: Refusal) -> None:
    assert refusal(V5, wire.packet(0x40, b"\0\x01\0\x04\x26\0\x01p")) is ReasonCode.MALFORMED_PACKET


def test_binary_data_has_up_to_65_535_bytes() -> None:
    longest = bytes(65_535)
    assert wire.binary(longest) == b"\xff\xff" + longest
    with pytest.raises(ValueError, match="65,535"):
        wire.binary(bytes(65_536))
