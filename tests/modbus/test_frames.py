"""Frames against pymodbus, and what it cannot do: several of them, noise, halves, echoes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.framer.base import FramerBase
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadCoilsResponse,
    ReadDiscreteInputsRequest,
    ReadDiscreteInputsResponse,
    WriteMultipleCoilsRequest,
    WriteMultipleCoilsResponse,
    WriteSingleCoilRequest,
    WriteSingleCoilResponse,
)
from pymodbus.pdu.exceptionresponse import ExceptionResponse
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

from thingstead.modbus import requests
from thingstead.modbus.crc import crc16
from thingstead.modbus.frames import Framing, ReadRequest, read_request_of
from thingstead.modbus.scan import FRAMES_COUNT, NOISE_BYTES, SCANNED_BYTES, scan

# The same examples in each run: random bytes may be a frame by chance.
LAW = settings(max_examples=40, derandomize=True, deadline=None)
UNITS = st.integers(1, 247)
ADDRESSES = st.integers(0, 0xFFFF)
ONE_BIT = st.lists(st.booleans(), min_size=1, max_size=1)
WORDS = st.integers(0, 0xFFFF)
ONE_WORD = st.lists(WORDS, min_size=1, max_size=1)
FRAMINGS: list[Framing] = ["rtu", "tcp"]


def framer(framing: Framing, *, is_server: bool) -> FramerBase:
    pdus = DecodePDU(is_server)
    return FramerRTU(pdus) if framing == "rtu" else FramerSocket(pdus)


def built(framing: Framing, pdu: ModbusPDU) -> bytes:
    return framer(framing, is_server=True).buildFrame(pdu)


ANSWERS = st.one_of(
    st.builds(ReadHoldingRegistersResponse, registers=st.lists(WORDS, min_size=1, max_size=125), dev_id=UNITS),
    st.builds(ReadInputRegistersResponse, registers=st.lists(WORDS, min_size=1, max_size=125), dev_id=UNITS),
    st.builds(ReadCoilsResponse, bits=st.lists(st.booleans(), min_size=1, max_size=200), dev_id=UNITS),
    st.builds(ReadDiscreteInputsResponse, bits=st.lists(st.booleans(), min_size=1, max_size=200), dev_id=UNITS),
)
CONFIRMATIONS = st.one_of(
    st.builds(WriteSingleCoilResponse, address=ADDRESSES, bits=ONE_BIT, dev_id=UNITS),
    st.builds(WriteSingleRegisterResponse, address=ADDRESSES, registers=ONE_WORD, dev_id=UNITS),
    st.builds(WriteMultipleCoilsResponse, address=ADDRESSES, count=st.integers(1, 1968), dev_id=UNITS),
    st.builds(WriteMultipleRegistersResponse, address=ADDRESSES, count=st.integers(1, 123), dev_id=UNITS),
)  # fmt: skip
EXCEPTIONS = st.builds(
    ExceptionResponse, function_code=st.sampled_from([1, 2, 3, 4, 5, 6, 15, 16]), exception_code=st.integers(1, 11),
    device_id=UNITS,
)  # fmt: skip


@LAW
@given(data=st.binary(max_size=300))
def test_the_crc_is_that_of_pymodbus(data: bytes) -> None:
    assert crc16(data).to_bytes(2, "little") == FramerRTU.compute_CRC(data).to_bytes(2, "big")
    assert crc16(data + crc16(data).to_bytes(2, "little")) == 0


def test_the_crc_is_that_of_the_specification() -> None:
    assert crc16(b"\x02\x07") == 0x1241  # the example of §6.2.2


@pytest.mark.parametrize("framing", FRAMINGS)
@LAW
@given(pdu=st.one_of(ANSWERS, CONFIRMATIONS, EXCEPTIONS))
def test_every_answer_that_pymodbus_makes_is_one_frame(framing: Framing, pdu: ModbusPDU) -> None:
    data = built(framing, pdu)

    [frame] = (found := scan(framing, data)).frames

    assert (found.noise, found.rest, frame.raw) == ([], b"", data)
    _, known = framer(framing, is_server=False).handleFrame(data, 0, 0)
    assert known is not None
    assert frame.unit_id == known.dev_id
    assert frame.function == known.function_code & 0x7F
    if isinstance(known, ExceptionResponse):
        assert (frame.kind, frame.exception) == ("exception", known.exception_code)
    elif isinstance(pdu, (ReadHoldingRegistersResponse, ReadInputRegistersResponse)):
        assert frame.kind == "answer"
        assert frame.data == b"".join(word.to_bytes(2, "big") for word in known.registers)
    elif isinstance(pdu, (ReadCoilsResponse, ReadDiscreteInputsResponse)):
        bits = [bool(byte >> bit & 1) for byte in frame.data for bit in range(8)]
        assert (frame.kind, bits[: len(pdu.bits)]) == ("answer", known.bits[: len(pdu.bits)])
    else:
        assert frame.kind == "confirmed"


@pytest.mark.parametrize("framing", FRAMINGS)
@LAW
@given(
    unit=UNITS, address=ADDRESSES, count=st.integers(1, 120), word=WORDS, words=st.lists(WORDS, min_size=1, max_size=20)
)
def test_requests_are_those_of_pymodbus(
    framing: Framing, unit: int, address: int, count: int, word: int, words: list[int]
) -> None:
    data = b"".join(each.to_bytes(2, "big") for each in words)
    coils = [bool(each & 1) for each in words]
    reads = {
        1: ReadCoilsRequest, 2: ReadDiscreteInputsRequest, 3: ReadHoldingRegistersRequest, 4: ReadInputRegistersRequest
    }  # fmt: skip
    pairs: list[tuple[bytes, ModbusPDU]] = [
        (
            requests.read_pdu(ReadRequest(unit, function, address, count)),
            made(address=address, count=count, dev_id=unit),
        )
        for function, made in reads.items()
    ]
    pairs += [
        (
            requests.write_coil_pdu(address, on=coils[0]),
            WriteSingleCoilRequest(address=address, bits=coils[:1], dev_id=unit),
        ),
        (
            requests.write_register_pdu(address, word.to_bytes(2, "big")),
            WriteSingleRegisterRequest(address=address, registers=[word], dev_id=unit),
        ),
        (
            requests.write_coils_pdu(address, coils),
            WriteMultipleCoilsRequest(address=address, bits=coils, dev_id=unit),
        ),
        (
            requests.write_registers_pdu(address, data),
            WriteMultipleRegistersRequest(address=address, registers=words, dev_id=unit),
        ),
    ]  # fmt: skip
    for pdu, theirs in pairs:
        frame = requests.frame_of(framing, unit, pdu)
        assert frame == built(framing, theirs)
        [found] = scan(framing, frame, frame).frames
        assert found.raw == frame
        if pdu[0] < 5:
            assert read_request_of(found) == ReadRequest(unit, pdu[0], address, count)


@pytest.mark.parametrize("framing", FRAMINGS)
@LAW
@given(pdus=st.lists(st.one_of(ANSWERS, CONFIRMATIONS, EXCEPTIONS), min_size=2, max_size=6))
def test_several_frames_in_one_payload_are_all_found(framing: Framing, pdus: list[ModbusPDU]) -> None:
    frames = [built(framing, pdu) for pdu in pdus]

    found = scan(framing, b"".join(frames))

    assert [frame.raw for frame in found.frames] == frames
    assert (found.noise, found.rest) == ([], b"")


@LAW
@given(pdu=ANSWERS, before=st.lists(st.sampled_from([0x00, 0x55, 0xFF, 0xAA]), min_size=1, max_size=20))
def test_noise_before_and_after_a_frame_is_told_and_does_not_hide_it(pdu: ModbusPDU, before: list[int]) -> None:
    data, noise = built("rtu", pdu), bytes(before)

    found = scan("rtu", noise + data + b"\xff\xff\xff")

    assert [frame.raw for frame in found.frames] == [data]
    assert found.noise[0] == (0, noise)
    assert found.frames[0].offset == len(noise)


@pytest.mark.parametrize("framing", FRAMINGS)
@LAW
@given(pdu=st.one_of(ANSWERS, CONFIRMATIONS, EXCEPTIONS), data=st.data())
def test_a_frame_in_two_payloads_is_found_when_the_second_is_there(
    framing: Framing, pdu: ModbusPDU, data: st.DataObject
) -> None:
    frame = built(framing, pdu)
    cut = data.draw(st.integers(1, len(frame) - 1))

    first = scan(framing, frame[:cut])
    second = scan(framing, first.rest + frame[cut:])

    assert first.frames == []
    assert first.rest == frame[:cut]
    assert [each.raw for each in second.frames] == [frame]


@LAW
@given(unit=UNITS, address=ADDRESSES, count=st.integers(1, 120), function=st.sampled_from([1, 2, 3, 4]))
def test_the_echo_of_a_request_is_a_request(unit: int, address: int, count: int, function: int) -> None:
    asked = requests.frame_of("rtu", unit, requests.read_pdu(ReadRequest(unit, function, address, count)))
    size = (count + 7) // 8 if function < 3 else 2 * count
    answer = requests.frame_of("rtu", unit, bytes((function, size)) + b"\x07" * size)

    found = scan("rtu", asked + answer, asked)

    assert [frame.kind for frame in found.frames] == ["request", "answer"]


@LAW
@given(function=st.sampled_from([3, 4]), size=st.integers(1, 125).map(lambda half: 2 * half - 1), unit=UNITS)
def test_registers_with_an_odd_number_of_bytes_are_no_answer(function: int, size: int, unit: int) -> None:
    data = requests.frame_of("rtu", unit, bytes((function, size)) + b"\x01" * size)

    assert all(frame.kind != "answer" for frame in scan("rtu", data).frames)


@pytest.mark.parametrize("framing", FRAMINGS)
@LAW
@given(
    data=st.one_of(
        st.binary(max_size=2_000), st.lists(st.sampled_from(b"\x00\x01\x03\x10\x0f\x83"), max_size=5_000).map(bytes)
    )
)
def test_any_bytes_are_frames_noise_or_rest_in_their_order(framing: Framing, data: bytes) -> None:
    found = scan(framing, data)

    parts = [*found.noise, *((frame.offset, frame.raw) for frame in found.frames)]
    assert b"".join(raw for _, raw in sorted(parts)) + found.rest == data
    assert len(found.rest) <= 262


def test_noise_beyond_its_bound_ends_the_search() -> None:
    frame = built("rtu", ReadHoldingRegistersResponse(registers=[1], dev_id=1))

    assert scan("rtu", b"\xff" * (NOISE_BYTES - 1) + frame).frames != []
    assert scan("rtu", b"\xff" * (NOISE_BYTES + 1) + frame).frames == []
    found = scan("rtu", frame * 1_000)
    assert (len(found.frames), found.noise) == (FRAMES_COUNT, [(FRAMES_COUNT * 7, frame * (1_000 - FRAMES_COUNT))])
    long = built("rtu", ReadHoldingRegistersResponse(registers=[1] * 120, dev_id=1))
    assert len(scan("rtu", long * 1_000).frames) == SCANNED_BYTES // len(long)
