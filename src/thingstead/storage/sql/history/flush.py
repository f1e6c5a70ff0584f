"""Flushes pending reports of heads into the spool, with the states of the devices."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from thingstead.model.device import AttributeValue, Sent
from thingstead.storage.sql.access.connection import IN_NUMBERS, Connection
from thingstead.storage.sql.access.row_mapper import to_json
from thingstead.storage.sql.history.heads import Head
from thingstead.storage.sql.history.records import (
    PendingReport,
    count_values,
    encode_spooled,
    encode_state,
    nested_bytes,
)

SPOOL_ROW_BYTES = 524_288  # uncompressed reports in a row of the spool; a single report may be larger
CHUNK_POINTS = 20_000  # points packed in one transaction, so that reports never wait long for it
CHUNK_BYTES = 2_097_152  # the same in bytes, including the states of the devices
INSERT_SPOOL = (
    "INSERT INTO spool (device_number, spooled_at, first_ts, last_ts, points, reports) VALUES (?, ?, ?, ?, ?, ?)"
)
PUT_STATE = """
INSERT INTO device_state (device_number, attributes, active, newest_uplink, packed_seq, spooled, sent)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (device_number) DO UPDATE SET attributes = excluded.attributes, active = excluded.active,
    newest_uplink = excluded.newest_uplink, packed_seq = excluded.packed_seq, sent = excluded.sent,
    spooled = device_state.spooled + excluded.spooled
"""


class Snapshot(NamedTuple):
    """Copy of a head, with as many of its pending reports as are packed at once."""

    head: Head
    seq: int  # every report up to this log row is in the snapshot or was packed before
    pending: list[PendingReport]
    points: int
    size_bytes: int
    current: dict[str, AttributeValue]
    active: dict[str, int]
    newest_uplink: int
    sent: dict[str, Sent]


class Rows(NamedTuple):
    """Rows to be written for a device."""

    number: int
    spool: list[tuple[int, int, int, int, int, bytes]]  # parameters of INSERT_SPOOL
    state: tuple[int, bytes, bytes, int, int, int, bytes | None]  # parameters of PUT_STATE
    state_bytes: int
    spool_bytes: int  # uncompressed size of the reports


def take_snapshot(head: Head, seq: int) -> Snapshot:
    """Copies a head, on the event loop; ``seq`` is the newest log row that was applied.

    If much is pending, only the oldest reports are copied. The state may then be newer than ``seq``; that is harmless,
    because applying the later reports again gives the same values.
    """
    pending, points, size_bytes = head.prefix(CHUNK_POINTS, CHUNK_BYTES)
    if len(pending) < len(head.pending):
        seq = pending[-1].seq
    current, active = dict(head.current), dict(head.active)
    return Snapshot(head, seq, pending, points, size_bytes, current, active, head.newest_uplink, dict(head.sent))


def make_rows(taken: Snapshot, now: int) -> Rows:
    """Encodes a snapshot; runs in a thread."""
    number = taken.head.number
    attributes, active = encode_state(taken.current), encode_state(taken.active)
    sent = encode_state(taken.sent) if taken.sent else None
    state = (number, attributes, active, taken.newest_uplink, taken.seq, taken.points, sent)
    state_bytes = len(attributes) + len(sent or b"") + nested_bytes(known.value for known in taken.current.values())
    cut = list(parts(taken.pending))
    counts = [taken.points] if len(cut) == 1 else [sum(count_values(each.body) for each in part) for part in cut]
    spool = [_spool_row(number, now, part, points) for part, points in zip(cut, counts, strict=True)]
    spool_bytes = sum(len(report.body) for report in taken.pending)
    return Rows(number, spool, state, state_bytes, spool_bytes)


def parts(reports: list[PendingReport]) -> Iterator[list[PendingReport]]:
    """Splits reports, in order, into parts whose row is short enough for one read."""
    size = begin = 0
    for at, report in enumerate(reports):
        size += len(report.body)
        if size > SPOOL_ROW_BYTES and at > begin:
            yield reports[begin:at]
            begin, size = at, len(report.body)
    if reports:
        yield reports[begin:]


def _spool_row(
    number: int, now: int, reports: list[PendingReport], points: int
) -> tuple[int, int, int, int, int, bytes]:
    timestamps = [report.ts for report in reports]
    return number, now, min(timestamps), max(timestamps), points, encode_spooled(reports)


def write(connection: Connection, rows: Sequence[Rows]) -> None:
    """Writes the rows. Devices that were removed meanwhile are skipped."""
    numbers = to_json([row.number for row in rows])
    found = connection.execute(f"SELECT number FROM devices WHERE number {IN_NUMBERS}", (numbers,))  # noqa: S608 - ours
    there = {number for (number,) in found}
    alive = [row for row in rows if row.number in there]
    connection.executemany(INSERT_SPOOL, [spooled for row in alive for spooled in row.spool])
    connection.executemany(PUT_STATE, [row.state for row in alive])
