"""What the specification says of the parts of a packet, read from it and not from the code under test.

Tables 2.1 to 2.4 of 5.0, and where the properties stand in each packet. Used to judge answers, and to make cases.
"""

from collections.abc import Iterator

CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = range(1, 8)
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(8, 16)
WILL = 16  # the will's properties are a set of their own (3.1.3.2)

FROM_SERVER_ALONE = (CONNACK, SUBACK, UNSUBACK, PINGRESP)  # table 2.1
FROM_CLIENT_WITH_ID = (PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, UNSUBSCRIBE)  # at the beginning of the body
FIXED_FLAGS = {kind: 2 if kind in (PUBREL, SUBSCRIBE, UNSUBSCRIBE) else 0 for kind in range(1, 16) if kind != PUBLISH}

_ANSWERS = (CONNACK, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, UNSUBACK, DISCONNECT, AUTH)
# Table 2.4: identifier, name, how its value is written (1.5), and where it may stand.
PROPERTIES: dict[int, tuple[str, str, tuple[int, ...]]] = {
    0x01: ("payload format indicator", "byte", (PUBLISH, WILL)),
    0x02: ("message expiry interval", "four", (PUBLISH, WILL)),
    0x03: ("content type", "string", (PUBLISH, WILL)),
    0x08: ("response topic", "string", (PUBLISH, WILL)),
    0x09: ("correlation data", "binary", (PUBLISH, WILL)),
    0x0B: ("subscription identifier", "variable", (PUBLISH, SUBSCRIBE)),
    0x11: ("session expiry interval", "four", (CONNECT, CONNACK, DISCONNECT)),
    0x12: ("assigned client identifier", "string", (CONNACK,)),
    0x13: ("server keep alive", "two", (CONNACK,)),
    0x15: ("authentication method", "string", (CONNECT, CONNACK, AUTH)),
    0x16: ("authentication data", "binary", (CONNECT, CONNACK, AUTH)),
    0x17: ("request problem information", "byte", (CONNECT,)),
    0x18: ("will delay interval", "four", (WILL,)),
    0x19: ("request response information", "byte", (CONNECT,)),
    0x1A: ("response information", "string", (CONNACK,)),
    0x1C: ("server reference", "string", (CONNACK, DISCONNECT)),
    0x1F: ("reason string", "string", _ANSWERS),
    0x21: ("receive maximum", "two", (CONNECT, CONNACK)),
    0x22: ("topic alias maximum", "two", (CONNECT, CONNACK)),
    0x23: ("topic alias", "two", (PUBLISH,)),
    0x24: ("maximum QoS", "byte", (CONNACK,)),
    0x25: ("retain available", "byte", (CONNACK,)),
    0x26: ("user property", "pair", (CONNECT, PUBLISH, WILL, SUBSCRIBE, UNSUBSCRIBE, *_ANSWERS)),
    0x27: ("maximum packet size", "four", (CONNECT, CONNACK)),
    0x28: ("wildcard subscription available", "byte", (CONNACK,)),
    0x29: ("subscription identifier available", "byte", (CONNACK,)),
    0x2A: ("shared subscription available", "byte", (CONNACK,)),
}
_FIXED_SIZES = {"byte": 1, "two": 2, "four": 4}
# Behind what in the body the properties stand: bytes of fixed size.
_BEFORE_PROPERTIES = {
    CONNACK: 2,
    PUBACK: 3,
    PUBREC: 3,
    PUBREL: 3,
    PUBCOMP: 3,
    SUBSCRIBE: 2,
    SUBACK: 2,
    UNSUBSCRIBE: 2,
    UNSUBACK: 2,
    DISCONNECT: 1,
    AUTH: 1,
}


class Unreadable(Exception):
    """The packet cannot be taken apart."""


def split(packet: bytes) -> tuple[int, int, bytes]:
    """The type, the flags and the body."""
    length, pos = _variable(packet, 1)
    if pos + length != len(packet):
        raise Unreadable
    return packet[0] >> 4, packet[0] & 15, packet[pos:]


def properties(packet: bytes) -> Iterator[tuple[int, int]]:
    """Each property of a 5.0 packet as (where it stands, identifier), up to the first whose value cannot be read.
    Raises Unreadable where the packet has none."""
    kind, flags, body = split(packet)
    if kind == CONNECT:
        start = _string_end(body, 0) + 4
        yield from _identifiers(body, start, CONNECT)
        length, pos = _variable(body, start)
        if body[start - 3] & 4:
            yield from _identifiers(body, _string_end(body, pos + length), WILL)
    elif kind == PUBLISH:
        yield from _identifiers(body, _string_end(body, 0) + (2 if flags & 6 else 0), PUBLISH)
    elif kind in _BEFORE_PROPERTIES:
        yield from _identifiers(body, _BEFORE_PROPERTIES[kind], kind)


def _identifiers(body: bytes, start: int, place: int) -> Iterator[tuple[int, int]]:
    if start >= len(body):
        return
    length, pos = _variable(body, start)
    end = pos + length
    while pos < end:
        identifier, pos = _variable(body, pos)
        yield place, identifier
        if identifier not in PROPERTIES:
            return
        pos = _value_end(body, pos, PROPERTIES[identifier][1])


def _value_end(body: bytes, pos: int, written: str) -> int:
    if written == "variable":
        return _variable(body, pos)[1]
    if written == "pair":
        return _string_end(body, _string_end(body, pos))
    return pos + _FIXED_SIZES[written] if written in _FIXED_SIZES else _string_end(body, pos)


def _string_end(body: bytes, pos: int) -> int:
    end = pos + 2 + int.from_bytes(body[pos : pos + 2], "big")
    if end > len(body):
        raise Unreadable
    return end


def _variable(data: bytes, pos: int) -> tuple[int, int]:
    value = 0
    for count, byte in enumerate(data[pos : pos + 4]):
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return value, pos + count + 1
    raise Unreadable


def level(connect: bytes) -> int:
    """The protocol level of a CONNECT."""
    body = split(connect)[2]
    return body[_string_end(body, 0)]


def client_id(connect: bytes) -> bytes:
    """The client identifier of a CONNECT."""
    body = split(connect)[2]
    start = _string_end(body, 0) + 4
    if body[start - 4] == 5:
        length, pos = _variable(body, start)
        start = pos + length
    return body[start + 2 : _string_end(body, start)]
