"""Requests: PDUs, and their frames."""

from collections.abc import Sequence

from thingstead.modbus.crc import crc16
from thingstead.modbus.frames import (
    WRITE_COIL,
    WRITE_COILS,
    WRITE_REGISTER,
    WRITE_REGISTERS,
    Framing,
    ReadRequest,
)


def read_pdu(request: ReadRequest) -> bytes:
    """PDU of a read request."""
    return bytes((request.function,)) + request.address.to_bytes(2, "big") + request.quantity.to_bytes(2, "big")


def write_coil_pdu(address: int, *, on: bool) -> bytes:
    """PDU that writes one coil (function 5)."""
    return bytes((WRITE_COIL,)) + address.to_bytes(2, "big") + (b"\xff\x00" if on else b"\x00\x00")


def write_register_pdu(address: int, data: bytes) -> bytes:
    """PDU that writes one register (function 6): two bytes."""
    return bytes((WRITE_REGISTER,)) + address.to_bytes(2, "big") + data


def write_coils_pdu(address: int, states: Sequence[bool]) -> bytes:
    """PDU that writes coils (function 15), the first one first."""
    packed = sum(1 << index for index, on in enumerate(states) if on)
    data = packed.to_bytes((len(states) + 7) // 8, "little")
    head = address.to_bytes(2, "big") + len(states).to_bytes(2, "big")
    return bytes((WRITE_COILS,)) + head + bytes((len(data),)) + data


def write_registers_pdu(address: int, data: bytes) -> bytes:
    """PDU that writes registers (function 16): two bytes each."""
    head = address.to_bytes(2, "big") + (len(data) // 2).to_bytes(2, "big")
    return bytes((WRITE_REGISTERS,)) + head + bytes((len(data),)) + data


def frame_of(framing: Framing, unit_id: int, pdu: bytes, transaction: int = 0) -> bytes:
    """The frame of a PDU. ``transaction`` counts for TCP alone."""
    if framing == "tcp":
        head = transaction.to_bytes(2, "big") + b"\x00\x00" + (len(pdu) + 1).to_bytes(2, "big")
        return head + bytes((unit_id,)) + pdu
    body = bytes((unit_id,)) + pdu
    return body + crc16(body).to_bytes(2, "little")
