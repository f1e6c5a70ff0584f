"""Block format: a run of points of one series, compressed to a few bytes a point.

A block is ``crc32 (4 bytes, big-endian) | zstd(msgpack([version, first_ts, beat, steps, kind, scale, first, rest]))``.

* ``steps``: the differences of the timestamps as a *plane* (below), ``beat`` less each where that makes them narrower.
* ``kind``: *any*: ``rest`` is the values as they are; *floats*, *integers* and *numbers*: ``first`` is
  ``round(value * 10**scale)`` of the first value and ``rest`` a plane of the differences of the following ones. It is
  chosen only where every value comes back exactly. *numbers* is a mix in which just the whole numbers are integers, as
  JSON writers make of ``25.0``.
* A plane is ``[width, bytes]``: integers of 1, 2, 4 or 8 bytes, all their lowest bytes first, then all their second
  bytes, and so on. High bytes are nearly constant, and compress to nothing when they stand together.

Numbers can be taken out as whole numbers with their divisor (:func:`decode_column`), which is what aggregates want.
"""

import math
import struct
from collections.abc import Iterable, Sequence
from itertools import accumulate, repeat
from operator import add, mul, sub, truediv
from typing import Any, NamedTuple

import msgspec

from thingstead.storage.frames import Damaged, packed, unpacked

VERSION = 1
ANY, FLOATS, INTEGERS, NUMBERS = range(4)
MAX_SCALE = 4
PROBED = 16  # number of values that determine the first scale to try
EXACT_BELOW = 2**53  # products below this are exact

UNSIGNED = " BH I   Q"  # codes of module struct by width in bytes
SIGNED = " bh i   q"
Plane = tuple[int, bytes]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class Column(NamedTuple):
    """Content of a block; numbers are not divided yet."""

    timestamps: list[int]  # ms, ascending
    kind: int
    divisor: int
    content: list[Any]  # ANY: the values; otherwise integers to be divided by ``divisor``

    def value(self, content: Any) -> Any:
        """The value of an element of ``content``."""
        if self.kind in (ANY, INTEGERS):
            return content
        if self.kind == FLOATS or content % self.divisor:
            return content / self.divisor
        return content // self.divisor

    def values(self) -> list[Any]:
        """All values."""
        if self.kind in (ANY, INTEGERS):
            return self.content
        divisor = self.divisor
        if self.kind == FLOATS:
            return list(map(truediv, self.content, repeat(divisor)))
        return [whole / divisor if whole % divisor else whole // divisor for whole in self.content]


def encode_block(timestamps: Sequence[int], values: Sequence[Any]) -> bytes:
    """Encodes points as a block: two columns of equal, non-zero length, timestamps ascending (ms)."""
    kind, scale, first, rest = _pack_values(values)
    beat, steps = _pack_steps(_differences(timestamps))
    content = _encode((VERSION, timestamps[0], beat, steps, kind, scale, first, rest))
    return packed(content)


def decode_block(data: bytes) -> tuple[list[int], list[Any]]:
    """Decodes a block into the timestamps and values that :func:`encode_block` got.

    Raises:
        Damaged: the checksum or the content is wrong.
    """
    column = decode_column(data)
    return column.timestamps, column.values()


def decode_column(data: bytes) -> Column:
    """Decodes a block, without dividing its numbers.

    Raises:
        Damaged: the checksum or the content is wrong.
    """
    content = unpacked(data)
    try:
        version, first_ts, beat, steps, kind, scale, first, rest = _decode(content)
        if version != VERSION:
            raise Damaged(f"version {version} is unknown")
        differences: Iterable[int] = _from_plane(steps, UNSIGNED)
        if beat:
            differences = map(add, differences, repeat(beat))
        timestamps = list(accumulate(differences, initial=first_ts))
        if kind != ANY:
            rest = list(accumulate(_from_plane(rest, SIGNED), initial=first))
    except (msgspec.MsgspecError, struct.error, ValueError, TypeError, IndexError) as exc:
        raise Damaged(str(exc)) from exc
    if len(timestamps) != len(rest):
        raise Damaged("timestamps and values are not of one length")
    return Column(timestamps, kind, 10**scale, rest)


def _differences(column: Sequence[int]) -> list[int]:
    return list(map(sub, column[1:], column))


def _plane(column: Sequence[int], width: int, codes: str) -> Plane:
    raw = struct.pack(f"<{len(column)}{codes[width]}", *column)
    return width, raw if width == 1 else b"".join([raw[byte::width] for byte in range(width)])


def _from_plane(plane: Plane, codes: str) -> tuple[int, ...]:
    width, data = plane
    count = len(data) // width
    if width > 1:
        raw = bytearray(len(data))
        for byte in range(width):
            raw[byte::width] = data[byte * count : (byte + 1) * count]
        data = bytes(raw)
    return struct.unpack(f"<{count}{codes[width]}", data)


def _width(highest: int) -> int:
    """Bytes needed for unsigned numbers up to ``highest``."""
    return 1 if highest < 1 << 8 else 2 if highest < 1 << 16 else 4 if highest < 1 << 32 else 8


def _pack_steps(steps: list[int]) -> tuple[int, Plane]:
    if not steps:
        return 0, (1, b"")
    beat, highest = min(steps), max(steps)
    width = _width(highest - beat)
    if width == _width(highest):
        return 0, _plane(steps, width, UNSIGNED)
    return beat, _plane(list(map(sub, steps, repeat(beat))), width, UNSIGNED)


def _pack_differences(column: Sequence[int]) -> Plane:
    differences = _differences(column)
    if not differences:
        return 1, b""
    return _plane(differences, _width(2 * max(max(differences), -1 - min(differences))), SIGNED)


def _pack_values(values: Sequence[Any]) -> tuple[int, int, int, Plane | Sequence[Any]]:
    kinds = set(map(type, values))
    if kinds == {int}:
        if max(values) < EXACT_BELOW and min(values) > -EXACT_BELOW:
            return INTEGERS, 0, values[0], _pack_differences(values)
    elif kinds == {float}:
        scaled = _scaled(values)
        if scaled is not None and 0 in scaled[1] and any(not value and math.copysign(1, value) < 0 for value in values):
            scaled = None  # -0.0 would be decoded as 0.0
        if scaled is not None:
            return FLOATS, scaled[0], scaled[1][0], _pack_differences(scaled[1])
    elif kinds == {int, float} and all((type(value) is int) == (value == int(value)) for value in values):
        scaled = _scaled(values)
        if scaled is not None:
            return NUMBERS, scaled[0], scaled[1][0], _pack_differences(scaled[1])
    return ANY, 0, 0, values


def _scaled(values: Sequence[Any]) -> tuple[int, list[int]] | None:
    """The smallest decimal scale at which every value is an integer that is decoded exactly; None if there is none."""
    if not min(values) * 10**MAX_SCALE > -EXACT_BELOW or not max(values) * 10**MAX_SCALE < EXACT_BELOW:
        return None
    scale = 0
    for value in values[:PROBED]:
        while scale <= MAX_SCALE and round(value * 10**scale) / 10**scale != value:
            scale += 1
    while scale <= MAX_SCALE:
        factor = 10**scale
        column = list(map(round, map(mul, values, repeat(factor))))
        if list(map(truediv, column, repeat(factor))) == values:
            return scale, column
        scale += 1
    return None
