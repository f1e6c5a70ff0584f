"""Alarms, their messages and the states of rules in SQLite."""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from thingstead.errors import NotFound
from thingstead.model.alarms.alarm import (
    Alarm,
    AlarmAction,
    AlarmChange,
    AlarmFilter,
    AlarmLog,
    AlarmOutcome,
    AlarmsStat,
    HourTotal,
    KeptState,
    LevelTotals,
)
from thingstead.model.audit.differences import differences
from thingstead.model.audit.log import Edit
from thingstead.model.device import Page
from thingstead.model.limits import require_id
from thingstead.refusals import reason
from thingstead.storage.base_alarms import DueDevice
from thingstead.storage.commit import Commit
from thingstead.storage.sql.access.audit import note
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries, Row
from thingstead.storage.sql.access.row_mapper import Layout, to_json
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.tables.alarms.alarm_actions import (
    refusal_of,
    take_action,
    where_of_alarms,
    where_of_messages,
)
from thingstead.storage.sql.tables.alarms.alarm_changes import ALARM_LOGS, add_notices, writer_of
from thingstead.storage.sql.tables.alarms.alarm_pruning import prune_alarms
from thingstead.storage.sql.tables.paging import Order, read_page

T = TypeVar("T")
HOUR_MS = 3600 * 1000
NEWEST_RAISED = Order(("a.raised_at", "a.seq"), descending=True)

ALARMS = Layout("alarms", Alarm, json=("comments",), absent=("device_name", "shelved_until", "alarm_info"))
_ALARMS = f"""
SELECT {ALARMS.columns("a")}, l.alarm_info, d.name, s.shelved_until
FROM alarms a JOIN devices d ON d.id = a.device_id
LEFT JOIN alarm_logs l ON l.id = a.id
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
_BY_LEVEL = """
SELECT alarm_level, count(*) FILTER (WHERE cleared_at IS NULL), count(*) FILTER (WHERE acknowledged_at IS NULL),
    count(*)
FROM alarms a
WHERE a.project_id = ? AND (a.cleared_at IS NULL OR a.acknowledged_at IS NULL) AND {there} GROUP BY alarm_level
"""
_BY_HOUR = """
SELECT (a.raised_at - ?2) / ?3, count(*) FROM alarms a
WHERE a.project_id = ?1 AND a.raised_at >= ?2 AND a.raised_at < ?2 + ?3 * ?4 AND {there} GROUP BY 1
"""
_THERE = "a.device_id NOT IN (SELECT device_id FROM removed_devices)"
_NEWEST_MESSAGE = f"{ALARM_LOGS.select} WHERE alarm_id = ? ORDER BY seq DESC LIMIT 1"


class SqlAlarms:
    """See :class:`~thingstead.storage.base_alarms.AlarmStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    def append(self, changes: Sequence[AlarmChange]) -> Commit:
        for change in changes:
            if change.messages:
                self._access.log_rows.note("alarm", change.device_id)
                self._access.log_rows.note("notice", change.device_id)
        return self._history.add_write(writer_of(changes))

    async def list_page(self, project_id: str, alarm_filter: AlarmFilter, page: Page) -> tuple[list[AlarmLog], int]:
        where, parameters = where_of_messages(project_id, alarm_filter)

        def run(connection: Connection) -> tuple[list[AlarmLog], int]:
            order = Order(("a.create_time", "a.seq"), descending=True)
            rows, total = read_page(connection, _MESSAGES, "alarm_logs a", where, parameters, order, page)
            logs = _notify_logs(connection, [row[0] for row in rows])
            return [
                ALARM_LOGS.load(row[:-1], device_name=row[-1], notify_logs=tuple(logs.get(row[0], ()))) for row in rows
            ], total

        return await self._access.read(run)

    async def list_alarms(self, project_id: str, alarm_filter: AlarmFilter, page: Page) -> tuple[list[Alarm], int]:
        where, parameters = where_of_alarms(project_id, alarm_filter)

        def run(connection: Connection) -> tuple[list[Alarm], int]:
            rows, total = read_page(connection, _ALARMS, "alarms a", where, parameters, NEWEST_RAISED, page)
            return [_alarm(row) for row in rows], total

        return await self._access.read(run)

    async def list_ids(self, project_id: str, alarm_filter: AlarmFilter, limit: int) -> tuple[list[str], int]:
        where, parameters = where_of_alarms(project_id, alarm_filter)

        def run(connection: Connection) -> tuple[list[str], int]:
            sql = f"SELECT a.id FROM alarms a WHERE {where} ORDER BY {NEWEST_RAISED} LIMIT ?"  # noqa: S608 - as above
            found = [row[0] for row in connection.execute(sql, (*parameters, limit))]
            count = connection.execute(f"SELECT count(*) FROM alarms a WHERE {where}", parameters)  # noqa: S608 - as above
            return found, count.fetchone()[0]

        return await self._access.read(run)

    async def stat(self, project_id: str, since: int, hours: int) -> AlarmsStat:
        def run(connection: Connection) -> AlarmsStat:
            levels = connection.execute(_BY_LEVEL.format(there=_THERE), (project_id,)).fetchall()
            raised = dict(connection.execute(_BY_HOUR.format(there=_THERE), (project_id, since, HOUR_MS, hours)))
            return AlarmsStat(
                open=_totals({level: int(count) for level, count, _, _ in levels}),
                unacknowledged=_totals({level: int(count) for level, _, count, _ in levels}),
                attention_total=sum(count for _, _, _, count in levels),
                raised=tuple(HourTotal(ts=since + hour * HOUR_MS, total=raised.get(hour, 0)) for hour in range(hours)),
            )

        return await self._access.read(run)

    async def get(self, project_id: str, alarm_id: str) -> Alarm:
        require_id(alarm_id, "no_such_alarm")
        row = await self._access.one(_GET, (alarm_id, project_id))
        if row is None:
            raise NotFound("no_such_alarm")
        return _alarm(row)

    async def act(
        self, project_id: str, alarm_ids: Sequence[str], action: AlarmAction, *, again: bool = False
    ) -> list[AlarmOutcome]:
        def act(connection: Connection, alarm_id: str) -> AlarmOutcome:
            row = connection.execute(_GET, (alarm_id, project_id)).fetchone()
            if row is None:
                return AlarmOutcome(alarm_id, refusal=reason("no_such_alarm"))
            alarm = _alarm(row)
            refusal = refusal_of(connection, alarm, action)
            if refusal is not None:
                return AlarmOutcome(alarm_id, alarm, refusal=refusal)
            changed = take_action(connection, alarm, action, again=again)
            if changed:
                _note(alarm, action)
            if changed and action.verb == "unshelve":
                _end_shelf(connection, alarm.device_id, alarm.rule_id, action.at)
            return AlarmOutcome(alarm_id, alarm, changed=changed)

        return await self._access.write(lambda connection: [act(connection, alarm_id) for alarm_id in alarm_ids])

    async def end_shelves(self, at: int) -> int:
        ended = "SELECT device_id, rule_id FROM alarm_shelves WHERE shelved_until <= ? LIMIT 1000"
        if await self._access.one(ended, (at,)) is None:
            return 0

        def run(connection: Connection) -> int:
            shelves = connection.execute(ended, (at,)).fetchall()
            for device_id, rule_id in shelves:
                _end_shelf(connection, device_id, rule_id, at)
            return len(shelves)

        return await self._access.write(run)

    async def states(self, device_id: str) -> list[KeptState]:
        rows = await self._access.all(
            "SELECT rule_id, state, due_at FROM alarm_states WHERE device_id = ?", (device_id,)
        )
        states: dict[str, tuple[bytes | None, int | None]] = {row[0]: (row[1], row[2]) for row in rows}
        rows = await self._access.all(
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
                    "SELECT min(d.project_id), d.id, min(s.due_at) FROM alarm_states s"
                    " JOIN devices d ON d.id = s.device_id WHERE s.due_at IS NOT NULL GROUP BY d.id"
                )
            ]
        )

    async def prune(self, project_id: str, before: int) -> int:
        return await self._access.write(lambda connection: prune_alarms(connection, project_id, before))


def _alarm(row: Row) -> Alarm:
    info = msgspec.json.decode(row[-3]) if row[-3] else {}
    return ALARMS.load(row[:-3], alarm_info=info, device_name=row[-2], shelved_until=row[-1])


def _note(alarm: Alarm, action: AlarmAction) -> None:
    said = {"until": action.until, "comment": action.comment}
    changes = differences({}, {name: value for name, value in said.items() if value})
    note(Edit(alarm.project_id, "alarm", alarm.id, alarm.rule_name, action.verb, changes))


def _totals(by_level: dict[int, int]) -> LevelTotals:
    members = {f"alarm_{level}_total": by_level.get(level, 0) for level in (1, 2, 3)}
    return LevelTotals(total=sum(members.values()), **members)


def _notify_logs(connection: Connection, message_ids: list[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for message_id, *values in connection.execute(_NOTIFY_LOGS, (to_json(message_ids),)):
        log = dict(zip(("channel", "target", "state", "message", "ts"), values, strict=True))
        found.setdefault(message_id, []).append(log)
    return found


def _end_shelf(connection: Connection, device_id: str, rule_id: str, at: int) -> None:
    """Ends a shelving; if the alarm is open, notices are added as if it had just been raised."""
    connection.execute("DELETE FROM alarm_shelves WHERE device_id = ? AND rule_id = ?", (device_id, rule_id))
    opened = connection.execute(
        "SELECT id FROM alarms WHERE device_id = ? AND rule_id = ? AND cleared_at IS NULL", (device_id, rule_id)
    ).fetchone()
    if opened is not None:
        message = ALARM_LOGS.load(connection.execute(_NEWEST_MESSAGE, opened).fetchone())
        add_notices(connection, msgspec.structs.replace(message, create_time=at), "unshelved")
