"""What the server and a worker process say to each other.

A frame is a length (4 bytes, big-endian) and msgpack: a :class:`CallBatch` to the worker, a list of :class:`CallAnswer`
back. Answers to one batch may come in several frames, in the order of its items. JSON stays text on the way: the engine
takes and gives text.
"""

from typing import Final, Literal

import msgspec

PREFIX_BYTES: Final = 4  # of the length, in front of a frame

# Kinds of an item: of JSON, of bytes (as hex), without an argument, or to be loaded only.
JSON_ARGUMENT, BYTES_ARGUMENT, NO_ARGUMENT, LOAD_ONLY = 0, 1, 2, 3
CallStatus = Literal[
    "ok", "error", "time", "memory", "unknown"
]  # unknown: the worker does not have the source any more


class CallItem(msgspec.Struct, array_like=True):
    """One call of a function."""

    number: int  # unique in the life of a worker, from 1
    function: int
    kind: int
    argument: str
    device: str | None
    current: str | None
    identifier: str
    zone: str
    time_limit_ms: int


class CallBatch(msgspec.Struct, array_like=True):
    """Calls to be made in their order."""

    sources: dict[int, str]  # of functions that the worker does not have yet
    items: list[CallItem]


class CallAnswer(msgspec.Struct, array_like=True):
    """How one call ended."""

    number: int
    status: CallStatus
    text: str  # the result as JSON, or what went wrong
    lines: list[str]  # of the function's console
    took_us: int


encode = msgspec.msgpack.Encoder().encode
decode_batch = msgspec.msgpack.Decoder(CallBatch).decode
decode_answers = msgspec.msgpack.Decoder(list[CallAnswer]).decode


def framed(message: CallBatch | list[CallAnswer]) -> bytes:
    """A message with its length in front."""
    data = encode(message)
    return len(data).to_bytes(PREFIX_BYTES, "big") + data


class CallFrames:
    """Cuts frames out of a stream of bytes."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are complete with these bytes."""
        self._received += data
        complete: list[bytes] = []
        begin = 0
        while len(self._received) - begin >= PREFIX_BYTES:
            body = begin + PREFIX_BYTES
            end = body + int.from_bytes(self._received[begin:body], "big")
            if len(self._received) < end:
                break
            complete.append(bytes(self._received[body:end]))
            begin = end
        del self._received[:begin]
        return complete
