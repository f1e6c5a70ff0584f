"""Values in registers: integers, floats, BCD, bits and texts, in four orders of bytes."""

import math
import struct
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Literal

RegisterType = Literal[
    "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bcd16", "bcd32", "text", "bit"
]
Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]

_FORMATS = {
    "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "uint64": "Q", "float32": "f",
    "float64": "d",
}  # fmt: skip
_REGISTERS = {"int32": 2, "uint32": 2, "float32": 2, "bcd32": 2, "int64": 4, "uint64": 4, "float64": 4}
_FLOAT32 = struct.Struct(">f")
_EXACT_DIGITS = (7, 8, 9)  # a single-precision number is told from all others by at most nine

Read = Callable[[bytes, int], Any]  # (bytes of the registers, offset) → value; raises Unreadable
Write = Callable[[Any], bytes]  # raises Unwritable


class Unreadable(Exception):
    """The registers contain no value of the type."""


class Unwritable(Exception):
    """The value does not fit into the registers."""


def registers_of(register_type: RegisterType, length: int = 0) -> int:
    """How many registers a value takes; ``length`` counts for a text."""
    return length if register_type == "text" else _REGISTERS.get(register_type, 1)


def reader(register_type: RegisterType, order: Order, length: int = 0) -> Read:
    """The function that reads a value; not for ``bit``."""
    arranged = _arranged(order, registers_of(register_type, length))
    decode = _decoder(register_type)
    if arranged is None:
        size = 2 * registers_of(register_type, length)
        return lambda data, offset: decode(data[offset : offset + size])
    size = len(arranged)
    take = itemgetter(*arranged)
    return lambda data, offset: decode(bytes(take(data[offset : offset + size])))


def writer(register_type: RegisterType, order: Order, length: int = 0) -> Write:
    """The function that makes the bytes of a value; not for ``bit``."""
    arranged = _arranged(order, registers_of(register_type, length))
    encode = _encoder(register_type, length)
    if arranged is None:
        return encode
    take = itemgetter(*arranged)  # each order is its own inverse
    return lambda value: bytes(take(encode(value)))


def _arranged(order: Order, registers: int) -> tuple[int, ...] | None:
    """Where each byte of a value, most significant first, stands; None: in this order."""
    if order == "ABCD" or (order == "CDAB" and registers == 1):
        return None
    words = list(range(registers))
    if order in ("CDAB", "DCBA"):
        words.reverse()
    swapped = order in ("BADC", "DCBA")
    return tuple(2 * word + (half ^ swapped) for word in words for half in (0, 1))


def _decoder(register_type: RegisterType) -> Callable[[bytes], Any]:
    if register_type in ("bcd16", "bcd32"):
        return _bcd
    if register_type == "text":
        return _text
    unpack = struct.Struct(">" + _FORMATS[register_type]).unpack

    def number(data: bytes) -> Any:
        value = unpack(data)[0]
        if not math.isfinite(value):
            raise Unreadable
        return value

    def single(data: bytes) -> float:
        return shortest_single(number(data))

    return single if register_type == "float32" else number


def shortest_single(value: float) -> float:
    """The shortest decimal number that is the same in single precision: 0.1, not 0.10000000149011612."""
    wanted = _FLOAT32.pack(value)
    for digits in _EXACT_DIGITS:
        short = float(f"{value:.{digits}g}")
        if abs(short) <= _GREATEST_SINGLE and _FLOAT32.pack(short) == wanted:
            return short
    return value


_GREATEST_SINGLE = struct.unpack(">f", b"\x7f\x7f\xff\xff")[0]


def _bcd(data: bytes) -> int:
    digits = data.hex()
    if not digits.isdecimal():
        raise Unreadable
    return int(digits)


def _text(data: bytes) -> str:
    try:
        return data.split(b"\x00", 1)[0].decode().rstrip()
    except UnicodeDecodeError:
        raise Unreadable from None


def _encoder(register_type: RegisterType, length: int) -> Write:
    if register_type == "text":
        return lambda value: _text_bytes(value, 2 * length)
    if register_type in ("bcd16", "bcd32"):
        return lambda value: _bcd_bytes(value, registers_of(register_type) * 4)
    pack = struct.Struct(">" + _FORMATS[register_type]).pack

    def encode(value: Any) -> bytes:
        try:
            return pack(value)
        except (struct.error, OverflowError):
            raise Unwritable from None

    return encode


def _text_bytes(value: Any, size: int) -> bytes:
    if not isinstance(value, str):
        raise Unwritable
    try:
        data = value.encode()
    except UnicodeEncodeError:
        raise Unwritable from None
    if len(data) > size:
        raise Unwritable
    return data.ljust(size, b"\x00")


def _bcd_bytes(value: Any, digits: int) -> bytes:
    if type(value) is not int or not 0 <= value < 10**digits:
        raise Unwritable
    return bytes.fromhex(f"{value:0{digits}d}")
