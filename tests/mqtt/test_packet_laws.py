"""Laws of the codec: round trips, prefixes, chunking, and that nothing but a documented error comes out."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.mqtt import reasons
from thingstead.mqtt.connection_packets import Auth, Connack, Connect, Disconnect, Pingreq, Pingresp, Will
from thingstead.mqtt.decoder import Decoder, Packet
from thingstead.mqtt.properties import WILL, Place, Properties, Property, allowed_properties
from thingstead.mqtt.protocol import FROM_CLIENT, PacketType, ProtocolVersion, RetainHandling
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Suback, Subscribe, SubscriptionRequest, Unsuback, Unsubscribe

V3_1, V3_1_1, V5 = ProtocolVersion
LIMIT = 1_000_000

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
names = st.text(st.characters(categories=["L", "N"], include_characters="/ $-"), min_size=1, max_size=20)
filters = st.lists(st.sampled_from(["a", "b", "", "+", "$x"]), min_size=1, max_size=4).map("/".join).filter(bool)
packet_ids = st.integers(1, 65535)
u16, u32 = st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF)
flag = st.integers(0, 1)

VALUES: dict[Property, st.SearchStrategy[Any]] = {
    Property.PAYLOAD_FORMAT_INDICATOR: flag,
    Property.MESSAGE_EXPIRY_INTERVAL: u32,
    Property.CONTENT_TYPE: text,
    Property.RESPONSE_TOPIC: names,
    Property.CORRELATION_DATA: st.binary(max_size=20),
    Property.SESSION_EXPIRY_INTERVAL: u32,
    Property.ASSIGNED_CLIENT_IDENTIFIER: text,
    Property.SERVER_KEEP_ALIVE: u16,
    Property.AUTHENTICATION_METHOD: text,
    Property.AUTHENTICATION_DATA: st.binary(max_size=20),
    Property.REQUEST_PROBLEM_INFORMATION: flag,
    Property.WILL_DELAY_INTERVAL: u32,
    Property.REQUEST_RESPONSE_INFORMATION: flag,
    Property.RESPONSE_INFORMATION: text,
    Property.SERVER_REFERENCE: text,
    Property.REASON_STRING: text,
    Property.RECEIVE_MAXIMUM: st.integers(1, 0xFFFF),
    Property.TOPIC_ALIAS_MAXIMUM: u16,
    Property.TOPIC_ALIAS: st.integers(1, 0xFFFF),
    Property.MAXIMUM_QOS: flag,
    Property.RETAIN_AVAILABLE: flag,
    Property.USER_PROPERTY: st.lists(st.tuples(text, text), min_size=1, max_size=3).map(tuple),
    Property.MAXIMUM_PACKET_SIZE: st.integers(1, 0xFFFFFFFF),
    Property.WILDCARD_SUBSCRIPTION_AVAILABLE: flag,
    Property.SUBSCRIPTION_IDENTIFIER_AVAILABLE: flag,
    Property.SHARED_SUBSCRIPTION_AVAILABLE: flag,
}
subscription_identifiers = st.integers(1, 268_435_455)


def properties(place: Place) -> st.SearchStrategy[Properties]:
    optional = {prop: VALUES[prop] for prop in allowed_properties(place) if prop in VALUES}
    if place is PacketType.SUBSCRIBE:
        optional[Property.SUBSCRIPTION_IDENTIFIER] = st.tuples(subscription_identifiers)
    drawn = st.fixed_dictionaries({}, optional=optional)
    if place is PacketType.CONNECT:
        return drawn.filter(
            lambda found: Property.AUTHENTICATION_DATA not in found or Property.AUTHENTICATION_METHOD in found
        )
    return drawn


def codes(allowed: frozenset[ReasonCode]) -> st.SearchStrategy[ReasonCode]:
    return st.sampled_from(sorted(allowed))


def publishes(version: ProtocolVersion) -> st.SearchStrategy[Publish]:
    def build(qos: int, packet_id: int, dup: bool, **rest: Any) -> Publish:
        return Publish(qos=qos, packet_id=packet_id if qos else 0, dup=dup and qos > 0, **rest)

    return st.builds(
        build,
        qos=st.integers(0, 2),
        packet_id=packet_ids,
        dup=st.booleans(),
        topic=names,
        payload=st.binary(max_size=300),
        retain=st.booleans(),
        properties=properties(PacketType.PUBLISH) if version is V5 else st.just({}),
    )


def connects(version: ProtocolVersion) -> st.SearchStrategy[Connect]:
    def of(place: Place) -> st.SearchStrategy[Properties]:
        return properties(place) if version is V5 else st.just({})

    will = st.builds(Will, names, st.binary(max_size=50), st.integers(0, 2), st.booleans(), of(WILL))
    built = st.builds(
        Connect,
        version=st.just(version),
        client_id=text,
        clean_start=st.booleans(),
        keep_alive=u16,
        user_name=st.none() | text,
        password=st.none() | st.binary(max_size=20),
        will=st.none() | will,
        properties=of(PacketType.CONNECT),
    )
    return built.filter(lambda c: version is not V3_1_1 or c.password is None or c.user_name is not None)


def requests(version: ProtocolVersion) -> st.SearchStrategy[SubscriptionRequest]:
    if version is not V5:
        return st.builds(SubscriptionRequest, filters, st.integers(0, 2))
    return st.builds(
        SubscriptionRequest,
        filters,
        st.integers(0, 2),
        st.booleans(),
        st.booleans(),
        st.sampled_from(RetainHandling),
    )


def packets(version: ProtocolVersion) -> st.SearchStrategy[Packet]:
    """Any packet that is legal in a version."""

    def of(place: Place) -> st.SearchStrategy[Properties]:
        return properties(place) if version is V5 else st.just({})

    def code(allowed: frozenset[ReasonCode]) -> st.SearchStrategy[ReasonCode]:
        return codes(allowed) if version is V5 else st.just(ReasonCode.SUCCESS)

    acknowledgements = [
        st.builds(kind, packet_ids, code(kind.reason_codes), of(kind.packet_type))
        for kind in (Puback, Pubrec, Pubrel, Pubcomp)
    ]
    old_connack = [ReasonCode(c) for c in (0, 0x84, 0x85, 0x86, 0x87, 0x88)]
    connack_codes = codes(reasons.CONNACK_REASON_CODES) if version is V5 else st.sampled_from(old_connack)
    old_suback = [ReasonCode(c) for c in (0, 1, 2, 0x80)]
    suback_codes = codes(reasons.SUBACK_REASON_CODES) if version is V5 else st.sampled_from(old_suback)
    unsuback_codes = (
        st.lists(codes(reasons.UNSUBACK_REASON_CODES), min_size=1, max_size=4) if version is V5 else st.just([])
    )
    built: list[st.SearchStrategy[Any]] = [
        publishes(version),
        *acknowledgements,
        st.builds(lambda c, p: Connack(False, c, p), connack_codes, of(PacketType.CONNACK)),
        st.builds(Subscribe, packet_ids, st.lists(requests(version), min_size=1, max_size=4), of(PacketType.SUBSCRIBE)),
        st.builds(Suback, packet_ids, st.lists(suback_codes, min_size=1, max_size=4).map(tuple), of(PacketType.SUBACK)),
        st.builds(Unsubscribe, packet_ids, st.lists(filters, min_size=1, max_size=4), of(PacketType.UNSUBSCRIBE)),
        st.builds(Unsuback, packet_ids, unsuback_codes.map(tuple), of(PacketType.UNSUBACK)),
        st.builds(Pingreq),
        st.builds(Pingresp),
        st.builds(Disconnect, code(reasons.DISCONNECT_FROM_CLIENT_REASON_CODES - {4}), of(PacketType.DISCONNECT)),
    ]
    if version is V5:
        built.append(st.builds(Auth, codes(reasons.AUTH_REASON_CODES), of(PacketType.AUTH)))
    return st.one_of(built)


versions = st.sampled_from(ProtocolVersion)
any_packet = versions.flatmap(lambda version: st.tuples(st.just(version), packets(version)))


def decoder_for(packet: Packet, version: ProtocolVersion) -> Decoder:
    """A decoder at the end that may receive such a packet."""
    if packet.packet_type not in FROM_CLIENT:
        return Decoder(LIMIT, version)
    decoder = Decoder(LIMIT)
    decoder.receive_data(Connect(version).serialize(version))
    return decoder


@given(any_packet)
def test_every_packet_comes_back_as_it_was(case: tuple[ProtocolVersion, Packet]) -> None:
    version, packet = case
    decoder = decoder_for(packet, version)
    assert decoder.receive_data(packet.serialize(version)) == [packet]
    assert decoder.error is None


@given(versions.flatmap(connects))
def test_every_connect_comes_back_as_it_was(connect: Connect) -> None:
    decoder = Decoder(LIMIT)
    assert decoder.receive_data(connect.serialize(connect.version)) == [connect]
    assert (decoder.error, decoder.version) == (None, connect.version)


@given(any_packet)
def test_no_proper_prefix_of_a_packet_is_a_packet(case: tuple[ProtocolVersion, Packet]) -> None:
    version, packet = case
    data = packet.serialize(version)
    for length in range(len(data)):
        decoder = decoder_for(packet, version)
        assert decoder.receive_data(data[:length]) == []
        assert decoder.error is None


@pytest.mark.parametrize("version", ProtocolVersion)
@given(data=st.data())
def test_a_packet_cut_short_or_with_a_byte_too_many_inside_is_refused(
    version: ProtocolVersion, data: st.DataObject
) -> None:
    """The remaining length says that the packet ends, and its fields do not."""
    packet = data.draw(packets(version).filter(lambda p: not isinstance(p, Publish | Pingreq | Pingresp)))
    whole = packet.serialize(version)
    body = whole[2:] if whole[1] < 128 else whole[3:]
    extended = body + b"\0"
    decoder = decoder_for(packet, version)
    first_byte = bytes((whole[0],))
    decoder.receive_data(first_byte + _length(len(extended)) + extended)
    legal_with_one_more = isinstance(
        packet, Suback | Unsuback | Puback | Pubrec | Pubrel | Pubcomp | Disconnect | Auth
    ) and (version is V5 or isinstance(packet, Suback))
    assert decoder.error is not None or legal_with_one_more


def _length(value: int) -> bytes:
    return bytes((value,)) if value < 128 else bytes((value & 127 | 128, value >> 7))


def outcome(chunks: list[bytes]) -> tuple[list[Packet], ReasonCode | None]:
    decoder = Decoder(2_000)
    received = [packet for chunk in chunks for packet in decoder.receive_data(chunk)]
    return received, decoder.error.reason_code if decoder.error else None


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def stream(version: ProtocolVersion) -> st.SearchStrategy[bytes]:
    several = st.lists(packets(version), max_size=4)
    return st.builds(
        lambda connect, rest, tail: b"".join(p.serialize(version) for p in (connect, *rest)) + tail,
        connects(version),
        several,
        st.binary(max_size=30),
    )


streams = st.binary(max_size=200) | versions.flatmap(stream)


@given(streams, st.lists(st.integers(0, 10_000), max_size=6))
def test_how_bytes_are_cut_does_not_change_what_they_mean(data: bytes, places: list[int]) -> None:
    whole = outcome([data])
    assert outcome(cut(data, places)) == whole
    assert outcome([data[i : i + 1] for i in range(len(data))]) == whole


@pytest.mark.parametrize("version", ProtocolVersion)
@given(data=st.data())
def test_a_damaged_packet_gives_packets_or_a_documented_error(version: ProtocolVersion, data: st.DataObject) -> None:
    damaged = bytearray(data.draw(packets(version)).serialize(version))
    for place in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=3)):
        damaged[place] = data.draw(st.integers(0, 255))
    for decoder in (Decoder(LIMIT, version), Decoder(LIMIT)):
        if decoder.version is None:
            decoder.receive_data(Connect(version).serialize(version))
        decoder.receive_data(bytes(damaged))
        assert decoder.error is None or isinstance(decoder.error.reason_code, ReasonCode)
