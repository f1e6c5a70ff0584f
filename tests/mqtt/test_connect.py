"""Chapter 3.1 CONNECT, 3.2 CONNACK."""

import pytest

from thingstead.mqtt import wire
from thingstead.mqtt.connection_packets import Auth, Connack, Connect, Will
from thingstead.mqtt.decoder import Decoder
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.reasons import ReasonCode

V3_1, V3_1_1, V5 = ProtocolVersion


def connect_refusal(data: bytes) -> ReasonCode:
    decoder = Decoder(10_000)
    assert decoder.receive_data(data) == []
    assert decoder.error is not None
    return decoder.error.reason_code


def connect_bytes(name: str = "MQTT", level: int = 4, flags: int = 2, rest: bytes = b"\0\0") -> bytes:
    return wire.packet(0x10, wire.utf8(name) + bytes((level, flags)) + b"\0\x0a" + rest)


def test_each_version_is_recognized_by_its_name_and_level() -> None:
    for version, name in ((V3_1, "MQIsdp"), (V3_1_1, "MQTT"), (V5, "MQTT")):
        decoder = Decoder(10_000)
        rest = b"\0\0\0" if version is V5 else b"\0\0"
        [packet] = decoder.receive_data(connect_bytes(name, version, rest=rest))
        assert isinstance(packet, Connect)
        assert (packet.version, decoder.version, packet.keep_alive) == (version, version, 10)


@pytest.mark.parametrize(("name", "level"), [("MQTT", 3), ("MQTT", 6), ("MQIsdp", 4), ("MQTT", 0x84)])
def test_an_unknown_protocol_level_is_unsupported(name: str, level: int) -> None:
    """[MQTT-3.1.2-2]"""
    assert connect_refusal(connect_bytes(name, level)) is ReasonCode.UNSUPPORTED_PROTOCOL_VERSION


@pytest.mark.parametrize("name", ["HTTP", "", "MQTTT", "mqtt"])
def test_an_unknown_protocol_name_is_malformed(name: str) -> None:
    """3.1.1 [MQTT-3.1.4-1] closes without CONNACK; 5.0 [MQTT-3.1.2-1] allows that."""
    assert connect_refusal(connect_bytes(name, 4)) is ReasonCode.MALFORMED_PACKET


def test_anything_before_connect_is_refused() -> None:
    """[MQTT-3.1.0-1]"""
    assert connect_refusal(b"\xc0\0") is ReasonCode.PROTOCOL_ERROR
    assert connect_refusal(b"\x30\x03\0\x01a") is ReasonCode.PROTOCOL_ERROR


def test_bytes_of_another_protocol_are_refused_at_once() -> None:
    assert connect_refusal(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") is ReasonCode.PROTOCOL_ERROR
    assert connect_refusal(bytes.fromhex("160301020001000001fc0303")) is ReasonCode.MALFORMED_PACKET


def test_a_second_connect_is_refused() -> None:
    """[MQTT-3.1.0-2]"""
    decoder = Decoder(10_000)
    data = connect_bytes()
    assert len(decoder.receive_data(data + data)) == 1
    assert decoder.error is not None
    assert decoder.error.reason_code is ReasonCode.PROTOCOL_ERROR


@pytest.mark.parametrize(
    ("flags", "broken"),
    [
        (0x03, "[MQTT-3.1.2-3] reserved flag"),
        (0x0A, "[MQTT-3.1.2-11] will QoS without a will"),
        (0x22, "[MQTT-3.1.2-13] will retain without a will"),
        (0x1E, "[MQTT-3.1.2-12] will QoS 3"),
        (0x42, "3.1.1 [MQTT-3.1.2-22] password without a user name"),
    ],
)
def test_impossible_flags_are_malformed(flags: int, broken: str) -> None:
    assert connect_refusal(connect_bytes(flags=flags, rest=b"\0\0" * 4)) is ReasonCode.MALFORMED_PACKET, broken


@pytest.mark.parametrize("flags", [0x08, 0x0A, 0x10, 0x20, 0x38])
@pytest.mark.parametrize("version", [3, 4, 5])
def test_will_flags_without_a_will_are_malformed_though_the_rest_is_as_it_should_be(flags: int, version: int) -> None:
    name, properties = ("MQIsdp", b"") if version == 3 else ("MQTT", b"\0" if version == 5 else b"")
    whole = connect_bytes(name, version, flags=flags | 2, rest=properties + b"\0\x01c")
    assert connect_refusal(whole) is ReasonCode.MALFORMED_PACKET
    assert len(Decoder(1_000).receive_data(connect_bytes(name, version, flags=2, rest=properties + b"\0\x01c"))) == 1


def test_a_password_without_a_user_name_is_allowed_from_5_0_on() -> None:
    [packet] = Decoder(10_000).receive_data(Connect(V5, password=b"secret").serialize(V5))
    assert isinstance(packet, Connect)
    assert (packet.user_name, packet.password) == (None, b"secret")


def test_a_3_1_client_may_announce_a_user_name_and_leave_it_out() -> None:
    [packet] = Decoder(10_000).receive_data(connect_bytes("MQIsdp", 3, flags=0xC2, rest=b"\0\x01c"))
    assert isinstance(packet, Connect)
    assert (packet.client_id, packet.user_name, packet.password) == ("c", None, None)


def test_a_will_topic_with_a_wildcard_is_refused() -> None:
    data = Connect(V3_1_1, will=Will("a/+", b"x")).serialize(V3_1_1)
    assert connect_refusal(data) is ReasonCode.MALFORMED_PACKET


def test_bytes_after_the_payload_are_malformed() -> None:
    assert connect_refusal(connect_bytes(rest=b"\0\0x")) is ReasonCode.MALFORMED_PACKET


def test_authentication_data_without_a_method_is_a_protocol_error() -> None:
    data = Connect(V5, properties={Property.AUTHENTICATION_DATA: b"x"}).serialize(V5)
    assert connect_refusal(data) is ReasonCode.PROTOCOL_ERROR


def test_the_version_is_known_when_the_rest_of_a_connect_is_refused() -> None:
    """So that the refusal is answered in a form that the peer understands."""
    decoder = Decoder(10_000)
    decoder.receive_data(connect_bytes(level=5, flags=0x03, rest=b"\0\0\0"))
    assert decoder.error is not None
    assert decoder.version is V5


@pytest.mark.parametrize(
    ("reason_code", "return_code"),
    [
        (ReasonCode.SUCCESS, 0),
        (ReasonCode.UNSUPPORTED_PROTOCOL_VERSION, 1),
        (ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, 2),
        (ReasonCode.SERVER_UNAVAILABLE, 3),
        (ReasonCode.BAD_USER_NAME_OR_PASSWORD, 4),
        (ReasonCode.NOT_AUTHORIZED, 5),
    ],
)
def test_connack_of_3_1_1_carries_a_return_code(reason_code: ReasonCode, return_code: int) -> None:
    assert Connack(False, reason_code).serialize(V3_1_1) == bytes((0x20, 2, 0, return_code))


def test_connack_never_says_session_present_beside_a_refusal() -> None:
    """[MQTT-3.2.2-6]"""
    assert Connack(True, ReasonCode.NOT_AUTHORIZED).serialize(V5)[2] == 0
    assert Connack(True).serialize(V5)[2] == 1
    assert Connack(True).serialize(V3_1)[2] == 0


@pytest.mark.parametrize("reason_code", [0x00, 0x18, 0x19])
def test_an_auth_packet_has_its_reason(reason_code: int) -> None:
    """3.15.2.1, with and without properties."""
    reader = wire.Reader(bytes([reason_code]), 0, 1)
    assert Auth.parse(reader, V5) == Auth(ReasonCode(reason_code))
    reader = wire.Reader(bytes([reason_code, 0]), 0, 2)
    assert Auth.parse(reader, V5) == Auth(ReasonCode(reason_code))
    assert Auth.parse(wire.Reader(b"", 0, 0), V5) == Auth()
