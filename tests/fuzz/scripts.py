"""Inputs that drive several connections: a head of two bytes, then records of an action, a length and bytes."""

from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

SLOTS = 4  # connections


class Action(IntEnum):
    SEND = 0
    SEND_IN_PIECES = 1
    LOSE = 2  # the network is gone; the next SEND connects again
    STOP_READING = 3
    READ_AGAIN = 4
    COMMIT = 5  # what waits for the store goes on
    TROUBLE = 6  # with a payload: the open commit fails; without: the disk is full, or has room again
    SEND_FIRST = 7  # a connection that begins with these bytes and no CONNECT


class Record(NamedTuple):
    slot: int
    action: Action
    piece: int  # length of the pieces
    payload: bytes


def read(script: bytes) -> Iterator[Record]:
    """The records; the last may be cut short."""
    pos = 0
    while pos + 2 <= len(script):
        head, length = script[pos], script[pos + 1]
        payload = script[pos + 2 : pos + 2 + length]
        yield Record(head & 3, Action(head >> 2 & 7), (head >> 5) + 1, payload)
        pos += 2 + length


def write(slot: int, action: Action, payload: bytes = b"", piece: int = 1) -> bytes:
    """One record; longer payloads than 255 bytes become several."""
    head = slot | action << 2 | (piece - 1) << 5
    parts = [payload[start : start + 255] for start in range(0, len(payload), 255)] or [b""]
    return b"".join(bytes((head, len(part))) + part for part in parts)
