"""Chapter 2: fixed headers, remaining lengths, reserved types and flags, and the bound on size."""

import pytest

from tests.mqtt.conftest import Refusal, connected
from thingstead.mqtt.connection_packets import Connect, Pingreq
from thingstead.mqtt.decoder import Decoder
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode

V3_1, V3_1_1, V5 = ProtocolVersion


def test_a_remaining_length_of_five_bytes_is_malformed(refusal: Refusal) -> None:
    assert refusal(V3_1_1, b"\x30\x80\x80\x80\x80\x01") is ReasonCode.MALFORMED_PACKET


def test_a_padded_remaining_length_is_tolerated_before_5_0_only(refusal: Refusal) -> None:
    """[MQTT-1.5.5-1] came with 5.0; modems that always write two bytes are older."""
    padded = b"\xc0\x80\x00"
    assert connected(V3_1_1).receive_data(padded) == [Pingreq()]
    assert refusal(V5, padded) is ReasonCode.MALFORMED_PACKET


@pytest.mark.parametrize("data", [b"\0\0", b"\xc1\0", b"\xe2\0"])
def test_reserved_types_and_flags_are_malformed(refusal: Refusal, data: bytes) -> None:
    assert refusal(V3_1_1, data) is ReasonCode.MALFORMED_PACKET


def test_auth_is_reserved_before_5_0(refusal: Refusal) -> None:
    assert refusal(V3_1_1, b"\xf0\0") is ReasonCode.MALFORMED_PACKET


def test_a_client_may_not_send_what_only_a_server_sends(refusal: Refusal) -> None:
    for data in (b"\x20\x02\0\0", b"\xd0\0", b"\xb0\x02\0\x01"):
        assert refusal(V3_1_1, data) is ReasonCode.PROTOCOL_ERROR


def test_a_client_may_not_disconnect_with_a_server_s_reason(refusal: Refusal) -> None:
    assert refusal(V5, b"\xe0\x01\x8e") is ReasonCode.PROTOCOL_ERROR


def test_a_packet_over_the_limit_is_refused_before_its_body_arrives() -> None:
    decoder = Decoder(1_000)
    decoder.receive_data(Connect(V5).serialize(V5))
    decoder.receive_data(b"\x30\xff\xff\xff\x7f")
    assert decoder.error is not None
    assert decoder.error.reason_code is ReasonCode.PACKET_TOO_LARGE


def test_a_packet_of_exactly_the_limit_is_taken() -> None:
    publish = Publish("a", b"x" * 100)
    data = publish.serialize(V3_1_1)
    decoder = Decoder(len(data))
    decoder.receive_data(Connect(V3_1_1).serialize(V3_1_1))
    assert decoder.receive_data(data) == [publish]
    smaller = Decoder(len(data) - 1)
    smaller.receive_data(Connect(V3_1_1).serialize(V3_1_1))
    assert smaller.receive_data(data) == []
    assert smaller.error is not None


def test_packets_before_an_error_are_given_and_nothing_after_it() -> None:
    decoder = connected(V3_1_1)
    assert decoder.receive_data(b"\xc0\0\xc0\0\0\0\xc0\0") == [Pingreq(), Pingreq()]
    assert decoder.error is not None
    assert decoder.receive_data(b"\xc0\0") == []


def test_a_decoder_tells_whether_a_packet_has_begun() -> None:
    decoder = Decoder(10_000)
    data = Connect(V3_1_1, "c").serialize(V3_1_1)
    begun = [decoder.incomplete]
    for part in (data[:5], data[5:]):
        decoder.receive_data(part)
        begun.append(decoder.incomplete)
    assert begun == [False, True, False]
