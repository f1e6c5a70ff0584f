"""Tables compiled: values of an answer, and the request that writes an attribute."""

import math
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from thingstead.errors import FieldError
from thingstead.modbus import requests
from thingstead.modbus.frames import READS_BITS, ReadRequest, bytes_of
from thingstead.modbus.registers import Unreadable, Unwritable, reader, writer
from thingstead.model.modbus.tables import ModbusTables, Register, RegisterGroup, StreamTable, type_of
from thingstead.model.values.scaling import scaling
from thingstead.refusals import reason

Read = Callable[[bytes], Any]  # the bytes of an answer → value; raises Unreadable
Values = tuple[dict[str, Any], list[FieldError]]


class RegisterWrite(NamedTuple):
    """How an attribute is written."""

    unit_id: int
    make: Callable[[Any], bytes]  # value → PDU; raises Unwritable


class CompiledGroup:
    """A group: its request, and what is in the answer."""

    __slots__ = ("_reads", "index", "interval_ms", "name", "request", "size")

    def __init__(self, index: int, group: RegisterGroup) -> None:
        self.index = index
        self.name = group.name
        self.interval_ms = group.interval_ms
        self.request = ReadRequest(group.unit_id, group.function, group.address, group.count)
        self._reads = [(each.attribute, _read_of(group, each)) for each in group.registers]
        self.size = len(self._reads)  # attributes

    def values(self, data: bytes) -> Values:
        """The attributes in the data of an answer, and those that cannot be read."""
        found: dict[str, Any] = {}
        refused: list[FieldError] = []
        for attribute, read in self._reads:
            try:
                found[attribute] = read(data)
            except Unreadable:
                refused.append(FieldError.of(attribute, "modbus_no_value"))
        return found, refused


class CompiledStream:
    """The table of a stream."""

    __slots__ = ("by_answer", "framing", "groups", "identifier", "polled", "timeout_ms", "writes")

    def __init__(self, table: StreamTable) -> None:
        self.identifier = table.identifier
        self.framing = table.framing
        self.timeout_ms = table.timeout_ms
        self.groups = [CompiledGroup(index, group) for index, group in enumerate(table.groups)]
        self.polled = [group for group in self.groups if group.interval_ms]
        # Groups by what an answer tells: unit, function and bytes of data.
        self.by_answer: dict[tuple[int, int, int], list[CompiledGroup]] = {}
        for group in self.groups:
            request = group.request
            key = (request.unit_id, request.function, bytes_of(request.function, request.quantity))
            self.by_answer.setdefault(key, []).append(group)
        self.writes: dict[str, RegisterWrite] = {
            register.attribute: RegisterWrite(group.unit_id, _write_of(group, register))
            for group in table.groups
            for register in group.registers
            if register.writable
        }


class CompiledModbus:
    """The tables of a device type."""

    __slots__ = ("__weakref__", "streams")

    def __init__(self, tables: ModbusTables) -> None:
        self.streams = {table.identifier: CompiledStream(table) for table in tables.streams}

    @property
    def sends(self) -> bool:
        """Whether the server sends anything: polls, or writes of pushed attributes."""
        return any(stream.polled or stream.writes for stream in self.streams.values())


def compiled_modbus(tables: ModbusTables) -> CompiledModbus | None:
    """The compiled tables; None if there are none. As long as somebody holds them, equal ones are the same object: a
    request that the server sent, and the answer that a connection received, meet by it."""
    if not tables.streams:
        return None
    encoded = _encode(tables)
    compiled = _compiled.get(encoded)
    if compiled is None:
        compiled = _compiled[encoded] = CompiledModbus(tables)
    return compiled


_encode = msgspec.json.Encoder().encode
_compiled: weakref.WeakValueDictionary[bytes, CompiledModbus] = weakref.WeakValueDictionary()


def _read_of(group: RegisterGroup, register: Register) -> Read:
    index = register.address - group.address
    if group.function in READS_BITS:
        return _bit_reader(index // 8, index % 8)
    if type_of(group, register) == "bit":
        bit = register.bit or 0
        return _bit_reader(2 * index + (bit < 8), bit % 8)
    read = reader(type_of(group, register), register.order, register.length)
    offset = 2 * index
    scale = scaling(register.scale, register.offset, register.precision)
    if scale is None:
        return lambda data: read(data, offset)
    return lambda data: _finite(scale(read(data, offset)))


def _bit_reader(index: int, bit: int) -> Read:
    return lambda data: bool(data[index] >> bit & 1)


def _finite(value: int | float) -> int | float:
    if not math.isfinite(value):
        raise Unreadable
    return value


def _write_of(group: RegisterGroup, register: Register) -> Callable[[Any], bytes]:
    address, function = register.address, register.write_function
    if group.function in READS_BITS:

        def coil(value: Any) -> bytes:
            if not isinstance(value, bool) and (type(value) is not int or value not in (0, 1)):
                raise Unwritable
            if function == 15:
                return requests.write_coils_pdu(address, [bool(value)])
            return requests.write_coil_pdu(address, on=bool(value))

        return coil
    kind = type_of(group, register)
    write = writer(kind, register.order, register.length)
    scale, offset, is_float = register.scale, register.offset, kind.startswith("float")

    def registers(value: Any) -> bytes:
        if kind == "text":
            data = write(value)
        else:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise Unwritable
            raw = value if scale == 1 and offset == 0 else (value - offset) / scale
            data = write(raw if is_float else round(raw))
        if len(data) == 2 and function != 16:
            return requests.write_register_pdu(address, data)
        return requests.write_registers_pdu(address, data)

    return registers


def refused_write(attribute: str) -> FieldError:
    """Why a value is not written."""
    return FieldError(attribute, reason("modbus_value_unwritable"))
