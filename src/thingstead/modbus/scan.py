"""Finds frames in bytes: several of them, with noise before, between and after, the last one perhaps incomplete."""

from typing import NamedTuple

from thingstead.modbus.crc import crc16
from thingstead.modbus.frames import (
    MBAP_BYTES,
    RTU_FRAME_BYTES,
    RTU_OVERHEAD_BYTES,
    WRITES_MANY,
    WRITES_ONE,
    Frame,
    Framing,
    Kind,
    kinds_of,
)

SCANNED_BYTES = 4_096  # of one payload; what is beyond is noise
FRAMES_COUNT = 64  # of one payload; what is beyond is noise
NOISE_BYTES = 512  # of one payload that are searched for a frame; after that the rest is noise
CHECKED_BYTES = 8_192  # that go through the CRC for one payload
_HEAD_BYTES = 6  # of a PDU, that tell its length


class Scanned(NamedTuple):
    """What bytes contain. ``noise`` are the offset and bytes of what belongs to no frame, ``rest`` is what may be the
    beginning of a frame."""

    frames: list[Frame]
    noise: list[tuple[int, bytes]]
    rest: bytes


class _Look(NamedTuple):
    """What begins at an offset."""

    frame: Frame | None
    may_begin: bool  # whether a frame may begin there that is not complete
    checked_bytes: int


NOTHING = _Look(None, False, 0)


def scan(framing: Framing, data: bytes, expected: bytes = b"") -> Scanned:
    """Finds the frames in ``data``.

    Args:
        expected: the request that was sent last, as a frame; the same bytes are a request, not its answer.
    """
    frames: list[Frame] = []
    noise: list[tuple[int, bytes]] = []
    end = min(len(data), SCANNED_BYTES)
    left, noise_left = CHECKED_BYTES, NOISE_BYTES
    offset = since = 0  # what is between them belongs to no frame yet
    rest_from = -1
    at = _rtu_at if framing == "rtu" else _tcp_at
    while offset < end and left > 0 and noise_left > 0 and len(frames) < FRAMES_COUNT:
        frame, may_begin, checked = at(data, offset, end, expected)
        left -= checked
        if frame is None:
            if may_begin and rest_from < 0:
                rest_from = offset
            offset += 1
            noise_left -= 1
            continue
        if offset > since:
            noise.append((since, data[since:offset]))
        frames.append(frame)
        offset += len(frame.raw)
        since, rest_from = offset, -1
    if rest_from < 0 or offset < len(data):
        rest_from = len(data)
    if rest_from > since:
        noise.append((since, data[since:rest_from]))
    return Scanned(frames, noise, data[rest_from:])


def _rtu_at(data: bytes, offset: int, end: int, expected: bytes) -> _Look:
    left = end - offset
    if left < 2:
        return _Look(None, True, 0)
    if expected and data.startswith(expected, offset) and offset + len(expected) <= end:
        return _Look(_rtu_frame(data, offset, len(expected), _kind_of_request(expected[1])), False, len(expected))
    head = data[offset + 1 : min(end, offset + 1 + _HEAD_BYTES)]
    may_begin, checked = False, 0
    for pdu_bytes, kind in kinds_of(head):
        length = pdu_bytes + RTU_OVERHEAD_BYTES
        if length > left:
            may_begin = may_begin or length <= RTU_FRAME_BYTES
            continue
        checked += length
        if crc16(data[offset : offset + length]) == 0:
            return _Look(_rtu_frame(data, offset, length, kind), False, checked)
    return _Look(None, may_begin, checked) if may_begin or checked else NOTHING


def _rtu_frame(data: bytes, offset: int, length: int, kind: Kind) -> Frame:
    raw = data[offset : offset + length]
    return Frame(offset, raw, raw[0], raw[1:-2], kind, None)


def _tcp_at(data: bytes, offset: int, end: int, expected: bytes) -> _Look:
    left = end - offset
    head = data[offset : min(end, offset + MBAP_BYTES + _HEAD_BYTES)]
    if head[2:4] != b"\x00\x00"[: max(0, len(head) - 2)]:
        return NOTHING
    if left <= MBAP_BYTES:
        return _Look(None, len(head) < 6 or 3 <= int.from_bytes(head[4:6], "big") <= RTU_FRAME_BYTES - 2, 0)
    length = int.from_bytes(head[4:6], "big") - 1  # of the PDU
    pdu_start = head[MBAP_BYTES:]
    kind = next((kind for pdu_bytes, kind in kinds_of(pdu_start) if pdu_bytes == length), None)
    if kind is None:
        unsure = (pdu_start[0] in WRITES_MANY and len(pdu_start) < _HEAD_BYTES) or len(pdu_start) < 2
        return _Look(None, unsure and length <= RTU_FRAME_BYTES, 1)
    if left < MBAP_BYTES + length:
        return _Look(None, True, 1)
    raw = data[offset : offset + MBAP_BYTES + length]
    if expected and raw == expected:
        kind = _kind_of_request(raw[MBAP_BYTES])
    return _Look(
        Frame(offset, raw, raw[MBAP_BYTES - 1], raw[MBAP_BYTES:], kind, int.from_bytes(raw[:2], "big")), False, 1
    )


def _kind_of_request(function: int) -> Kind:
    """What a frame is that has the bytes of a request: of functions 5 and 6 it is its confirmation, too."""
    return "confirmed" if function in WRITES_ONE else "request"
