"""Values of registers against pymodbus."""

import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin

from thingstead.modbus.registers import (
    Order,
    RegisterType,
    Unreadable,
    Unwritable,
    reader,
    registers_of,
    shortest_single,
    writer,
)

LAW = settings(max_examples=40, derandomize=True, deadline=None)
THEIRS = ModbusClientMixin.DATATYPE
TYPES: dict[RegisterType, Any] = {
    "int16": THEIRS.INT16, "uint16": THEIRS.UINT16, "int32": THEIRS.INT32, "uint32": THEIRS.UINT32,
    "int64": THEIRS.INT64, "uint64": THEIRS.UINT64, "float32": THEIRS.FLOAT32, "float64": THEIRS.FLOAT64,
}  # fmt: skip
ORDERS: list[Order] = ["ABCD", "CDAB", "BADC", "DCBA"]


def swapped(data: bytes) -> bytes:
    return b"".join(data[index : index + 2][::-1] for index in range(0, len(data), 2))


@pytest.mark.parametrize("register_type", TYPES)
@pytest.mark.parametrize("order", ORDERS)
@LAW
@given(data=st.binary(min_size=8, max_size=8))
def test_values_are_those_of_pymodbus_in_every_order(register_type: RegisterType, order: Order, data: bytes) -> None:
    size = 2 * registers_of(register_type)
    mine = data[:size]
    plain = swapped(mine) if order in ("BADC", "DCBA") else mine
    words = list(struct.unpack(f">{size // 2}H", plain))
    expected: Any = ModbusClientMixin.convert_from_registers(
        words, TYPES[register_type], "little" if order in ("CDAB", "DCBA") else "big"
    )
    read = reader(register_type, order)
    if not math.isfinite(expected):
        with pytest.raises(Unreadable):
            read(mine, 0)
        return
    value = read(b"\xff\xff" + mine, 2)
    if register_type == "float32":
        assert struct.pack(">f", value) == struct.pack(">f", expected)
    else:
        assert value == expected
    assert writer(register_type, order)(value) == mine


def test_the_four_orders_are_those_of_their_names() -> None:
    value = 0x0A0B0C0D
    assert {order: writer("uint32", order)(value).hex() for order in ORDERS} == {
        "ABCD": "0a0b0c0d", "CDAB": "0c0d0a0b", "BADC": "0b0a0d0c", "DCBA": "0d0c0b0a",
    }  # fmt: skip


@LAW
@given(digits=st.integers(0, 99_999_999), order=st.sampled_from(ORDERS))
def test_bcd_comes_back(digits: int, order: Order) -> None:
    assert reader("bcd32", order)(writer("bcd32", order)(digits), 0) == digits


@LAW
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=10).map(str.rstrip))
def test_a_text_comes_back_without_what_fills_it_up(text: str) -> None:
    assert reader("text", "ABCD", 20)(writer("text", "ABCD", 20)(text), 0) == text
    assert reader("text", "BADC", 20)(writer("text", "BADC", 20)(text), 0) == text


@LAW
@given(value=st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_single_is_shown_with_the_fewest_digits(value: float) -> None:
    short = shortest_single(value)
    assert struct.pack(">f", short) == struct.pack(">f", value)
    assert len(repr(short)) <= len(repr(value))


def test_a_tenth_in_single_precision_is_a_tenth() -> None:
    assert reader("float32", "ABCD")(struct.pack(">f", 0.1), 0) == 0.1


@pytest.mark.parametrize(
    ("register_type", "value"),
    [
        ("int16", 32_768), ("uint16", -1), ("int32", 2**31), ("float32", 1e300), ("bcd16", 10_000), ("bcd16", -1),
        ("bcd16", 1.5), ("text", "too long a text"), ("text", 7), ("text", "\ud800"), ("uint16", "7"), ("uint16", 1.5),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_not_written(register_type: RegisterType, value: Any) -> None:
    with pytest.raises(Unwritable):
        writer(register_type, "ABCD", 3)(value)


def test_bytes_that_are_no_value_of_the_type_are_not_read() -> None:
    for register_type, data in (("bcd16", b"\x1f\x00"), ("text", b"\xff\xfe"), ("float32", b"\x7f\xc0\x00\x00")):
        with pytest.raises(Unreadable):
            reader(register_type, "ABCD", 1)(data, 0)  # type: ignore[arg-type]
