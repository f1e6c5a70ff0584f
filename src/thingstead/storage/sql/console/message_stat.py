"""Numbers of messages by minute and by hour, in SQLite."""

from collections.abc import Mapping

from thingstead.model.console.message_stat import (
    HOUR_MS,
    HOURS_KEPT_MS,
    MINUTE_MS,
    MINUTES_KEPT_MS,
    MessageTally,
)
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries, Row
from thingstead.wire.message_stat import MessageStatItem

_COUNTED = MessageTally.__struct_fields__
_COLUMNS = (*_COUNTED, "online_max", "online_min")
_SUMS = ", ".join(f"sum({name})" for name in _COUNTED)
_TABLES = (("message_minutes", MINUTE_MS, MINUTES_KEPT_MS), ("message_hours", HOUR_MS, HOURS_KEPT_MS))


def _add(table: str) -> str:
    """Adds to the row of a project and span, or creates it."""
    more = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in _COUNTED)
    return (
        f"INSERT INTO {table} (project_id, ts, {', '.join(_COLUMNS)}) "  # noqa: S608 - our own words
        f"VALUES ({', '.join('?' * (len(_COLUMNS) + 2))}) ON CONFLICT (project_id, ts) DO UPDATE SET {more}, "
        f"online_max = max({table}.online_max, excluded.online_max), "
        f"online_min = min({table}.online_min, excluded.online_min)"
    )


class SqlMessageStat:
    """See :class:`~thingstead.storage.base_jobs.MessageStatStore`."""

    def __init__(self, access: Queries) -> None:
        self._access = access

    async def project_of(self, device_id: str) -> str | None:
        row = await self._access.one("SELECT project_id FROM devices WHERE id = ?", (device_id,))
        return None if row is None else str(row[0])

    async def online(self) -> dict[str, int]:
        sql = "SELECT project_id, count(*) FROM sessions GROUP BY project_id"
        return dict(await self._access.read(lambda connection: connection.execute(sql).fetchall()))

    async def add(self, ts: int, tallies: Mapping[str, MessageTally], online: Mapping[str, int]) -> None:
        counted = [
            (project_id, [getattr(tally, name) for name in _COUNTED], online.get(project_id, 0))
            for project_id, tally in tallies.items()
        ]

        def run(connection: Connection) -> None:
            for table, length_ms, kept_ms in _TABLES:
                begin = ts // length_ms * length_ms
                rows = [(project_id, begin, *counts, now, now) for project_id, counts, now in counted]
                connection.executemany(_add(table), rows)
                connection.execute(f"DELETE FROM {table} WHERE ts < ?", (ts - kept_ms,))  # noqa: S608 - as above

        await self._access.write(run)

    async def list_spans(self, project_id: str, start: int, end: int, length_ms: int) -> list[MessageStatItem]:
        table = "message_minutes" if length_ms % HOUR_MS else "message_hours"
        sql = (
            f"SELECT ts / ?, {_SUMS}, max(online_max), min(online_min) FROM {table} "  # noqa: S608 - as above
            "WHERE project_id = ? AND ts >= ? AND ts < ? GROUP BY 1 ORDER BY 1"
        )

        def run(connection: Connection) -> list[Row]:
            return connection.execute(sql, (length_ms, project_id, start, end)).fetchall()

        return [
            MessageStatItem(ts=number * length_ms, **dict(zip(_COLUMNS, values, strict=True)))
            for number, *values in await self._access.read(run)
        ]
