"""Retention of events, commands, alarms and notices of a device, in SQLite.

Reads find expired rows, some devices at a time; a small transaction drops them. Rows added since the last run are
counted by device, so that a run does not scan all rows of a large file.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from thingstead.model.retention import LogKind, LogsDue
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import to_json
from thingstead.storage.sql.tables.alarms.alarm_pruning import count_alarms

ROWS_PER_STEP = 250  # deleted in one transaction
DEVICES_PER_STEP = 200  # checked in one read


class _Log(NamedTuple):
    """A log table: rows of devices with an instant."""

    table: str
    time: str  # column of the instant
    ended: str  # condition of rows that may be deleted


_LOGS: dict[LogKind, _Log] = {
    "event": _Log("events", "ts", "true"),
    "command": _Log("commands", "create_time", "open = 0"),
    "alarm": _Log("alarms", "raised_at", "cleared_at IS NOT NULL"),
    "notice": _Log("notices", "create_time", "state NOT IN ('waiting', 'held') AND device_id IS NOT NULL"),
}
_THESE = "seq IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"


class SqlLogRetention:
    """See :class:`~thingstead.storage.base_history.LogRetentionStore`."""

    def __init__(self, access: Queries) -> None:
        self._access = access
        self._unswept: dict[LogKind, str] = dict.fromkeys(_LOGS, "")  # the last device checked by the first pass

    @property
    def rows_added(self) -> int:
        return self._access.log_rows.added

    async def hold_until(self, at: int) -> int:
        row = await self._access.one("SELECT until FROM log_retention_grace")
        if row is None:
            return 0
        if row[0] is None:
            await self._access.write(
                lambda connection: connection.execute("UPDATE log_retention_grace SET until = ?", (at,)).rowcount
            )
            return at
        return int(row[0])

    async def clock(self) -> tuple[int, int | None] | None:
        row: tuple[int, int | None] | None = await self._access.one("SELECT seen, doubted FROM clock_seen")
        return row

    async def put_clock(self, seen: int, doubted: int | None) -> None:
        def run(connection: Connection) -> None:
            connection.execute("DELETE FROM clock_seen")
            connection.execute("INSERT INTO clock_seen VALUES (?, ?)", (seen, doubted))

        await self._access.write(run)

    async def due(self, kind: LogKind, before: int, most: int) -> LogsDue:
        log = _LOGS[kind]
        old = f"SELECT count(*) FROM {log.table} WHERE {log.time} < ? AND {log.ended}"  # noqa: S608 - words of this module
        excess = (
            f"SELECT coalesce(sum(n - ?1), 0) FROM (SELECT count(*) AS n FROM {log.table} WHERE {log.ended}"  # noqa: S608 - as above
            " GROUP BY device_id HAVING count(*) > ?1) of_device"
        )

        def run(connection: Connection) -> LogsDue:
            return LogsDue(
                connection.execute(old, (before,)).fetchone()[0] if before else 0,
                connection.execute(excess, (most,)).fetchone()[0] if most else 0,
            )

        return await self._access.read(run)

    async def drop_old(self, kind: LogKind, before: int, after: str) -> tuple[int, str | None]:
        log = _LOGS[kind]
        sql = f"SELECT seq FROM {log.table} WHERE device_id = ? AND {log.time} < ? AND {log.ended} LIMIT ?"  # noqa: S608 - as above

        def find(connection: Connection) -> tuple[list[int], str | None]:
            seqs: list[int] = []
            last = after
            for count, device_id in enumerate(_devices(connection, log, after)):
                seqs += [seq for (seq,) in connection.execute(sql, (device_id, before, ROWS_PER_STEP - len(seqs)))]
                if len(seqs) == ROWS_PER_STEP:  # the device may have more rows
                    return seqs, last
                last = device_id
                if count + 1 == DEVICES_PER_STEP:
                    return seqs, last
            return seqs, None

        seqs, go_on_after = await self._access.read(find)
        return await self._drop(kind, seqs), go_on_after

    async def drop_excess(self, kind: LogKind, most: int) -> int | None:
        log, touched = _LOGS[kind], self._access.log_rows.devices[kind]
        after = self._unswept.get(kind)
        devices = [touched.pop() for _ in range(min(DEVICES_PER_STEP, len(touched)))]
        if after is None and not devices:
            return None
        swept = devices or None

        def find(connection: Connection) -> tuple[list[int], list[str], str | None]:
            seqs: list[int] = []
            last = after or ""
            for count, device_id in enumerate(swept or _devices(connection, log, last)):
                seqs += _excess(connection, log, device_id, most, ROWS_PER_STEP - len(seqs))
                if len(seqs) == ROWS_PER_STEP:  # the device may have more rows
                    return seqs, (swept or [])[count:], last
                last = device_id
                if count + 1 == DEVICES_PER_STEP:
                    return seqs, [], last
            return seqs, [], None

        try:
            seqs, unfinished, last = await self._access.read(find)
        except BaseException:
            touched.update(devices)
            raise
        touched.update(unfinished)
        if swept is None:
            if last is None:
                self._unswept.pop(kind)
            else:
                self._unswept[kind] = last
        return await self._drop(kind, seqs)

    async def _drop(self, kind: LogKind, seqs: Sequence[int]) -> int:
        if not seqs:
            return 0
        log, numbers = _LOGS[kind], to_json(seqs)

        def run(connection: Connection) -> int:
            if kind == "alarm":
                count_alarms(connection, _THESE, (numbers,))
            return connection.execute(
                f"DELETE FROM {log.table} WHERE {_THESE} AND {log.ended}",  # noqa: S608 - as above
                (numbers,),
            ).rowcount

        return await self._access.write(run)


def _devices(connection: Connection, log: _Log, after: str) -> Iterator[str]:
    """Ids of devices with rows, sorted: one index lookup for each."""
    sql = f"SELECT device_id FROM {log.table} WHERE device_id > ? ORDER BY device_id LIMIT 1"  # noqa: S608 - words of this module
    while (row := connection.execute(sql, (after,)).fetchone()) is not None:
        after = row[0]
        yield after


def _excess(connection: Connection, log: _Log, device_id: str, most: int, limit: int) -> list[int]:
    """The oldest rows of a device beyond its newest ``most``, at most ``limit``."""
    ended = f"FROM {log.table} WHERE device_id = ? AND {log.ended}"
    newest = connection.execute(
        f"SELECT {log.time}, seq {ended} ORDER BY {log.time} DESC, seq DESC LIMIT 1 OFFSET ?",
        (device_id, most),
    ).fetchone()
    if newest is None:
        return []
    rows = connection.execute(
        f"SELECT seq {ended} AND ({log.time}, seq) <= (?, ?) ORDER BY {log.time}, seq LIMIT ?",
        (device_id, *newest, limit),
    )
    return [seq for (seq,) in rows]
