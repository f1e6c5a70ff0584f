"""What cases are made of: bytes, spelled by the tables of the specification, and what must come of them."""

from typing import NamedTuple

from tests.conformance import anatomy

V3_1, V3_1_1, V5 = VERSIONS = (3, 4, 5)
NAMES = {3: "MQIsdp", 4: "MQTT", 5: "MQTT"}
SUCCESS, MALFORMED, PROTOCOL_ERROR = 0x00, 0x81, 0x82
TOPIC_NAME_INVALID, TOPIC_ALIAS_INVALID, RECEIVE_MAXIMUM_EXCEEDED = 0x90, 0x94, 0x93
UNSUPPORTED_PROTOCOL_VERSION, CLIENT_IDENTIFIER_NOT_VALID, BAD_AUTHENTICATION_METHOD = 0x84, 0x85, 0x8C


class Exchange(NamedTuple):
    """What is sent at once, and exactly what must come back before anything else is sent. A PUBLISH and the answers
    to what was sent may come in either order (4.6), not so two PUBLISHes or two answers."""

    sent: bytes
    answers: tuple[bytes, ...] = ()


class Case(NamedTuple):
    """One connection.

    ``end``: None, and the connection must go on after the last exchange; or the reason code with which it must end.
    5.0 says it in DISCONNECT, or in CONNACK where no CONNECT was accepted yet; before 5.0 there is just the end.
    ``bare``: no CONNECT was sent before; the first exchange begins with one, or should.
    ``connack``: what a bare case must be answered first: the reason code or return code; None: the end comes first.
    """

    clause: str
    about: str
    version: int
    exchanges: tuple[Exchange, ...]
    end: int | None = None
    bare: bool = False
    connack: int | None = None


def goes_on(clause: str, about: str, version: int, *exchanges: Exchange) -> Case:
    return Case(clause, about, version, exchanges)


def ends(clause: str, about: str, version: int, sent: bytes, reason_code: int) -> Case:
    return Case(clause, about, version, (Exchange(sent),), reason_code)


def connects(clause: str, about: str, version: int, sent: bytes) -> Case:
    """A CONNECT that must be accepted."""
    return Case(clause, about, version, (Exchange(sent),), bare=True, connack=SUCCESS)


def refused(clause: str, about: str, version: int, sent: bytes, reason_code: int, return_code: int | None) -> Case:
    """A CONNECT that must not be accepted.

    ``return_code``: what is said before 5.0; None: just the end [MQTT-3.1.4-1] of 3.1.1.
    """
    return Case(
        clause, about, version, (Exchange(sent),), reason_code, True, reason_code if version == V5 else return_code
    )


def u16(value: int) -> bytes:
    return value.to_bytes(2, "big")


def binary(data: bytes) -> bytes:
    """1.5.6; a string, too, that may be broken."""
    return u16(len(data)) + data


def string(text: str) -> bytes:
    return binary(text.encode())


def variable(value: int) -> bytes:
    """1.5.5."""
    encoded = b""
    while value > 0x7F:
        encoded += bytes((value & 0x7F | 0x80,))
        value >>= 7
    return encoded + bytes((value,))


def packet(first_byte: int, *fields: bytes) -> bytes:
    body = b"".join(fields)
    return bytes((first_byte,)) + variable(len(body)) + body


def properties(version: int, *items: bytes) -> bytes:
    """With their length; nothing before 5.0."""
    body = b"".join(items)
    return variable(len(body)) + body if version == V5 else b""


SAMPLES = {
    "byte": b"\x01",
    "two": b"\0\x05",
    "four": b"\0\0\0\x64",
    "variable": b"\x05",
    "string": string("p"),
    "binary": binary(b"\xff"),
    "pair": string("p") + string("q"),
}


def sample(identifier: int) -> bytes:
    """A property with a value that may be."""
    return bytes((identifier,)) + SAMPLES[anatomy.PROPERTIES[identifier][1]]


def connect(
    version: int,
    *,
    flags: int = 2,
    items: tuple[bytes, ...] = (),
    client_id: bytes = b"own",
    payload: bytes = b"",
    name: str | None = None,
    level: int | None = None,
    first_byte: int = 0x10,
) -> bytes:
    """CONNECT; ``payload`` is what follows the client identifier, ``items`` are properties."""
    head = string(NAMES[version] if name is None else name) + bytes((version if level is None else level, flags))
    return packet(first_byte, head, u16(0), properties(version, *items), binary(client_id), payload)


def publish(
    version: int, topic: str | bytes, payload: bytes = b"p", *items: bytes, qos: int = 0, packet_id: int = 7
) -> bytes:
    name = topic if isinstance(topic, bytes) else topic.encode()
    identifier = u16(packet_id) if qos else b""
    return packet(0x30 | qos << 1, binary(name), identifier, properties(version, *items), payload)


def subscribe(version: int, topic_filter: str | bytes, options: int = 0, *items: bytes, packet_id: int = 9) -> bytes:
    name = topic_filter if isinstance(topic_filter, bytes) else topic_filter.encode()
    return packet(0x82, u16(packet_id), properties(version, *items), binary(name), bytes((options,)))


def unsubscribe(version: int, topic_filter: str | bytes, *items: bytes, packet_id: int = 9) -> bytes:
    name = topic_filter if isinstance(topic_filter, bytes) else topic_filter.encode()
    return packet(0xA2, u16(packet_id), properties(version, *items), binary(name))


def suback(version: int, *codes: int, packet_id: int = 9) -> bytes:
    return packet(0x90, u16(packet_id), properties(version), bytes(codes))


def unsuback(version: int, *codes: int, packet_id: int = 9) -> bytes:
    return packet(0xB0, u16(packet_id), properties(version), bytes(codes) if version == V5 else b"")


def short(first_byte: int, packet_id: int, *rest: bytes) -> bytes:
    """PUBACK, PUBREC, PUBREL, PUBCOMP."""
    return packet(first_byte, u16(packet_id), *rest)
