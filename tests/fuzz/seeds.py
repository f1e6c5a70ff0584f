"""Where fuzzing begins beside the corpus: inputs made of the cases that are written from the specification."""

from collections.abc import Iterator

from tests.conformance.cases import connecting, framing, messages, property_cases
from tests.conformance.cases.making import Case, publish, short, subscribe
from tests.fuzz.scripts import Action, write
from tests.fuzz.websocket import HANDSHAKE

CHAPTERS = (framing.cases, property_cases.cases, connecting.cases, messages.cases)
MODES = {4: 0, 5: 1, 3: 2}  # of targets, by version
BARE = 8  # no CONNECT came before


def _cases() -> Iterator[Case]:
    """Some of each chapter."""
    for chapter in CHAPTERS:
        cases = [*chapter()]
        yield from cases[:: max(1, len(cases) // 100)]


def codec() -> Iterator[bytes]:
    yield b"\x00\x07\x32\x07" + b"\xff" * 20  # a topic name that is longer than its packet
    for case in _cases():
        mode = MODES[case.version] | (BARE if case.bare else 0)
        yield bytes((mode, 7)) + b"".join(exchange.sent for exchange in case.exchanges)
        answers = b"".join(answer for exchange in case.exchanges for answer in exchange.answers)
        if answers:
            yield bytes((MODES[case.version] | 4, 7)) + answers


def topics() -> Iterator[bytes]:
    for some in (messages.FILTERS, messages.BAD_FILTERS, messages.BAD_SHARES):
        yield "\n".join((*some, "a", "a/b", "$x/y", "$share/g/a/+")).encode()


def payloads() -> Iterator[bytes]:
    yield b'{"a":1,"b":[true,null,"x"]}'
    yield b'[{"ts":1700000000000,"attributes":{"a":1.5e3}}]'
    yield b'{"ts":-1e308,"a":"\\u00e9"}'
    yield b'{"ts":18446744073709551616,"a":1e-320}'


def registration() -> Iterator[bytes]:
    yield from (b"\x03key&" + b"a" * 16 + b"\r\nrest", b"\x00k&short\n", b"\x07no separator\n")


def proxy() -> Iterator[bytes]:
    yield b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"
    yield b"PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n"
    yield b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes((192, 0, 2, 1, 198, 51, 100, 1, 0, 80, 1, 0))


def open_port() -> Iterator[bytes]:
    for case in _cases():
        versions = MODES[case.version] * 0b01010101
        action = Action.SEND_FIRST if case.bare else Action.SEND
        records = b"".join(write(0, action, exchange.sent) for exchange in case.exchanges)
        yield bytes((1, versions)) + records
    yield from _meetings()
    yield from _floods()


def _floods() -> Iterator[bytes]:
    """More of everything than one client may have."""
    for version, mode in MODES.items():
        head = bytes((0xF1, mode * 0b01010101))
        many = b"".join(publish(version, "a", qos=2, packet_id=number) for number in range(1, 8))
        filters = b"".join(subscribe(version, f"a/{number}/#", 2) for number in range(12))
        kept = b"".join(bytes((0x31,)) + publish(version, f"a/{number}/b", b"r" * 200)[1:] for number in range(30))
        yield head + write(0, Action.SEND, many)
        yield head + write(0, Action.SEND, filters) + write(1, Action.SEND, kept) + write(0, Action.STOP_READING)


def _meetings() -> Iterator[bytes]:
    """Two clients, one of whom comes and goes."""
    for head in (0x00, 0x01, 0x30, 0x31, 0xF0, 0xF1):
        for version, mode in MODES.items():
            for topic_filter in ("a/#", "$share/g/a/+"):
                hears = write(0, Action.SEND, subscribe(version, topic_filter, 2)) + write(0, Action.COMMIT)
                sent = [publish(version, "a/b", b"m", qos=qos, packet_id=qos + 1) for qos in (0, 1, 2)]
                says = write(1, Action.SEND_IN_PIECES, b"".join(sent), 3) + write(1, Action.COMMIT)
                released = write(1, Action.SEND, short(0x62, 3))
                takes = write(0, Action.SEND, short(0x40, 1) + short(0x50, 2) + short(0x70, 2))
                goes = write(0, Action.LOSE)
                yield bytes((head, mode * 0b01010101)) + hears + says + takes + released + goes + says + takes
                yield (
                    bytes((head, mode * 0b01010101))
                    + hears
                    + goes
                    + says
                    + released
                    + takes
                    + write(0, Action.TROUBLE, b"x")
                )


UPLINKS = (
    ("attributes", b'{"a":1}'),
    ("attributes/series", b'[{"ts":1700000000000,"a":1}]'),
    ("attributes/get/1", b'{"keys":["a"]}'),
    ("event/report/2", b'{"method":"m","params":{"x":[1,2]}}'),
    ("command/reply/3", b'{"method":"m","params":{}}'),
    ("data/stream/set", b"\x00\xff"),
    ("gateway/attributes", b'{"sub":{"a":1}}'),
    ("gateway/connect", b'{"device":"sub"}'),
    ("gateway/disconnect", b'{"device":"sub"}'),
    ("gateway/attributes/series", b'{"sub":[{"ts":1700000000000,"attributes":{"a":1}}]}'),
    ("gateway/event/report", b'{"device":"sub","event":{"method":"m","params":{},"id":1}}'),
)
DOWNLINKS = (
    "attributes/response",
    "attributes/push",
    "command/send/+",
    "event/response/+",
    "#",
    "gateway/#",
    "data/+/get",
)


def devices() -> Iterator[bytes]:
    for version, mode in MODES.items():
        head = bytes((0, mode * 0b01010101))
        for slot in (0, 1):
            for topic, payload in UPLINKS:
                qos = len(topic) % 3
                released = short(0x62, 7) if qos == 2 else b""
                yield head + write(slot, Action.SEND, publish(version, topic, payload, qos=qos) + released)
            for topic_filter in DOWNLINKS:
                hears = write(slot, Action.SEND, subscribe(version, topic_filter, 1))
                yield head + hears + write(slot, Action.COMMIT, b"p") + write(slot, Action.TROUBLE)
        told = write(2, Action.SEND, subscribe(version, "V" * 10 + "/+/attributes"))
        yield head + told + write(0, Action.SEND, publish(version, "attributes", b'{"a":1}', qos=1))
        raw = write(3, Action.SEND, b"\x01\x02") + write(3, Action.SEND_IN_PIECES, b"\x01\x02\n")
        yield head + raw + write(3, Action.SEND_FIRST, b"key&token\n")


def websocket() -> Iterator[bytes]:
    def frame(first_byte: int, payload: bytes) -> bytes:
        return bytes((first_byte, 0x80 | len(payload))) + b"\0\0\0\0" + payload  # masked with nothing

    connect = b"\x10\x0c\0\x04MQTT\x04\x02\0\0\0\0"
    yield b"\x05" + frame(0x82, connect) + frame(0x82, b"\xc0\0") + frame(0x88, b"\x03\xe8")
    yield b"\x01" + frame(0x02, connect[:5]) + frame(0x89, b"ping") + frame(0x80, connect[5:])
    yield b"\x07" + frame(0x81, b"text") + frame(0x82, connect)
    yield b"\x03\x82\xfe\x01\x00\0\0\0\0" + connect + bytes(242)
    yield b"\xbf" + HANDSHAKE + frame(0x82, connect)
    yield b"\x9fGET /other HTTP/1.1\r\nHost: x\r\n\r\n"
