"""Strangers that log in wrongly again and again, or never to the end, are refused; others notice nothing."""

import contextlib
import socket
from collections import Counter

from tests.hostile.attacker import Target
from tests.hostile.stand import Stand
from tests.project_api import Certificate
from tests.raw_device import connect_packet

NOT_AUTHORIZED = b"\x20\x02\x00\x05"
THROTTLED = b"\x20\x02\x00\x03"  # after some, from one address
BAD_CREDENTIALS = b"\x20\x02\x00\x04"
HALF_OPEN = 500
ANSWER_TIMEOUT_S = 30


def guess(target: Target) -> dict[str, int]:
    """Connects with a wrong AccessToken, one connection after the other; how often each answer came."""
    answers: Counter[str] = Counter()
    for number in target.until_over():
        wrong = Certificate("", f"guess{number:011}", target.device[2])
        with socket.create_connection(("127.0.0.1", target.mqtt_port), timeout=ANSWER_TIMEOUT_S) as sock:
            sock.sendall(connect_packet(wrong))
            answers[sock.recv(4).hex()] += 1
    return answers


def begin_and_wait(target: Target) -> dict[str, int]:
    """Holds connections that have sent half of a CONNECT; how many are held, and how many came to be admitted."""
    half = connect_packet(Certificate("", target.device[1], target.device[2]))[:20]
    with contextlib.ExitStack() as stack:
        held = []
        for _ in range(HALF_OPEN):
            sock = socket.create_connection(("127.0.0.1", target.mqtt_port), timeout=ANSWER_TIMEOUT_S)
            held.append(stack.enter_context(sock))
            sock.sendall(half)
        answers = 0
        for number in target.until_over():
            sock = held[number % HALF_OPEN]
            sock.settimeout(0.01)
            with contextlib.suppress(TimeoutError, ConnectionError):
                answers += bool(sock.recv(4))
    return {"held": len(held), "admitted": answers}


def test_wrong_credentials_are_refused_and_others_notice_nothing(stand: Stand) -> None:
    outcome = stand.withstand(guess)
    outcome.check()
    [answers] = outcome.attack
    assert answers.keys() <= {NOT_AUTHORIZED.hex(), BAD_CREDENTIALS.hex(), THROTTLED.hex()}
    assert sum(answers.values()) > 0


def test_connections_that_never_finish_their_connect_are_held_apart(stand: Stand) -> None:
    outcome = stand.withstand(begin_and_wait)
    outcome.check()
    assert outcome.attack == [{"held": HALF_OPEN, "admitted": 0}]
