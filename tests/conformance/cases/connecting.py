"""3.1 CONNECT and 3.14 DISCONNECT."""

from collections.abc import Iterator

from tests.conformance.cases.making import (
    CLIENT_IDENTIFIER_NOT_VALID,
    MALFORMED,
    PROTOCOL_ERROR,
    SUCCESS,
    TOPIC_NAME_INVALID,
    UNSUPPORTED_PROTOCOL_VERSION,
    V3_1,
    V3_1_1,
    V5,
    VERSIONS,
    Case,
    Exchange,
    binary,
    connect,
    connects,
    packet,
    properties,
    refused,
    string,
)

RESERVED, WILL, WILL_RETAIN, PASSWORD, USER_NAME = 0x01, 0x04, 0x20, 0x40, 0x80
# Table 3-13: what a client may say when it goes.
FROM_CLIENT = (0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99)


def cases() -> Iterator[Case]:
    for version in VERSIONS:
        yield from _connect_flags(version)
        yield from _client_ids(version)
        yield from _wills(version)
        yield from _disconnect(version)
    yield from _protocols()
    yield from _missing_parts()
    yield from _reason_codes()


def _connect_flags(version: int) -> Iterator[Case]:
    """Each of the 256, with the payload that it announces."""
    for flags in range(256):
        payload = b""
        if flags & WILL:
            # Of no bytes where it is retained, so that nothing stays for other cases [MQTT-3.3.1-6].
            payload += properties(version) + string("own/will") + binary(b"" if flags & WILL_RETAIN else b"w")
        if flags & USER_NAME:
            payload += string("u")
        if flags & PASSWORD:
            payload += binary(b"\0\xff")
        sent = connect(version, flags=flags, payload=payload)
        wrong = _wrong(flags, version)
        if wrong:
            yield refused(wrong, f"connect flags 0x{flags:02X}", version, sent, MALFORMED, None)
        else:
            yield connects("3.1.2.3", f"connect flags 0x{flags:02X}", version, sent)


def _wrong(flags: int, version: int) -> str:
    """The clause that forbids them."""
    qos = flags >> 3 & 3
    if flags & RESERVED and version != V3_1:
        return "[MQTT-3.1.2-3]"
    if flags & WILL and qos == 3:
        return "[MQTT-3.1.2-12] (3.1.1: [MQTT-3.1.2-14])"
    if not flags & WILL and qos:
        return "[MQTT-3.1.2-11] (3.1.1: [MQTT-3.1.2-13])"
    if not flags & WILL and flags & WILL_RETAIN:
        return "[MQTT-3.1.2-13] (3.1.1: [MQTT-3.1.2-15])"
    if version == V3_1_1 and flags & PASSWORD and not flags & USER_NAME:
        return "3.1.1 [MQTT-3.1.2-22]"
    return ""


def _client_ids(version: int) -> Iterator[Case]:
    for client_id in ("a", "0123456789abcdefghijABC", "x" * 100, "温度计", "a b/#+$"):
        sent = connect(version, client_id=client_id.encode())
        yield connects("[MQTT-3.1.3-5]", f"client identifier {client_id[:30]}", version, sent)
    empty, empty_kept = connect(version, client_id=b""), connect(version, flags=0, client_id=b"")
    if version == V3_1:
        for about, sent in (("no client identifier", empty), ("no client identifier, not clean", empty_kept)):
            yield refused("3.1", about, V3_1, sent, CLIENT_IDENTIFIER_NOT_VALID, 2)
        return
    yield connects("[MQTT-3.1.3-6]", "no client identifier, clean", version, empty)
    if version == V5:
        yield connects("[MQTT-3.1.3-6]", "no client identifier, not clean", V5, empty_kept)
    else:
        about = "no client identifier, and a session to keep"
        yield refused("3.1.1 [MQTT-3.1.3-8]", about, V3_1_1, empty_kept, CLIENT_IDENTIFIER_NOT_VALID, 2)


def _wills(version: int) -> Iterator[Case]:
    def sent(topic: str, payload: bytes = b"w") -> bytes:
        return connect(version, flags=2 | WILL, payload=properties(version) + string(topic) + binary(payload))

    for topic in ("a/#", "a/+", "#", "+", ""):
        clause = "[MQTT-3.1.3-11] 4.7" if topic else "[MQTT-4.7.3-1]"
        yield refused(clause, f"a will to {topic!r}", version, sent(topic), MALFORMED, None)
    yield refused("4.7.2", "a will to $SYS/x", version, sent("$SYS/x"), TOPIC_NAME_INVALID, None)
    yield connects("3.1.3.4", "a will of no bytes", version, sent("own/will", b""))
    yield connects("3.1.3.4", "a will of any bytes", version, sent("own/will", bytes(range(256))))


def _disconnect(version: int) -> Iterator[Case]:
    yield Case("[MQTT-3.14.4-1]", "DISCONNECT", version, (Exchange(b"\xe0\0"),), SUCCESS)
    behind = b"\xe0\0" + b"\xc0\0"
    yield Case("[MQTT-3.14.4-2]", "a packet behind DISCONNECT", version, (Exchange(behind),), SUCCESS)


def _protocols() -> Iterator[Case]:
    for name in ("MQTTT", "MQT", "", "mqtt", "MQIsdpX", "HTTP"):
        for level in VERSIONS:
            sent = packet(0x10, string(name), bytes((level, 2, 0, 0, 0)), string("own"))
            about = f"protocol name {name!r} with level {level}"
            yield Case("[MQTT-3.1.2-1]", about, V3_1_1, (Exchange(sent),), MALFORMED, True)
    for name, level in (
        ("MQTT", 0),
        ("MQTT", 3),
        ("MQTT", 6),
        ("MQTT", 0x84),
        ("MQIsdp", 4),
        ("MQIsdp", 5),
        ("MQTT", 255),
    ):
        sent = connect(V3_1_1, name=name, level=level)
        about = f"protocol level {level} of {name}"
        yield refused("[MQTT-3.1.2-2]", about, V3_1_1, sent, UNSUPPORTED_PROTOCOL_VERSION, 1)


def _missing_parts() -> Iterator[Case]:
    """What the connect flags announce must be there [MQTT-3.1.3-1]; 3.1 lets user name and password be missing."""
    for version in VERSIONS:
        for flags, name in ((0xC2, "user name"), (0x06, "will")):
            sent = connect(version, flags=flags)
            if version == V3_1 and flags == 0xC2:
                yield connects("3.1, 3.1", "no user name where the flags announce one", V3_1, sent)
            else:
                about = f"no {name} where the flags announce one"
                yield refused("[MQTT-3.1.3-1]", about, version, sent, MALFORMED, None)
        extra = connect(version, payload=string("u"))
        about = "a user name that the flags do not announce"
        yield refused("[MQTT-3.1.2-16] (3.1.1: [MQTT-3.1.2-18])", about, version, extra, MALFORMED, None)


def _reason_codes() -> Iterator[Case]:
    for code in range(256):
        sent = packet(0xE0, bytes((code,)))
        about = f"DISCONNECT 0x{code:02X} from a client"
        if code in FROM_CLIENT:
            yield Case("[MQTT-3.14.4-1]", about, V5, (Exchange(sent),), SUCCESS)
        else:
            yield Case("[MQTT-3.14.2-1]", about, V5, (Exchange(sent),), PROTOCOL_ERROR)
    expiry = properties(V5, b"\x11\0\0\0\x05")
    lengthened = packet(0xE0, b"\0", expiry)
    yield Case(
        "3.14.2.2.2", "a session expiry interval that CONNECT had not", V5, (Exchange(lengthened),), PROTOCOL_ERROR
    )
    explained = packet(0xE0, b"\x04", properties(V5, b"\x1f" + string("bye"), b"\x26" + string("k") + string("v")))
    yield Case("3.14.2.2", "DISCONNECT with reason string and user property", V5, (Exchange(explained),), SUCCESS)
