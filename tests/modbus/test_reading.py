"""Payloads read with tables: what they belong to, and their values."""

from typing import Any

import pytest

from thingstead.modbus.registers import Unwritable
from thingstead.modbus.requests import frame_of, read_pdu, write_register_pdu, write_registers_pdu
from thingstead.model.device_type import Functions, StreamDefinition
from thingstead.model.limits import Problems
from thingstead.model.modbus.compiled import CompiledStream, compiled_modbus
from thingstead.model.modbus.reading import VALUES_COUNT, PayloadReading, SentRequest, read_payload
from thingstead.model.modbus.table_checks import check_tables
from thingstead.model.modbus.tables import ModbusTables, Register, RegisterGroup, StreamTable


def group(*registers: Register, **members: Any) -> RegisterGroup:
    return RegisterGroup(**{"unit_id": 1, "function": 3, "address": 0, "count": 2, "registers": registers, **members})


def table(*groups: RegisterGroup, **members: Any) -> StreamTable:
    return StreamTable(**{"identifier": "port", "groups": groups, **members})


def answer(data: bytes, unit_id: int = 1, function: int = 3, transaction: int | None = None) -> bytes:
    pdu = bytes((function, len(data))) + data
    return frame_of("rtu" if transaction is None else "tcp", unit_id, pdu, transaction or 0)


def read(found: StreamTable, data: bytes, sent: SentRequest | None = None) -> PayloadReading:
    return read_payload(CompiledStream(found), data, sent)


def codes(reading: PayloadReading) -> list[str]:
    return [error.reason.code for error in reading.refused()]


def asked(found: CompiledStream, index: int, transaction: int = 0) -> SentRequest:
    request = found.groups[index].request
    frame = frame_of(found.framing, request.unit_id, read_pdu(request), transaction)
    of_tcp = transaction if found.framing == "tcp" else None
    return SentRequest(frame, request.unit_id, request.function, request, found.groups[index], of_tcp)


REGISTERS: list[tuple[Register, str, Any]] = [
    (Register(attribute="a", address=0), "0001 0000", 1),
    (Register(attribute="a", address=1, type="int16"), "0000 fffe", -2),
    (Register(attribute="a", address=0, type="int16", scale=0.1), "ff9c 0000", -10.0),
    (Register(attribute="a", address=0, scale=0.1), "0003 0000", 0.3),
    (Register(attribute="a", address=0, scale=0.01, offset=-40), "1234 0000", 6.6),
    (Register(attribute="a", address=0, scale=10), "0003 0000", 30),
    (Register(attribute="a", address=0, scale=1 / 3, precision=2), "0001 0000", 0.33),
    (Register(attribute="a", address=0, type="uint32", order="CDAB"), "5678 1234", 0x12345678),
    (Register(attribute="a", address=0, type="float32", order="BADC"), "b841 0000", 23.0),
    (Register(attribute="a", address=0, type="bcd32"), "1234 5678", 12345678),
    (Register(attribute="a", address=0, type="text", length=2), "4142 4300", "ABC"),
    (Register(attribute="a", address=1, type="bit", bit=0), "0000 0001", True),
    (Register(attribute="a", address=0, type="bit", bit=15), "8000 0000", True),
    (Register(attribute="a", address=0, type="bit", bit=8), "8000 0000", False),
]


@pytest.mark.parametrize(("register", "data", "value"), REGISTERS)
def test_a_register_is_read_as_its_row_says(register: Register, data: str, value: Any) -> None:
    reading = read(table(group(register)), answer(bytes.fromhex(data)))
    assert reading.reports() == [{"a": value}]
    assert type(reading.reports()[0]["a"]) is type(value)
    assert codes(reading) == []


def test_coils_are_read_one_by_one() -> None:
    coils = [Register(attribute=f"c{index}", address=100 + index) for index in range(10)]
    found = table(group(*coils, function=1, address=100, count=10))
    [report] = read(found, answer(b"\x05\x02", function=1)).reports()
    assert [name for name, on in report.items() if on] == ["c0", "c2", "c9"]


def test_an_answer_belongs_to_the_request_that_was_sent_last() -> None:
    first = group(Register(attribute="a", address=0))
    second = group(Register(attribute="b", address=100), address=100)
    found = CompiledStream(table(first, second))
    data = answer(b"\x00\x07\x00\x00")

    assert read_payload(found, data, asked(found, 0)).reports() == [{"a": 7}]
    assert read_payload(found, data, asked(found, 1)).reports() == [{"b": 7}]
    assert codes(read_payload(found, data)) == ["modbus_ambiguous"]


def test_an_answer_to_nothing_belongs_to_the_only_group_of_its_length() -> None:
    found = table(group(Register(attribute="a", address=0)), group(Register(attribute="b", address=0), count=3))
    assert read(found, answer(b"\x00\x07\x00\x00\x00\x00")).reports() == [{"b": 7}]
    assert codes(read(found, answer(b"\x00\x07", unit_id=2))) == ["modbus_no_group"]


def test_a_request_on_the_bus_tells_to_what_the_next_answer_belongs() -> None:
    first = group(Register(attribute="a", address=0))
    second = group(Register(attribute="b", address=100), address=100)
    found = CompiledStream(table(first, second))
    request = frame_of("rtu", 1, read_pdu(found.groups[1].request))

    reading = read_payload(found, request + answer(b"\x00\x07\x00\x00"))

    assert reading.reports() == [{"b": 7}]
    assert codes(reading) == []


def test_the_echo_of_the_own_request_is_left_out() -> None:
    found = CompiledStream(table(group(Register(attribute="a", address=0))))
    sent = asked(found, 0)
    reading = read_payload(found, sent.frame + answer(b"\x00\x07\x00\x00"), sent)
    assert (reading.reports(), codes(reading), reading.sent) == ([{"a": 7}], [], None)


def test_frames_with_the_same_attributes_are_reports_of_their_own() -> None:
    found = table(group(Register(attribute="a", address=0)), group(Register(attribute="b", address=0), unit_id=2))
    data = [answer(b"\x00\x01\x00\x00"), answer(b"\x00\x02\x00\x00", unit_id=2), answer(b"\x00\x03\x00\x00")]
    assert read(found, b"".join(data)).reports() == [{"a": 1, "b": 2}, {"a": 3}]


def test_an_answer_over_tcp_belongs_to_its_transaction() -> None:
    first = group(Register(attribute="a", address=0))
    found = CompiledStream(table(first, group(Register(attribute="b", address=9), address=9), framing="tcp"))
    sent = asked(found, 1, transaction=7)
    assert read_payload(found, answer(b"\x00\x07\x00\x00", transaction=7), sent).reports() == [{"b": 7}]
    late = read_payload(found, answer(b"\x00\x07\x00\x00", transaction=6), sent)
    assert (late.reports(), late.sent) == ([], sent)


def test_an_exception_is_said_with_its_meaning() -> None:
    found = CompiledStream(table(group(Register(attribute="a", address=0))))
    reading = read_payload(found, frame_of("rtu", 1, b"\x83\x02"), asked(found, 0))
    [error] = reading.refused()
    assert error.reason.message == "unit 1 refuses function 3 with exception 2: illegal data address"
    assert (reading.sent, reading.frames[0].answers) == (None, True)


def test_a_value_that_cannot_be_read_does_not_hide_the_others() -> None:
    found = table(group(Register(attribute="a", address=0, type="bcd16"), Register(attribute="b", address=1)))
    reading = read(found, answer(b"\xff\xff\x00\x07"))
    assert reading.reports() == [{"b": 7}]
    assert [(error.field, error.reason.code) for error in reading.refused()] == [("a", "modbus_no_value")]


def test_a_payload_with_too_many_values_is_used_in_part() -> None:
    rows = [Register(attribute=f"a{index}", address=0) for index in range(200)]
    reading = read(table(group(*rows)), answer(b"\x00\x01\x00\x00") * 15)
    assert len(reading.reports()) == VALUES_COUNT // 200
    assert codes(reading) == ["modbus_too_many_values"] * 5


WRITES: list[tuple[Register, Any, bytes]] = [
    (Register(attribute="a", address=5, type="int16", scale=0.1), -1.2, write_register_pdu(5, b"\xff\xf4")),
    (Register(attribute="a", address=5, write_function=16), 7, write_registers_pdu(5, b"\x00\x07")),
    (Register(attribute="a", address=5, type="uint32", order="CDAB"), 1, write_registers_pdu(5, b"\x00\x01\x00\x00")),
    (Register(attribute="a", address=5, type="float32"), 23, write_registers_pdu(5, b"\x41\xb8\x00\x00")),
    (Register(attribute="a", address=5, type="text", length=2), "AB", write_registers_pdu(5, b"AB\x00\x00")),
]


@pytest.mark.parametrize(("register", "value", "pdu"), WRITES)
def test_a_pushed_value_is_written_as_it_is_read(register: Register, value: Any, pdu: bytes) -> None:
    fields = {name: getattr(register, name) for name in register.__struct_fields__}
    writable = Register(**{**fields, "writable": True})
    assert CompiledStream(table(group(writable, count=10))).writes["a"].make(value) == pdu


def test_coils_are_written_by_function_5_or_15() -> None:
    one = Register(attribute="a", address=3, writable=True)
    many = Register(attribute="b", address=4, writable=True, write_function=15)
    writes = CompiledStream(table(group(one, many, function=1, count=10))).writes
    assert writes["a"].make(True) == bytes.fromhex("05 0003 ff00")
    assert writes["a"].make(0) == bytes.fromhex("05 0003 0000")
    assert writes["b"].make(True) == bytes.fromhex("0f 0004 0001 01 01")


@pytest.mark.parametrize("value", [40_000, "7", None, True, float("nan"), float("inf"), 1e400, [1]])
def test_a_value_that_does_not_fit_is_not_written(value: Any) -> None:
    writes = CompiledStream(table(group(Register(attribute="a", address=0, type="int16", writable=True)))).writes
    with pytest.raises(Unwritable):
        writes["a"].make(value)


ROW = Register(attribute="a", address=0)
WRONG: list[tuple[ModbusTables, str, str]] = [
    (ModbusTables(streams=(table(), table())), "streams[1].identifier", "identifier_repeated"),
    (ModbusTables(streams=(table(identifier="no spaces"),)), "streams[0].identifier", "not_identifier"),
    (ModbusTables(streams=(table(timeout_ms=1),)), "streams[0].timeout_ms", "between"),
    (ModbusTables(streams=(table(identifier="words"),)), "streams[0].framing", "stream_format_differs"),
    (ModbusTables(streams=(table(identifier="tcp"),)), "streams[0].framing", "stream_format_differs"),
]
WRONG_GROUPS: list[tuple[RegisterGroup, str, str]] = [
    (group(unit_id=256), "unit_id", "between"),
    (group(count=126), "count", "between"),
    (group(count=0), "count", "between"),
    (group(address=65_535), "count", "between"),
    (group(address=65_536), "address", "between"),
    (group(interval_ms=499), "interval_ms", "between"),
    (group(Register(attribute="a", address=2)), "registers[0].address", "register_outside_group"),
    (group(Register(attribute="a", address=1, type="int32")), "registers[0].address", "register_outside_group"),
    (group(Register(attribute="a", address=0, type="text")), "registers[0].length", "between"),
    (group(Register(attribute="a", address=0, length=1)), "registers[0].length", "goes_with_type"),
    (
        group(Register(attribute="a", address=0, type="text", length=1, order="CDAB")),
        "registers[0].order", "order_of_text",
    ),
    (group(Register(attribute="a", address=0, type="bit")), "registers[0].bit", "between"),
    (group(Register(attribute="a", address=0, bit=1)), "registers[0].bit", "goes_with_type"),
    (group(Register(attribute="a", address=0, type="int16"), function=2), "registers[0].type", "register_type_of_bits"),
    (group(Register(attribute="a", address=0, scale=0)), "registers[0].scale", "scale_zero"),
    (group(Register(attribute="a", address=0, scale=float("inf"))), "registers[0].scale", "out_of_range"),
    (group(Register(attribute="a", address=0, type="bit", bit=1, offset=1)), "registers[0].offset", "goes_with_number"),
    (group(Register(attribute="a", address=0, precision=11)), "registers[0].precision", "between"),
    (
        group(Register(attribute="a", address=0, writable=True), function=4),
        "registers[0].writable", "register_not_writable",
    ),
    (group(Register(attribute="a", address=0, write_function=6)), "registers[0].write_function", "goes_with_writable"),
    (
        group(Register(attribute="a", address=0, type="int32", writable=True, write_function=6)),
        "registers[0].write_function", "not_one_of",
    ),
    (
        group(Register(attribute="a", address=0, writable=True), Register(attribute="a", address=1, writable=True)),
        "registers[1].writable", "writable_twice",
    ),
]  # fmt: skip
FUNCTIONS = Functions(
    streams=(
        StreamDefinition(identifier="words", format="text"),
        StreamDefinition(identifier="tcp", format="modbus_tcp"),
    )
)


@pytest.mark.parametrize(
    ("tables", "field", "code"),
    [
        *WRONG,
        *(
            (ModbusTables(streams=(table(each),)), f"streams[0].groups[0].{field}", code)
            for each, field, code in WRONG_GROUPS
        ),
    ],
)
def test_a_table_that_cannot_work_is_refused_by_the_field(tables: ModbusTables, field: str, code: str) -> None:
    problems = Problems()
    check_tables(tables, FUNCTIONS, problems)
    assert [(error.field, error.reason.code) for error in problems.errors] == [(field, code)]


def test_a_table_that_is_far_too_large_is_refused_as_a_whole() -> None:
    problems = Problems()
    rows = tuple(ROW for _ in range(256))
    check_tables(ModbusTables(streams=(table(*(group(*rows) for _ in range(4))),)), FUNCTIONS, problems)
    assert [error.reason.code for error in problems.errors] == ["too_many_registers"]


def test_equal_tables_are_compiled_once() -> None:
    compiled = compiled_modbus(ModbusTables(streams=(table(group(ROW)),)))
    for number in range(2_000):
        compiled_modbus(ModbusTables(streams=(table(group(ROW, address=0, count=2), timeout_ms=1_000 + number % 50),)))
    assert compiled is compiled_modbus(ModbusTables(streams=(table(group(ROW)),)))
    assert compiled_modbus(ModbusTables()) is None
