"""Properties of MQTT 5.0 (2.2.2): types, allowed packets, encoding."""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple

from thingstead.mqtt import wire
from thingstead.mqtt.protocol import PacketType
from thingstead.mqtt.reasons import MqttError, ReasonCode, malformed, protocol_error


class Property(IntEnum):
    """Property identifiers (table 2-4). Values are int, str or bytes; USER_PROPERTY is a tuple of pairs of str,
    SUBSCRIPTION_IDENTIFIER a tuple of int."""

    PAYLOAD_FORMAT_INDICATOR = 0x01
    MESSAGE_EXPIRY_INTERVAL = 0x02  # s
    CONTENT_TYPE = 0x03
    RESPONSE_TOPIC = 0x08
    CORRELATION_DATA = 0x09
    SUBSCRIPTION_IDENTIFIER = 0x0B
    SESSION_EXPIRY_INTERVAL = 0x11  # s; 0xFFFFFFFF never
    ASSIGNED_CLIENT_IDENTIFIER = 0x12
    SERVER_KEEP_ALIVE = 0x13  # s
    AUTHENTICATION_METHOD = 0x15
    AUTHENTICATION_DATA = 0x16
    REQUEST_PROBLEM_INFORMATION = 0x17
    WILL_DELAY_INTERVAL = 0x18  # s
    REQUEST_RESPONSE_INFORMATION = 0x19
    RESPONSE_INFORMATION = 0x1A
    SERVER_REFERENCE = 0x1C
    REASON_STRING = 0x1F
    RECEIVE_MAXIMUM = 0x21
    TOPIC_ALIAS_MAXIMUM = 0x22
    TOPIC_ALIAS = 0x23
    MAXIMUM_QOS = 0x24
    RETAIN_AVAILABLE = 0x25
    USER_PROPERTY = 0x26
    MAXIMUM_PACKET_SIZE = 0x27  # bytes
    WILDCARD_SUBSCRIPTION_AVAILABLE = 0x28
    SUBSCRIPTION_IDENTIFIER_AVAILABLE = 0x29
    SHARED_SUBSCRIPTION_AVAILABLE = 0x2A

    __hash__ = int.__hash__  # the hash of Enum is computed from the name, in Python: slow


Properties = Mapping[Property, Any]


class _NoProperties(dict[Property, Any]):
    """An empty dict that is hashable, as the default of a dataclass field must be."""

    __slots__ = ()
    __hash__ = object.__hash__  # type: ignore[assignment]  # dict declares that it has none

    def __setitem__(self, key: Property, value: Any) -> None:
        raise TypeError("shared by all packets without properties")


NO_PROPERTIES: Properties = _NoProperties()

USER_PROPERTIES_LIMIT = 256  # in one packet of a client, or in one will

WILL = "will"  # place of the properties of a will (3.1.3.2), beside the packet types
Place = PacketType | str


class _Kind(NamedTuple):
    read: Callable[[wire.Reader], Any]
    write: Callable[[Any], bytes]


_U8 = _Kind(wire.Reader.u8, lambda value: value.to_bytes(1, "big"))
_U16 = _Kind(wire.Reader.u16, lambda value: value.to_bytes(2, "big"))
_U32 = _Kind(wire.Reader.u32, lambda value: value.to_bytes(4, "big"))
_VARINT = _Kind(wire.Reader.variable_byte_integer, wire.variable_byte_integer)
_BINARY = _Kind(wire.Reader.binary, wire.binary)
_UTF8 = _Kind(wire.Reader.utf8, wire.utf8)
_PAIR = _Kind(
    lambda reader: (reader.utf8(), reader.utf8()),
    lambda pair: wire.utf8(pair[0]) + wire.utf8(pair[1]),
)


class _Rule(NamedTuple):
    kind: _Kind
    places: frozenset[Place]
    check: Callable[[Any], bool] | None = None  # restriction of the value beyond its type
    refusal: ReasonCode = ReasonCode.PROTOCOL_ERROR  # if the check fails


def _flag(value: int) -> bool:
    return value in (0, 1)


def _positive(value: int) -> bool:
    return value > 0


def _no_wildcards(value: str) -> bool:
    return bool(value) and "+" not in value and "#" not in value


def _in(*places: Place) -> frozenset[Place]:
    return frozenset(places)


_P = PacketType
_MESSAGE = _in(_P.PUBLISH, WILL)
_AUTHENTICATION = _in(_P.CONNECT, _P.CONNACK, _P.AUTH)
_HANDSHAKE = _in(_P.CONNECT, _P.CONNACK)
_ANSWERS = _in(_P.CONNACK, _P.PUBACK, _P.PUBREC, _P.PUBREL, _P.PUBCOMP, _P.SUBACK, _P.UNSUBACK, _P.DISCONNECT, _P.AUTH)
_EVERYWHERE = _ANSWERS | _in(_P.CONNECT, _P.PUBLISH, WILL, _P.SUBSCRIBE, _P.UNSUBSCRIBE)

RULES: dict[Property, _Rule] = {
    Property.PAYLOAD_FORMAT_INDICATOR: _Rule(_U8, _MESSAGE, _flag),
    Property.MESSAGE_EXPIRY_INTERVAL: _Rule(_U32, _MESSAGE),
    Property.CONTENT_TYPE: _Rule(_UTF8, _MESSAGE),
    Property.RESPONSE_TOPIC: _Rule(_UTF8, _MESSAGE, _no_wildcards),  # [MQTT-3.3.2-14]
    Property.CORRELATION_DATA: _Rule(_BINARY, _MESSAGE),
    Property.SUBSCRIPTION_IDENTIFIER: _Rule(_VARINT, _in(_P.PUBLISH, _P.SUBSCRIBE), _positive),  # 3.8.2.1.2
    Property.SESSION_EXPIRY_INTERVAL: _Rule(_U32, _in(_P.CONNECT, _P.CONNACK, _P.DISCONNECT)),
    Property.ASSIGNED_CLIENT_IDENTIFIER: _Rule(_UTF8, _in(_P.CONNACK)),
    Property.SERVER_KEEP_ALIVE: _Rule(_U16, _in(_P.CONNACK)),
    Property.AUTHENTICATION_METHOD: _Rule(_UTF8, _AUTHENTICATION),
    Property.AUTHENTICATION_DATA: _Rule(_BINARY, _AUTHENTICATION),
    Property.REQUEST_PROBLEM_INFORMATION: _Rule(_U8, _in(_P.CONNECT), _flag),
    Property.WILL_DELAY_INTERVAL: _Rule(_U32, _in(WILL)),
    Property.REQUEST_RESPONSE_INFORMATION: _Rule(_U8, _in(_P.CONNECT), _flag),
    Property.RESPONSE_INFORMATION: _Rule(_UTF8, _in(_P.CONNACK)),
    Property.SERVER_REFERENCE: _Rule(_UTF8, _in(_P.CONNACK, _P.DISCONNECT)),
    Property.REASON_STRING: _Rule(_UTF8, _ANSWERS),
    Property.RECEIVE_MAXIMUM: _Rule(_U16, _HANDSHAKE, _positive),  # 3.1.2.11.3
    Property.TOPIC_ALIAS_MAXIMUM: _Rule(_U16, _HANDSHAKE),
    # [MQTT-3.3.2-8] A topic alias is not zero.
    Property.TOPIC_ALIAS: _Rule(_U16, _in(_P.PUBLISH), _positive, ReasonCode.TOPIC_ALIAS_INVALID),
    Property.MAXIMUM_QOS: _Rule(_U8, _in(_P.CONNACK), _flag),
    Property.RETAIN_AVAILABLE: _Rule(_U8, _in(_P.CONNACK), _flag),
    Property.USER_PROPERTY: _Rule(_PAIR, _EVERYWHERE),
    Property.MAXIMUM_PACKET_SIZE: _Rule(_U32, _HANDSHAKE, _positive),  # 3.1.2.11.4
    Property.WILDCARD_SUBSCRIPTION_AVAILABLE: _Rule(_U8, _in(_P.CONNACK), _flag),
    Property.SUBSCRIPTION_IDENTIFIER_AVAILABLE: _Rule(_U8, _in(_P.CONNACK), _flag),
    Property.SHARED_SUBSCRIPTION_AVAILABLE: _Rule(_U8, _in(_P.CONNACK), _flag),
}


def allowed_properties(place: Place) -> frozenset[Property]:
    """The properties that are allowed in a packet type, or in the will."""
    return frozenset(prop for prop, rule in RULES.items() if place in rule.places)


def _repeats(prop: Property, place: Place) -> bool:
    # 3.3.2.3.7 user properties anywhere, 3.3.2.3.8 subscription identifiers in PUBLISH
    return prop is Property.USER_PROPERTY or (prop is Property.SUBSCRIPTION_IDENTIFIER and place is PacketType.PUBLISH)


def parse_properties(reader: wire.Reader, place: Place) -> Properties:
    """Parses a property length and the properties after it (2.2.2), in time linear in their bytes.

    Raises:
        MqttError: a property is invalid, repeated or not allowed here; raised before later properties are parsed.
    """
    length = reader.variable_byte_integer()
    if not length:
        return NO_PROPERTIES
    inner = reader.sub_reader(length)
    found: dict[Property, Any] = {}
    lists: dict[Property, list[Any]] = {}
    while not inner.exhausted:
        rule, prop = _rule_of(inner.variable_byte_integer(), place)
        value = rule.kind.read(inner)
        if rule.check is not None and not rule.check(value):
            raise MqttError(rule.refusal, f"{prop.name} has an invalid value")
        if prop in found and not _repeats(prop, place):
            # 2.2.2.2: "It is a Protocol Error to include" a property more than once.
            raise protocol_error(f"{prop.name} occurs twice")
        if prop is Property.USER_PROPERTY or prop is Property.SUBSCRIPTION_IDENTIFIER:
            if reader.from_client:
                _check_repeated(prop, place, len(lists.get(prop, ())))
            found[prop] = lists.setdefault(prop, [])
            lists[prop].append(value)
        else:
            found[prop] = value
    for prop, values in lists.items():
        found[prop] = tuple(values)
    return found


def _check_repeated(prop: Property, place: Place, count: int) -> None:
    """Counts a repeatable property of a client's packet. Raises MqttError above the limit."""
    if place is PacketType.PUBLISH and prop is Property.SUBSCRIPTION_IDENTIFIER:
        # [MQTT-3.3.4-6] A client does not send subscription identifiers.
        raise protocol_error("PUBLISH from a client has a subscription identifier")
    if count >= USER_PROPERTIES_LIMIT:
        raise MqttError(ReasonCode.QUOTA_EXCEEDED, f"more than {USER_PROPERTIES_LIMIT} user properties")


_BY_IDENTIFIER: dict[int, tuple[_Rule, Property]] = {int(prop): (rule, prop) for prop, rule in RULES.items()}


def _rule_of(identifier: int, place: Place) -> tuple[_Rule, Property]:
    found = _BY_IDENTIFIER.get(identifier)
    if found is None:
        raise malformed(f"unknown property 0x{identifier:02X}")
    rule, prop = found
    if place not in rule.places:
        # 2.2.2.2: an identifier that is not valid for its packet type makes the packet malformed.
        raise malformed(f"{prop.name} is not allowed in this packet")
    return found


def serialize_properties(properties: Properties, place: Place) -> bytes:
    """Serializes property length and properties. ValueError for a property that is not allowed: a bug of the caller."""
    if not properties:
        return b"\0"
    encoded = bytearray()
    for prop, value in properties.items():
        rule = RULES[prop]
        if place not in rule.places:
            raise ValueError(f"{prop.name} is not allowed in this packet")
        several = prop is Property.USER_PROPERTY or prop is Property.SUBSCRIPTION_IDENTIFIER
        for item in value if several else (value,):
            encoded.append(prop)
            encoded += rule.kind.write(item)
    return wire.variable_byte_integer(len(encoded)) + bytes(encoded)
