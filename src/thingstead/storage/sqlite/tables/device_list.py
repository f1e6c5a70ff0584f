"""Devices as lists and detail pages show them: filtered, in order, counted, with their types, sessions and alarms."""

import sqlite3

from thingstead.errors import NotFound
from thingstead.model.device import (
    Device,
    DeviceFilter,
    DevicesAlarmStat,
    DevicesStat,
    DeviceView,
    OpenAlarm,
    Page,
)
from thingstead.model.values.unicode_text import search_form
from thingstead.storage.sqlite.engine.queries import Access, Row
from thingstead.storage.sqlite.engine.row_mapper import Layout
from thingstead.storage.sqlite.history.history import SqliteHistory
from thingstead.storage.sqlite.tables.device_filter import BY_NAME, select
from thingstead.storage.sqlite.tables.paging import Order, fetch


def search_text(device: Device) -> str:
    """What a keyword is looked for in: a line each for name, device_key and id, then the description."""
    return search_form(f"{device.name}\n{device.device_key or ''}\n{device.id}\n{device.descr}")


DEVICES = Layout(
    "devices",
    Device,
    json=("tags",),
    fixed=("id", "project_id", "create_time"),
    counted=("number",),
    derived={"search_text": search_text},
)

# The alarm of a view is the highest open one; among equal levels the one that has been open longest.
_VIEW = f"""
SELECT {DEVICES.columns("d")}, t.name, t.conn_type, t.conn_protocol, s.device_number, a.alarm_level, a.raised_at
FROM devices d
LEFT JOIN device_types t ON t.id = d.type_id
LEFT JOIN sessions s ON s.device_number = d.number
LEFT JOIN open_alarms a ON a.device_id = d.id AND a.rule_id = (
    SELECT rule_id FROM open_alarms WHERE device_id = d.id ORDER BY alarm_level DESC, raised_at, rule_id LIMIT 1
)
"""  # noqa: S608 - names of our own members

_DEVICES_STAT = """
SELECT (SELECT count(*) FROM devices WHERE project_id = ?1),
       (SELECT count(*) FROM sessions WHERE project_id = ?1),
       (SELECT count(DISTINCT device_id) FROM open_alarms WHERE project_id = ?1)
"""

_ALARM_STAT = """
SELECT (SELECT count(*) FROM devices WHERE project_id = ?1), count(*),
       total(level = 1), total(level = 2), total(level = 3)
FROM (SELECT max(alarm_level) AS level FROM open_alarms WHERE project_id = ?1 GROUP BY device_id)
"""


def _keys(device: Device, page: Page) -> tuple[int | str, str]:
    """By which a device stands in its place."""
    return (device.name if page.by_name else device.create_time), device.id


class DeviceList:
    """Reads only. ``active`` and the count of active devices come from the history."""

    def __init__(self, access: Access, history: SqliteHistory) -> None:
        self._access = access
        self._history = history

    def view(self, project_id: str, device_id: str) -> DeviceView:
        row = self._access.one(f"{_VIEW} WHERE d.id = ? AND d.project_id = ?", (device_id, project_id))
        if row is None:
            raise NotFound("no such device")
        return self._views([row])[0]

    async def views(self, project_id: str, device_filter: DeviceFilter, page: Page) -> tuple[list[DeviceView], int]:
        def run(connection: sqlite3.Connection) -> tuple[list[Row], bool, int]:
            selection = select(connection, project_id, device_filter, by_name=page.by_name)
            if selection is None:
                return [], False, 0
            numbers, parameters = selection.numbers(page)
            order = Order(BY_NAME if page.by_name else ("d.create_time", "d.id"), page.descending)
            sql = f"{_VIEW} WHERE d.number IN ({numbers}) ORDER BY {order}"
            found, more = fetch(connection.execute(sql, parameters), page)
            tells_total = page.cursor is None and (found or page.offset == 0)
            if len(found) < page.records and tells_total:  # it is the last page
                return found, more, page.offset + len(found)
            return found, more, selection.total(connection)

        rows, more, total = await self._access.read(run)
        views = self._views(rows)
        if page.cursor is not None:
            page.cursor.move(_keys(views[-1].device, page) if more else None)
        return views, total

    def _views(self, rows: list[Row]) -> list[DeviceView]:
        devices = [DEVICES.load(row[: DEVICES.width]) for row in rows]
        active = self._history.active_of([device.number for device in devices])
        views = []
        for device, row in zip(devices, rows, strict=True):
            type_name, conn_type, conn_protocol, session_of, alarm_level, raised_at = row[DEVICES.width :]
            views.append(
                DeviceView(
                    device=device,
                    type_name=type_name,
                    conn_type=conn_type,
                    conn_protocol=conn_protocol,
                    online=session_of is not None,
                    active=active.get(device.number, {}),
                    alarm=None if alarm_level is None else OpenAlarm(alarm_level=alarm_level, ts=raised_at),
                )
            )
        return views

    async def stat(self, project_id: str, active_since: int) -> DevicesStat:
        total, online, alarm = await self._access.read(
            lambda connection: connection.execute(_DEVICES_STAT, (project_id,)).fetchone()
        )
        active = min(total, await self._history.count_active(project_id, active_since))
        return DevicesStat(
            device_total=total,
            online_device_total=online,
            offline_device_total=total - online,
            active_device_total=active,
            inactive_device_total=total - active,
            alarm_device_total=alarm,
        )

    async def alarm_stat(self, project_id: str) -> DevicesAlarmStat:
        total, alarmed, *levels = await self._access.read(
            lambda connection: connection.execute(_ALARM_STAT, (project_id,)).fetchone()
        )
        level_1, level_2, level_3 = map(int, levels)
        return DevicesAlarmStat(
            device_total=total,
            alarm_1_total=level_1,
            alarm_2_total=level_2,
            alarm_3_total=level_3,
            normal_total=total - alarmed,
        )
