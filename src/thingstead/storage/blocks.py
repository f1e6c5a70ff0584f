"""Blocks: a run of points of one series, packed into a few bytes a point.

A block is ``crc32 (4 bytes, big-endian) | zstd(msgpack([version, kind, scale, first_ts, steps, values]))``.

* ``steps``: the differences of the differences of the timestamps (the first one is the plain difference). Devices
  report at a beat, so they are small, and small integers are one byte of msgpack.
* ``values`` by ``kind``: *any*: the values as they are; *floats*, *integers* and *numbers*: differences of
  ``round(value * 10**scale)``, chosen only where every value comes back exactly. *numbers* is a mix in which just the
  whole numbers are integers, as JSON writers make of ``25.0``.
"""

import math
import threading
import zlib
from collections.abc import Sequence
from itertools import accumulate
from operator import sub
from typing import Any

import msgspec
import zstandard

VERSION = 1
ANY, FLOATS, INTEGERS, NUMBERS = range(4)
MAX_SCALE = 4
PROBED = 16  # values that tell the scale to try first
COMPRESSION_LEVEL = 3
MAX_BLOCK_BYTES = 256 * 1024 * 1024  # of unpacked content; a frame that claims more is damaged
EXACT_BELOW = 2**53  # products of scaling stay exact

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class _Codec(threading.local):
    """One compressor and decompressor per thread: they keep buffers, and are not to be shared."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_codec = _Codec()


class DamagedBlock(Exception):
    """The bytes are not a block that this code wrote."""


def encode_block(timestamps: Sequence[int], values: Sequence[Any]) -> bytes:
    """Packs points, given as two columns of equal length, at least one long, timestamps ascending (ms)."""
    kind, scale, column = _pack_values(values)
    steps = _differences(timestamps)
    content = _encode([VERSION, kind, scale, timestamps[0], steps[:1] + _differences(steps), column])
    packed = _codec.compress(content)
    return zlib.crc32(packed).to_bytes(4, "big") + packed


def decode_block(data: bytes) -> tuple[list[int], list[Any]]:
    """Timestamps and values, as they were given to :func:`encode_block`.

    Raises:
        DamagedBlock: the checksum or the content is wrong.
    """
    packed = data[4:]
    if len(data) < 5 or zlib.crc32(packed) != int.from_bytes(data[:4], "big"):
        raise DamagedBlock("the checksum is wrong")
    try:
        content = _codec.decompress(packed, max_output_size=MAX_BLOCK_BYTES)
        version, kind, scale, first_ts, steps, column = _decode(content)
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError) as exc:
        raise DamagedBlock(str(exc)) from exc
    if version != VERSION:
        raise DamagedBlock(f"version {version} is unknown")
    timestamps = list(accumulate(accumulate(steps), initial=first_ts))
    return timestamps, _unpack_values(kind, scale, column)


def _differences(column: Sequence[int]) -> list[int]:
    return list(map(sub, column[1:], column))


def _pack_values(values: Sequence[Any]) -> tuple[int, int, Sequence[Any]]:
    kinds = set(map(type, values))
    if kinds == {int}:
        if max(values) < EXACT_BELOW and min(values) > -EXACT_BELOW:
            return INTEGERS, 0, [values[0], *_differences(values)]
    elif kinds == {float}:
        scaled = _scaled(values)
        if scaled is not None and 0 not in scaled[1]:
            return FLOATS, scaled[0], _with_differences(scaled[1])
        if scaled is not None and all(math.copysign(1, value) > 0 for value in values if value == 0):
            return FLOATS, scaled[0], _with_differences(scaled[1])
    elif kinds == {int, float} and all((type(value) is int) == (value == int(value)) for value in values):
        scaled = _scaled(values)
        if scaled is not None:
            return NUMBERS, scaled[0], _with_differences(scaled[1])
    return ANY, 0, values


def _with_differences(column: list[int]) -> list[int]:
    return [column[0], *_differences(column)]


def _scaled(values: Sequence[Any]) -> tuple[int, list[int]] | None:
    """The smallest decimal scale at which every value is a whole number and comes back exactly."""
    if not min(values) * 10**MAX_SCALE > -EXACT_BELOW or not max(values) * 10**MAX_SCALE < EXACT_BELOW:
        return None
    scale = 0
    for value in values[:PROBED]:
        while scale <= MAX_SCALE and round(value * 10**scale) / 10**scale != value:
            scale += 1
    while scale <= MAX_SCALE:
        factor = 10**scale
        column = [round(value * factor) for value in values]
        if [whole / factor for whole in column] == values:
            return scale, column
        scale += 1
    return None


def _unpack_values(kind: int, scale: int, column: list[Any]) -> list[Any]:
    if kind == ANY:
        return column
    wholes = accumulate(column)
    if kind == INTEGERS:
        return list(wholes)
    factor = 10**scale
    if kind == FLOATS:
        return [whole / factor for whole in wholes]
    return [whole / factor if whole % factor else whole // factor for whole in wholes]
