"""Moves the pending reports of heads into the spool, together with the devices' states."""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from thingstead.model.device import AttributeValue
from thingstead.storage.sqlite.heads import Head
from thingstead.storage.sqlite.records import Pending, encode_spooled, encode_state

INSERT_SPOOL = (
    "INSERT INTO spool (device_number, spooled_at, first_ts, last_ts, points, reports) VALUES (?, ?, ?, ?, ?, ?)"
)
PUT_STATE = """
INSERT INTO device_state (device_number, attributes, active, newest_uplink, packed_seq, spooled)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (device_number) DO UPDATE SET attributes = excluded.attributes, active = excluded.active,
    newest_uplink = excluded.newest_uplink, packed_seq = excluded.packed_seq, spooled = spooled + excluded.spooled
"""


class Snapshot(NamedTuple):
    """What stands in a head now."""

    head: Head
    seq: int  # every report up to this log row is in it or packed already
    pending: list[Pending]
    points: int
    current: dict[str, AttributeValue]
    active: dict[str, int]
    newest_uplink: int


class Rows(NamedTuple):
    """What is written of a device."""

    number: int
    spool: tuple[int, int, int, int, int, bytes] | None  # as INSERT_SPOOL has it; None: nothing is pending
    state: tuple[int, bytes, bytes, int, int, int]  # as PUT_STATE has it


def take_snapshot(head: Head, seq: int) -> Snapshot:
    """Copies a head, on the event loop; ``seq`` is the newest log row that was applied."""
    return Snapshot(
        head, seq, list(head.pending), head.points, dict(head.current), dict(head.active), head.newest_uplink
    )


def make_rows(taken: Snapshot, now: int) -> Rows:
    """Encodes a snapshot; in a thread."""
    number = taken.head.number
    spool = None
    if taken.pending:
        timestamps = [report.ts for report in taken.pending]
        spool = (number, now, min(timestamps), max(timestamps), taken.points, encode_spooled(taken.pending))
    attributes, active = encode_state(taken.current), encode_state(taken.active)
    return Rows(number, spool, (number, attributes, active, taken.newest_uplink, taken.seq, taken.points))


def write(connection: sqlite3.Connection, rows: Sequence[Rows]) -> None:
    """Writes them. Devices that were removed meanwhile are passed over."""
    one = "SELECT 1 FROM devices WHERE number = ?"
    alive = [row for row in rows if connection.execute(one, (row.number,)).fetchone() is not None]
    connection.executemany(INSERT_SPOOL, [row.spool for row in alive if row.spool is not None])
    connection.executemany(PUT_STATE, [row.state for row in alive])
