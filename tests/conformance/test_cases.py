"""Cases written from the specification, over a socket: every packet type, right and wrong, in every version."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.conformance import anatomy
from tests.conformance.cases import connecting, framing, messages, property_cases
from tests.conformance.cases.making import VERSIONS, Case, connect
from tests.conformance.peer import NothingCame, Peer, Server
from tests.conformance.rules import CONNACK, DISCONNECT, reason_code
from tests.conformance.runner import shown

ASSIGNED_CLIENT_IDENTIFIER = 0x12
PINGREQ, PINGRESP = b"\xc0\x00", b"\xd0\x00"
CHAPTERS: dict[str, Callable[[], Iterator[Case]]] = {
    "framing": framing.cases,
    "properties": property_cases.cases,
    "connecting": connecting.cases,
    "messages": messages.cases,
}


def failure(case: Case, server: Server) -> str:
    """What is wrong with what came; empty: nothing."""
    with Peer(server) as peer:
        try:
            return _failure(case, peer)
        except NothingCame:
            return "nothing came in time"


def _failure(case: Case, peer: Peer) -> str:
    if not case.bare:
        peer.send(connect(case.version))
        if reason_code(packet := peer.receive()) != 0:
            return f"{shown(packet)} answers a plain CONNECT"
    for exchange in case.exchanges:
        peer.send(exchange.sent)
        came = [peer.receive() for _ in exchange.answers]
        if _by_kind(came) != _by_kind(exchange.answers):
            return f"{[*map(shown, came)]} instead of {[*map(shown, exchange.answers)]}"
    if case.connack is not None and (packet := peer.receive()) is not None:
        problem = _connack_problem(packet, case)
        if problem:
            return problem
    if case.end is None:
        peer.send(PINGREQ)
        return "" if (packet := peer.receive()) == PINGRESP else f"{shown(packet)} instead of PINGRESP"
    return _end_problem(case, peer)


def _by_kind(packets: Sequence[bytes | None]) -> tuple[list[bytes], list[bytes | None]]:
    messages = [packet for packet in packets if packet and packet[0] & 0xF0 == 0x30]
    return messages, [packet for packet in packets if packet not in messages]


def _connack_problem(packet: bytes, case: Case) -> str:
    if packet[0] != CONNACK or packet[2] != 0 or packet[3] != case.connack:
        return f"{shown(packet)} instead of CONNACK 0x{case.connack:02X}"
    if case.version == 5 and case.connack == 0:
        assigned = (anatomy.CONNACK, ASSIGNED_CLIENT_IDENTIFIER) in anatomy.properties(packet)
        if assigned != (anatomy.client_id(case.exchanges[0].sent) == b""):  # [MQTT-3.1.3-7] [MQTT-3.2.2-16]
            return f"{shown(packet)}: an identifier is assigned where, and only where, there was none"
    return ""


def _end_problem(case: Case, peer: Peer) -> str:
    peer.expect_the_end()
    packet = peer.receive()
    if packet is not None and case.version == 5 and not case.bare and case.end:
        if packet[0] != DISCONNECT or reason_code(packet) != case.end:
            return f"{shown(packet)} instead of DISCONNECT 0x{case.end:02X}"
        if [*anatomy.properties(packet)] not in ([], [(anatomy.DISCONNECT, 0x1F)]):
            return f"{shown(packet)} has properties"
        packet = peer.receive()
    elif case.version == 5 and not case.bare and case.end:
        return f"the end without DISCONNECT 0x{case.end:02X}"
    return "" if packet is None else f"{shown(packet)} instead of the end"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_case_ends_as_the_specification_says(chapter: str, version: int, server: Server) -> None:
    cases = [case for case in CHAPTERS[chapter]() if case.version == version]
    failures = [(case.clause, case.about, problem) for case in cases if (problem := failure(case, server))]
    assert failures == []


def test_each_case_is_one_of_its_kind() -> None:
    cases = [case for chapter in CHAPTERS.values() for case in chapter()]
    assert len(cases) > 4_500
    assert len({(case.version, case.about) for case in cases}) == len(cases)
    assert all(case.clause for case in cases)
