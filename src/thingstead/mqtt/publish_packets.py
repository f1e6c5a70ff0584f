"""PUBLISH and the packets that acknowledge it: PUBACK, PUBREC, PUBREL, PUBCOMP. The hot path of the codec."""

from dataclasses import dataclass
from typing import ClassVar, TypeVar

import msgspec

from thingstead.mqtt import wire
from thingstead.mqtt.connection_packets import read_reason_code
from thingstead.mqtt.properties import (
    NO_PROPERTIES,
    Properties,
    Property,
    parse_properties,
    serialize_properties,
)
from thingstead.mqtt.protocol import PacketType, ProtocolVersion
from thingstead.mqtt.reasons import (
    PUBACK_REASON_CODES,
    PUBREL_REASON_CODES,
    ReasonCode,
    malformed,
    protocol_error,
)
from thingstead.mqtt.topics import check_topic_name

V5 = ProtocolVersion.V5

# Cache of decoded and checked topic names. Devices use few names, so nearly every PUBLISH hits it; it is emptied when
# it is full.
_names: dict[bytes, str] = {}
_NAMES_LIMIT = 4096
_NAME_BYTES_LIMIT = 128


class Publish(msgspec.Struct, gc=False):
    """3.3. ``packet_id`` is 0 at QoS 0. ``topic`` is empty if only a topic alias was sent.

    A Struct, since one is created for every message: at a quarter of the cost of a data class.
    """

    packet_type: ClassVar = PacketType.PUBLISH

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    retain: bool = False
    dup: bool = False
    properties: Properties = NO_PROPERTIES

    def serialize(self, version: ProtocolVersion) -> bytes:
        body = wire.utf8(self.topic)
        if self.qos:
            body += self.packet_id.to_bytes(2, "big")
        if version is V5:
            body += serialize_properties(self.properties, PacketType.PUBLISH) if self.properties else b"\0"
        return wire.packet(0x30 | self.dup << 3 | self.qos << 1 | self.retain, body + self.payload)


def parse_publish(
    data: bytes, first_byte: int, start: int, end: int, *, with_properties: bool, from_client: bool = False
) -> Publish:
    """Parses the body ``data[start:end]`` of a PUBLISH. ``with_properties``: the version is 5.0."""
    qos = first_byte >> 1 & 3
    if qos == 3:
        # [MQTT-3.3.1-4] Not both QoS bits.
        raise malformed("PUBLISH has QoS 3")
    if first_byte & 8 and not qos:
        # [MQTT-3.3.1-2] DUP is zero at QoS 0.
        raise malformed("PUBLISH has DUP at QoS 0")
    pos = start + 2
    if pos > end:
        raise malformed("PUBLISH ends inside its topic name")
    name_end = pos + (data[start] << 8 | data[start + 1])
    payload_at = name_end + 2 if qos else name_end
    if payload_at + with_properties > end:
        raise malformed("PUBLISH ends inside its variable header")
    name = data[pos:name_end]
    topic = _names.get(name)
    if topic is None:
        topic = _topic_name(name, with_properties)
    packet_id = 0
    if qos:
        packet_id = data[name_end] << 8 | data[name_end + 1]
        if not packet_id:
            # [MQTT-2.2.1-3] (3.1.1: [MQTT-2.3.1-1]) A packet identifier is not zero.
            raise protocol_error("the packet identifier is zero")
    properties = NO_PROPERTIES
    if with_properties:
        if data[payload_at]:
            reader = wire.Reader(data, payload_at, end, from_client=from_client)
            properties = parse_properties(reader, PacketType.PUBLISH)
            payload_at = reader.position
        else:
            payload_at += 1
        if not topic and Property.TOPIC_ALIAS not in properties:
            # 3.3.2.1: "It is a Protocol Error if the Topic Name is zero length and there is no Topic Alias."
            raise protocol_error("PUBLISH has neither a topic name nor a topic alias")
    return Publish(topic, data[payload_at:end], qos, packet_id, first_byte & 1 == 1, first_byte & 8 == 8, properties)


def _topic_name(encoded: bytes, may_be_empty: bool) -> str:
    """[MQTT-3.3.2-1] The topic name is a UTF-8 string."""
    name = wire.decode_utf8(encoded)
    if not name and may_be_empty:
        return name
    check_topic_name(name)
    if len(encoded) <= _NAME_BYTES_LIMIT:
        if len(_names) >= _NAMES_LIMIT:
            _names.clear()
        _names[encoded] = name
    return name


@dataclass(slots=True)
class _Acknowledgement:
    """Base of the four acknowledgements: packet identifier, reason code, properties (3.4 to 3.7)."""

    first_byte: ClassVar[int]
    packet_type: ClassVar[PacketType]
    reason_codes: ClassVar[frozenset[ReasonCode]]

    packet_id: int
    reason_code: ReasonCode = ReasonCode.SUCCESS
    properties: Properties = NO_PROPERTIES

    def serialize(self, version: ProtocolVersion) -> bytes:
        packet_id = self.packet_id
        if version is not V5 or not (self.reason_code or self.properties):
            return bytes((self.first_byte, 2, packet_id >> 8, packet_id & 0xFF))
        body = bytes((packet_id >> 8, packet_id & 0xFF, self.reason_code))
        if self.properties:
            body += serialize_properties(self.properties, self.packet_type)
        return wire.packet(self.first_byte, body)


@dataclass(slots=True)
class Puback(_Acknowledgement):
    """3.4: answers a QoS 1 PUBLISH."""

    first_byte = 0x40
    packet_type = PacketType.PUBACK
    reason_codes = PUBACK_REASON_CODES


@dataclass(slots=True)
class Pubrec(_Acknowledgement):
    """3.5: answers a QoS 2 PUBLISH."""

    first_byte = 0x50
    packet_type = PacketType.PUBREC
    reason_codes = PUBACK_REASON_CODES


@dataclass(slots=True)
class Pubrel(_Acknowledgement):
    """3.6: answers a PUBREC."""

    first_byte = 0x62
    packet_type = PacketType.PUBREL
    reason_codes = PUBREL_REASON_CODES


@dataclass(slots=True)
class Pubcomp(_Acknowledgement):
    """3.7: answers a PUBREL."""

    first_byte = 0x70
    packet_type = PacketType.PUBCOMP
    reason_codes = PUBREL_REASON_CODES


A = TypeVar("A", bound=_Acknowledgement)


def parse_acknowledgement(kind: type[A], reader: wire.Reader, version: ProtocolVersion) -> A:
    """Parses the body of one of the four acknowledgements."""
    packet = kind(reader.packet_id())
    # 3.4.2.1, 3.4.2.2.1 and similar: reason code and properties may be omitted from the end.
    if version is V5 and not reader.exhausted:
        packet.reason_code = read_reason_code(reader, kind.reason_codes)
        if not reader.exhausted:
            packet.properties = parse_properties(reader, kind.packet_type)
    reader.finish()
    return packet


def parse_short_puback(data: bytes, start: int) -> Puback:
    """Fast path: parses a PUBACK whose body is only its packet identifier."""
    packet_id = data[start] << 8 | data[start + 1]
    if not packet_id:
        # [MQTT-2.2.1-3] (3.1.1: [MQTT-2.3.1-1]) A packet identifier is not zero.
        raise protocol_error("the packet identifier is zero")
    return Puback(packet_id)
