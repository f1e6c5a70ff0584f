"""Lists of devices: filtered, sorted, counted, with types, sessions and alarms."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import msgspec

from thingstead.errors import NotFound
from thingstead.model import limits
from thingstead.model.device import (
    Device,
    DeviceFilter,
    DevicesAlarmStat,
    DevicesStat,
    DeviceView,
    FacetName,
    FacetValue,
    OpenAlarm,
    Page,
)
from thingstead.model.limits import require_id
from thingstead.model.values.unicode_text import search_form
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries, Row
from thingstead.storage.sql.access.row_mapper import Layout
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.tables.device_facets import facet
from thingstead.storage.sql.tables.device_filter import NOTHING_FRESH, Fresh, select
from thingstead.storage.sql.tables.paging import Order, fetch

SIZED = (str, list, dict)  # types of values that can be large
encode_value = msgspec.json.Encoder().encode


def search_text(device: Device) -> str:
    """Text in which keywords are searched: name, device_key, id and device_code, one line each, then descr."""
    key = device.device_key or ""
    return search_form(f"{device.name}\n{key}\n{device.id}\n{device.device_code}\n{device.descr}")


DEVICES = Layout(
    "devices",
    Device,
    json=("tags",),
    fixed=("id", "project_id", "create_time"),
    counted=("number",),
    kind="device",
    secret=("access_token", "view_token", "device_code"),
    derived={"search_text": search_text},
)

# The alarm of a view is the open one with the highest level, the oldest among equals.
_COLUMNS = f"{DEVICES.columns('d')}, t.name, t.conn_type, t.conn_protocol, s.device_number, a.alarm_level, a.raised_at"
_JOINED = """
LEFT JOIN device_types t ON t.id = d.type_id
LEFT JOIN sessions s ON s.device_number = d.number
LEFT JOIN open_alarms a ON a.device_id = d.id AND a.rule_id = (
    SELECT rule_id FROM open_alarms WHERE device_id = d.id ORDER BY alarm_level DESC, raised_at, rule_id LIMIT 1
)
"""
_VIEW = f"SELECT {_COLUMNS} FROM devices d {_JOINED} WHERE d.id = ? AND d.project_id = ?"  # noqa: S608 - our own members

_DEVICES_STAT = """
SELECT (SELECT count(*) FROM devices WHERE project_id = ?1),
       (SELECT count(*) FROM sessions WHERE project_id = ?1),
       (SELECT count(DISTINCT device_id) FROM open_alarms WHERE project_id = ?1)
"""

_ALARM_STAT = """
SELECT (SELECT count(*) FROM devices WHERE project_id = ?1), count(*),
       count(*) FILTER (WHERE level = 1), count(*) FILTER (WHERE level = 2), count(*) FILTER (WHERE level = 3)
FROM (SELECT max(alarm_level) AS level FROM open_alarms WHERE project_id = ?1 GROUP BY device_id) alarmed
"""


BY_PLACE = ("p.first", "p.second")  # sort columns of a page


class DeviceList:
    """Reads of device lists. ``active`` and the number of active devices come from the history."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    async def view(self, project_id: str, device_id: str) -> DeviceView:
        """See :meth:`~thingstead.storage.base.DeviceStore.get_view`."""
        require_id(device_id, "no_such_device")
        row = await self._access.one(_VIEW, (device_id, project_id))
        if row is None:
            raise NotFound("no_such_device")
        return (await self._views([row]))[0]

    async def views(
        self, project_id: str, device_filter: DeviceFilter, page: Page, attributes: Sequence[str] = ()
    ) -> tuple[list[DeviceView], int]:
        """See :meth:`~thingstead.storage.base.DeviceStore.list_views`."""
        fresh = self._fresh(device_filter, page)

        def run(connection: Connection) -> tuple[list[Row], bool, int]:
            selection = select(connection, project_id, device_filter, key=page.key, fresh=fresh)
            if selection is None:
                return [], False, 0
            numbers, parameters = selection.numbers(page)
            order = Order(BY_PLACE, page.descending)
            source = f"({numbers}) p LEFT JOIN devices d ON d.number = p.number {_JOINED}"
            sql = f"SELECT {_COLUMNS}, p.first FROM {source} ORDER BY {order}"  # noqa: S608 - words of our modules
            found, more = fetch(connection.execute(sql, parameters), page)
            tells_total = page.cursor is None and (found or page.offset == 0)
            if len(found) < page.records and tells_total:  # the last page
                return found, more, page.offset + len(found)
            return found, more, selection.total(connection)

        rows, more, total = await self._access.read(run)
        views = await self._views(rows)
        if page.cursor is not None:
            page.cursor.move((rows[-1][-1], views[-1].device.id) if more else None)
        if attributes:
            views = await self._with_values(views, attributes)
        return views, total

    async def facets(
        self, project_id: str, device_filter: DeviceFilter, wanted: Sequence[tuple[FacetName, str]]
    ) -> list[list[FacetValue]]:
        fresh = Fresh(self._history.fresh_uplinks())

        def read(each: tuple[FacetName, str]) -> Coroutine[Any, Any, list[FacetValue]]:
            return self._access.read(lambda connection: facet(connection, project_id, device_filter, each, fresh))

        # Each is a read of its own, so that reads of others have a turn between them.
        return await asyncio.gather(*map(read, wanted))

    def _fresh(self, device_filter: DeviceFilter, page: Page) -> Fresh:
        """Uplinks that are only in memory, if the filter or the order needs them."""
        if device_filter.active is None and page.key != "active":
            return NOTHING_FRESH
        return Fresh(self._history.fresh_uplinks())

    async def _with_values(self, views: list[DeviceView], attributes: Sequence[str]) -> list[DeviceView]:
        values = await self._history.known_of([view.device.number for view in views], attributes)
        size_bytes = 0
        for count, view in enumerate(views):
            known = values[view.device.number].values()
            size_bytes += sum(len(encode_value(each.value.value)) for each in known if type(each.value.value) in SIZED)
            if size_bytes > limits.PAGE_BYTES and count:
                raise limits.page_too_large(count)
        return [msgspec.structs.replace(view, values=values[view.device.number]) for view in views]

    async def _views(self, rows: list[Row]) -> list[DeviceView]:
        devices = [DEVICES.load(row[: DEVICES.width]) for row in rows]
        active = await self._history.active_of([device.number for device in devices])
        views = []
        for device, row in zip(devices, rows, strict=True):
            type_name, conn_type, conn_protocol, session_of, alarm_level, raised_at = row[
                DEVICES.width : DEVICES.width + 6
            ]
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
        level_1, level_2, level_3 = levels
        return DevicesAlarmStat(
            device_total=total,
            alarm_1_total=level_1,
            alarm_2_total=level_2,
            alarm_3_total=level_3,
            normal_total=total - alarmed,
        )
