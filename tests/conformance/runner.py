"""Runs packet sequences against a listener that admits everyone, and judges what comes back.

A case ends in one of three ways:

* *exact*: the bytes that came are those that the case names;
* *equivalent*: they differ, and each difference is right by a rule of :mod:`tests.conformance.rules`;
* *different*: everything else.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.conformance import anatomy
from tests.conformance.peer import NothingCame, Peer, Server
from tests.conformance.rules import (
    CONNACK,
    CONNACK_PROPERTIES,
    DISCONNECT,
    ORDER,
    REASON_STRING,
    Deviation,
    Rule,
    explain,
    without_reason_string,
)
from tests.conformance.sequences import Case, to_bytes

PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"
CONNECTS = {
    3: to_bytes("10 r19 s6 'MQIsdp' 03 02 k10 s5 'probe'"),
    4: to_bytes("10 r17 s4 'MQTT' 04 02 k10 s5 'probe'"),
    5: to_bytes("10 r18 s4 'MQTT' 05 02 k10 v0 s5 'probe'"),
}
HELPER = to_bytes("10 r18 s4 'MQTT' 04 02 k10 s6 'helper'")
ACCEPTED = to_bytes("20 r2 0000")
PUBLISH = 0x30
ACKNOWLEDGEMENTS = (0x40, 0x50, 0x70)


class Outcome(NamedTuple):
    """How a case ended."""

    case: Case
    rules: tuple[Rule, ...]  # by which differences are right
    difference: str  # what is not; empty: nothing

    @property
    def verdict(self) -> str:
        return "different" if self.difference else "equivalent" if self.rules else "exact"

    @property
    def by_meaning(self) -> bool:
        """Nothing but the properties of CONNACK and DISCONNECT differs."""
        return self.verdict == "equivalent" and {*self.rules} <= {CONNACK_PROPERTIES, REASON_STRING}


class Different(Exception):
    """What came is not what must come."""


def run(cases: Iterable[Case], server: Server) -> list[Outcome]:
    """Every case, one after the other, each on a connection of its own."""
    return [_Run(case, server).outcome() for case in cases]


class _Run:
    def __init__(self, case: Case, server: Server) -> None:
        self._case = case
        self._server = server
        self._sent: list[bytes] = []
        self._rules: dict[str, Rule] = {}
        self._goes_on = False

    def outcome(self) -> Outcome:
        with Peer(self._server) as peer:
            try:
                self._steps(peer)
            except Different as exc:
                return Outcome(self._case, tuple(self._rules.values()), str(exc))
            except NothingCame:
                return Outcome(self._case, tuple(self._rules.values()), "nothing came in time")
        return Outcome(self._case, tuple(self._rules.values()), "")

    def _steps(self, peer: Peer) -> None:
        case = self._case
        if case.connect:
            peer.send(CONNECTS[case.version])
            connack = peer.receive()
            if connack is None or connack[0] != CONNACK or connack[2:4] != b"\0\0":
                raise Different(f"{shown(connack)} answers a plain CONNECT")
        for step in case.steps:
            self._step(step, peer)
        if case.expect_disconnect and not self._goes_on:
            self._expect_close(peer)
        else:
            self._expect_life(peer)

    def _expect_life(self, peer: Peer) -> None:
        peer.send(PINGREQ)
        if (packet := peer.receive()) != PINGRESP:
            raise Different(f"PINGREQ was answered with {shown(packet)}")

    def _step(self, step: dict[str, Any], peer: Peer) -> None:
        kind = step["type"]
        if kind == "send":
            self._sent.append(to_bytes(step["payload"]))
            peer.send(self._sent[-1])
        elif kind == "recv":
            self._expect(peer, to_bytes(step["payload"]))
        elif kind == "external_publish":
            _publish(self._server, step)
        elif kind in ("subscribe", "unsubscribe"):
            self._subscribe(kind, step, peer)
        else:
            raise AssertionError(f"unknown step {kind}")

    def _subscribe(self, kind: str, step: dict[str, Any], peer: Peer) -> None:
        topic, qos = step["topic"].encode(), step.get("qos", 0)
        properties = b"\0" if self._case.version == 5 else b""
        body = b"\0\x01" + properties + len(topic).to_bytes(2, "big") + topic
        first_byte, answer, codes = 0xA2, 0xB0, properties[:1]
        if kind == "subscribe":
            body, first_byte, answer, codes = body + bytes((qos,)), 0x82, 0x90, bytes((qos,))
        peer.send(bytes((first_byte, len(body))) + body)
        acknowledgement = b"\0\x01" + properties + codes
        self._expect(peer, bytes((answer, len(acknowledgement))) + acknowledgement)

    def _expect(self, peer: Peer, wanted: bytes) -> None:
        packet = peer.receive()
        if packet and packet != wanted and packet[0] & 0xF0 == PUBLISH and wanted[0] & 0xF0 in ACKNOWLEDGEMENTS:
            peer.put_back(packet)
            packet = peer.receive_more()
            self._note(ORDER)
        self._compare(wanted, packet)

    def _compare(self, wanted: bytes | None, got: bytes | None) -> None:
        if got is not None and got != wanted:
            short = without_reason_string(got)
            if short != got:
                self._note(REASON_STRING)
            got = short
        if got == wanted:
            return
        if wanted and got and wanted[0] == CONNACK == got[0] and _same_meaning(wanted, got):
            self._note(CONNACK_PROPERTIES)
            return
        rule = explain(Deviation(self._case.version, tuple(self._sent), wanted, got))
        if rule is None:
            raise Different(f"{shown(got)} instead of {shown(wanted)}")
        self._note(rule)
        # Where the case names the end, and a rule asks for something else, the connection must go on.
        self._goes_on = wanted is None or wanted[0] == DISCONNECT
        self._goes_on &= got is not None and got[0] not in (CONNACK, DISCONNECT)

    def _note(self, rule: Rule) -> None:
        self._rules[rule.name] = rule

    def _expect_close(self, peer: Peer) -> None:
        peer.expect_the_end()
        if (packet := peer.receive()) is None:
            return
        self._compare(None, packet)
        if self._goes_on:
            self._expect_life(peer)
        elif (packet := peer.receive()) is not None:
            raise Different(f"{shown(packet)} instead of the end")


def _same_meaning(wanted: bytes, got: bytes) -> bool:
    """5.0: session present and reason code are the same, and the properties are such as may stand there."""
    if len(wanted) < 5 or len(got) < 5 or wanted[2:4] != got[2:4]:
        return False
    found = [identifier for _, identifier in anatomy.properties(got)]
    may_stand = all(anatomy.CONNACK in anatomy.PROPERTIES[identifier][2] for identifier in found)
    return may_stand and len(found) == len(set(found))


def _publish(server: Server, step: dict[str, Any]) -> None:
    """What the helper publishes; its acknowledgements are read."""
    with Peer(server) as helper:
        helper.send(HELPER)
        assert helper.receive() == ACCEPTED
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


def shown(packet: bytes | None) -> str:
    """For people."""
    return "the end" if packet is None else packet[:40].hex(" ")
