"""When an answer that is not the one a case names is right all the same: rules by name, each with its clause.

A rule looks at what was sent, what was named and what came. Two kinds: *open*, where the specification leaves what
differs to the server, and *required*, where it asks for what came and not for what the case names. Clauses are those
of 5.0, unless they say otherwise. An answer that no rule explains is a difference.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from tests.conformance import anatomy
from tests.conformance.anatomy import Unreadable

ACKNOWLEDGEMENTS = (0x40, 0x50, 0x62, 0x70)
NO_SUBSCRIBERS, MALFORMED, PROTOCOL_ERROR, NOT_AUTHORIZED, NOT_FOUND = 0x10, 0x81, 0x82, 0x87, 0x92
CLIENT_IDENTIFIER_NOT_VALID = 0x85
CONNACK, DISCONNECT = 0x20, 0xE0


class Deviation(NamedTuple):
    """A place where what came is not what the case names."""

    version: int  # 3, 4 or 5: of the connection, or of the CONNECT that was to begin it
    sent: tuple[bytes, ...]  # everything that was sent so far, the last is what is answered
    wanted: bytes | None  # None: the end of the connection
    got: bytes | None

    @property
    def last(self) -> bytes:
        return self.sent[-1]


class Rule(NamedTuple):
    name: str
    kind: str  # open, required
    clause: str
    text: str
    applies: Callable[[Deviation], bool]


def reason_code(packet: bytes | None) -> int | None:
    """Of a CONNACK or DISCONNECT; None for anything else."""
    if not packet or packet[0] not in (CONNACK, DISCONNECT):
        return None
    return packet[3] if packet[0] == CONNACK else packet[2] if len(packet) > 2 else 0


def _codes(case: Deviation, wanted: int, got: int) -> bool:
    """Both end the connection, with these reason codes."""
    same = bool(case.wanted and case.got) and case.wanted[:1] == case.got[:1]  # type: ignore[index]  # not None
    return same and (reason_code(case.wanted), reason_code(case.got)) == (wanted, got)


def _property_out_of_place(case: Deviation) -> bool:
    if not _codes(case, PROTOCOL_ERROR, MALFORMED):
        return False
    with suppress(Unreadable):
        for place, identifier in anatomy.properties(case.last):
            if identifier not in anatomy.PROPERTIES or place not in anatomy.PROPERTIES[identifier][2]:
                return True
    return False


def _flags(case: Deviation) -> bool:
    kind, flags = case.last[0] >> 4, case.last[0] & 15
    return _codes(case, PROTOCOL_ERROR, MALFORMED) and kind > 0 and flags != anatomy.FIXED_FLAGS.get(kind, flags)


def _type_0(case: Deviation) -> bool:
    return case.last[0] < 0x10 and _codes(case, PROTOCOL_ERROR, MALFORMED)


def _zero_packet_id(case: Deviation) -> bool:
    kind, _, body = anatomy.split(case.last)
    return _codes(case, MALFORMED, PROTOCOL_ERROR) and kind in anatomy.FROM_CLIENT_WITH_ID and body[:2] == b"\0\0"


def _no_topic(case: Deviation) -> bool:
    return _codes(case, MALFORMED, PROTOCOL_ERROR) and case.last[0] >> 4 == 3 and case.last[2:4] == b"\0\0"


def _retain_handling(case: Deviation) -> bool:
    return _codes(case, MALFORMED, PROTOCOL_ERROR) and case.last[0] == 0x82 and case.last[-1] & 0x30 == 0x30


def _qos_3(case: Deviation) -> bool:
    return _codes(case, MALFORMED, PROTOCOL_ERROR) and case.last[0] == 0x82 and case.last[-1] & 3 == 3


def _no_topic_filter(case: Deviation) -> bool:
    """The body ends behind the properties."""
    if not _codes(case, MALFORMED, PROTOCOL_ERROR) or case.last[0] not in (0x82, 0xA2):
        return False
    body = anatomy.split(case.last)[2]
    return len(body) > 2 and body[2] < 0x80 and len(body) == 3 + body[2]


def _text(case: Deviation) -> bool:
    if not _codes(case, CLIENT_IDENTIFIER_NOT_VALID, MALFORMED):
        return False
    client_id = anatomy.client_id(case.last)
    try:
        return "\0" in client_id.decode()
    except UnicodeDecodeError:
        return True


def _unknown_packet_id(case: Deviation) -> bool:
    got, wanted = case.got or b"", case.wanted or b""
    known = any(packet[0] >> 4 == 3 for packet in case.sent)
    answers = {0x50: 0x62, 0x62: 0x70}.get(case.last[0]) == got[:1][0] if got else False
    return answers and not known and len(got) == 5 and got[4] == NOT_FOUND and got[2:4] == wanted[2:4]


def _explained(case: Deviation) -> bool:
    return (
        case.wanted is None
        and case.version == 5
        and case.got is not None
        and (case.got[0] == DISCONNECT)
        and ((reason_code(case.got) or 0) >= 0x80)
    )


def _refused(case: Deviation) -> bool:
    refusal = case.wanted is None and case.got is not None and case.got[0] == CONNACK and case.got[3] >= 0x80
    return refusal and anatomy.level(case.last) == 5


def _return_code_1(case: Deviation) -> bool:
    """CONNACK of 3.1.1, where the case names the one of 5.0."""
    return (
        case.got == b"\x20\x02\0\x01" and reason_code(case.wanted) == 0x84 and anatomy.level(case.last) not in (3, 4, 5)
    )


def _return_code_2(case: Deviation) -> bool:
    control = any(
        character < " " or "\x7f" <= character <= "\x9f" for character in anatomy.client_id(case.last).decode()
    )
    return case.wanted is None and case.got == b"\x20\x02\0\x02" and anatomy.level(case.last) < 5 and control


def _repetition(case: Deviation) -> bool:
    last = case.last
    repeated = last[0] & 0xF6 == 0x34 and sum(packet[1:] == last[1:] for packet in case.sent) > 1
    start = 4 + int.from_bytes(last[2:4], "big")
    released = any(packet[0] == 0x62 for packet in case.sent)
    return repeated and not released and case.got == b"\x50\x02" + last[start : start + 2]


def _nobody(case: Deviation) -> bool:
    got, wanted = case.got or b"", case.wanted or b""
    same = got[:1] == wanted[:1] and got[0] in (0x40, 0x50) and got[2:4] == wanted[2:4]
    subscribed = any(packet[0] == 0x82 for packet in case.sent)
    return same and len(wanted) == 4 and got[4:] == bytes((NO_SUBSCRIBERS,)) and not subscribed


def _dollar(case: Deviation) -> bool:
    got, wanted = case.got or b"", case.wanted or b""
    refused = len(got) == 5 and got[4] == NOT_AUTHORIZED and got[:1] + got[2:4] == wanted[:1] + wanted[2:4]
    return refused and case.last[0] >> 4 == 3 and case.last[4:5] == b"$"


RULES = (
    Rule(
        "property out of place",
        "required",
        "2.2.2.2",
        "An identifier that is not valid for its packet type makes a Malformed Packet: 0x81, not 0x82.",
        _property_out_of_place,
    ),
    Rule(
        "flags",
        "required",
        "[MQTT-2.1.3-1] [MQTT-3.14.1-1] [MQTT-3.15.1-1]",
        "Reserved flags that are set make a Malformed Packet: 0x81, not 0x82.",
        _flags,
    ),
    Rule(
        "packet type 0",
        "open",
        "2.1.2, 4.13",
        "A forbidden packet type ends the connection; which reason code says so is open: 0x81, not 0x82.",
        _type_0,
    ),
    Rule(
        "packet identifier 0",
        "open",
        "[MQTT-2.2.1-3], 4.13",
        "A packet identifier of zero can be read and is not allowed; no reason code is given: 0x82, not 0x81.",
        _zero_packet_id,
    ),
    Rule(
        "no topic name",
        "required",
        "3.3.2.1",
        "Neither topic name nor topic alias is a Protocol Error: 0x82, not 0x81.",
        _no_topic,
    ),
    Rule(
        "retain handling 3",
        "required",
        "3.8.3.1",
        "Retain Handling 3 is a Protocol Error: 0x82, not 0x81.",
        _retain_handling,
    ),
    Rule(
        "QoS 3 of a subscription",
        "required",
        "3.8.3.1",
        "A Maximum QoS of 3 is a Protocol Error: 0x82, not 0x81.",
        _qos_3,
    ),
    Rule(
        "no topic filter",
        "required",
        "3.8.3, 3.10.3",
        "SUBSCRIBE and UNSUBSCRIBE without a payload are Protocol Errors: 0x82, not 0x81.",
        _no_topic_filter,
    ),
    Rule(
        "client identifier that is no text",
        "required",
        "[MQTT-1.5.4-1] [MQTT-1.5.4-2]",
        "Surrogates and U+0000 in a string make a Malformed Packet: 0x81, not 0x85.",
        _text,
    ),
    Rule(
        "unknown packet identifier",
        "open",
        "3.6.2.1, 3.7.2.1",
        "PUBREL and PUBCOMP have a reason code for a packet identifier that is not known, 0x92; the suite has success.",
        _unknown_packet_id,
    ),
    Rule(
        "a DISCONNECT that explains",
        "open",
        "4.13.1",
        "A server SHOULD send DISCONNECT with the reason before it closes; the suite has a close without a word.",
        _explained,
    ),
    Rule(
        "a CONNACK that explains",
        "open",
        "3.1.4, 4.13.1",
        "A server MAY send CONNACK with the reason before it closes; the suite has a close without a word.",
        _refused,
    ),
    Rule(
        "return code 1",
        "required",
        "3.1.1 [MQTT-3.1.2-2]",
        "A protocol level that is not supported gets return code 0x01; the suite has the CONNACK of 5.0.",
        _return_code_1,
    ),
    Rule(
        "return code 2",
        "required",
        "3.1.1 [MQTT-3.1.3-9]",
        "A client identifier that is refused gets return code 0x02; the suite has a close without a word.",
        _return_code_2,
    ),
    Rule(
        "QoS 2 repeated",
        "required",
        "[MQTT-4.3.3-10] (3.1.1: [MQTT-4.3.3-2])",
        "Until PUBREL, each PUBLISH with the packet identifier gets a PUBREC; the suite has the end at the third.",
        _repetition,
    ),
    Rule(
        "nobody subscribes",
        "open",
        "3.5.2.1",
        "A PUBREC may say that the message is taken and that nobody subscribes to it, 0x10; the suite has success.",
        _nobody,
    ),
    Rule(
        "topic name that begins with $",
        "open",
        "4.7.2, 3.5.2.1",
        "Clients should not publish to the server's own topics: PUBREC 0x87. The suite admits one that bridges use.",
        _dollar,
    ),
)


# What is compared by meaning before any rule is asked.
CONNACK_PROPERTIES = Rule(
    "CONNACK properties",
    "open",
    "3.2.2.3",
    "Reason code and session present are as named; the properties tell the limits of the server that sends them.",
    lambda case: False,
)
REASON_STRING = Rule(
    "reason string",
    "open",
    "3.4.2.2.2, 3.5.2.2.2, 3.14.2.2.3",
    "A DISCONNECT, PUBACK or PUBREC that also carries a Reason String, for people.",
    lambda case: False,
)
ORDER = Rule(
    "order of PUBLISH and acknowledgement",
    "open",
    "4.6",
    "A PUBLISH to a subscriber and the acknowledgement to the publisher, who may be one, come in either order.",
    lambda case: False,
)
ALL = (CONNACK_PROPERTIES, REASON_STRING, ORDER, *RULES)


def explain(case: Deviation) -> Rule | None:
    """The rule by which the answer is right."""
    for rule in RULES:
        with suppress(Unreadable, IndexError, UnicodeDecodeError):
            if rule.applies(case):
                return rule
    return None


def without_reason_string(packet: bytes) -> bytes:
    """A DISCONNECT or an acknowledgement of a message as it would be without its Reason String."""
    if packet[0] not in (DISCONNECT, *ACKNOWLEDGEMENTS) or len(packet) <= 7:
        return packet
    kind, _, body = anatomy.split(packet)
    if [*anatomy.properties(packet)] != [(kind, 0x1F)]:
        return packet
    short = body[: 1 if kind == anatomy.DISCONNECT else 3]
    return bytes((packet[0], len(short))) + short
