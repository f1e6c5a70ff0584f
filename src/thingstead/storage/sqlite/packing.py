"""Moves pending reports into blocks: what to write is built beside the event loop, then written in one transaction.

Blocks of a series never overlap and never share a timestamp, so late points are merged into the block that covers
them. The device's state row says up to which log row its reports are packed; it is written in the same transaction as
its blocks, so that no crash can lose or double a point.
"""

import sqlite3
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import gt
from typing import Any, NamedTuple

import msgspec
import structlog

from thingstead.storage.blocks import DamagedBlock, decode_block, encode_block
from thingstead.storage.sqlite.heads import Head, decode_values, encode_state

log = structlog.get_logger("thingstead.history")

BLOCK_POINTS = 400  # a full block; a late merge may make one of up to twice that before it is split


class Series(NamedTuple):
    """Points of one series as two columns, by time."""

    timestamps: list[int]
    values: list[Any]

    def cut(self, at: int) -> "tuple[Series, Series]":
        """The first ``at`` points, and the others."""
        if at >= len(self.timestamps):
            return self, Series([], [])
        return Series(self.timestamps[:at], self.values[:at]), Series(self.timestamps[at:], self.values[at:])


class Waiting(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What of a device is to be packed."""

    device_number: int
    reports: list[tuple[int, bytes]]  # ts and attributes (msgpack), in the order in which they were appended


class BlockRow(NamedTuple):
    """A row of the table of blocks."""

    device_number: int
    identifier: str
    first_ts: int
    last_ts: int
    points: int
    data: bytes


class Built(msgspec.Struct, frozen=True, array_like=True):
    """The blocks of some devices, ready to be written."""

    replaced: list[tuple[int, str, int]] = []  # keys of blocks that their successors replace
    blocks: list[BlockRow] = []


class State(NamedTuple):
    """A row of the table of device states."""

    device_number: int
    attributes: bytes
    active: bytes
    newest_uplink: int
    packed_seq: int  # every report up to this log row is packed


def waiting(head: Head) -> Waiting:
    """The pending reports of a head."""
    return Waiting(head.number, [(report.ts, report.body) for report in head.pending])


def state(head: Head, seq: int) -> State:
    """The state of a head as it stands now; ``seq`` is the newest log row that was applied."""
    return State(head.number, encode_state(head.current), encode_state(head.active), head.newest_uplink, seq)


def build(connection: sqlite3.Connection, devices: Sequence[Waiting]) -> Built:
    """Makes the blocks of some devices. Only reads; nobody else may change blocks until the result is written."""
    built = Built()
    for device in devices:
        if device.reports:
            for identifier, series in _columns(device.reports).items():
                _pack_series(connection, built, device.device_number, identifier, series)
    return built


def _columns(reports: list[tuple[int, bytes]]) -> dict[str, Series]:
    """Reports as one series an attribute, by time; reports of one ts stay in the order in which they were appended."""
    timestamps = [ts for ts, _ in reports]
    rows = [decode_values(body) for _, body in reports]
    if any(map(gt, timestamps, timestamps[1:])):
        order = sorted(range(len(rows)), key=timestamps.__getitem__)
        timestamps = [timestamps[index] for index in order]
        rows = [rows[index] for index in order]
    names = rows[0].keys()
    if all(row.keys() == names for row in rows):  # what most devices do, and twice as fast
        return {name: Series(timestamps, [row[name] for row in rows]) for name in names}
    columns: dict[str, Series] = {}
    for ts, row in zip(timestamps, rows, strict=True):
        for name, value in row.items():
            series = columns.get(name)
            if series is None:
                columns[name] = Series([ts], [value])
            else:
                series.timestamps.append(ts)
                series.values.append(value)
    return columns


def write(connection: sqlite3.Connection, built: Built, states: Sequence[State]) -> None:
    """Writes what :func:`build` made, with the states of the same devices. Devices that were removed meanwhile are
    passed over."""
    alive = {
        row.device_number
        for row in states
        if connection.execute("SELECT 1 FROM devices WHERE number = ?", (row.device_number,)).fetchone()
    }
    connection.executemany(
        "DELETE FROM block WHERE device_number = ? AND identifier = ? AND first_ts = ?", built.replaced
    )
    connection.executemany(
        "INSERT INTO block (device_number, identifier, first_ts, last_ts, points, data) VALUES (?, ?, ?, ?, ?, ?)",
        [block for block in built.blocks if block.device_number in alive],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO device_state (device_number, attributes, active, newest_uplink, packed_seq)"
        " VALUES (?, ?, ?, ?, ?)",
        [row for row in states if row.device_number in alive],
    )


def _pack_series(connection: sqlite3.Connection, built: Built, number: int, identifier: str, series: Series) -> None:
    """Distributes points over the blocks that cover them, and over new blocks at the end."""
    while series.timestamps:
        covering = _covering(connection, number, identifier, series.timestamps[0])
        if covering is None:
            _split(built, number, identifier, series)
            return
        first_ts, last_ts, count, data, next_ts = covering
        cut = len(series.timestamps) if next_ts is None else bisect_left(series.timestamps, next_ts)
        taken, series = series.cut(cut)
        if next_ts is None and count >= BLOCK_POINTS and taken.timestamps[0] > last_ts:
            _split(built, number, identifier, taken)
            return
        merged = _merge(data, taken, number, identifier)
        built.replaced.append((number, identifier, first_ts))
        _split(built, number, identifier, merged)


def _covering(
    connection: sqlite3.Connection, number: int, identifier: str, ts: int
) -> tuple[int, int, int, bytes, int | None] | None:
    """The block into which a point at ``ts`` belongs (the last that begins at or before it, else the first), and where
    the block after it begins; None for a series without blocks."""
    key = (number, identifier, ts)
    columns = "first_ts, last_ts, points, data FROM block WHERE device_number = ? AND identifier = ? AND first_ts"
    row = connection.execute(f"SELECT {columns} <= ? ORDER BY first_ts DESC LIMIT 1", key).fetchone()
    if row is None:
        row = connection.execute(f"SELECT {columns} > ? ORDER BY first_ts LIMIT 1", key).fetchone()
        if row is None:
            return None
    following = connection.execute(
        "SELECT min(first_ts) FROM block WHERE device_number = ? AND identifier = ? AND first_ts > ?",
        (number, identifier, row[0]),
    ).fetchone()
    return (*row, following[0])


def _merge(data: bytes, late: Series, number: int, identifier: str) -> Series:
    try:
        timestamps, values = decode_block(data)
    except DamagedBlock as exc:
        log.error("a damaged block was dropped", device_number=number, identifier=identifier, error=str(exc))
        return late
    in_order = late.timestamps[0] >= timestamps[-1]
    timestamps += late.timestamps
    values += late.values
    if in_order:
        return Series(timestamps, values)
    order = sorted(range(len(timestamps)), key=timestamps.__getitem__)
    return Series([timestamps[index] for index in order], [values[index] for index in order])


def _split(built: Built, number: int, identifier: str, series: Series) -> None:
    """Makes blocks of at most twice ``BLOCK_POINTS``, cutting only between different timestamps."""
    timestamps = series.timestamps
    while timestamps:
        end = len(timestamps)
        if end > 2 * BLOCK_POINTS:
            end = bisect_right(timestamps, timestamps[BLOCK_POINTS - 1])
        (run, values), series = series.cut(end)
        data = encode_block(run, values)
        built.blocks.append(BlockRow(number, identifier, run[0], run[-1], len(run), data))
        timestamps = series.timestamps
