"""Builds blocks from the spool of some devices: reads only, then one transaction that writes them.

Blocks of a series never overlap and never share a timestamp, so late points are merged into the block that covers
them, and a point that is there already is not added again. The rows of the spool go in the transaction that writes the
blocks, so that no crash can lose or double a point.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import repeat
from typing import Any, NamedTuple

from thingstead.storage.blocks import decode_block, encode_block
from thingstead.storage.frames import Damaged
from thingstead.storage.series_ops import Series, identity, in_order, merged, without_repeats
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.history.quarantine import UnreadableRow, set_aside
from thingstead.storage.sql.history.spool import read_spool
from thingstead.storage.sql.history.totals import Piece, count, projects_of

BLOCK_POINTS = 400  # of a full block; late points may grow a block to twice that before it is split
MILLISECOND_COUNT = 10_000  # distinct values of an attribute in one millisecond
BLOCK_BYTES = 262_144  # of texts, arrays and objects in a block; more only if they share a timestamp
COMPACTION_POINTS = 50_000  # points of a device that are compacted at once
COMPACTION_BYTES = 8_388_608  # the same in bytes, including the overhead of arrays and objects


NUMERIC = frozenset((int, float, bool, type(None)))


class BlockRow(NamedTuple):
    """Row of the table of blocks."""

    device_number: int
    identifier: str
    first_ts: int
    last_ts: int
    points: int
    data: bytes

    @property
    def piece(self) -> Piece:
        """What the totals count of the block."""
        return Piece(self.device_number, self.identifier, self.first_ts, self.last_ts, self.points, len(self.data))


class CompactedRows(NamedTuple):
    """Rows of the spool that were compacted into blocks."""

    device_number: int
    last_id: int  # id of the newest of these rows
    points: int
    size_bytes: int
    more: bool  # the device has further rows


class Compacted(NamedTuple):
    """Changes to be written for some devices."""

    taken: list[CompactedRows]
    replaced: list[Piece]  # blocks that are replaced by new ones
    blocks: list[BlockRow]
    findings: list[UnreadableRow]  # damaged rows
    repeats: list[int]  # number of repeated points, by series
    failures: list[tuple[int, str]]  # devices that cannot be compacted, and why
    crowded_out: list[tuple[int, int]]  # devices with too many values in one millisecond, and how many were dropped


def build(connection: Connection, numbers: Sequence[int]) -> Compacted:
    """Compacts the spool of some devices in memory. Only reads; blocks must not change until the result is written."""
    everything = Compacted([], [], [], [], [], [], [])
    for number in numbers:
        one = Compacted([], [], [], [], [], [], [])
        try:
            _compact(connection, one, number)
        except MemoryError:
            raise
        except Exception as exc:
            if connection.dialect.ends_all(exc):
                raise  # the database cannot be read now; damage raises other errors
            one = Compacted([], [], [], [], [], [(number, f"{type(exc).__name__}: {exc}")], [])
        for rows, more in zip(everything, one, strict=True):
            rows.extend(more)  # type: ignore[attr-defined]
    return everything


def _compact(connection: Connection, compacted: Compacted, number: int) -> None:
    spooled = read_spool(connection, number, COMPACTION_POINTS, COMPACTION_BYTES)
    compacted.findings.extend(spooled.findings)
    if not spooled.last_id:
        return
    compacted.taken.append(CompactedRows(number, spooled.last_id, spooled.points, spooled.size_bytes, spooled.more))
    for identifier, column in _columns(spooled.timestamps, spooled.values, spooled.timed).items():
        series = without_repeats(column)
        compacted.repeats.append(len(column.timestamps) - len(series.timestamps))
        _add_series(connection, compacted, number, identifier, series)


def _columns(timestamps: list[int], rows: list[dict[str, Any]], flags: list[bool]) -> dict[str, Series]:
    """Splits reports into one series for each attribute."""
    if not rows:
        return {}
    timestamps, rows, timed = in_order(timestamps, rows, flags if any(flags) else None)
    names = rows[0].keys()
    if all(row.keys() == names for row in rows):  # the usual case, and twice as fast
        return {name: Series(timestamps, [row[name] for row in rows], timed) for name in names}
    columns: dict[str, Series] = {}
    for ts, row, one in zip(timestamps, rows, timed or repeat(False), strict=timed is not None):
        for name, value in row.items():
            series = columns.get(name)
            if series is None:
                series = columns[name] = Series([], [], None if timed is None else [])
            series.timestamps.append(ts)
            series.values.append(value)
            if series.timed is not None:
                series.timed.append(one)
    return columns


def write(connection: Connection, compacted: Compacted, now: int) -> None:
    """Writes the result of :func:`build`. Devices that were removed meanwhile are skipped."""
    blocks, replaced = compacted.blocks, compacted.replaced
    numbers = {row[0] for rows in (compacted.taken, blocks, replaced) for row in rows}
    project_of = projects_of(connection, numbers)
    set_aside(connection, compacted.findings, now)
    for number, last_id, points, _, _ in compacted.taken:
        connection.execute("DELETE FROM spool WHERE device_number = ? AND id <= ?", (number, last_id))
        connection.execute("UPDATE device_state SET spooled = spooled - ? WHERE device_number = ?", (points, number))
    connection.executemany(
        "DELETE FROM block WHERE device_number = ? AND identifier = ? AND first_ts = ?",
        [piece[:3] for piece in replaced if piece.device_number in project_of],
    )
    written = [block for block in blocks if block.device_number in project_of]
    connection.executemany(
        "INSERT INTO block (device_number, identifier, first_ts, last_ts, points, data) VALUES (?, ?, ?, ?, ?, ?)",
        written,
    )
    count(connection, project_of, [block.piece for block in written], replaced)


def _add_series(connection: Connection, compacted: Compacted, number: int, identifier: str, series: Series) -> None:
    """Distributes points over the blocks that cover them, and over new blocks at the end."""
    newest = connection.execute(
        "SELECT last_ts, points FROM block WHERE device_number = ? AND identifier = ? ORDER BY first_ts DESC LIMIT 1",
        (number, identifier),
    ).fetchone()
    if newest is None or (newest[1] >= BLOCK_POINTS and series.timestamps[0] > newest[0]):
        split(compacted, number, identifier, series)
        return
    while series.timestamps:
        first_ts, last_ts, points, data, next_ts = _covering(connection, number, identifier, series.timestamps[0])
        cut = len(series.timestamps) if next_ts is None else bisect_left(series.timestamps, next_ts)
        taken, series = series.cut(cut)
        if next_ts is None and points >= BLOCK_POINTS and taken.timestamps[0] > last_ts:
            split(compacted, number, identifier, taken)
            return
        _merge(compacted, Piece(number, identifier, first_ts, last_ts, points, len(data)), data, taken)


def _covering(connection: Connection, number: int, identifier: str, ts: int) -> tuple[int, int, int, bytes, int | None]:
    """The block for a point at ``ts``: the last that begins at or before it, otherwise the first; and the begin of the
    block after it. The series must have blocks."""
    key = (number, identifier, ts)
    columns = "first_ts, last_ts, points, data FROM block WHERE device_number = ? AND identifier = ? AND first_ts"
    row = connection.execute(f"SELECT {columns} <= ? ORDER BY first_ts DESC LIMIT 1", key).fetchone()
    if row is None:
        row = connection.execute(f"SELECT {columns} > ? ORDER BY first_ts LIMIT 1", key).fetchone()
    following = connection.execute(
        "SELECT min(first_ts) FROM block WHERE device_number = ? AND identifier = ? AND first_ts > ?",
        (number, identifier, row[0]),
    ).fetchone()
    return (*row, following[0])


def _merge(compacted: Compacted, piece: Piece, data: bytes, late: Series) -> None:
    number, identifier = piece.device_number, piece.identifier
    try:
        present = Series(*decode_block(data))
    except Damaged as exc:
        compacted.findings.append(UnreadableRow("block", piece[:3], number, identifier, str(exc), data))
        split(compacted, number, identifier, late)
        return
    both = merged(present, late)
    compacted.repeats.append(len(present.timestamps) + len(late.timestamps) - len(both.timestamps))
    if len(both.timestamps) == len(set(present.timestamps)):
        return  # all points are repeats
    compacted.replaced.append(piece)
    split(compacted, number, identifier, both)


def split(compacted: Compacted, number: int, identifier: str, series: Series) -> None:
    """Makes blocks of at most twice ``BLOCK_POINTS``; cuts only between different timestamps."""
    series = _of_bounded_milliseconds(compacted, number, series)
    timestamps = series.timestamps
    while timestamps:
        end = len(timestamps)
        if end > 2 * BLOCK_POINTS:
            end = bisect_right(timestamps, timestamps[BLOCK_POINTS - 1])
        end = _fitting(timestamps, series.values, end)
        (run, values, _), series = series.cut(end)
        data = encode_block(run, values)
        compacted.blocks.append(BlockRow(number, identifier, run[0], run[-1], len(run), data))
        timestamps = series.timestamps


def _of_bounded_milliseconds(compacted: Compacted, number: int, series: Series) -> Series:
    """Drops the earliest values of a millisecond with too many: they are always in one block, which each further value
    would rewrite."""
    timestamps = series.timestamps
    kept: list[int] = []
    begin = done = 0
    while begin + MILLISECOND_COUNT < len(timestamps):
        beyond = begin + MILLISECOND_COUNT
        if timestamps[begin] != timestamps[beyond]:
            begin = bisect_left(timestamps, timestamps[beyond])
            continue
        end = bisect_right(timestamps, timestamps[begin])
        kept += range(done, begin)
        done, begin = end - MILLISECOND_COUNT, end
    if not done:
        return series
    kept += range(done, len(timestamps))
    compacted.crowded_out.append((number, len(timestamps) - len(kept)))
    return Series([timestamps[at] for at in kept], [series.values[at] for at in kept])


def _fitting(timestamps: Sequence[int], values: Sequence[Any], end: int) -> int:
    """How many of the first ``end`` points fit into a block; at least all points of the first timestamp."""
    if NUMERIC.issuperset(map(type, values[:end])):
        return end
    size = 0
    for at in range(end):
        value = values[at]
        size += len(value) if type(value) is str else len(identity(value))
        if size > BLOCK_BYTES and timestamps[at] > timestamps[0]:
            return bisect_left(timestamps, timestamps[at])
    return end
