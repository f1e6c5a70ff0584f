"""A :class:`DeviceFilter` as SQL: which devices it means, in the order of lists, and how many they are.

Written so that, whatever the filter, an index alone answers; only the filter by tag reads rows. In the parts of
statements made here ``d`` are devices and ``m`` members of groups; all values are parameters.
"""

import sqlite3
from typing import Any, NamedTuple

from thingstead.model.device import DeviceFilter, Page
from thingstead.model.values.unicode_text import normal, search_form
from thingstead.storage.sqlite.engine.row_mapper import to_json
from thingstead.storage.sqlite.tables.paging import Order

BY_NAME = ("d.name", "d.id")
_GROUPS = "SELECT id FROM device_groups WHERE project_id = ?1 AND id IN (SELECT value FROM json_each(?2))"
_GROUPS_AND_BELOW = f"""
WITH RECURSIVE below (id) AS (
    {_GROUPS}
    UNION
    SELECT device_groups.id FROM device_groups JOIN below ON device_groups.parent_id = below.id
)
SELECT id FROM below
"""  # noqa: S608 - words of this module
_MEMBERS_OF_ANY = """(
    SELECT DISTINCT create_time, device_id, device_number FROM device_group_members
    WHERE group_id IN (SELECT value FROM json_each(?))
) m"""

# What may own a device: the column that says so, and how its being in the project is asked.
_OWNERS = {
    "type_id": "SELECT 1 FROM device_types WHERE id = ? AND project_id = ?",
    "customer_id": "SELECT 1 FROM customers WHERE id = ? AND project_id = ?",
    "gateway_id": "SELECT 1 FROM devices WHERE id = ? AND project_id = ?",
}


class _Conditions:
    """Joined by AND, with the parameters of the statement so far."""

    def __init__(self) -> None:
        self._sql: list[str] = []
        self.parameters: list[Any] = []

    def __bool__(self) -> bool:
        return bool(self._sql)

    def __str__(self) -> str:
        return " AND ".join(self._sql) or "TRUE"

    def add(self, sql: str, *parameters: Any) -> None:
        self._sql.append(sql)
        self.parameters.extend(parameters)


class Selection(NamedTuple):
    """The devices of a filter. Use :func:`select`."""

    number: str
    source: str
    columns: tuple[str, str]  # of the order in which they are listed
    where: str
    parameters: tuple[Any, ...]

    def numbers(self, page: Page) -> tuple[str, tuple[Any, ...]]:
        """The statement that yields the device numbers of one page, and its parameters."""
        order = Order(self.columns, page.descending)
        behind, after = order.behind(page)
        where = f"{self.where} AND {behind}"
        sql = f"SELECT {self.number} FROM {self.source} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608
        return sql, (*self.parameters, *after, page.records, page.offset)

    def total(self, connection: sqlite3.Connection) -> int:
        """How many they are."""
        return _count(connection, f"{self.source} WHERE {self.where}", self.parameters)


class SelectionByOnline(NamedTuple):
    """All devices of a project that are online, or offline: counted without looking at each."""

    selection: Selection
    project_id: str
    online: bool

    def numbers(self, page: Page) -> tuple[str, tuple[Any, ...]]:
        return self.selection.numbers(page)

    def total(self, connection: sqlite3.Connection) -> int:
        online = _count(connection, "sessions WHERE project_id = ?", (self.project_id,))
        return (
            online if self.online else _count(connection, "devices WHERE project_id = ?", (self.project_id,)) - online
        )


def select(
    connection: sqlite3.Connection, project_id: str, device_filter: DeviceFilter, *, by_name: bool = False
) -> Selection | SelectionByOnline | None:
    """None where nothing can match: a filter on what is not in the project matches nothing."""
    where = _Conditions()
    if not _add_owners(where, connection, project_id, device_filter):
        return None
    if device_filter.group_ids:
        return _select_members(where, connection, project_id, device_filter, by_name=by_name)
    if not where or device_filter.keyword is not None:
        # With a keyword also beside an owner: the index that holds the texts is that of the project.
        where.add("d.project_id = ?", project_id)
    _add_texts(where, device_filter)
    _add_online(where, device_filter, "d.number")
    columns = BY_NAME if by_name else ("d.create_time", "d.id")
    selection = Selection("d.number", "devices d", columns, str(where), tuple(where.parameters))
    if device_filter.online is not None and device_filter == DeviceFilter(online=device_filter.online):
        return SelectionByOnline(selection, project_id, device_filter.online)
    return selection


def _select_members(
    where: _Conditions,
    connection: sqlite3.Connection,
    project_id: str,
    device_filter: DeviceFilter,
    *,
    by_name: bool,
) -> Selection | None:
    sql = _GROUPS_AND_BELOW if device_filter.include_sub_groups else _GROUPS
    group_ids = [row[0] for row in connection.execute(sql, (project_id, to_json(device_filter.group_ids)))]
    if not group_ids:
        return None
    _add_texts(where, device_filter)
    source_parameters = []
    source = "device_group_members m"
    needs_rows = bool(where) or by_name
    if len(group_ids) == 1:
        where.add("m.group_id = ?", group_ids[0])
    else:
        source = _MEMBERS_OF_ANY
        source_parameters.append(to_json(group_ids))
    if needs_rows:
        source += " JOIN devices d ON d.number = m.device_number"
    _add_online(where, device_filter, "m.device_number")
    parameters = (*source_parameters, *where.parameters)
    columns = BY_NAME if by_name else ("m.create_time", "m.device_id")
    return Selection("m.device_number", source, columns, str(where), parameters)


def _add_owners(
    where: _Conditions, connection: sqlite3.Connection, project_id: str, device_filter: DeviceFilter
) -> bool:
    """False where an owner is not in the project. The devices of one that is are too, which need not be asked."""
    for column, sql in _OWNERS.items():
        owner_id = getattr(device_filter, column)
        if owner_id is None:
            continue
        if connection.execute(sql, (owner_id, project_id)).fetchone() is None:
            return False
        where.add(f"d.{column} = ?", owner_id)
    return True


def _add_texts(where: _Conditions, device_filter: DeviceFilter) -> None:
    if device_filter.keyword is not None:
        where.add("instr(d.search_text, ?) > 0", search_form(device_filter.keyword))
    if device_filter.tag is not None:
        conditions = [_tag_condition(key, value) for key, value in (device_filter.tag, *device_filter.or_tags)]
        sql = " OR ".join(condition for condition, _ in conditions)
        where.add(f"({sql})", *(parameter for _, parameters in conditions for parameter in parameters))


def _tag_condition(key: str, value: str | None) -> tuple[str, tuple[str, ...]]:
    """The first part is quick and lets nothing pass over; the second is exact."""
    key = normal(key)
    if value is None:
        exact = "EXISTS (SELECT 1 FROM json_each(d.tags) WHERE key = ?)"
        return f"(instr(d.tags, ?) > 0 AND {exact})", (to_json(key), key)
    value = normal(value)
    exact = "EXISTS (SELECT 1 FROM json_each(d.tags) WHERE key = ? AND value = ?)"
    return f"(instr(d.tags, ?) > 0 AND {exact})", (to_json({key: value})[1:-1], key, value)


def _add_online(where: _Conditions, device_filter: DeviceFilter, number: str) -> None:
    if device_filter.online is not None:
        session = f"EXISTS (SELECT 1 FROM sessions s WHERE s.device_number = {number})"  # noqa: S608
        where.add(session if device_filter.online else f"NOT {session}")


def _count(connection: sqlite3.Connection, source: str, parameters: tuple[Any, ...]) -> int:
    count: int = connection.execute(f"SELECT count(*) FROM {source}", parameters).fetchone()[0]  # noqa: S608
    return count
