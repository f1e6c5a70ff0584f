"""Changes of inputs that are reproducible: the same seed gives the same inputs."""

import random
from collections.abc import Sequence

INTERESTING = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x00\x00", b"\xff\xff", b"\xff\xff\xff\x7f", b"\x10", b"\xe0\x00")
MAX_BYTES = 4_096


def mutate(data: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """A few changes; ``others`` lend their parts."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 5, 8))):
        _change(changed, others, chance)
    return bytes(changed[:MAX_BYTES])


def _change(data: bytearray, others: Sequence[bytes], chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    span = at + chance.choice((1, 1, 2, 4, 8, 16, 64))
    kind = chance.randrange(8)
    if kind == 0 and at < len(data):
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 1 and at < len(data):
        data[at] = chance.randrange(256)
    elif kind == 2 and at < len(data):
        data[at] = (data[at] + chance.choice((-1, 1, 2, 16, -16))) & 0xFF
    elif kind == 3:
        del data[at:span]
    elif kind == 4:
        data[at:at] = chance.choice(INTERESTING)
    elif kind == 5:
        data[at:at] = data[at:span]
    elif kind == 6 and others:
        other = chance.choice(others)
        start = chance.randrange(len(other) + 1)
        data[at : chance.choice((at, span))] = other[start : start + chance.choice((2, 8, 32, 256))]
    elif kind == 7 and others:
        data[at:] = chance.choice(others)[at:]
