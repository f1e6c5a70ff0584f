"""Alarm messages and open alarms in SQLite."""

import sqlite3

from thingstead.errors import InvalidInput, NotFound
from thingstead.model.alarm import AlarmFilter, AlarmLog
from thingstead.model.device import Page
from thingstead.storage.sqlite.access import Access
from thingstead.storage.sqlite.layout import Layout

RAISED, CLEARED = 1, 0

ALARM_LOGS = Layout("alarm_logs", AlarmLog, json=("alarm_info", "notify_logs"), absent=("device_name",))

# An alarm that is open already keeps the instant at which it was raised.
_OPEN = """
INSERT INTO open_alarms (device_id, rule_id, project_id, alarm_level, raised_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (device_id, rule_id) DO UPDATE SET alarm_level = excluded.alarm_level
"""


class SqliteAlarms:
    """See :class:`~thingstead.storage.base.AlarmStore`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def record(self, alarm: AlarmLog) -> None:
        await self._access.write(lambda connection: record_in(connection, alarm))

    async def list_page(self, project_id: str, alarm_filter: AlarmFilter, page: Page) -> tuple[list[AlarmLog], int]:
        where, parameters = _where(project_id, alarm_filter)

        def run(connection: sqlite3.Connection) -> tuple[list[AlarmLog], int]:
            total = connection.execute(f"SELECT count(*) FROM alarm_logs l WHERE {where}", parameters)  # noqa: S608 - words of this module; values are parameters
            rows = connection.execute(
                f"SELECT {ALARM_LOGS.columns('l')}, d.name FROM alarm_logs l JOIN devices d ON d.id = l.device_id"  # noqa: S608 - as above
                f" WHERE {where} ORDER BY l.create_time DESC, l.seq DESC LIMIT ? OFFSET ?",
                (*parameters, page.records, page.offset),
            )
            return [ALARM_LOGS.load(row[:-1], device_name=row[-1]) for row in rows], total.fetchone()[0]

        return await self._access.read(run)


def record_in(connection: sqlite3.Connection, alarm: AlarmLog) -> None:
    """Appends a message and opens or closes its alarm, within a transaction of the caller's."""
    device = connection.execute(
        "SELECT 1 FROM devices WHERE id = ? AND project_id = ?", (alarm.device_id, alarm.project_id)
    )
    if device.fetchone() is None:
        raise NotFound("no such device")
    ALARM_LOGS.add(connection, alarm)
    if alarm.alarm_status == RAISED:
        opened = (alarm.device_id, alarm.rule_id, alarm.project_id, alarm.alarm_level, alarm.create_time)
        connection.execute(_OPEN, opened)
    elif alarm.alarm_status == CLEARED:
        connection.execute(
            "DELETE FROM open_alarms WHERE device_id = ? AND rule_id = ?", (alarm.device_id, alarm.rule_id)
        )
    else:
        raise InvalidInput.field("alarm_status", "must be 1 (raised) or 0 (cleared)")


def _where(project_id: str, alarm_filter: AlarmFilter) -> tuple[str, list[str | int]]:
    conditions: list[str] = ["l.project_id = ?"]
    parameters: list[str | int] = [project_id]
    for condition, value in (
        ("l.device_id = ?", alarm_filter.device_id),
        ("l.alarm_level = ?", alarm_filter.alarm_level),
        ("l.alarm_status = ?", alarm_filter.alarm_status),
        ("l.create_time >= ?", alarm_filter.start_time),
        ("l.create_time <= ?", alarm_filter.end_time),
    ):
        if value is not None:
            conditions.append(condition)
            parameters.append(value)
    return " AND ".join(conditions), parameters
