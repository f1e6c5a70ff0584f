"""Alarms, their messages and the states of rules in SQLite."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from thingstead.errors import Conflict, NotFound
from thingstead.model.alarms.alarm import RAISED, Alarm, AlarmChange, AlarmComment, AlarmFilter, AlarmLog, KeptState
from thingstead.model.device import Page
from thingstead.model.limits import require_id
from thingstead.storage.base_alarms import DueDevice
from thingstead.storage.commit import Commit
from thingstead.storage.sqlite.engine.queries import Queries, Row
from thingstead.storage.sqlite.engine.row_mapper import Layout, to_json
from thingstead.storage.sqlite.history.history import SqliteHistory
from thingstead.storage.sqlite.tables.alarm_changes import ALARM_LOGS, add_notices, writer_of
from thingstead.storage.sqlite.tables.alarm_pruning import prune_alarms
from thingstead.storage.sqlite.tables.paging import Order, read_page

T = TypeVar("T")
COMMENTS_COUNT = 100  # of one alarm

ALARMS = Layout("alarms", Alarm, json=("comments",), absent=("device_name", "shelved_until"))
_ALARMS = f"""
SELECT {ALARMS.columns("a")}, d.name, s.shelved_until
FROM alarms a JOIN devices d ON d.id = a.device_id
LEFT JOIN alarm_shelves s ON s.device_id = a.device_id AND s.rule_id = a.rule_id
"""  # noqa: S608 - names of our own members
_GET = f"""
{_ALARMS} WHERE a.project_id = ?2 AND (a.id = ?1 OR a.id = (SELECT alarm_id FROM alarm_logs WHERE id = ?1))
"""  # noqa: S608 - as above
_MESSAGES = f"SELECT {ALARM_LOGS.columns('a')}, d.name FROM alarm_logs a JOIN devices d ON d.id = a.device_id"  # noqa: S608 - as above
_NOTIFY_LOGS = """
SELECT n.message_id, n.channel_kind, l.target, l.state, l.message, l.ts
FROM notices n JOIN notify_logs l ON l.notice_seq = n.seq
WHERE n.message_id IN (SELECT value FROM json_each(?)) ORDER BY l.seq
"""
_NEWEST_MESSAGE = f"{ALARM_LOGS.select} WHERE alarm_id = ? ORDER BY seq DESC LIMIT 1"


class SqliteAlarms:
    """See :class:`~thingstead.storage.base_alarms.AlarmStore`."""

    def __init__(self, access: Queries, history: SqliteHistory) -> None:
        self._access = access
        self._history = history

    def append(self, changes: Sequence[AlarmChange]) -> Commit:
        for change in changes:
            if change.messages:
                self._access.log_rows.note("alarm", change.device_id)
                self._access.log_rows.note("notice", change.device_id)
        return self._history.add_write(writer_of(changes))

    async def list_page(self, project_id: str, alarm_filter: AlarmFilter, page: Page) -> tuple[list[AlarmLog], int]:
        where, parameters = _where(project_id, alarm_filter, "a.create_time")
        if alarm_filter.alarm_status is not None:
            where, parameters = f"{where} AND a.alarm_status = ?", [*parameters, alarm_filter.alarm_status]

        def run(connection: sqlite3.Connection) -> tuple[list[AlarmLog], int]:
            order = Order(("a.create_time", "a.seq"), descending=True)
            rows, total = read_page(connection, _MESSAGES, "alarm_logs a", where, parameters, order, page)
            logs = _notify_logs(connection, [row[0] for row in rows])
            return [
                ALARM_LOGS.load(row[:-1], device_name=row[-1], notify_logs=tuple(logs.get(row[0], ()))) for row in rows
            ], total

        return await self._access.read(run)

    async def list_alarms(self, project_id: str, alarm_filter: AlarmFilter, page: Page) -> tuple[list[Alarm], int]:
        where, parameters = _where(project_id, alarm_filter, "a.raised_at")
        if alarm_filter.alarm_status is not None:
            where += " AND a.cleared_at IS NULL" if alarm_filter.alarm_status == RAISED else " AND a.cleared_at NOTNULL"
        if alarm_filter.acknowledged is not None:
            where += " AND a.acknowledged_at " + ("NOTNULL" if alarm_filter.acknowledged else "IS NULL")

        def run(connection: sqlite3.Connection) -> tuple[list[Alarm], int]:
            order = Order(("a.raised_at", "a.seq"), descending=True)
            rows, total = read_page(connection, _ALARMS, "alarms a", where, parameters, order, page)
            return [_alarm(row) for row in rows], total

        return await self._access.read(run)

    async def get(self, project_id: str, alarm_id: str) -> Alarm:
        require_id(alarm_id, "no_such_alarm")
        row = self._access.one(_GET, (alarm_id, project_id))
        if row is None:
            raise NotFound("no_such_alarm")
        return _alarm(row)

    async def acknowledge(self, project_id: str, alarm_id: str, at: int, by: str) -> bool:
        def run(connection: sqlite3.Connection, alarm: Alarm) -> bool:
            if alarm.acknowledged_at is not None:
                return False
            sql = "UPDATE alarms SET acknowledged_at = ?, acknowledged_by = ? WHERE id = ?"
            connection.execute(sql, (at, by, alarm.id))
            return True

        return await self._on_alarm(project_id, alarm_id, run)

    async def comment(self, project_id: str, alarm_id: str, comment: AlarmComment) -> None:
        def run(connection: sqlite3.Connection, alarm: Alarm) -> None:
            if len(alarm.comments) >= COMMENTS_COUNT:
                raise Conflict("too_many_comments", maximum=COMMENTS_COUNT)
            comments = to_json([*alarm.comments, comment])
            connection.execute("UPDATE alarms SET comments = ? WHERE id = ?", (comments, alarm.id))

        await self._on_alarm(project_id, alarm_id, run)

    async def shelve(self, project_id: str, alarm_id: str, until: int, by: str) -> None:
        def run(connection: sqlite3.Connection, alarm: Alarm) -> None:
            shelved = connection.execute(
                "INSERT OR REPLACE INTO alarm_shelves (device_id, rule_id, shelved_until, shelved_by)"
                " SELECT ?, id, ?, ? FROM alarm_rules WHERE id = ?",
                (alarm.device_id, until, by, alarm.rule_id),
            )
            if shelved.rowcount == 0:
                raise Conflict("alarm_rule_removed")

        await self._on_alarm(project_id, alarm_id, run)

    async def unshelve(self, project_id: str, alarm_id: str, at: int) -> None:
        def run(connection: sqlite3.Connection, alarm: Alarm) -> None:
            if alarm.shelved_until is not None:
                _end_shelf(connection, alarm.device_id, alarm.rule_id, at)

        await self._on_alarm(project_id, alarm_id, run)

    async def end_shelves(self, at: int) -> int:
        ended = "SELECT device_id, rule_id FROM alarm_shelves WHERE shelved_until <= ? LIMIT 1000"
        if self._access.one(ended, (at,)) is None:
            return 0

        def run(connection: sqlite3.Connection) -> int:
            shelves = connection.execute(ended, (at,)).fetchall()
            for device_id, rule_id in shelves:
                _end_shelf(connection, device_id, rule_id, at)
            return len(shelves)

        return await self._access.write(run)

    async def states(self, device_id: str) -> list[KeptState]:
        rows = self._access.all("SELECT rule_id, state, due_at FROM alarm_states WHERE device_id = ?", (device_id,))
        states: dict[str, tuple[bytes | None, int | None]] = {row[0]: (row[1], row[2]) for row in rows}
        rows = self._access.all(
            "SELECT rule_id, id, alarm_level FROM alarms WHERE device_id = ? AND cleared_at IS NULL", (device_id,)
        )
        opened = {rule_id: (alarm_id, level) for rule_id, alarm_id, level in rows}
        return [
            KeptState(rule_id=rule_id, state=state, alarm_id=alarm_id, alarm_level=level, due_at=due_at)
            for rule_id in states | opened
            for alarm_id, level in [opened.get(rule_id, (None, 0))]
            for state, due_at in [states.get(rule_id, (None, None))]
        ]

    async def list_due(self) -> list[DueDevice]:
        return await self._access.read(
            lambda connection: [
                DueDevice(*row)
                for row in connection.execute(
                    "SELECT d.project_id, d.id, min(s.due_at) FROM alarm_states s JOIN devices d ON d.id = s.device_id"
                    " WHERE s.due_at IS NOT NULL GROUP BY d.id"
                )
            ]
        )

    async def prune(self, project_id: str, before: int) -> int:
        return await self._access.write(lambda connection: prune_alarms(connection, project_id, before))

    async def _on_alarm(self, project_id: str, alarm_id: str, run: Callable[[sqlite3.Connection, Alarm], T]) -> T:
        def with_alarm(connection: sqlite3.Connection) -> T:
            row = connection.execute(_GET, (alarm_id, project_id)).fetchone()
            if row is None:
                raise NotFound("no_such_alarm")
            return run(connection, _alarm(row))

        return await self._access.write(with_alarm)


def _alarm(row: Row) -> Alarm:
    return ALARMS.load(row[:-2], device_name=row[-2], shelved_until=row[-1])


def _notify_logs(connection: sqlite3.Connection, message_ids: list[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for message_id, *values in connection.execute(_NOTIFY_LOGS, (to_json(message_ids),)):
        log = dict(zip(("channel", "target", "state", "message", "ts"), values, strict=True))
        found.setdefault(message_id, []).append(log)
    return found


def _end_shelf(connection: sqlite3.Connection, device_id: str, rule_id: str, at: int) -> None:
    """Ends a silence; an alarm that is open by then is told as if it had just been raised."""
    connection.execute("DELETE FROM alarm_shelves WHERE device_id = ? AND rule_id = ?", (device_id, rule_id))
    opened = connection.execute(
        "SELECT id FROM alarms WHERE device_id = ? AND rule_id = ? AND cleared_at IS NULL", (device_id, rule_id)
    ).fetchone()
    if opened is not None:
        message = ALARM_LOGS.load(connection.execute(_NEWEST_MESSAGE, opened).fetchone())
        add_notices(connection, msgspec.structs.replace(message, create_time=at), "unshelved")


def _where(project_id: str, alarm_filter: AlarmFilter, time: str) -> tuple[str, list[Any]]:
    conditions = ["a.project_id = ?", "a.device_id NOT IN (SELECT device_id FROM removed_devices)"]
    parameters: list[Any] = [project_id]
    for condition, value in (
        ("a.device_id = ?", alarm_filter.device_id),
        ("a.rule_id = ?", alarm_filter.rule_id),
        ("a.alarm_level = ?", alarm_filter.alarm_level),
        (f"{time} >= ?", alarm_filter.start_time),
        (f"{time} <= ?", alarm_filter.end_time),
    ):
        if value is not None:
            conditions.append(condition)
            parameters.append(value)
    return " AND ".join(conditions), parameters
