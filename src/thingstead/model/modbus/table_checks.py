"""Validation of Modbus tables. Every problem is named by its path, such as ``streams[0].groups[2].address``."""

import math

from thingstead.modbus.frames import MAX_BITS, MAX_REGISTERS, READS_BITS
from thingstead.modbus.registers import registers_of
from thingstead.model import limits
from thingstead.model.device_type import Functions
from thingstead.model.limits import Problems
from thingstead.model.modbus.tables import (
    DECIMALS_COUNT,
    GROUPS_COUNT,
    INTERVAL_LEAST_MS,
    INTERVAL_MS,
    REGISTERS_COUNT,
    REGISTERS_OF_TYPE_COUNT,
    STREAMS_COUNT,
    TEXT_REGISTERS_COUNT,
    TIMEOUT_LEAST_MS,
    TIMEOUT_MS,
    ModbusTables,
    Register,
    RegisterGroup,
    StreamTable,
    type_of,
)

ADDRESS = 0xFFFF
UNIT_ID = 255  # 248 to 255 are reserved, but some bridges use 255
_NUMBERS = frozenset({"int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bcd16", "bcd32"})
_FRAMING_OF = {"modbus_rtu": "rtu", "modbus_tcp": "tcp"}


def check_tables(tables: ModbusTables, functions: Functions, problems: Problems) -> None:
    """Adds every problem of the tables of a device type to ``problems``."""
    problems.count("streams", tables.streams, STREAMS_COUNT)
    total = sum(len(group.registers) for table in tables.streams for group in table.groups)
    if total > REGISTERS_OF_TYPE_COUNT:
        problems.add("streams", "too_many_registers", maximum=REGISTERS_OF_TYPE_COUNT)
    if problems.errors:
        return  # do not iterate over tables that are far too large
    formats = {stream.identifier: stream.format for stream in functions.streams}
    first_at: dict[str, int] = {}
    for index, table in enumerate(tables.streams):
        where = f"streams[{index}]"
        problems.identifier(f"{where}.identifier", table.identifier)
        first = first_at.setdefault(table.identifier, index)
        if first != index:
            problems.add(f"{where}.identifier", "identifier_repeated", identifier=repr(table.identifier), index=first)
        stream_format = formats.get(table.identifier, "hex")
        if stream_format in ("json", "text") or _FRAMING_OF.get(stream_format, table.framing) != table.framing:
            problems.add(f"{where}.framing", "stream_format_differs", format=stream_format)
        _check_table(table, where, problems)


def _check_table(table: StreamTable, where: str, problems: Problems) -> None:
    _between(problems, f"{where}.timeout_ms", table.timeout_ms, TIMEOUT_LEAST_MS, TIMEOUT_MS)
    problems.count(f"{where}.groups", table.groups, GROUPS_COUNT)
    writers: dict[str, str] = {}
    for index, group in enumerate(table.groups[:GROUPS_COUNT]):
        path = f"{where}.groups[{index}]"
        _check_group(group, path, problems)
        for number, register in enumerate(group.registers[:REGISTERS_COUNT]):
            if register.writable:
                here = f"{path}.registers[{number}]"
                first = writers.setdefault(register.attribute, here)
                if first != here:
                    problems.add(f"{here}.writable", "writable_twice", attribute=register.attribute, first=first)


def _check_group(group: RegisterGroup, where: str, problems: Problems) -> None:
    problems.text(f"{where}.name", group.name, limits.NAME_LENGTH)
    _between(problems, f"{where}.unit_id", group.unit_id, 0, UNIT_ID)
    most = MAX_BITS if group.function in READS_BITS else MAX_REGISTERS
    if _between(problems, f"{where}.address", group.address, 0, ADDRESS):
        _between(problems, f"{where}.count", group.count, 1, min(most, ADDRESS + 1 - group.address))
    if group.interval_ms != 0:
        _between(problems, f"{where}.interval_ms", group.interval_ms, INTERVAL_LEAST_MS, INTERVAL_MS)
    problems.count(f"{where}.registers", group.registers, REGISTERS_COUNT)
    for index, register in enumerate(group.registers[:REGISTERS_COUNT]):
        _check_register(group, register, f"{where}.registers[{index}]", problems)


def _check_register(group: RegisterGroup, register: Register, where: str, problems: Problems) -> None:
    problems.identifier(f"{where}.attribute", register.attribute)
    kind = type_of(group, register)
    bits = group.function in READS_BITS
    if bits and kind != "bit":
        problems.add(f"{where}.type", "register_type_of_bits", function=group.function)
        return
    if kind == "text":
        _between(problems, f"{where}.length", register.length, 1, TEXT_REGISTERS_COUNT)
        if register.order not in ("ABCD", "BADC"):
            problems.add(f"{where}.order", "order_of_text")
    elif register.length:
        problems.add(f"{where}.length", "goes_with_type", type="text")
    if kind == "bit" and not bits:
        _between(problems, f"{where}.bit", -1 if register.bit is None else register.bit, 0, 15)
    elif register.bit is not None:
        problems.add(f"{where}.bit", "goes_with_type", type="bit")
    width = 1 if bits else registers_of(kind, register.length)
    end = group.address + group.count
    if not group.address <= register.address <= end - width:
        problems.add(f"{where}.address", "register_outside_group", first=group.address, last=end - 1, registers=width)
    _check_scaling(register, kind in _NUMBERS, where, problems)
    _check_writing(group, register, kind, where, problems)


def _check_scaling(register: Register, is_number: bool, where: str, problems: Problems) -> None:
    for member, value, default in (("scale", register.scale, 1), ("offset", register.offset, 0)):
        if not math.isfinite(value) or abs(value) > limits.SIZE_BYTES:
            problems.add(f"{where}.{member}", "out_of_range")
        elif not is_number and value != default:
            problems.add(f"{where}.{member}", "goes_with_number")
    if register.scale == 0:
        problems.add(f"{where}.scale", "scale_zero")
    if register.precision is not None:
        if is_number:
            _between(problems, f"{where}.precision", register.precision, 0, DECIMALS_COUNT)
        else:
            problems.add(f"{where}.precision", "goes_with_number")


def _check_writing(group: RegisterGroup, register: Register, kind: str, where: str, problems: Problems) -> None:
    if not register.writable:
        if register.write_function is not None:
            problems.add(f"{where}.write_function", "goes_with_writable")
        return
    if group.function not in (1, 3) or (kind == "bit" and group.function == 3):
        problems.add(f"{where}.writable", "register_not_writable")
        return
    if register.write_function is None:
        return
    one = group.function == 1 or registers_of(type_of(group, register), register.length) == 1
    allowed = (5, 15) if group.function == 1 else (6, 16) if one else (16,)
    if register.write_function not in allowed:
        problems.add(f"{where}.write_function", "not_one_of", allowed=[str(each) for each in allowed])


def _between(problems: Problems, field: str, value: int, least: int, most: int) -> bool:
    if least <= value <= most:
        return True
    problems.add(field, "between", minimum=least, maximum=most)
    return False
