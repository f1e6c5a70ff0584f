"""A connection that has much to say is heard a turn at a time, in order, and between turns the others are."""

import asyncio
import random
from typing import cast

import pytest

from thingstead.broker.net.stream import TURN_BYTES, Stream

HELD_BACK = 2  # a reason of the connection's own


class _Transport:
    """Where reading was stopped, it stays so until it is told otherwise."""

    def __init__(self) -> None:
        self.reading = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        pass


class _Listener(Stream):
    def __init__(self) -> None:
        super().__init__(1_000)
        self.transport = _Transport()
        self.connection_made(cast(asyncio.Transport, self.transport))
        self.turns: list[bytes] = []
        self.hold_back = False

    def received(self, data: bytes) -> None:
        self.turns.append(data)
        if self.hold_back:
            self.pause(HELD_BACK)


@pytest.fixture
async def listener() -> _Listener:
    return _Listener()


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_little_is_taken_at_once(listener: _Listener) -> None:
    listener.data_received(b"x" * TURN_BYTES)
    assert listener.turns == [b"x" * TURN_BYTES]
    assert listener.transport.reading


async def test_much_is_taken_over_several_turns_and_nothing_is_read_meanwhile(listener: _Listener) -> None:
    data = random.Random(1).randbytes(3 * TURN_BYTES + 7)
    listener.data_received(data)
    for taken in (1, 2, 3):
        assert [len(turn) for turn in listener.turns] == [TURN_BYTES] * taken
        assert not listener.transport.reading
        await turns(1)
    assert b"".join(listener.turns) == data
    assert listener.transport.reading


async def test_what_holds_the_connection_back_stops_its_turns(listener: _Listener) -> None:
    data = random.Random(1).randbytes(3 * TURN_BYTES)
    listener.hold_back = True
    listener.data_received(data)
    for taken in (1, 2, 3):
        await turns(5)
        assert len(listener.turns) == taken
        assert not listener.transport.reading
        listener.resume(HELD_BACK)
    await turns(5)
    assert b"".join(listener.turns) == data
    assert listener.transport.reading


async def test_what_comes_although_reading_was_stopped_is_taken_in_its_order(listener: _Listener) -> None:
    data = random.Random(1).randbytes(4 * TURN_BYTES)
    listener.data_received(data[: 2 * TURN_BYTES])
    listener.data_received(data[2 * TURN_BYTES : -10])
    await turns(1)
    listener.data_received(data[-10:])
    await turns(5)
    assert b"".join(listener.turns) == data
    assert listener.transport.reading


async def test_a_connection_that_ended_has_no_more_turns(listener: _Listener) -> None:
    listener.data_received(b"x" * 3 * TURN_BYTES)
    listener.abort("it is over")
    await turns(5)
    assert len(listener.turns) == 1
