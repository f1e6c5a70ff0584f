"""What one packet may ask of the server: time that grows with its bytes, and an end for what a client may repeat."""

from collections.abc import Callable
from time import process_time

import pytest

from tests.mqtt.conftest import Refusal, connected
from thingstead.mqtt import wire
from thingstead.mqtt.connection_packets import Connect, Pingreq, Will
from thingstead.mqtt.decoder import Decoder
from thingstead.mqtt.properties import USER_PROPERTIES_LIMIT, Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import FILTERS_LIMIT, Subscribe, SubscriptionRequest, Unsubscribe

V3_1_1, V5 = ProtocolVersion.V3_1_1, ProtocolVersion.V5
CONNECT_LIMIT = 1_024


def user_properties(count: int) -> dict[Property, tuple[tuple[str, str], ...]]:
    return {Property.USER_PROPERTY: (("k", "v"),) * count}


def with_user_properties(count: int) -> list[bytes]:
    """Packets of a client, each with so many user properties."""
    properties = user_properties(count)
    return [
        Publish("t", b"", properties=properties).serialize(V5),
        Puback(1, properties=properties).serialize(V5),
        Subscribe(1, [SubscriptionRequest("t")], properties).serialize(V5),
        Unsubscribe(1, ["t"], properties).serialize(V5),
    ]


@pytest.mark.parametrize("number", range(4))
def test_a_client_may_send_so_many_user_properties_and_not_one_more(number: int, refusal: Refusal) -> None:
    decoder = connected(V5)
    [packet] = decoder.receive_data(with_user_properties(USER_PROPERTIES_LIMIT)[number])
    assert packet.properties == user_properties(USER_PROPERTIES_LIMIT)  # type: ignore[union-attr]  # it has some
    assert refusal(V5, with_user_properties(USER_PROPERTIES_LIMIT + 1)[number]) is ReasonCode.QUOTA_EXCEEDED


@pytest.mark.parametrize("place", ["connect", "will"])
def test_a_connect_and_its_will_may_have_as_many(place: str) -> None:
    for count, expected in ((USER_PROPERTIES_LIMIT, None), (USER_PROPERTIES_LIMIT + 1, ReasonCode.QUOTA_EXCEEDED)):
        properties = user_properties(count)
        will = Will("t", b"", properties=properties) if place == "will" else None
        connect = Connect(V5, will=will, properties=properties if place == "connect" else {})
        decoder = Decoder(1_000_000)
        assert decoder.receive_data(connect.serialize(V5)) == ([connect] if expected is None else [])
        assert (decoder.error and decoder.error.reason_code) is expected


def test_what_a_server_sends_on_may_have_any_number() -> None:
    publish = Publish("t", b"", properties={Property.SUBSCRIPTION_IDENTIFIER: (1,) * 5_000, **user_properties(5_000)})
    assert Decoder(1_000_000, V5).receive_data(publish.serialize(V5)) == [publish]


def test_the_time_for_properties_grows_with_their_number_alone() -> None:
    def seconds(count: int) -> float:
        properties = {Property.SUBSCRIPTION_IDENTIFIER: (1,) * count, **user_properties(count)}
        data = Publish("t", b"", properties=properties).serialize(V5)
        begin = process_time()
        assert len(Decoder(10_000_000, V5).receive_data(data)) == 1
        return process_time() - begin

    few, many = min(seconds(10_000) for _ in range(3)), min(seconds(80_000) for _ in range(3))
    assert many < 24 * few  # eight times, if linear; 64 times, if quadratic


@pytest.mark.parametrize("broken", [b"\x0b\x01" * 3 + b"\xff", b"\x0b\x01"])
def test_what_a_client_may_not_send_is_refused_before_the_rest_is_read(broken: bytes, refusal: Refusal) -> None:
    """What follows would be malformed."""
    body = wire.utf8("t") + wire.variable_byte_integer(len(broken)) + broken
    assert refusal(V5, wire.packet(0x30, body)) is ReasonCode.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "made",
    [
        lambda count: Subscribe(1, [SubscriptionRequest("t")] * count).serialize(V3_1_1),
        lambda count: Unsubscribe(1, ["t"] * count).serialize(V3_1_1),
    ],
)
def test_a_packet_may_name_so_many_topic_filters_and_not_one_more(
    made: Callable[[int], bytes], refusal: Refusal
) -> None:
    assert len(connected(V3_1_1).receive_data(made(FILTERS_LIMIT))) == 1
    assert refusal(V3_1_1, made(FILTERS_LIMIT + 1)) is ReasonCode.QUOTA_EXCEEDED


class TestBeforeAdmission:
    def decoder(self) -> Decoder:
        return Decoder(1_000_000, max_connect_size_bytes=CONNECT_LIMIT)

    def test_a_connect_has_a_limit_of_its_own(self) -> None:
        decoder = self.decoder()
        longest = Connect(V3_1_1, client_id="x" * (CONNECT_LIMIT - 15))
        assert len(longest.serialize(V3_1_1)) == CONNECT_LIMIT
        assert decoder.receive_data(longest.serialize(V3_1_1)) == [longest]
        decoder = self.decoder()
        assert decoder.receive_data(Connect(V5, client_id="x" * CONNECT_LIMIT).serialize(V5)[:20]) == []
        assert decoder.error is not None
        assert decoder.error.reason_code is ReasonCode.PACKET_TOO_LARGE
        assert decoder.version is V5  # so that it can be told

    @pytest.mark.parametrize("step", [1, 7, 10_000])
    def test_nothing_behind_it_is_looked_at_until_its_sender_is_admitted(self, step: int) -> None:
        decoder = self.decoder()
        connect, large = Connect(V3_1_1), Publish("t", b"x" * CONNECT_LIMIT)
        data = b"".join(packet.serialize(V3_1_1) for packet in (connect, large, Pingreq())) + b"\0\0"
        received = [p for at in range(0, len(data), step) for p in decoder.receive_data(data[at : at + step])]
        assert received == [connect]
        assert decoder.error is None
        assert decoder.admit() == [large, Pingreq()]
        assert decoder.error is not None
