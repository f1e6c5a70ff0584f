"""Retention: rules, statistics, and dropping of expired blocks.

Everything that is dropped is dropped in small transactions: blocks as a whole where they can be, and what they leave
free is given back in small steps.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from thingstead.model.audit.differences import differences
from thingstead.model.audit.log import Edit
from thingstead.model.retention import (
    Counted,
    Cutoff,
    Defaults,
    Dropped,
    HistoryExtent,
    RetentionPolicy,
    RetentionRule,
    SeriesExtent,
    StoredDevice,
)
from thingstead.storage.blocks import decode_block
from thingstead.storage.frames import Damaged
from thingstead.storage.series_ops import Series
from thingstead.storage.sql.access.audit import note, version_conflict
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import to_json
from thingstead.storage.sql.history import compaction
from thingstead.storage.sql.history.compaction import Compacted
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.history.quarantine import UnreadableRow
from thingstead.storage.sql.history.rebuild import identifiers_in_blocks
from thingstead.storage.sql.history.totals import HOUR_MS, ROW_BYTES, Piece

DEVICES_PER_STEP = 200
BLOCKS_PER_STEP = 500  # deleted or shortened in one transaction
SPOOL_ROWS_PER_STEP = 2_000
FIRST_VERSION = 1  # of rules that were never changed

_PUT_POLICY = """
INSERT INTO retention (project_id, rules, max_bytes, version) VALUES (?, ?, ?, ?) ON CONFLICT (project_id) DO UPDATE SET
rules = excluded.rules, max_bytes = excluded.max_bytes, version = excluded.version,
pending_rules = NULL
"""
_PUT_PENDING = """
INSERT INTO retention (project_id, rules, max_bytes, pending_rules, pending_max_bytes, pending_at, version)
VALUES (?, '[]', 0, ?, ?, ?, ?) ON CONFLICT (project_id) DO UPDATE SET
pending_rules = excluded.pending_rules, pending_max_bytes = excluded.pending_max_bytes,
pending_at = excluded.pending_at, version = excluded.version
"""
_decode_rules = msgspec.json.Decoder(tuple[RetentionRule, ...]).decode


def _version(connection: Connection, project_id: str) -> int:
    row = connection.execute("SELECT version FROM retention WHERE project_id = ?", (project_id,)).fetchone()
    return FIRST_VERSION if row is None else int(row[0])


def _next_version(connection: Connection, project_id: str, expected: int | None) -> int:
    """The version after a change. Raises Conflict if the present one is not the expected one."""
    present = _version(connection, project_id)
    if expected not in (None, present):
        raise version_conflict(connection, project_id, "retention", project_id, present)
    return present + 1


def _note(connection: Connection, project_id: str, wanted: Mapping[str, Any], version: int) -> None:
    """Notes how new rules differ from those in force."""
    row = connection.execute("SELECT rules, max_bytes FROM retention WHERE project_id = ?", (project_id,)).fetchone()
    before = {} if row is None else {"rules": _decode_rules(row[0]), "max_bytes": row[1]}
    note(Edit(project_id, "retention", project_id, "", "update", differences(before, wanted), version))


class SqlRetention:
    """See :class:`~thingstead.storage.base.RetentionStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    async def policy(self, project_id: str) -> RetentionPolicy:
        row = await self._access.one("SELECT rules, max_bytes FROM retention WHERE project_id = ?", (project_id,))
        return RetentionPolicy() if row is None else RetentionPolicy(rules=_decode_rules(row[0]), max_bytes=row[1])

    async def version(self, project_id: str) -> int:
        row = await self._access.one("SELECT version FROM retention WHERE project_id = ?", (project_id,))
        return FIRST_VERSION if row is None else int(row[0])

    async def pending(self, project_id: str) -> tuple[RetentionPolicy, int] | None:
        row = await self._access.one(
            "SELECT pending_rules, pending_max_bytes, pending_at FROM retention"
            " WHERE project_id = ? AND pending_rules IS NOT NULL",
            (project_id,),
        )
        return None if row is None else (RetentionPolicy(rules=_decode_rules(row[0]), max_bytes=row[1]), row[2])

    async def put_pending(self, project_id: str, policy: RetentionPolicy, at: int, version: int | None = None) -> None:
        def run(connection: Connection) -> None:
            after = _next_version(connection, project_id, version)
            wanted = {"rules": policy.rules, "max_bytes": policy.max_bytes, "effective_at": at}
            _note(connection, project_id, wanted, after)
            connection.execute(_PUT_PENDING, (project_id, to_json(policy.rules), policy.max_bytes, at, after))

        await self._access.write(run)

    async def drop_pending(self, project_id: str) -> bool:
        sql = (
            "UPDATE retention SET pending_rules = NULL, version = version + 1"
            " WHERE project_id = ? AND pending_rules IS NOT NULL"
        )

        def run(connection: Connection) -> bool:
            dropped = connection.execute(sql, (project_id,)).rowcount > 0
            if dropped:
                note(
                    Edit(project_id, "retention", project_id, "", "take_back", version=_version(connection, project_id))
                )
            return dropped

        return await self._access.write(run)

    async def apply_pending(self, now: int) -> list[str]:
        due = "SELECT 1 FROM retention WHERE pending_rules IS NOT NULL AND pending_at <= ?"
        if await self._access.one(due, (now,)) is None:
            return []
        sql = (
            "UPDATE retention SET rules = pending_rules, max_bytes = pending_max_bytes, pending_rules = NULL,"
            " version = version + 1 WHERE pending_rules IS NOT NULL AND pending_at <= ? RETURNING project_id"
        )
        rows = await self._access.write(lambda connection: connection.execute(sql, (now,)).fetchall())
        return [project_id for (project_id,) in rows]

    async def defaults(self) -> tuple[Defaults, Defaults, int | None] | None:
        row = await self._access.one(
            "SELECT days, max_bytes, pending_days, pending_max_bytes, pending_at FROM retention_defaults"
        )
        return None if row is None else (Defaults(*row[:2]), Defaults(*row[2:4]), row[4])

    async def put_defaults(self, defaults: Defaults, pending: Defaults, at: int | None) -> None:
        def run(connection: Connection) -> None:
            connection.execute("DELETE FROM retention_defaults")
            connection.execute("INSERT INTO retention_defaults VALUES (?, ?, ?, ?, ?)", (*defaults, *pending, at))

        await self._access.write(run)

    async def count_expired(
        self, project_id: str, after: int, cutoffs: Callable[[StoredDevice], Callable[[str], Cutoff] | None]
    ) -> Counted:
        return await self._access.read(lambda connection: _count(connection, project_id, after, cutoffs))

    async def put_policy(self, project_id: str, policy: RetentionPolicy, version: int | None = None) -> None:
        def run(connection: Connection) -> None:
            after = _next_version(connection, project_id, version)
            _note(connection, project_id, {"rules": policy.rules, "max_bytes": policy.max_bytes}, after)
            connection.execute(_PUT_POLICY, (project_id, to_json(policy.rules), policy.max_bytes, after))

        await self._access.write(run)

    async def extent(self, project_id: str | None = None) -> HistoryExtent:
        rows = await self._hours(project_id)
        begins = [hour * HOUR_MS for hour, _, _, blocks in rows if blocks]
        return HistoryExtent(sum(row[1] for row in rows), sum(row[2] for row in rows), min(begins, default=None))

    async def series_extents(self, device_number: int) -> list[SeriesExtent]:
        def run(connection: Connection) -> list[SeriesExtent]:
            rows = connection.execute(
                "SELECT identifier, sum(points), sum(length(data) + length(identifier) + ?),"
                " min(first_ts), max(last_ts)"
                " FROM block WHERE device_number = ? GROUP BY identifier ORDER BY identifier",
                (ROW_BYTES, device_number),
            )
            return [SeriesExtent(*row) for row in rows]

        return await self._access.read(run)

    async def size_cutoff(self, max_bytes: int, project_id: str | None = None) -> int:
        left = max_bytes
        for hour, _, size, _ in reversed(await self._hours(project_id)):
            left -= size
            if left < 0:
                return int((hour + 1) * HOUR_MS)
        return 0

    async def _hours(self, project_id: str | None) -> list[tuple[int, int, int, int]]:
        """For each hour, in order of time: hour, points, bytes, and number of blocks that begin in it."""
        sql = (
            "SELECT hour, sum(points), sum(bytes), sum(begins) FROM history_hours"
            " WHERE CAST(?1 AS text) IS NULL OR project_id = ?1 GROUP BY hour ORDER BY hour"
        )
        return await self._access.read(lambda connection: connection.execute(sql, (project_id,)).fetchall())

    async def drop_expired(
        self,
        after: int,
        cutoffs: Callable[[StoredDevice], Callable[[str], Cutoff] | None],
        project_id: str | None = None,
    ) -> Dropped:
        async with self._history.packer.compactor.lock:
            step = await self._access.read(lambda connection: _expired(connection, project_id, after, cutoffs))
            if step.compacted.replaced or step.compacted.findings:
                now = self._history.now_ms()
                await self._access.write(lambda connection: compaction.write(connection, step.compacted, now))
        self._history.quarantine.note(step.compacted.findings)
        gone, made = step.compacted.replaced, [block.piece for block in step.compacted.blocks]
        return Dropped(
            sum(piece.points for piece in gone) - sum(piece.points for piece in made),
            sum(piece.size_bytes for piece in gone) - sum(piece.size_bytes for piece in made),
            step.go_on_after,
        )

    async def next_removed(self, after: int) -> int | None:
        sql = "SELECT number FROM removed_devices WHERE number > ? ORDER BY number LIMIT 1"
        row = await self._access.one(sql, (after,))
        return None if row is None else row[0]

    async def drop_removed(self, number: int | None = None) -> bool:
        return await self._history.drop_removed(number)

    async def compact(self, before: int) -> bool:
        rows = await self._access.all(
            "SELECT DISTINCT device_number FROM"
            " (SELECT device_number, spooled_at FROM spool ORDER BY id LIMIT ?) oldest WHERE spooled_at < ?",
            (SPOOL_ROWS_PER_STEP, before),
        )
        return await self._history.compact([number for (number,) in rows])

    async def give_back(self) -> int:
        return await self._access.write(lambda connection: connection.dialect.give_back(connection))


class _Step(NamedTuple):
    compacted: Compacted  # deleted blocks, and the replacements of shortened ones
    go_on_after: int | None


def _expired(
    connection: Connection,
    project_id: str | None,
    after: int,
    cutoffs: Callable[[StoredDevice], Callable[[str], Cutoff] | None],
) -> _Step:
    """Finds expired blocks of some devices, up to the step's budget. Only reads."""
    devices = _devices(connection, project_id, after)
    compacted = Compacted([], [], [], [], [], [], [])
    for device in devices:
        cutoff_of = cutoffs(device)
        if cutoff_of is None:
            continue
        for identifier in identifiers_in_blocks(connection, device.number):
            cutoff = cutoff_of(identifier)
            if cutoff.drop_before > 0:
                _expire(connection, compacted, device.number, identifier, cutoff)
            if len(compacted.replaced) >= BLOCKS_PER_STEP:
                return _Step(compacted, device.number - 1)
    return _Step(compacted, devices[-1].number if len(devices) == DEVICES_PER_STEP else None)


def _devices(connection: Connection, project_id: str | None, after: int) -> list[StoredDevice]:
    of_project, parameters = ("", ()) if project_id is None else (" AND project_id = ?", (project_id,))
    rows = connection.execute(
        f"SELECT number, project_id, type_id FROM devices WHERE number > ?{of_project} ORDER BY number LIMIT ?",  # noqa: S608 - ours
        (after, *parameters, DEVICES_PER_STEP),
    )
    return [StoredDevice(*row) for row in rows.fetchall()]


def _count(
    connection: Connection,
    project_id: str,
    after: int,
    cutoffs: Callable[[StoredDevice], Callable[[str], Cutoff] | None],
) -> Counted:
    devices = _devices(connection, project_id, after)
    points = size = losing = 0
    for device in devices:
        cutoff_of = cutoffs(device)
        if cutoff_of is None:
            continue
        before = points
        for identifier in identifiers_in_blocks(connection, device.number):
            counted = _count_series(connection, device.number, identifier, cutoff_of(identifier))
            points += counted[0]
            size += counted[1]
        losing += points > before
    return Counted(points, size, losing, devices[-1].number if len(devices) == DEVICES_PER_STEP else None)


def _count_series(connection: Connection, number: int, identifier: str, cutoff: Cutoff) -> tuple[int, int]:
    """Points and bytes that would be deleted; a block that would be shortened counts by its share of the time."""
    points, size = connection.execute(
        "SELECT coalesce(sum(points), 0), coalesce(sum(length(data)), 0) FROM block"
        " WHERE device_number = ? AND identifier = ? AND last_ts < ?",
        (number, identifier, cutoff.drop_before),
    ).fetchone()
    shortened = connection.execute(
        "SELECT first_ts, last_ts, points, length(data) FROM block"
        " WHERE device_number = ? AND identifier = ? AND first_ts < ? AND last_ts >= ?",
        (number, identifier, min(cutoff.shorten_before, cutoff.drop_before), cutoff.drop_before),
    )
    for first_ts, last_ts, of_block, bytes_of_block in shortened:
        share = (cutoff.keep_from - first_ts) / (last_ts - first_ts + 1)
        points += max(1, round(of_block * share))
        size += round(bytes_of_block * share)
    return points, size


def _expire(connection: Connection, compacted: Compacted, number: int, identifier: str, cutoff: Cutoff) -> None:
    for first_ts, last_ts, points, size, data in _old_blocks(connection, number, identifier, cutoff.drop_before):
        piece = Piece(number, identifier, first_ts, last_ts, points, size)
        if last_ts < cutoff.drop_before:
            compacted.replaced.append(piece)
        elif first_ts < cutoff.shorten_before:
            _shorten(compacted, piece, data, cutoff.keep_from)


def _old_blocks(
    connection: Connection, number: int, identifier: str, before: int
) -> Iterator[tuple[int, int, int, int, bytes]]:
    """Blocks that begin before an instant (ms), oldest first; with data only if they reach beyond it."""
    rows: Iterator[tuple[int, int, int, int, bytes]] = connection.execute(
        "SELECT first_ts, last_ts, points, length(data), CASE WHEN last_ts >= ?3 THEN data END FROM block"
        " WHERE device_number = ?1 AND identifier = ?2 AND first_ts < ?3 ORDER BY first_ts LIMIT ?4",
        (number, identifier, before, BLOCKS_PER_STEP),
    )
    return rows


def _shorten(compacted: Compacted, piece: Piece, data: bytes, before: int) -> None:
    try:
        series = Series(*decode_block(data))
    except Damaged as exc:
        compacted.findings.append(
            UnreadableRow("block", piece[:3], piece.device_number, piece.identifier, str(exc), data)
        )
        return
    _, kept = series.cut(bisect_left(series.timestamps, before))
    compacted.replaced.append(piece)
    compaction.split(compacted, piece.device_number, piece.identifier, kept)
