"""Frames: bytes with a checksum, plain or compressed, so that damage is detected before use."""

import threading
import zlib

import zstandard

SEAL_BYTES = 4
COMPRESSION_LEVEL = 1  # higher levels save less than 1 % on this data
MAX_UNPACKED_BYTES = 256 * 1024 * 1024  # longer content is treated as damaged


class Damaged(Exception):
    """The bytes were not written by this code, or were altered."""


class _Codec(threading.local):
    """One compressor and decompressor per thread: they have buffers and must not be shared."""

    def __init__(self) -> None:
        self.compress = zstandard.ZstdCompressor(level=COMPRESSION_LEVEL).compress
        self.decompress = zstandard.ZstdDecompressor().decompress


_codec = _Codec()


def sealed(content: bytes) -> bytes:
    """Adds a checksum: ``crc32 (4 bytes, big-endian) | content``."""
    return zlib.crc32(content).to_bytes(SEAL_BYTES, "big") + content


def unsealed(data: bytes) -> memoryview:
    """Checks and removes the checksum of :func:`sealed`.

    Raises:
        Damaged: the checksum is wrong.
    """
    content = memoryview(data)[SEAL_BYTES:]  # no copy, because it may be long
    if len(data) < SEAL_BYTES or zlib.crc32(content) != int.from_bytes(data[:SEAL_BYTES], "big"):
        raise Damaged("the checksum is wrong")
    return content


def packed(content: bytes) -> bytes:
    """Compresses content and adds a checksum: ``crc32 | zstd(content)``."""
    return sealed(_codec.compress(content))


def unpacked(data: bytes) -> bytes:
    """Checks and decompresses the output of :func:`packed`.

    Raises:
        Damaged: the checksum or the frame is wrong.
    """
    try:
        return _codec.decompress(unsealed(data), max_output_size=MAX_UNPACKED_BYTES)
    except zstandard.ZstdError as exc:
        raise Damaged(str(exc)) from exc
