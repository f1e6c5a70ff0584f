"""Frames of both framings, and what they mean."""

from typing import Literal, NamedTuple

Framing = Literal["rtu", "tcp"]
# answer: values that were read; confirmed: answer to a write, of functions 5 and 6 the same bytes as the request
Kind = Literal["answer", "exception", "confirmed", "request"]

READ_COILS, READ_DISCRETE_INPUTS, READ_HOLDING_REGISTERS, READ_INPUT_REGISTERS = 1, 2, 3, 4
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16
READS_BITS = frozenset({READ_COILS, READ_DISCRETE_INPUTS})
READS_REGISTERS = frozenset({READ_HOLDING_REGISTERS, READ_INPUT_REGISTERS})
READS = READS_BITS | READS_REGISTERS
WRITES_ONE = frozenset({WRITE_COIL, WRITE_REGISTER})
WRITES_MANY = frozenset({WRITE_COILS, WRITE_REGISTERS})
EXCEPTION = 0x80  # added to the function
MAX_BITS = 2_000  # of one read request
MAX_REGISTERS = 125
RTU_OVERHEAD_BYTES = 3  # unit and CRC
RTU_FRAME_BYTES = 256  # the longest frame that the standard allows
MBAP_BYTES = 7  # header of a TCP frame, with the unit


class Frame(NamedTuple):
    """A frame that was found. ``pdu`` is its function with what follows it, without CRC."""

    offset: int  # of its first byte, where it was found
    raw: bytes
    unit_id: int
    pdu: bytes
    kind: Kind
    transaction: int | None  # of TCP

    @property
    def function(self) -> int:
        """Function, without the mark of an exception."""
        return self.pdu[0] & ~EXCEPTION

    @property
    def data(self) -> bytes:
        """The bytes that were read, of an ``answer``."""
        return self.pdu[2:]

    @property
    def exception(self) -> int:
        """Code of an ``exception``."""
        return self.pdu[1]


class ReadRequest(NamedTuple):
    """What a read request asks for."""

    unit_id: int
    function: int
    address: int
    quantity: int  # of bits or registers

    @property
    def data_bytes(self) -> int:
        """Bytes of data in its answer."""
        return bytes_of(self.function, self.quantity)


def bytes_of(function: int, count: int) -> int:
    """Bytes of data in the answer to a read request of ``count`` bits or registers."""
    return (count + 7) // 8 if function in READS_BITS else 2 * count


def read_request_of(frame: Frame) -> ReadRequest | None:
    """What a frame asks for, if it is a read request."""
    if frame.kind != "request" or frame.function not in READS:
        return None
    pdu = frame.pdu
    return ReadRequest(frame.unit_id, frame.function, int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big"))


def kinds_of(pdu_start: bytes) -> tuple[tuple[int, Kind], ...]:
    """Lengths that a PDU with these first bytes may have, with what it is then: those of answers first. Empty if the
    function is unknown; a length that its bytes do not tell yet counts as the least possible."""
    function = pdu_start[0]
    if function in READS:
        count = pdu_start[1] if len(pdu_start) > 1 else 1
        request: tuple[int, Kind] = (5, "request")
        if not _is_count(function, count):
            return (request,)
        answer: tuple[int, Kind] = (2 + count, "answer")
        return (answer, request)
    if function in WRITES_ONE:
        return ((5, "confirmed"),)
    if function in WRITES_MANY:
        many = pdu_start[5] if len(pdu_start) > 5 else 1
        confirmed: tuple[int, Kind] = (5, "confirmed")
        return (confirmed, (6 + many, "request")) if many else (confirmed,)
    base = function & ~EXCEPTION
    if function & EXCEPTION and (base in READS or base in WRITES_ONE or base in WRITES_MANY):
        return ((2, "exception"),)
    return ()


def _is_count(function: int, count: int) -> bool:
    """Whether an answer may have so many bytes of data."""
    if function in READS_BITS:
        return 1 <= count <= MAX_BITS // 8
    return 2 <= count <= 2 * MAX_REGISTERS and count % 2 == 0
