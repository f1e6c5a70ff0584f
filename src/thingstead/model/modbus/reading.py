"""Payloads of a stream read with its table: frames → attributes, or why not.

A frame of Modbus RTU does not tell the address of what it contains. An answer belongs to the request that was sent
last; without one, to the only group with its unit, function and number of bytes.
"""

from typing import Any, NamedTuple

from thingstead.errors import FieldError
from thingstead.modbus.frames import Frame, ReadRequest, read_request_of
from thingstead.modbus.scan import scan
from thingstead.model.modbus.compiled import CompiledGroup, CompiledStream
from thingstead.refusals import Reason, reason

EXCEPTIONS = {
    1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "server device failure",
    5: "acknowledge", 6: "server device busy", 8: "memory parity error", 10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}  # fmt: skip  # of the application protocol, §7
VALUES_COUNT = 2_000  # of one payload
SHOWN_BYTES = 32  # of a frame in a reason


class SentRequest(NamedTuple):
    """The request that was sent last, and not answered yet."""

    frame: bytes
    unit_id: int
    function: int
    read: ReadRequest | None  # None: it writes
    group: CompiledGroup | None = None  # whose request it is
    transaction: int | None = None


class UsedFrame(NamedTuple):
    """A frame, with what was read. ``why`` is None if it was used, or is no answer."""

    frame: Frame
    group: CompiledGroup | None
    attributes: dict[str, Any]
    refused: list[FieldError]
    why: Reason | None
    answers: bool  # the request that was sent last


class PayloadReading(NamedTuple):
    """A payload, read. ``rest`` may be the beginning of a frame."""

    frames: list[UsedFrame]
    noise: list[tuple[int, bytes]]
    rest: bytes
    sent: SentRequest | None  # still without an answer

    def reports(self) -> list[dict[str, Any]]:
        """The attributes as reports: frames with different attributes are one."""
        found: list[dict[str, Any]] = []
        for used in self.frames:
            if not used.attributes:
                continue
            if found and found[-1].keys().isdisjoint(used.attributes):
                found[-1].update(used.attributes)
            else:
                found.append(dict(used.attributes))
        return found

    def refused(self) -> list[FieldError]:
        """Why parts of the payload were not used."""
        errors: list[FieldError] = []
        for used in self.frames:
            if used.why is not None:
                errors.append(FieldError(f"byte {used.frame.offset}", used.why))
            errors += used.refused
        errors += [FieldError(f"byte {offset}", reason("modbus_noise", hex=shown(raw))) for offset, raw in self.noise]
        return errors


def shown(raw: bytes) -> str:
    """Bytes as hexadecimal digits, shortened."""
    return raw[:SHOWN_BYTES].hex(" ") + (" …" if len(raw) > SHOWN_BYTES else "")


def read_payload(stream: CompiledStream, data: bytes, sent: SentRequest | None = None) -> PayloadReading:
    """Reads a payload, before which what was left of the one before stands.

    Args:
        sent: the request that was sent last; on a bus that echoes, its own bytes come back before the answer.
    """
    scanned = scan(stream.framing, data, b"" if sent is None else sent.frame)
    used: list[UsedFrame] = []
    room = VALUES_COUNT
    for frame in scanned.frames:
        found = _used(stream, frame, sent)
        if found.why is None and found.group is not None:
            room -= found.group.size
            found = _with_values(found, found.group, room)
        used.append(found)
        asked = read_request_of(frame)
        if asked is not None and (sent is None or frame.raw != sent.frame):  # another master on the same bus
            sent = SentRequest(frame.raw, asked.unit_id, asked.function, asked, None, frame.transaction)
        elif found.answers:
            sent = None
    return PayloadReading(used, scanned.noise, scanned.rest, sent)


def _with_values(used: UsedFrame, group: CompiledGroup, room: int) -> UsedFrame:
    """An answer with its values, if there is room for them."""
    if room < 0:
        return used._replace(why=reason("modbus_too_many_values", maximum=VALUES_COUNT))
    attributes, refused = group.values(used.frame.data)
    return used._replace(attributes=attributes, refused=refused)


def _used(stream: CompiledStream, frame: Frame, sent: SentRequest | None) -> UsedFrame:
    if frame.kind == "request":
        return UsedFrame(frame, None, {}, [], None, answers=False)
    answers = (
        sent is not None
        and (frame.unit_id, frame.function) == (sent.unit_id, sent.function)
        and (frame.transaction is None or sent.transaction is None or frame.transaction == sent.transaction)
    )
    if frame.kind == "exception":
        code = frame.exception
        why = reason(
            "modbus_exception", unit=frame.unit_id, function=frame.function, exception=code,
            meaning=EXCEPTIONS.get(code, "unknown"),
        )  # fmt: skip
        return UsedFrame(frame, None if sent is None or not answers else sent.group, {}, [], why, answers)
    if frame.kind == "confirmed":
        return UsedFrame(frame, None, {}, [], None, answers=answers and frame.pdu[1:3] == _address(stream, sent))
    if answers and sent is not None and sent.read is not None and sent.read.data_bytes == len(frame.data):
        group = sent.group or next((each for each in stream.groups if each.request == sent.read), None)
        if group is not None:
            return UsedFrame(frame, group, {}, [], None, answers=True)
        why = reason("modbus_other_request", address=sent.read.address, quantity=sent.read.quantity)
        return UsedFrame(frame, None, {}, [], why, answers=True)
    return _by_length(stream, frame)


def _by_length(stream: CompiledStream, frame: Frame) -> UsedFrame:
    """An answer to nothing that is known."""
    groups = stream.by_answer.get((frame.unit_id, frame.function, len(frame.data)), ())
    if len(groups) == 1:
        return UsedFrame(frame, groups[0], {}, [], None, answers=False)
    code = "modbus_ambiguous" if groups else "modbus_no_group"
    why = reason(code, unit=frame.unit_id, function=frame.function, bytes=len(frame.data))
    return UsedFrame(frame, None, {}, [], why, answers=False)


def _address(stream: CompiledStream, sent: SentRequest | None) -> bytes:
    """The address in the request that was sent."""
    if sent is None:
        return b""
    start = 8 if stream.framing == "tcp" else 2
    return sent.frame[start : start + 2]
