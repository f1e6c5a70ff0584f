"""Runs packet sequences against a listener that admits everyone, and judges what comes back.

A case ends in one of three ways:

* *exact*: the bytes that came are those that the case names;
* *equivalent*: they say the same, or the specification leaves what differs to the server: another reason code where a
  connection ends or a packet identifier is not known, properties of CONNACK, a Reason String, a DISCONNECT or CONNACK
  where none was named or none where one was (5.0, 4.13: SHOULD), a PUBLISH before the acknowledgement of another one;
* *different*: everything else.
"""

import socket
from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.conformance.sequences import Case, to_bytes

TIMEOUT_S = 5.0
CLOSING_TIMEOUT_S = 2.0
PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"
CONNECTS = {
    3: to_bytes("10 r19 s6 'MQIsdp' 03 02 k10 s5 'probe'"),
    4: to_bytes("10 r17 s4 'MQTT' 04 02 k10 s5 'probe'"),
    5: to_bytes("10 r18 s4 'MQTT' 05 02 k10 v0 s5 'probe'"),
}
HELPER = to_bytes("10 r18 s4 'MQTT' 04 02 k10 s6 'helper'")
CONNACK, PUBLISH, PUBREL, PUBCOMP, DISCONNECT = 0x20, 0x30, 0x60, 0x70, 0xE0
ACKNOWLEDGEMENTS = (0x40, 0x50, PUBCOMP)
NOT_FOUND = 0x92


class Outcome(NamedTuple):
    """How a case ended; ``notes`` say what differs."""

    case: Case
    verdict: str  # exact, equivalent, different
    notes: list[str]


class Different(Exception):
    """What came is not what must come."""


class Peer:
    """A connection, read packet by packet."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
        self._buffer = b""
        self._early: list[bytes] = []

    def put_back(self, packet: bytes) -> None:
        """It came before another one; it is read again after that."""
        self._early.append(packet)

    def send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError:
            pass  # closed already; what was read before that is judged

    def receive(self) -> bytes | None:
        """The next packet; None at the end of the connection."""
        if self._early:
            return self._early.pop(0)
        return self.receive_more()

    def receive_more(self) -> bytes | None:
        """The next packet but for those that were put back."""
        while True:
            length = _packet_length(self._buffer)
            if length is not None and len(self._buffer) >= length:
                packet, self._buffer = self._buffer[:length], self._buffer[length:]
                return packet
            try:
                data = self._socket.recv(65_536)
            except TimeoutError:
                raise Different("nothing came in time") from None
            except OSError:
                return None
            if not data:
                return None
            self._buffer += data

    def wait_for_close(self) -> None:
        self._socket.settimeout(CLOSING_TIMEOUT_S)

    def close(self) -> None:
        self._socket.close()


def _packet_length(buffer: bytes) -> int | None:
    length = 0
    for count, byte in enumerate(buffer[1:5]):
        length |= (byte & 0x7F) << 7 * count
        if byte < 0x80:
            return 2 + count + length
    return None


def run(cases: Iterable[Case], port: int) -> list[Outcome]:
    """Every case, one after the other, each on a connection of its own."""
    return [run_case(case, port) for case in cases]


def run_case(case: Case, port: int) -> Outcome:
    notes: list[str] = []
    peer = Peer(port)
    try:
        if case.connect:
            peer.send(CONNECTS[case.version])
            _expect(peer, to_bytes("20 r2 0000"), case, notes)
        for step in case.steps:
            _step(step, peer, port, case, notes)
        if case.expect_disconnect:
            _expect_close(peer, case, notes)
        else:
            peer.send(PINGREQ)
            if (packet := peer.receive()) != PINGRESP:
                raise Different(f"PINGREQ was answered with {_shown(packet)}")
    except Different as exc:
        return Outcome(case, "different", [*notes, str(exc)])
    finally:
        peer.close()
    return Outcome(case, "equivalent" if notes else "exact", notes)


def _step(step: dict[str, Any], peer: Peer, port: int, case: Case, notes: list[str]) -> None:
    kind = step["type"]
    if kind == "send":
        peer.send(to_bytes(step["payload"]))
    elif kind == "recv":
        _expect(peer, to_bytes(step["payload"]), case, notes)
    elif kind == "external_publish":
        _publish(port, step)
    else:
        raise AssertionError(f"unknown step {kind}")


def _expect(peer: Peer, expected: bytes, case: Case, notes: list[str]) -> None:
    packet = peer.receive()
    if packet and packet != expected and packet[0] & 0xF0 == PUBLISH and expected[0] & 0xF0 in ACKNOWLEDGEMENTS:
        peer.put_back(packet)
        packet = peer.receive_more()
        notes.append("a PUBLISH came before the acknowledgement of another one")
    _compare(packet, expected, case, notes)


def _compare(packet: bytes | None, expected: bytes, case: Case, notes: list[str]) -> None:
    if packet == expected:
        return
    kind = expected[0] & 0xF0
    if packet is None:
        if kind in (DISCONNECT, CONNACK) and expected[-1 if kind == DISCONNECT else 3] >= 0x80 and case.version == 5:
            notes.append(f"closed without {_shown(expected)}")
            return
        raise Different(f"closed instead of {_shown(expected)}")
    if kind == CONNACK and packet[0] == CONNACK:
        wanted, got = _connack_code(expected), _connack_code(packet)
        if wanted == got:
            if case.version != 5:
                notes.append(f"CONNACK is {_shown(packet)} instead of {_shown(expected)}")
            return  # the properties are the server's own
        if wanted >= 0x80 and got >= 0x80:
            notes.append(f"CONNACK 0x{got:02X} instead of 0x{wanted:02X}")
            return
    if kind == DISCONNECT and packet[0] == DISCONNECT:
        if packet[2] != expected[2]:
            notes.append(f"DISCONNECT 0x{packet[2]:02X} instead of 0x{expected[2]:02X}")
        return
    if kind in (PUBREL, PUBCOMP) and len(packet) == 5 and packet[4] == NOT_FOUND and packet[2:4] == expected[2:4]:
        notes.append("0x92 where the packet identifier is not known")
        return
    raise Different(f"{_shown(packet)} instead of {_shown(expected)}")


def _connack_code(packet: bytes) -> int:
    code = packet[3]
    return {1: 0x84, 2: 0x85, 3: 0x88, 4: 0x86, 5: 0x87}.get(code, code)


def _expect_close(peer: Peer, case: Case, notes: list[str]) -> None:
    peer.wait_for_close()
    while (packet := peer.receive()) is not None:
        if packet[0] == DISCONNECT and case.version == 5:
            notes.append(f"DISCONNECT 0x{packet[2]:02X} before the end")
        elif packet[0] == CONNACK and packet[3]:
            notes.append(f"CONNACK 0x{packet[3]:02X} before the end")
        else:
            raise Different(f"{_shown(packet)} instead of the end")


def _publish(port: int, step: dict[str, Any]) -> None:
    """What the helper publishes; its acknowledgements are read."""
    helper = Peer(port)
    try:
        helper.send(HELPER)
        assert helper.receive() == to_bytes("20 r2 0000")
        topic, payload, qos = step["topic"].encode(), step.get("payload", "").encode(), step.get("qos", 0)
        body = len(topic).to_bytes(2, "big") + topic + (b"\x00\x01" if qos else b"") + payload
        first_byte = 0x30 | qos << 1 | bool(step.get("retain"))
        helper.send(bytes((first_byte, len(body))) + body)
        if qos:
            assert helper.receive() is not None
        if qos == 2:
            helper.send(b"\x62\x02\x00\x01")
            assert helper.receive() is not None
        helper.send(b"\xe0\x00")
    finally:
        helper.close()


def _shown(packet: bytes | None) -> str:
    return "the end" if packet is None else packet[:40].hex(" ")
