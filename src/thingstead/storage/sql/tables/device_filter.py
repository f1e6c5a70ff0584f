"""A :class:`DeviceFilter` as SQL: which devices it means, in the order of lists, and how many they are.

Written so that, whatever the filter of the reference, an index alone answers; only the filter by tag reads rows. In the
parts of statements made here ``d`` are devices and ``m`` members of groups; all values are parameters.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from thingstead.model.device import DeviceFilter, Page
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.row_mapper import to_json
from thingstead.storage.sql.tables.device_conditions import (
    Conditions,
    add_online,
    add_owners,
    add_rest,
    add_texts,
    group_ids,
)
from thingstead.storage.sql.tables.paging import Order

_MEMBERS_OF_ANY = """(
    SELECT DISTINCT create_time, device_id, device_number FROM device_group_members
    WHERE group_id IN (SELECT value FROM json_each(?))
) m"""
_LEVELS = """
LEFT JOIN (SELECT device_id, max(alarm_level) AS level FROM open_alarms WHERE project_id = ? GROUP BY device_id) a
ON a.device_id = d.id"""
_UPLINKS = """
LEFT JOIN device_state u ON u.device_number = d.number
LEFT JOIN (SELECT CAST(key AS BIGINT) AS number, CAST(value AS BIGINT) AS ts FROM json_each(?)) f
ON f.number = d.number"""


class Fresh(NamedTuple):
    """Newest uplinks (ms) by device number that are only in memory."""

    uplinks: Mapping[int, int] = {}

    def since(self, instant: int) -> list[int]:
        """Numbers of devices whose newest uplink is at or after an instant (ms)."""
        return [number for number, ts in self.uplinks.items() if ts >= instant]


class Selection(NamedTuple):
    """Devices that match a filter, as parts of SQL. Made by :func:`select`."""

    number: str
    source: str
    columns: tuple[str, str]  # sort columns
    where: str
    parameters: tuple[Any, ...]
    joined: str = ""  # joins that the sort columns need …
    joined_parameters: tuple[Any, ...] = ()  # … and their parameters, which come first

    def numbers(self, page: Page) -> tuple[str, tuple[Any, ...]]:
        """Statement and parameters for one page: device numbers with their two sort columns."""
        order = Order(self.columns, page.descending)
        behind, after = order.behind(page)
        first, second = self.columns
        sql = (
            f"SELECT {self.number} AS number, {first} AS first, {second} AS second FROM {self.source} {self.joined}"  # noqa: S608
            f" WHERE {self.where} AND {behind} ORDER BY {order} LIMIT ? OFFSET ?"
        )
        return sql, (*self.joined_parameters, *self.parameters, *after, page.records, page.offset)

    def total(self, connection: Connection) -> int:
        """Number of matching devices."""
        return _count(connection, f"{self.source} WHERE {self.where}", self.parameters)


class SelectionByOnline(NamedTuple):
    """All devices of a project that are online, or offline; counted without reading each."""

    selection: Selection
    project_id: str
    online: bool

    def numbers(self, page: Page) -> tuple[str, tuple[Any, ...]]:
        return self.selection.numbers(page)

    def total(self, connection: Connection) -> int:
        online = _count(connection, "sessions WHERE project_id = ?", (self.project_id,))
        return (
            online if self.online else _count(connection, "devices WHERE project_id = ?", (self.project_id,)) - online
        )


NOTHING_FRESH = Fresh()


def select(
    connection: Connection,
    project_id: str,
    device_filter: DeviceFilter,
    *,
    key: str = "create_time",
    fresh: Fresh = NOTHING_FRESH,
    rows: bool = False,
) -> Selection | SelectionByOnline | None:
    """Makes the selection of a filter. Returns None if nothing can match, because the filter names an object that the
    project does not have.

    Args:
        key: sort key.
        rows: the source must contain ``d``, the table of devices.
    """
    where = Conditions()
    if not add_owners(where, connection, project_id, device_filter):
        return None
    active = [] if device_filter.active is None else fresh.since(device_filter.active_since)
    add_rest(where, connection, project_id, device_filter, active)
    if device_filter.group_ids:
        return _select_members(where, connection, project_id, device_filter, key, fresh, rows=rows)
    if _needs_project(device_filter):
        # With a keyword also if there is an owner: the index with the texts is by project.
        # Named devices are found by their ids: the expression keeps the planner from reading all of the project.
        where.add("d.project_id || '' = ?" if device_filter.ids else "d.project_id = ?", project_id)
    add_texts(where, device_filter)
    add_online(where, device_filter, "d.number")
    columns, joined, parameters = _order(key, project_id, fresh)
    selection = Selection("d.number", "devices d", columns, str(where), tuple(where.parameters), joined, parameters)
    if device_filter.online is not None and device_filter == DeviceFilter(online=device_filter.online):
        return SelectionByOnline(selection, project_id, device_filter.online)
    return selection


def _needs_project(device_filter: DeviceFilter) -> bool:
    owned = device_filter.type_id or device_filter.customer_id or device_filter.gateway_id
    return not owned or device_filter.keyword is not None


def _order(key: str, project_id: str, fresh: Fresh) -> tuple[tuple[str, str], str, tuple[Any, ...]]:
    """Sort columns of a key, the joins that they need, and the parameters of these."""
    if key == "alarm_level":
        return ("coalesce(a.level, 0)", "d.id"), _LEVELS, (project_id,)
    if key == "active":
        uplink = "max(coalesce(u.newest_uplink, 0), coalesce(f.ts, 0))"
        return (uplink, "d.id"), _UPLINKS, (to_json({str(number): ts for number, ts in fresh.uplinks.items()}),)
    return (f"d.{key}", "d.id"), "", ()


def _select_members(
    where: Conditions,
    connection: Connection,
    project_id: str,
    device_filter: DeviceFilter,
    key: str,
    fresh: Fresh,
    *,
    rows: bool,
) -> Selection | None:
    below = device_filter.include_sub_groups
    groups = group_ids(connection, project_id, device_filter.group_ids, include_sub_groups=below)
    if not groups:
        return None
    add_texts(where, device_filter)
    source_parameters = []
    source = "device_group_members m"
    needs_rows = rows or bool(where) or key != "create_time"
    if len(groups) == 1:
        where.add("m.group_id = ?", groups[0])
    else:
        source = _MEMBERS_OF_ANY
        source_parameters.append(to_json(groups))
    if needs_rows:
        source += " JOIN devices d ON d.number = m.device_number"
    add_online(where, device_filter, "m.device_number")
    columns, joined, joined_parameters = _order(key, project_id, fresh)
    if key == "create_time":
        columns = ("m.create_time", "m.device_id")
    # The source comes before the joins, so its parameters come first.
    if joined:
        source, joined, source_parameters = f"{source} {joined}", "", [*source_parameters, *joined_parameters]
    parameters = (*source_parameters, *where.parameters)
    return Selection("m.device_number", source, columns, str(where), parameters)


def _count(connection: Connection, source: str, parameters: tuple[Any, ...]) -> int:
    count: int = connection.execute(f"SELECT count(*) FROM {source}", parameters).fetchone()[0]  # noqa: S608
    return count
