"""Encodings of the rows of history.

Rows of the log, of the spool and of device states are sealed: a damaged one is noticed, and raises
:class:`~thingstead.storage.frames.Damaged`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import msgspec

from thingstead.model.device import AttributeValue, Sent, SentSource, UplinkKind
from thingstead.model.limits import ELEMENT_BYTES
from thingstead.model.report import Source
from thingstead.storage.frames import Damaged, packed, sealed, unpacked, unsealed

T = TypeVar("T")

KINDS: tuple[UplinkKind, ...] = ("attributes", "event", "command_reply", "data", "connect")
SOURCES: tuple[Source, ...] = ("report", "push", "cloud", "import", "series")
TIMED_FROM = 3  # first source code whose reports have timestamps of their own
SENT_CODES: dict[int, SentSource] = {1: "push", 2: "cloud"}
FROM_DEVICE = (0, 4)  # source codes of reports from the device
SOURCE_CODES = {source: code for code, source in enumerate(SOURCES)}
TOUCH_CODES = {kind: 10 + code for code, kind in enumerate(KINDS)}
REMOVE_CODE = 20

LogEntry = tuple[int, int, int, int, bytes]  # device number, ts, received_at, code, body


class PendingReport(msgspec.Struct, gc=False, array_like=True):
    """A committed report that is in no block yet. Not frozen, because one is made for each message; never changed."""

    seq: int  # seq of its log row
    ts: int
    body: bytes  # attributes, msgpack
    timed: bool = True  # it has its own timestamp; False: the time of receipt


_encode = msgspec.msgpack.Encoder().encode
encode_values = _encode
decode_values = msgspec.msgpack.Decoder(dict[str, Any]).decode
decode_identifiers = msgspec.msgpack.Decoder(list[str]).decode
_decode_entries = msgspec.msgpack.Decoder(list[LogEntry]).decode
_decode_reports = msgspec.msgpack.Decoder(list[PendingReport]).decode
_decode_attributes = msgspec.msgpack.Decoder(dict[str, AttributeValue]).decode
_decode_sent = msgspec.msgpack.Decoder(dict[str, Sent]).decode
_decode_active = msgspec.msgpack.Decoder(dict[str, int]).decode


def count_values(body: bytes) -> int:
    """Number of attributes of a report, from the header of its msgpack map."""
    first = body[0]
    if first < 0x90:
        return first & 0x0F
    return int.from_bytes(body[1:3] if first == 0xDE else body[1:5], "big")


def is_timed(entry: LogEntry) -> bool:
    """Whether a report in the log has its own timestamp. Logs of earlier releases have one code for both kinds."""
    _, ts, received_at, code, _ = entry
    return code >= TIMED_FROM or ts != received_at


NESTED = frozenset((list, dict))
is_flat = NESTED.isdisjoint  # called with the types of values: none is an array or object


def nested_bytes(values: Iterable[Any]) -> int:
    """Memory overhead of the elements of arrays and objects in these values."""
    elements = 0
    within = [value for value in values if type(value) in NESTED]
    while within:
        value = within.pop()
        elements += len(value)
        within += [item for item in (value if type(value) is list else value.values()) if type(item) in NESTED]
    return ELEMENT_BYTES * elements


def encode_entries(entries: Sequence[LogEntry]) -> bytes:
    """Encodes a row of the log: the entries of one commit."""
    return sealed(_encode(entries))


def decode_entries(data: bytes) -> list[LogEntry]:
    """Decodes a row of the log. Raises Damaged."""
    return _decoded(_decode_entries, unsealed(data))


def encode_spooled(reports: Sequence[PendingReport]) -> bytes:
    """Encodes a row of the spool: reports of one device, in the order in which they were appended."""
    return packed(_encode(reports))


def decode_spooled(data: bytes) -> list[PendingReport]:
    """Decodes a row of the spool. Raises Damaged."""
    return _decoded(_decode_reports, unpacked(data))


def encode_state(state: dict[str, AttributeValue] | dict[str, Sent] | dict[str, int]) -> bytes:
    """Encodes one column of a device's state."""
    return sealed(_encode(state))


def decode_attributes(data: bytes) -> dict[str, AttributeValue]:
    """Decodes the current values of a state. Raises Damaged."""
    return _decoded(_decode_attributes, unsealed(data))


def decode_sent(data: bytes | None) -> dict[str, Sent]:
    """Decodes the sent values of a state. Raises Damaged."""
    return {} if data is None else _decoded(_decode_sent, unsealed(data))


def decode_active(data: bytes) -> dict[str, int]:
    """Decodes the newest uplinks of a state. Raises Damaged."""
    return _decoded(_decode_active, unsealed(data))


def _decoded(decode: Callable[[bytes | memoryview], T], content: bytes | memoryview) -> T:
    try:
        return decode(content)
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise Damaged(str(exc)) from exc
