"""The packets that begin and end a connection: CONNECT, CONNACK, PINGREQ, PINGRESP, DISCONNECT, AUTH."""

from dataclasses import dataclass
from typing import ClassVar

from thingstead.mqtt import wire
from thingstead.mqtt.properties import (
    NO_PROPERTIES,
    WILL,
    Properties,
    Property,
    parse_properties,
    serialize_properties,
)
from thingstead.mqtt.protocol import PROTOCOL_NAMES, PacketType, ProtocolVersion
from thingstead.mqtt.reasons import (
    AUTH_REASON_CODES,
    CONNACK_REASON_CODES,
    DISCONNECT_REASON_CODES,
    MqttError,
    ReasonCode,
    connect_return_code,
    malformed,
    protocol_error,
)
from thingstead.mqtt.topics import check_topic_name

V3_1, V3_1_1, V5 = ProtocolVersion.V3_1, ProtocolVersion.V3_1_1, ProtocolVersion.V5

_CLEAN_START, _WILL, _WILL_QOS, _WILL_RETAIN, _PASSWORD, _USER_NAME = 0x02, 0x04, 0x18, 0x20, 0x40, 0x80


@dataclass(slots=True)
class Will:
    """The will message of a CONNECT (3.1.2.5)."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NO_PROPERTIES


@dataclass(slots=True)
class Connect:
    """3.1. ``clean_start`` is called Clean Session before 5.0."""

    packet_type: ClassVar = PacketType.CONNECT

    version: ProtocolVersion = V3_1_1
    client_id: str = ""
    clean_start: bool = True
    keep_alive: int = 0  # seconds; 0: off
    user_name: str | None = None
    password: bytes | None = None
    will: Will | None = None
    properties: Properties = NO_PROPERTIES

    @classmethod
    def parse(cls, reader: wire.Reader, version: ProtocolVersion) -> "Connect":
        """Parses what follows the protocol version; see :func:`parse_protocol`."""
        flags = reader.u8()
        _check_connect_flags(flags, version)
        connect = cls(version, clean_start=bool(flags & _CLEAN_START), keep_alive=reader.u16())
        if version is V5:
            connect.properties = parse_properties(reader, PacketType.CONNECT)
            _check_authentication(connect.properties)
        # [MQTT-3.1.3-1] Client identifier, will, user name, password, in this order.
        connect.client_id = reader.utf8()
        if flags & _WILL:
            connect.will = _parse_will(reader, flags, version)
        # 3.1, chapter 3.1: the remaining length takes precedence over the flags; user name and password may be missing.
        lenient = version is V3_1
        if flags & _USER_NAME and not (lenient and reader.exhausted):
            connect.user_name = reader.utf8()
        if flags & _PASSWORD and not (lenient and reader.exhausted):
            connect.password = reader.binary()
        reader.finish()
        return connect

    def serialize(self, version: ProtocolVersion) -> bytes:
        """``version`` must be the version of this packet; the parameter exists because all packets have it."""
        will, flags, payload = self.will, 0, wire.utf8(self.client_id)
        if self.clean_start:
            flags |= _CLEAN_START
        if will is not None:
            flags |= _WILL | will.qos << 3 | (_WILL_RETAIN if will.retain else 0)
            if version is V5:
                payload += serialize_properties(will.properties, WILL)
            payload += wire.utf8(will.topic) + wire.binary(will.payload)
        if self.user_name is not None:
            flags |= _USER_NAME
            payload += wire.utf8(self.user_name)
        if self.password is not None:
            flags |= _PASSWORD
            payload += wire.binary(self.password)
        header = wire.utf8(PROTOCOL_NAMES[version]) + bytes((version, flags)) + self.keep_alive.to_bytes(2, "big")
        if version is V5:
            header += serialize_properties(self.properties, PacketType.CONNECT)
        return wire.packet(0x10, header + payload)


def parse_protocol(reader: wire.Reader) -> ProtocolVersion:
    """Parses the protocol name and version at the beginning of a CONNECT (3.1.2.1, 3.1.2.2)."""
    name = reader.utf8()
    if name not in PROTOCOL_NAMES.values():
        # 3.1.1 [MQTT-3.1.4-1] Closed without CONNACK; optional in 5.0 [MQTT-3.1.2-1].
        raise malformed("not an MQTT protocol name")
    level = reader.u8()
    for version, wanted_name in PROTOCOL_NAMES.items():
        if (name, level) == (wanted_name, version):
            return version
    # [MQTT-3.1.2-2] An unsupported version is answered with 0x84 (3.1.1: return code 1).
    raise MqttError(ReasonCode.UNSUPPORTED_PROTOCOL_VERSION, f"unsupported protocol version {level}")


def _check_connect_flags(flags: int, version: ProtocolVersion) -> None:
    if flags & 1 and version is not V3_1:
        # [MQTT-3.1.2-3] The reserved flag is zero.
        raise malformed("the reserved flag of CONNECT is set")
    if flags & _WILL:
        if flags & _WILL_QOS == _WILL_QOS:
            # [MQTT-3.1.2-12] (3.1.1: [MQTT-3.1.2-14]) The will's QoS is 0, 1 or 2.
            raise malformed("the will has QoS 3")
    elif flags & (_WILL_QOS | _WILL_RETAIN):
        # [MQTT-3.1.2-11] [MQTT-3.1.2-13] (3.1.1: -13, -15) Without a will, its QoS and retain are zero.
        raise malformed("CONNECT has will flags without a will")
    if version is V3_1_1 and flags & _PASSWORD and not flags & _USER_NAME:
        # 3.1.1 [MQTT-3.1.2-22] No password without a user name. 5.0 allows it.
        raise malformed("CONNECT has a password without a user name")


def _check_authentication(properties: Properties) -> None:
    if Property.AUTHENTICATION_DATA in properties and Property.AUTHENTICATION_METHOD not in properties:
        # 3.1.2.11.10: "It is a Protocol Error to include Authentication Data if there is no Authentication Method".
        raise protocol_error("authentication data without an authentication method")


def _parse_will(reader: wire.Reader, flags: int, version: ProtocolVersion) -> Will:
    properties = parse_properties(reader, WILL) if version is V5 else NO_PROPERTIES
    topic = reader.utf8()
    check_topic_name(topic)
    return Will(topic, reader.binary(), (flags & _WILL_QOS) >> 3, bool(flags & _WILL_RETAIN), properties)


def read_reason_code(reader: wire.Reader, allowed: frozenset[ReasonCode]) -> ReasonCode:
    """Parses a reason code, which must be one of ``allowed``."""
    value = reader.u8()
    for reason_code in allowed:
        if reason_code == value:
            return reason_code
    raise protocol_error(f"reason code 0x{value:02X} is not allowed in this packet")


@dataclass(slots=True)
class Connack:
    """3.2. If parsed from 3.x, ``reason_code`` is the corresponding 5.0 code."""

    packet_type: ClassVar = PacketType.CONNACK

    session_present: bool = False
    reason_code: ReasonCode = ReasonCode.SUCCESS
    properties: Properties = NO_PROPERTIES

    @classmethod
    def parse(cls, reader: wire.Reader, version: ProtocolVersion) -> "Connack":
        flags = reader.u8()
        if flags & 0xFE:
            # [MQTT-3.2.2-1] Bits 7 to 1 are reserved.
            raise malformed("a reserved flag of CONNACK is set")
        properties = NO_PROPERTIES
        if version is V5:
            reason_code = read_reason_code(reader, CONNACK_REASON_CODES)
            properties = parse_properties(reader, PacketType.CONNACK)
        else:
            return_code = reader.u8()
            if return_code not in _RETURN_CODES:
                raise protocol_error(f"CONNACK has the reserved return code {return_code}")
            reason_code = _RETURN_CODES[return_code]
        reader.finish()
        return cls(bool(flags), reason_code, properties)

    def serialize(self, version: ProtocolVersion) -> bytes:
        # [MQTT-3.2.2-6] (3.1.1: -4) Session present is zero with a refusal. 3.1 has no such flag.
        present = self.session_present and version is not V3_1 and self.reason_code < 0x80
        if version is not V5:
            return bytes((0x20, 2, present, connect_return_code(self.reason_code)))
        properties = serialize_properties(self.properties, PacketType.CONNACK)
        return wire.packet(0x20, bytes((present, self.reason_code)) + properties)


_RETURN_CODES = {
    0: ReasonCode.SUCCESS,
    1: ReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
    2: ReasonCode.CLIENT_IDENTIFIER_NOT_VALID,
    3: ReasonCode.SERVER_UNAVAILABLE,
    4: ReasonCode.BAD_USER_NAME_OR_PASSWORD,
    5: ReasonCode.NOT_AUTHORIZED,
}


@dataclass(slots=True)
class Pingreq:
    """3.12."""

    packet_type: ClassVar = PacketType.PINGREQ

    @classmethod
    def parse(cls, reader: wire.Reader, version: ProtocolVersion) -> "Pingreq":
        reader.finish()
        return cls()

    def serialize(self, version: ProtocolVersion) -> bytes:
        return b"\xc0\x00"


PINGRESP = b"\xd0\x00"


@dataclass(slots=True)
class Pingresp:
    """3.13."""

    packet_type: ClassVar = PacketType.PINGRESP

    @classmethod
    def parse(cls, reader: wire.Reader, version: ProtocolVersion) -> "Pingresp":
        reader.finish()
        return cls()

    def serialize(self, version: ProtocolVersion) -> bytes:
        return PINGRESP


@dataclass(slots=True)
class Disconnect:
    """3.14. A server sends it in 5.0 only."""

    packet_type: ClassVar = PacketType.DISCONNECT

    reason_code: ReasonCode = ReasonCode.SUCCESS
    properties: Properties = NO_PROPERTIES

    @classmethod
    def parse(cls, reader: wire.Reader, version: ProtocolVersion) -> "Disconnect":
        # 3.14.2.1, 3.14.2.2.1: reason code and properties may be left out from the end.
        disconnect = cls()
        if version is V5 and not reader.exhausted:
            disconnect.reason_code = read_reason_code(reader, DISCONNECT_REASON_CODES)
            if not reader.exhausted:
                disconnect.properties = parse_properties(reader, PacketType.DISCONNECT)
        reader.finish()
        return disconnect

    def serialize(self, version: ProtocolVersion) -> bytes:
        if version is not V5:
            return b"\xe0\x00"
        return _serialize_short(0xE0, self.reason_code, self.properties, PacketType.DISCONNECT)


@dataclass(slots=True)
class Auth:
    """3.15, 5.0 only."""

    packet_type: ClassVar = PacketType.AUTH

    reason_code: ReasonCode = ReasonCode.SUCCESS
    properties: Properties = NO_PROPERTIES

    @classmethod
    def parse(cls, reader: wire.Reader, version: ProtocolVersion) -> "Auth":
        if version is not V5:
            raise malformed("packet type 15 is reserved before 5.0")
        auth = cls()
        if not reader.exhausted:
            auth.reason_code = read_reason_code(reader, AUTH_REASON_CODES)
            if not reader.exhausted:
                auth.properties = parse_properties(reader, PacketType.AUTH)
        reader.finish()
        return auth

    def serialize(self, version: ProtocolVersion) -> bytes:
        return _serialize_short(0xF0, self.reason_code, self.properties, PacketType.AUTH)


def _serialize_short(first_byte: int, reason_code: ReasonCode, properties: Properties, place: PacketType) -> bytes:
    if properties:
        return wire.packet(first_byte, bytes((reason_code,)) + serialize_properties(properties, place))
    return bytes((first_byte, 1, reason_code)) if reason_code else bytes((first_byte, 0))
