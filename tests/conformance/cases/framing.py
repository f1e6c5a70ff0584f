"""Chapters 1 and 2: the fixed header, remaining length, packet identifiers, strings."""

from collections.abc import Iterator

from tests.conformance import anatomy
from tests.conformance.cases.making import (
    MALFORMED,
    PROTOCOL_ERROR,
    V3_1,
    V5,
    VERSIONS,
    Case,
    Exchange,
    binary,
    connect,
    ends,
    goes_on,
    packet,
    properties,
    publish,
    refused,
    short,
    string,
    suback,
    subscribe,
    u16,
    unsuback,
    unsubscribe,
)

PINGREQ, PINGRESP = b"\xc0\0", b"\xd0\0"
NAMES = {value: name for name, value in vars(anatomy).items() if isinstance(value, int) and name.isupper()}


def bodies(version: int) -> dict[int, bytes]:
    """Of each packet type but CONNECT, a body that may be."""
    empty = properties(version)
    return {
        anatomy.CONNACK: b"\0\0" + empty,
        anatomy.PUBLISH: string("a") + empty,
        anatomy.PUBACK: u16(1),
        anatomy.PUBREC: u16(1),
        anatomy.PUBREL: u16(1),
        anatomy.PUBCOMP: u16(1),
        anatomy.SUBSCRIBE: u16(1) + empty + string("a") + b"\0",
        anatomy.SUBACK: u16(1) + empty + b"\0",
        anatomy.UNSUBSCRIBE: u16(1) + empty + string("a"),
        anatomy.UNSUBACK: u16(1) + empty + (b"\0" if version == V5 else b""),
        anatomy.PINGREQ: b"",
        anatomy.PINGRESP: b"",
        anatomy.DISCONNECT: b"",
    } | ({anatomy.AUTH: b""} if version == V5 else {})


def cases() -> Iterator[Case]:
    for version in VERSIONS:
        yield from _flags(version)
        yield from _types(version)
        yield from _lengths(version)
        yield from _packet_ids(version)
        yield from _strings(version)
    yield from _byte_order_mark()


def _flags(version: int) -> Iterator[Case]:
    clause = "[MQTT-2.1.3-1]" if version == V5 else "3.1.1 [MQTT-2.2.2-2]"
    for kind, body in bodies(version).items():
        if kind == anatomy.PUBLISH:
            continue
        for flags in range(16):
            unused = flags & ~8 if version == V3_1 else flags  # 3.1, 2.1: DUP where there is an answer
            if unused != anatomy.FIXED_FLAGS[kind]:
                yield ends(
                    clause, f"{NAMES[kind]} with flags {flags}", version, packet(kind << 4 | flags, body), MALFORMED
                )
    for flags in (*range(1, 16),) if version != V3_1 else ():
        sent = connect(version, first_byte=0x10 | flags)
        yield refused(clause, f"CONNECT with flags {flags}", version, sent, MALFORMED, None)
    topic = string("a") + u16(1) + properties(version)
    for flags in (6, 7, 14, 15):
        yield ends(
            "[MQTT-3.3.1-4]", f"PUBLISH with flags {flags}: QoS 3", version, packet(0x30 | flags, topic), MALFORMED
        )
    for flags in (8, 9):
        sent = packet(0x30 | flags, string("a"), properties(version))
        yield ends("[MQTT-3.3.1-2]", f"PUBLISH with flags {flags}: DUP at QoS 0", version, sent, MALFORMED)


def _types(version: int) -> Iterator[Case]:
    for flags in range(16):
        yield ends("2.1.2", f"packet type 0 with flags {flags}", version, bytes((flags, 0)), MALFORMED)
    if version != V5:
        yield ends("2.2.1 of 3.1.1", "packet type 15", version, b"\xf0\0", MALFORMED)
    for kind in anatomy.FROM_SERVER_ALONE:
        sent = packet(kind << 4, bodies(version)[kind])
        yield ends("2.1.2", f"{NAMES[kind]} from a client", version, sent, PROTOCOL_ERROR)
    for kind, body in bodies(version).items():
        first = packet(kind << 4 | anatomy.FIXED_FLAGS.get(kind, 0), body)
        yield Case("[MQTT-3.1.0-1]", f"{NAMES[kind]} before CONNECT", version, (Exchange(first),), PROTOCOL_ERROR, True)
    yield ends("[MQTT-3.1.0-2]", "a second CONNECT", version, connect(version), PROTOCOL_ERROR)


def _lengths(version: int) -> Iterator[Case]:
    for kind, body in bodies(version).items():
        first_byte = kind << 4 | anatomy.FIXED_FLAGS.get(kind, 0)
        clause = "[MQTT-1.5.5-1]" if version == V5 else "2.2.3 of 3.1.1"
        yield ends(
            clause,
            f"{NAMES[kind]}: a remaining length of five bytes",
            version,
            bytes((first_byte,)) + b"\x80\x80\x80\x80\x01",
            MALFORMED,
        )
        if kind in anatomy.FROM_SERVER_ALONE:
            continue
        for length in range(len(body)):
            if kind == anatomy.PUBLISH and version != V5 and length == len(body):
                continue
            # Whole up to its payload, which is missing.
            no_filter = kind in (anatomy.SUBSCRIBE, anatomy.UNSUBSCRIBE) and length == 2 + len(properties(version))
            yield ends(
                "3.8.3, 3.10.3" if no_filter else "1.2, Malformed Packet",
                f"{NAMES[kind]} of {length} bytes",
                version,
                packet(first_byte, body[:length]),
                PROTOCOL_ERROR if no_filter else MALFORMED,
            )
        if kind == anatomy.PINGREQ or (
            version != V5 and kind not in (anatomy.PUBLISH, anatomy.SUBSCRIBE, anatomy.UNSUBSCRIBE)
        ):
            yield ends(
                "1.2, Malformed Packet",
                f"{NAMES[kind]} with a byte too many",
                version,
                packet(first_byte, body, b"\0"),
                MALFORMED,
            )
    whole = connect(version)
    for length in range(4, len(whole) - 2):
        known = length > 2 + len(_name(version))  # before that the version is not known, and nothing can be said in it
        sent = packet(0x10, whole[2 : 2 + length])
        if known:
            yield refused("[MQTT-3.1.4-1]", f"CONNECT of {length} bytes", version, sent, MALFORMED, None)
        else:
            yield Case("[MQTT-3.1.4-1]", f"CONNECT of {length} bytes", version, (Exchange(sent),), MALFORMED, True)
    longer = packet(0x10, whole[2:], b"\0")
    yield refused("[MQTT-3.1.4-1]", "CONNECT with a byte too many", version, longer, MALFORMED, None)
    if version == V5:
        yield ends("[MQTT-1.5.5-1]", "a remaining length that is longer than it must be", V5, b"\xc0\x80\0", MALFORMED)
    else:
        yield goes_on(
            "2.2.3 of 3.1.1",
            "a remaining length of more bytes than it needs",
            version,
            Exchange(b"\xc0\x80\0", (PINGRESP,)),
        )


def _name(version: int) -> bytes:
    return b"MQIsdp" if version == V3_1 else b"MQTT"


def _packet_ids(version: int) -> Iterator[Case]:
    clause = "[MQTT-2.2.1-3]" if version == V5 else "3.1.1 [MQTT-2.3.1-1]"
    zero = {
        "PUBLISH at QoS 1": publish(version, "a", qos=1, packet_id=0),
        "PUBLISH at QoS 2": publish(version, "a", qos=2, packet_id=0),
        "SUBSCRIBE": subscribe(version, "a", packet_id=0),
        "UNSUBSCRIBE": unsubscribe(version, "a", packet_id=0),
        "PUBACK": short(0x40, 0),
        "PUBREC": short(0x50, 0),
        "PUBREL": short(0x62, 0),
        "PUBCOMP": short(0x70, 0),
    }
    for name, sent in zero.items():
        yield ends(clause, f"{name} with packet identifier 0", version, sent, PROTOCOL_ERROR)
    for packet_id in (1, 255, 256, 65_535):
        yield goes_on(
            "[MQTT-2.2.1-6]",
            f"packet identifier {packet_id} comes back",
            version,
            Exchange(publish(version, "own/none", qos=1, packet_id=packet_id), (_puback(version, packet_id),)),
            Exchange(subscribe(version, "own/x", packet_id=packet_id), (suback(version, 0, packet_id=packet_id),)),
            Exchange(unsubscribe(version, "own/x", packet_id=packet_id), (unsuback(version, 0, packet_id=packet_id),)),
        )


def _puback(version: int, packet_id: int) -> bytes:
    # 3.4.2.1: nobody subscribes to it, which 5.0 has a reason code for.
    return short(0x40, packet_id, b"\x10") if version == V5 else short(0x40, packet_id)


BROKEN = {
    "no UTF-8": b"a\xff",
    "cut UTF-8": b"a\xe2\x82",
    "a longer form than needed": b"a\xc0\xaf",
    "U+0000 in two bytes": b"a\xc0\x80",
    "U+0000": b"a\0b",
    "the surrogate U+D800": b"\xed\xa0\x80",
    "the surrogate U+DFFF": b"\xed\xbf\xbf",
    "more than U+10FFFF": b"\xf4\x90\x80\x80",
}


def _strings(version: int) -> Iterator[Case]:
    for name, text in BROKEN.items():
        clause = "[MQTT-1.5.4-2]" if name.startswith("U+0000") else "[MQTT-1.5.4-1]"
        places = {
            "topic name": publish(version, text),
            "topic filter": subscribe(version, text),
            "topic filter to unsubscribe": unsubscribe(version, text),
        }
        for place, sent in places.items() if version != V5 else {**places, **_in_properties(text)}.items():
            yield ends(clause, f"{name} in a {place}", version, sent, MALFORMED)
        connects_with = {
            "client identifier": connect(version, client_id=text),
            "user name": connect(version, flags=0x82, payload=binary(text)),
            "will topic": connect(version, flags=6, payload=properties(version) + binary(text) + binary(b"w")),
        }
        if version == V5:
            pair = b"\x26" + binary(text) + binary(b"v")
            connects_with["user property"] = connect(V5, items=(pair,))
            connects_with["authentication method"] = connect(V5, items=(b"\x15" + binary(text),))
            connects_with["will's content type"] = connect(
                V5, flags=6, payload=properties(V5, b"\x03" + binary(text)) + binary(b"t") + binary(b"w")
            )
        for place, sent in connects_with.items():
            yield refused(clause, f"{name} in a {place}", version, sent, MALFORMED, None)


def _in_properties(text: bytes) -> dict[str, bytes]:
    key, value = b"\x26" + binary(text) + binary(b"v"), b"\x26" + binary(b"k") + binary(text)
    return {
        "user property's name": publish(V5, "a", b"", key),
        "user property's value": publish(V5, "a", b"", value),
        "content type": publish(V5, "a", b"", b"\x03" + binary(text)),
        "response topic": publish(V5, "a", b"", b"\x08" + binary(text)),
        "user property of SUBSCRIBE": subscribe(V5, "a", 0, key),
        "reason string": packet(0xE0, b"\0", properties(V5, b"\x1f" + binary(text))),
    }


def _byte_order_mark() -> Iterator[Case]:
    for version in VERSIONS:
        message = publish(version, "\ufeffown/bom")
        yield goes_on(
            "[MQTT-1.5.4-3]",
            "U+FEFF is a character of a topic like any other",
            version,
            Exchange(subscribe(version, "\ufeffown/bom"), (suback(version, 0),)),
            Exchange(publish(version, "own/bom") + PINGREQ, (PINGRESP,)),
            Exchange(message, (message,)),
        )
