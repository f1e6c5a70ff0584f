"""An answer leaves in one piece, and nothing of it waits for what never comes."""

import asyncio
from collections.abc import Iterable
from typing import cast

from thingstead.server.whole_answers import WholeAnswers

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"


class Wire:
    """A transport that notes each call of the system."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.sent.append(b"".join(pieces))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def answers() -> tuple[Wire, WholeAnswers]:
    wire = Wire()
    return wire, WholeAnswers(cast(asyncio.Transport, wire))


def test_the_head_of_an_answer_leaves_with_its_body() -> None:
    wire, answer = answers()
    for _ in range(2):
        answer.write(HEAD)
        answer.write(b"body")
        answer.ended()
    assert wire.sent == [HEAD + b"body"] * 2


def test_what_follows_leaves_at_once() -> None:
    wire, answer = answers()
    for piece in (HEAD, b"one", b"", b"HTTP/1.1 three"):
        answer.write(piece)
    assert wire.sent == [HEAD + b"one", b"", b"HTTP/1.1 three"]


def test_an_answer_without_a_body_leaves_when_it_is_complete() -> None:
    wire, answer = answers()
    answer.write(HEAD)
    assert wire.sent == []
    answer.ended()
    assert wire.sent == [HEAD]


def test_a_client_that_waits_for_100_continue_gets_it_at_once() -> None:
    wire, answer = answers()
    answer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert len(wire.sent) == 1
    answer.write(HEAD)
    answer.write(b"body")
    assert wire.sent[1:] == [HEAD + b"body"]


def test_a_head_leaves_before_the_connection_is_closed() -> None:
    wire, answer = answers()
    answer.write(HEAD)
    assert not answer.is_closing()
    answer.close()
    assert wire.sent == [HEAD]
    assert answer.is_closing()
