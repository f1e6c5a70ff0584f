"""3.3 to 3.11 and 4.3: PUBLISH and its acknowledgements, SUBSCRIBE, UNSUBSCRIBE, topics."""

from collections.abc import Iterator

from tests.conformance.cases.making import (
    MALFORMED,
    PROTOCOL_ERROR,
    RECEIVE_MAXIMUM_EXCEEDED,
    V3_1_1,
    V5,
    VERSIONS,
    Case,
    Exchange,
    ends,
    goes_on,
    packet,
    properties,
    publish,
    short,
    string,
    suback,
    subscribe,
    u16,
    unsuback,
    unsubscribe,
)

RECEIVE_MAXIMUM = 5  # of the server under test
FILTERS = (
    "#",
    "+",
    "/",
    "a",
    "a/",
    "/a",
    "a/b",
    "+/+",
    "a/+/#",
    "+/a/#",
    "a//b",
    "//",
    " ",
    "a b",
    "$x/#",
    "温/度",
    "+/",
)
BAD_FILTERS = ("", "a#", "#a", "a/#/b", "##", "a/b#", "a+", "+a", "a/b+/c", "++", "a/++", "#/")
BAD_SHARES = ("$share/", "$share//a", "$share/g", "$share/g/", "$share/+/a", "$share/#/a", "$share/g+/a", "$share/g/a#")


def cases() -> Iterator[Case]:
    for version in VERSIONS:
        yield from _topic_names(version)
        yield from _topic_filters(version)
        yield from _subscription_options(version)
        yield from _several_filters(version)
        yield from _upwards(version)
        yield from _downwards(version)
        yield from _wildcards(version)
    yield from _reason_codes()
    yield from _receive_maximum()


def _topic_names(version: int) -> Iterator[Case]:
    for topic in ("#", "+", "a/#", "a/+/b", "a+", "a#b"):
        for qos in range(3):
            sent = publish(version, topic, qos=qos)
            yield ends("[MQTT-3.3.2-2]", f"PUBLISH to {topic} at QoS {qos}", version, sent, MALFORMED)
    if version == V5:
        yield ends("3.3.2.1", "PUBLISH to no topic without an alias", V5, publish(V5, ""), PROTOCOL_ERROR)
    else:
        yield ends("[MQTT-4.7.3-1]", "PUBLISH to no topic", version, publish(version, ""), MALFORMED)
    for topic in ("/", "//", "a", " ", "a//b", "a/", "温/度", "x" * 1_000):
        message = publish(version, topic)
        yield goes_on(
            "4.7.3",
            f"a topic name of {topic[:20]!r} is one",
            version,
            Exchange(subscribe(version, topic), (suback(version, 0),)),
            Exchange(message, (message,)),
        )


def _topic_filters(version: int) -> Iterator[Case]:
    for topic_filter in FILTERS:
        exchanges = (
            Exchange(subscribe(version, topic_filter), (suback(version, 0),)),
            Exchange(unsubscribe(version, topic_filter), (unsuback(version, 0),)),
        )
        yield goes_on("4.7.1", f"filter {topic_filter!r}", version, *exchanges)
    for topic_filter in (*BAD_FILTERS, *BAD_SHARES):
        clause = "[MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1]"
        if topic_filter in BAD_SHARES:
            clause = "[MQTT-4.8.2-1] [MQTT-4.8.2-2]" if version == V5 else "4.8.2 of 5.0, offered to older clients, too"
        yield ends(clause, f"SUBSCRIBE to {topic_filter!r}", version, subscribe(version, topic_filter), MALFORMED)
        yield ends(clause, f"UNSUBSCRIBE from {topic_filter!r}", version, unsubscribe(version, topic_filter), MALFORMED)


def _subscription_options(version: int) -> Iterator[Case]:
    for options in range(256):
        sent, about = subscribe(version, "own/options", options), f"subscription options 0x{options:02X}"
        if options & 3 == 3:
            yield ends("3.8.3.1 (3.1.1: [MQTT-3-8.3-4])", about, version, sent, PROTOCOL_ERROR)
        elif options & 0xC0 or (version != V5 and options & 0xFC):
            yield ends("[MQTT-3.8.3-5] (3.1.1: [MQTT-3-8.3-4])", about, version, sent, MALFORMED)
        elif options & 0x30 == 0x30:
            yield ends("3.8.3.1", about, version, sent, PROTOCOL_ERROR)
        else:
            yield goes_on("[MQTT-3.8.4-1]", about, version, Exchange(sent, (suback(version, options & 3),)))
    if version == V5:
        local = subscribe(V5, "$share/g/own", 4)
        yield ends("[MQTT-3.8.3-4]", "No Local with a shared subscription", V5, local, PROTOCOL_ERROR)
        yield goes_on(
            "[MQTT-3.8.3-3]",
            "No Local keeps a client's own messages from it",
            V5,
            Exchange(subscribe(V5, "own/local", 4), (suback(V5, 0),)),
            Exchange(publish(V5, "own/local")),
        )


def _several_filters(version: int) -> Iterator[Case]:
    head, requests = u16(9) + properties(version), (("own/a", 0), ("own/b", 1), ("own/c", 2), ("own/a", 1))
    body = b"".join(string(topic_filter) + bytes((qos,)) for topic_filter, qos in requests)
    yield goes_on(
        "[MQTT-3.8.4-5] [MQTT-3.8.4-6]",
        "a code for each filter, in order",
        version,
        Exchange(packet(0x82, head, body), (suback(version, 0, 1, 2, 1),)),
        Exchange(publish(version, "own/a"), (publish(version, "own/a"),)),
    )
    gone = packet(0xA2, head, string("own/a"), string("own/none"), string("own/c"))
    yield goes_on(
        "[MQTT-3.10.4-6]",
        "UNSUBSCRIBE from several filters",
        version,
        Exchange(packet(0x82, head, body), (suback(version, 0, 1, 2, 1),)),
        Exchange(gone, (unsuback(version, 0, 0x11, 0),)),
        Exchange(publish(version, "own/a") + publish(version, "own/b"), (publish(version, "own/b"),)),
    )
    bad = packet(0x82, head, body, string("a#") + b"\0")
    yield ends("[MQTT-4.7.1-1]", "one bad filter among good ones", version, bad, MALFORMED)
    cut = packet(0x82, head, string("own/a"))
    yield ends("1.2, Malformed Packet", "a filter without its options", version, cut, MALFORMED)


def _upwards(version: int) -> Iterator[Case]:
    """4.3, from the client."""
    puback = short(0x40, 7, b"\x10") if version == V5 else short(0x40, 7)
    pubrec, released = short(0x50, 7), Exchange(short(0x62, 7), (short(0x70, 7),))
    unknown = short(0x70, 7, b"\x92") if version == V5 else short(0x70, 7)
    once, twice = publish(version, "own/up", qos=1), publish(version, "own/up", qos=2)
    again = bytes((twice[0] | 8,)) + twice[1:]
    yield goes_on("[MQTT-4.3.2-4]", "QoS 1", version, Exchange(once, (puback,)), Exchange(once, (puback,)))
    for about in ("", " that is heard"):
        heard = (Exchange(subscribe(version, "own/up"), (suback(version, 0),)),) if about else ()
        message = (publish(version, "own/up"),) if about else ()
        first = short(0x50, 7, b"\x10") if version == V5 and not about else pubrec
        yield goes_on(
            "[MQTT-4.3.3-8] [MQTT-4.3.3-10] [MQTT-4.3.3-11]",
            f"QoS 2{about}, sent three times before its PUBREL, arrives once",
            version,
            *heard,
            Exchange(twice, (first, *message)),
            Exchange(again, (pubrec,)),
            Exchange(twice, (pubrec,)),
            released,
            Exchange(short(0x62, 7), (unknown,)),
            Exchange(twice, (first, *message)),
        )
    yield goes_on("3.7.2.1", "PUBREL for an unknown packet identifier", version, Exchange(short(0x62, 7), (unknown,)))
    empty = publish(version, "own/up", b"", qos=1)
    yield goes_on("3.3.3", "a message of no bytes", version, Exchange(empty, (puback,)))


def _downwards(version: int) -> Iterator[Case]:
    """4.3, to the client."""
    head = (Exchange(subscribe(version, "own/down", 2), (suback(version, 2),)),)

    def sent(qos: int) -> Exchange:
        up = publish(version, "own/down", qos=qos, packet_id=7)
        answer = {1: (short(0x40, 7),), 2: (short(0x50, 7),)}[qos]
        return Exchange(up, (*answer, publish(version, "own/down", qos=qos, packet_id=1)))

    rest = Exchange(short(0x62, 7), (short(0x70, 7),))
    taken = Exchange(short(0x50, 1), (short(0x62, 1),))
    yield goes_on("[MQTT-4.3.2-2]", "QoS 1 is acknowledged", version, *head, sent(1), Exchange(short(0x40, 1)))
    yield goes_on("[MQTT-4.3.3-2]", "QoS 2 to its end", version, *head, sent(2), rest, taken, Exchange(short(0x70, 1)))
    wrong = {
        "PUBREC": (sent(1), short(0x50, 1)),
        "PUBCOMP": (sent(1), short(0x70, 1)),
        "PUBACK": (sent(2), short(0x40, 1)),
    }
    for name, (exchange, answer) in wrong.items():
        about = f"{name} for a message of QoS {2 if name == 'PUBACK' else 1}"
        yield Case("4.3", about, version, (*head, exchange, Exchange(answer)), PROTOCOL_ERROR)
    early = Exchange(short(0x70, 1))
    yield Case("4.3.3", "PUBCOMP before PUBREC", version, (*head, sent(2), early), PROTOCOL_ERROR)
    unknown = short(0x62, 9, b"\x92") if version == V5 else short(0x62, 9)
    yield goes_on("3.6.2.1", "PUBREC that answers nothing", version, Exchange(short(0x50, 9), (unknown,)))
    for name, first_byte in (("PUBACK", 0x40), ("PUBCOMP", 0x70)):
        yield goes_on("4.4", f"{name} that answers nothing", version, Exchange(short(first_byte, 9)))
    for most in (0, 1):
        down = publish(version, "own/down", qos=most, packet_id=1)
        upwards = Exchange(publish(version, "own/down", qos=2, packet_id=7), (short(0x50, 7), down))
        begun = Exchange(subscribe(version, "own/down", most), (suback(version, most),))
        yield goes_on("[MQTT-3.8.4-8]", f"QoS 2 becomes {most} where no more was granted", version, begun, upwards)


def _wildcards(version: int) -> Iterator[Case]:
    """4.7.1, 4.7.2: which of many messages a filter lets through."""
    topics = ("own", "own/a", "own/a/b", "own/b", "/own", "own/", "$own/a")
    matching = {
        "own/#": ("own", "own/a", "own/a/b", "own/b", "own/"),
        "own/+": ("own/a", "own/b", "own/"),
        "+/own": ("/own",),
        "own/+/b": ("own/a/b",),
        "own/a/#": ("own/a", "own/a/b"),
    }
    for topic_filter, expected in matching.items():
        messages = b"".join(publish(version, topic) for topic in topics)
        answers = tuple(publish(version, topic) for topic in expected)
        yield goes_on(
            "4.7.1 [MQTT-4.7.2-1]",
            f"what {topic_filter} matches",
            version,
            Exchange(subscribe(version, topic_filter), (suback(version, 0),)),
            Exchange(messages, answers),
        )


# Tables 3-4 to 3-7, and those of SUBACK and UNSUBACK, which no client sends.
ALLOWED = {
    0x40: (0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99),
    0x50: (0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99),
    0x62: (0x00, 0x92),
    0x70: (0x00, 0x92),
}


def _reason_codes() -> Iterator[Case]:
    for first_byte, allowed in ALLOWED.items():
        for code in range(256):
            if code not in allowed:
                sent, about = short(first_byte, 1, bytes((code,))), f"reason code 0x{code:02X} in 0x{first_byte:02X}"
                yield ends("[MQTT-3.4.2-1] to [MQTT-3.7.2-1]", about, V5, sent, PROTOCOL_ERROR)
    for version in (3, V3_1_1):
        for first_byte in ALLOWED:
            sent = short(first_byte, 1, b"\0")
            yield ends("3.4.2 of 3.1.1", f"0x{first_byte:02X} with a reason code", version, sent, MALFORMED)


def _receive_maximum() -> Iterator[Case]:
    def sent(packet_id: int) -> bytes:
        return packet(0x34, string("own/many"), u16(packet_id), properties(V5), b"p")

    def answered(packet_id: int) -> Exchange:
        return Exchange(sent(packet_id), (short(0x50, packet_id, b"\x10"),))

    filled = [answered(packet_id) for packet_id in range(1, RECEIVE_MAXIMUM + 1)]
    about = "more messages at QoS 2 than the receive maximum"
    more = Exchange(sent(RECEIVE_MAXIMUM + 1))
    yield Case("[MQTT-3.3.4-9]", about, V5, (*filled, more), RECEIVE_MAXIMUM_EXCEEDED)
    again = Exchange(sent(1), (short(0x50, 1),))
    released = Exchange(short(0x62, 3), (short(0x70, 3),))
    yield goes_on(
        "4.9", "a repetition takes no room, and PUBREL gives it back", V5, *filled, again, released, answered(99)
    )
