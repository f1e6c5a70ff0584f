"""2.2.2 and the sections on properties of chapter 3: every property in every packet that a client sends. 5.0 alone."""

from collections.abc import Callable, Iterator

from tests.conformance import anatomy
from tests.conformance.cases.making import (
    BAD_AUTHENTICATION_METHOD,
    MALFORMED,
    PROTOCOL_ERROR,
    TOPIC_ALIAS_INVALID,
    V5,
    Case,
    Exchange,
    binary,
    connect,
    connects,
    ends,
    goes_on,
    packet,
    properties,
    publish,
    refused,
    sample,
    short,
    string,
    suback,
    subscribe,
    u16,
    unsuback,
    unsubscribe,
    variable,
)

Make = Callable[[bytes], bytes]  # a packet with these properties: their length and they themselves
USER_PROPERTY, TOPIC_ALIAS, SUBSCRIPTION_IDENTIFIER = 0x26, 0x23, 0x0B
AUTHENTICATION_METHOD, AUTHENTICATION_DATA = 0x15, 0x16
TOPIC = "own/properties"

PACKETS: dict[int, Make] = {
    anatomy.CONNECT: lambda given: packet(0x10, string("MQTT"), b"\x05\x02\0\0", given, string("own")),
    anatomy.WILL: lambda given: packet(
        0x10, string("MQTT"), b"\x05\x06\0\0\0", string("own"), given, string("own/will"), binary(b"w")
    ),
    anatomy.PUBLISH: lambda given: packet(0x32, string(TOPIC), u16(7), given, b"p"),
    anatomy.PUBACK: lambda given: short(0x40, 7, b"\0", given),
    anatomy.PUBREC: lambda given: short(0x50, 7, b"\0", given),
    anatomy.PUBREL: lambda given: short(0x62, 7, b"\0", given),
    anatomy.PUBCOMP: lambda given: short(0x70, 7, b"\0", given),
    anatomy.SUBSCRIBE: lambda given: packet(0x82, u16(9), given, string(TOPIC), b"\0"),
    anatomy.UNSUBSCRIBE: lambda given: packet(0xA2, u16(9), given, string(TOPIC)),
    anatomy.DISCONNECT: lambda given: packet(0xE0, b"\0", given),
}
NAMES = {getattr(anatomy, name): name for name in dir(anatomy) if isinstance(getattr(anatomy, name), int)}
ANSWERS: dict[int, tuple[bytes, ...]] = {
    anatomy.PUBLISH: (short(0x40, 7, b"\x10"),),
    anatomy.PUBREC: (short(0x62, 7, b"\x92"),),  # nothing with that packet identifier was sent
    anatomy.PUBREL: (short(0x70, 7, b"\x92"),),
    anatomy.SUBSCRIBE: (suback(V5, 0),),
    anatomy.UNSUBSCRIBE: (unsuback(V5, 0x11),),
}


def cases() -> Iterator[Case]:
    for place, make in PACKETS.items():
        for identifier, (name, _, places) in anatomy.PROPERTIES.items():
            about = f"{name} in {NAMES[place]}"
            if place in places:
                yield from _allowed(place, identifier, about, make)
            else:
                yield _broken("2.2.2.2", about, place, make(properties(V5, sample(identifier))))
        yield from _malformed(place, make)
    yield from _values()
    yield from _special()


def _broken(clause: str, about: str, place: int, sent: bytes, reason_code: int = MALFORMED) -> Case:
    if place in (anatomy.CONNECT, anatomy.WILL):
        return refused(clause, about, V5, sent, reason_code, None)
    return ends(clause, about, V5, sent, reason_code)


def _allowed(place: int, identifier: int, about: str, make: Make) -> Iterator[Case]:
    once = sample(identifier)
    if identifier == USER_PROPERTY:
        yield from _accepted(f"{about}, three times", place, make(properties(V5, once, once, once)))
    elif (place, identifier) != (anatomy.PUBLISH, SUBSCRIPTION_IDENTIFIER):
        yield _broken("2.2.2.2", f"{about}, twice", place, make(properties(V5, once, once)), PROTOCOL_ERROR)
    yield _broken("2.2.2.2", f"{about}, cut short", place, make(properties(V5, once[:-1])))
    special = {AUTHENTICATION_METHOD, AUTHENTICATION_DATA, SUBSCRIPTION_IDENTIFIER}
    if identifier not in special or place == anatomy.SUBSCRIBE:
        yield from _accepted(about, place, make(properties(V5, once)))


def _accepted(about: str, place: int, sent: bytes) -> Iterator[Case]:
    if place in (anatomy.CONNECT, anatomy.WILL):
        yield connects("2.2.2.2", about, V5, sent)
    elif place != anatomy.DISCONNECT:
        yield goes_on("2.2.2.2", about, V5, Exchange(sent, ANSWERS.get(place, ())))


def _malformed(place: int, make: Make) -> Iterator[Case]:
    where = NAMES[place]
    for identifier in (0x00, 0x04, 0x10, 0x2B, 0x7F):
        sent = make(properties(V5, bytes((identifier, 0))))
        yield _broken("2.2.2.2", f"property 0x{identifier:02X} in {where}", place, sent)
    pair = sample(USER_PROPERTY)
    longer = make(properties(V5, variable(0x26)[:-1] + b"\xa6\0" + pair[1:]))
    yield _broken("[MQTT-1.5.5-1]", f"a property of {where} in a longer form", place, longer)
    yield _broken("2.2.2.1", f"properties of {where} that are longer than it", place, make(b"\x7f" + pair))
    yield _broken("[MQTT-1.5.5-1]", f"a property length of {where} in a longer form", place, make(b"\x87\0" + pair))
    yield _broken("[MQTT-1.5.5-1]", f"a property length of {where} in five bytes", place, make(b"\x80\x80\x80\x80\x01"))
    yield _broken(
        "2.2.2.1", f"a property length of {where} inside a property", place, make(bytes((len(pair) - 1,)) + pair)
    )


def _values() -> Iterator[Case]:
    """Values that are of the type, and may not be."""
    flags = (0x17, 0x19)
    for identifier in flags:
        name = anatomy.PROPERTIES[identifier][0]
        for value in (2, 255):
            sent = connect(V5, items=(bytes((identifier, value)),))
            yield refused("3.1.2.11", f"{name} {value}", V5, sent, PROTOCOL_ERROR, None)
        yield connects("3.1.2.11", f"{name} 0", V5, connect(V5, items=(bytes((identifier, 0)),)))
    for identifier, size in ((0x21, 2), (0x27, 4)):
        sent = connect(V5, items=(bytes((identifier,)) + bytes(size),))
        yield refused("3.1.2.11", f"{anatomy.PROPERTIES[identifier][0]} 0", V5, sent, PROTOCOL_ERROR, None)
    for identifier, size in ((0x11, 4), (0x22, 2), (0x27, 4), (0x21, 2)):
        sent = connect(V5, items=(bytes((identifier,)) + b"\xff" * size,))
        yield connects("3.1.2.11", f"{anatomy.PROPERTIES[identifier][0]} of all ones", V5, sent)
    for value in (2, 255):
        sent = publish(V5, TOPIC, b"", bytes((1, value)))
        yield ends("3.3.2.3.2", f"payload format indicator {value}", V5, sent, PROTOCOL_ERROR)
    for topic in ("a/#", "a/+", "#", ""):
        sent = publish(V5, TOPIC, b"", b"\x08" + string(topic))
        yield ends("[MQTT-3.3.2-14]", f"response topic {topic!r}", V5, sent, PROTOCOL_ERROR)
    yield ends("[MQTT-3.3.2-8]", "topic alias 0", V5, publish(V5, TOPIC, b"", b"\x23\0\0"), TOPIC_ALIAS_INVALID)
    over = publish(V5, TOPIC, b"", b"\x23\xff\xff")
    yield ends("[MQTT-3.3.2-9]", "a topic alias over the maximum", V5, over, TOPIC_ALIAS_INVALID)
    unknown = publish(V5, "", b"", b"\x23\0\x01")
    yield ends("3.3.2.3.4", "a topic alias that was never set", V5, unknown, PROTOCOL_ERROR)
    yield ends("3.8.2.1.2", "subscription identifier 0", V5, subscribe(V5, TOPIC, 0, b"\x0b\0"), PROTOCOL_ERROR)
    largest = Exchange(subscribe(V5, TOPIC, 0, b"\x0b\xff\xff\xff\x7f"), (suback(V5, 0),))
    yield goes_on("3.8.2.1.2", "subscription identifier 268,435,455", V5, largest)


def _special() -> Iterator[Case]:
    method, data = sample(AUTHENTICATION_METHOD), sample(AUTHENTICATION_DATA)
    for name, items in (
        ("an authentication method", (method,)),
        ("an authentication method with data", (method, data)),
    ):
        sent = connect(V5, items=items)
        yield refused("4.12", name, V5, sent, BAD_AUTHENTICATION_METHOD, None)
    alone = connect(V5, items=(data,))
    yield refused("3.1.2.11.10", "authentication data without a method", V5, alone, PROTOCOL_ERROR, None)
    for code in (0x00, 0x18, 0x19):
        auth = packet(0xF0, bytes((code,)), properties(V5, method))
        yield ends("[MQTT-4.12.0-6]", f"AUTH 0x{code:02X} without a method in CONNECT", V5, auth, PROTOCOL_ERROR)
    yield ends("[MQTT-4.12.0-6]", "AUTH of no bytes", V5, b"\xf0\0", PROTOCOL_ERROR)
    identified = publish(V5, TOPIC, b"", b"\x0b\x01")
    yield ends("[MQTT-3.3.4-6]", "a subscription identifier from a client", V5, identified, PROTOCOL_ERROR)
    plain, set_alias = publish(V5, TOPIC, b"1"), publish(V5, TOPIC, b"1", b"\x23\0\x03")
    other, used = publish(V5, TOPIC + "/2", b"2", b"\x23\0\x03"), publish(V5, "", b"3", b"\x23\0\x03")
    yield goes_on(
        "3.3.2.3.4",
        "a topic alias is set, used, set anew, and used",
        V5,
        Exchange(subscribe(V5, TOPIC + "/#"), (suback(V5, 0),)),
        Exchange(set_alias, (plain,)),
        Exchange(used, (publish(V5, TOPIC, b"3"),)),
        Exchange(other, (publish(V5, TOPIC + "/2", b"2"),)),
        Exchange(used, (publish(V5, TOPIC + "/2", b"3"),)),
    )
    kept = (
        b"\x01\x01",
        b"\x03" + string("t"),
        b"\x08" + string("r"),
        b"\x09" + binary(b"\0\xff"),
        sample(USER_PROPERTY),
    )
    message = publish(V5, TOPIC, b"m", *kept)
    yield goes_on(
        "[MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-20]",
        "properties of a message reach its subscribers as they were",
        V5,
        Exchange(subscribe(V5, TOPIC), (suback(V5, 0),)),
        Exchange(message, (message,)),
    )
    yield goes_on(
        "[MQTT-3.3.4-3]",
        "a message comes with the subscription's identifier",
        V5,
        Exchange(subscribe(V5, TOPIC, 0, b"\x0b\x80\x01"), (suback(V5, 0),)),
        Exchange(publish(V5, TOPIC), (publish(V5, TOPIC, b"p", b"\x0b\x80\x01"),)),
    )
    yield goes_on(
        "3.11.3",
        "UNSUBACK has a reason code for each filter",
        V5,
        Exchange(subscribe(V5, TOPIC), (suback(V5, 0),)),
        Exchange(unsubscribe(V5, TOPIC), (unsuback(V5, 0),)),
        Exchange(unsubscribe(V5, TOPIC), (unsuback(V5, 0x11),)),
    )
