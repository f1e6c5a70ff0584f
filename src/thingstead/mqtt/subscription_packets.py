"""SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from thingstead.mqtt import wire
from thingstead.mqtt.connection_packets import read_reason_code
from thingstead.mqtt.properties import NO_PROPERTIES, Properties, parse_properties, serialize_properties
from thingstead.mqtt.protocol import PacketType, ProtocolVersion, RetainHandling
from thingstead.mqtt.reasons import (
    SUBACK_REASON_CODES,
    UNSUBACK_REASON_CODES,
    MqttError,
    ReasonCode,
    malformed,
    protocol_error,
)
from thingstead.mqtt.topics import SHARE_PREFIX, check_topic_filter

V5 = ProtocolVersion.V5

FILTERS_LIMIT = 10_000  # in one packet of a client; parsing so many takes about ten milliseconds

_NO_LOCAL, _RETAIN_AS_PUBLISHED, _RETAIN_HANDLING, _RESERVED = 0x04, 0x08, 0x30, 0xC0


@dataclass(slots=True)
class SubscriptionRequest:
    """One topic filter of a SUBSCRIBE with its subscription options (3.8.3.1)."""

    topic_filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: RetainHandling = RetainHandling.AT_SUBSCRIBE

    @classmethod
    def parse(cls, reader: wire.Reader, version: ProtocolVersion) -> "SubscriptionRequest":
        topic_filter = reader.utf8()
        check_topic_filter(topic_filter)
        options = reader.u8()
        qos = options & 3
        if qos == 3:
            # 3.8.3.1: "It is a Protocol Error if the Maximum QoS field has the value 3." (3.1.1: [MQTT-3-8.3-4])
            raise protocol_error("SUBSCRIBE asks for QoS 3")
        if version is not V5:
            if options & ~3:
                # 3.1.1 [MQTT-3-8.3-4] The upper six bits are reserved.
                raise malformed("SUBSCRIBE sets reserved bits")
            return cls(topic_filter, qos)
        if options & _RESERVED:
            # [MQTT-3.8.3-5] The upper two bits are reserved.
            raise malformed("SUBSCRIBE sets reserved bits")
        retain_handling = (options & _RETAIN_HANDLING) >> 4
        if retain_handling == 3:
            # 3.8.3.1: "It is a Protocol Error to send a Retain Handling value of 3."
            raise protocol_error("SUBSCRIBE has retain handling 3")
        if options & _NO_LOCAL and topic_filter.startswith(SHARE_PREFIX):
            # [MQTT-3.8.3-4] No Local is not for shared subscriptions.
            raise protocol_error("a shared subscription has No Local")
        return cls(
            topic_filter,
            qos,
            bool(options & _NO_LOCAL),
            bool(options & _RETAIN_AS_PUBLISHED),
            RetainHandling(retain_handling),
        )

    def serialize(self, version: ProtocolVersion) -> bytes:
        options = self.qos
        if version is V5:
            options |= self.no_local << 2 | self.retain_as_published << 3 | self.retain_handling << 4
        return wire.utf8(self.topic_filter) + bytes((options,))


@dataclass(slots=True)
class Subscribe:
    """3.8."""

    packet_type: ClassVar = PacketType.SUBSCRIBE

    packet_id: int
    subscriptions: list[SubscriptionRequest] = field(default_factory=list)
    properties: Properties = NO_PROPERTIES

    @classmethod
    def parse(cls, reader: wire.Reader, version: ProtocolVersion) -> "Subscribe":
        packet = cls(reader.packet_id())
        if version is V5:
            packet.properties = parse_properties(reader, PacketType.SUBSCRIBE)
        while not reader.exhausted:
            if len(packet.subscriptions) >= FILTERS_LIMIT:
                raise _too_many_filters("SUBSCRIBE")
            packet.subscriptions.append(SubscriptionRequest.parse(reader, version))
        if not packet.subscriptions:
            # [MQTT-3.8.3-2] (3.1.1: -3) At least one; 3.8.3: "A SUBSCRIBE packet with no Payload is a Protocol Error."
            raise protocol_error("SUBSCRIBE has no topic filter")
        return packet

    def serialize(self, version: ProtocolVersion) -> bytes:
        body = _head(self.packet_id, self.properties, PacketType.SUBSCRIBE, version)
        return wire.packet(0x82, body + b"".join(request.serialize(version) for request in self.subscriptions))


@dataclass(slots=True)
class Suback:
    """3.9: a reason code for each topic filter, in order [MQTT-3.8.4-6]."""

    packet_type: ClassVar = PacketType.SUBACK

    packet_id: int
    reason_codes: Sequence[ReasonCode]
    properties: Properties = NO_PROPERTIES

    @classmethod
    def parse(cls, reader: wire.Reader, version: ProtocolVersion) -> "Suback":
        packet_id = reader.packet_id()
        properties = parse_properties(reader, PacketType.SUBACK) if version is V5 else NO_PROPERTIES
        allowed = SUBACK_REASON_CODES if version is V5 else _OLD_SUBACK_CODES
        reason_codes = _read_reason_codes(reader, allowed)
        return cls(packet_id, reason_codes, properties)

    def serialize(self, version: ProtocolVersion) -> bytes:
        body = _head(self.packet_id, self.properties, PacketType.SUBACK, version)
        if version is V5:
            return wire.packet(0x90, body + bytes(self.reason_codes))
        # 3.1.1 [MQTT-3.9.3-2] Only 0, 1, 2 and 0x80.
        return wire.packet(0x90, body + bytes(min(code, 0x80) for code in self.reason_codes))


_OLD_SUBACK_CODES = frozenset(
    {ReasonCode.SUCCESS, ReasonCode.GRANTED_QOS_1, ReasonCode.GRANTED_QOS_2, ReasonCode.UNSPECIFIED_ERROR}
)


@dataclass(slots=True)
class Unsubscribe:
    """3.10."""

    packet_type: ClassVar = PacketType.UNSUBSCRIBE

    packet_id: int
    topic_filters: list[str] = field(default_factory=list)
    properties: Properties = NO_PROPERTIES

    @classmethod
    def parse(cls, reader: wire.Reader, version: ProtocolVersion) -> "Unsubscribe":
        packet = cls(reader.packet_id())
        if version is V5:
            packet.properties = parse_properties(reader, PacketType.UNSUBSCRIBE)
        while not reader.exhausted:
            if len(packet.topic_filters) >= FILTERS_LIMIT:
                raise _too_many_filters("UNSUBSCRIBE")
            topic_filter = reader.utf8()
            check_topic_filter(topic_filter)
            packet.topic_filters.append(topic_filter)
        if not packet.topic_filters:
            # [MQTT-3.10.3-2] At least one; 3.10.3: "An UNSUBSCRIBE packet with no Payload is a Protocol Error."
            raise protocol_error("UNSUBSCRIBE has no topic filter")
        return packet

    def serialize(self, version: ProtocolVersion) -> bytes:
        body = _head(self.packet_id, self.properties, PacketType.UNSUBSCRIBE, version)
        return wire.packet(0xA2, body + b"".join(map(wire.utf8, self.topic_filters)))


@dataclass(slots=True)
class Unsuback:
    """3.11: in 5.0 a reason code for each topic filter, in order [MQTT-3.11.3-1]; before, none."""

    packet_type: ClassVar = PacketType.UNSUBACK

    packet_id: int
    reason_codes: Sequence[ReasonCode] = ()
    properties: Properties = NO_PROPERTIES

    @classmethod
    def parse(cls, reader: wire.Reader, version: ProtocolVersion) -> "Unsuback":
        packet_id = reader.packet_id()
        if version is not V5:
            reader.finish()
            return cls(packet_id)
        properties = parse_properties(reader, PacketType.UNSUBACK)
        return cls(packet_id, _read_reason_codes(reader, UNSUBACK_REASON_CODES), properties)

    def serialize(self, version: ProtocolVersion) -> bytes:
        body = _head(self.packet_id, self.properties, PacketType.UNSUBACK, version)
        return wire.packet(0xB0, body + bytes(self.reason_codes) if version is V5 else body)


def _too_many_filters(packet: str) -> MqttError:
    """The error for a packet with more than FILTERS_LIMIT topic filters."""
    return MqttError(ReasonCode.QUOTA_EXCEEDED, f"{packet} has more than {FILTERS_LIMIT} topic filters")


def _read_reason_codes(reader: wire.Reader, allowed: frozenset[ReasonCode]) -> tuple[ReasonCode, ...]:
    codes = []
    while not reader.exhausted:
        codes.append(read_reason_code(reader, allowed))
    if not codes:
        raise malformed("the packet has no reason code")
    return tuple(codes)


def _head(packet_id: int, properties: Properties, place: PacketType, version: ProtocolVersion) -> bytes:
    head = packet_id.to_bytes(2, "big")
    return head + serialize_properties(properties, place) if version is V5 else head
