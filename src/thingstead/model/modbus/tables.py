"""Tables that make attributes of Modbus registers; a device type has one for each stream."""

from typing import Literal

import msgspec

from thingstead.modbus.frames import Framing
from thingstead.modbus.registers import Order, RegisterType

ReadFunction = Literal[1, 2, 3, 4]
WriteFunction = Literal[5, 6, 15, 16]

STREAMS_COUNT = 8  # of a type, with a table
GROUPS_COUNT = 64  # of a stream
REGISTERS_COUNT = 256  # of a group …
REGISTERS_OF_TYPE_COUNT = 1_000  # … and of all groups of a type
INTERVAL_LEAST_MS, INTERVAL_MS = 500, 86_400_000  # of a group that is polled
TIMEOUT_LEAST_MS, TIMEOUT_MS = 100, 60_000
TEXT_REGISTERS_COUNT = 64  # of one text
DECIMALS_COUNT = 10


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """An attribute in the registers, coils or inputs of a group: raw value * ``scale`` + ``offset``."""

    attribute: str
    address: int  # of its first register; absolute, from 0
    type: RegisterType | None = None  # None: uint16; of coils and inputs: bit
    order: Order = "ABCD"
    scale: int | float = 1
    offset: int | float = 0
    precision: int | None = None  # decimals to which the result is rounded
    bit: int | None = None  # of type bit in a register: 0 is the lowest
    length: int = 0  # registers of a text
    writable: bool = False  # whether a push of the attribute writes it
    write_function: WriteFunction | None = None  # None: 5 for a coil, 6 for one register, 16 for several


class RegisterGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Registers that one request reads."""

    unit_id: int
    function: ReadFunction
    address: int
    count: int  # of registers, coils or inputs
    name: str = ""
    interval_ms: int = 0  # how often the server sends the request; 0: never
    registers: tuple[Register, ...] = ()


class StreamTable(msgspec.Struct, frozen=True, kw_only=True):
    """The groups of a stream."""

    identifier: str
    framing: Framing = "rtu"
    timeout_ms: int = 1_000  # how long an answer may take
    groups: tuple[RegisterGroup, ...] = ()


class ModbusTables(msgspec.Struct, frozen=True, kw_only=True):
    """The tables of a device type."""

    streams: tuple[StreamTable, ...] = ()


def type_of(group: RegisterGroup, register: Register) -> RegisterType:
    """The type of a register, where it may be left out."""
    if register.type is not None:
        return register.type
    return "bit" if group.function in (1, 2) else "uint16"
