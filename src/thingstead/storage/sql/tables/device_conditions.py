"""What a :class:`~thingstead.model.device.DeviceFilter` asks of a device, as SQL conditions.

In the conditions ``d`` are devices; all values are parameters.
"""

import re
from collections.abc import Sequence
from typing import Any

from thingstead.model.device import AlarmFilter, DeviceExclusion, DeviceFilter, TagReading
from thingstead.model.values.unicode_text import normal, search_form
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.row_mapper import to_json

DIRECT = "1"  # the conn_type of a device without a type

# A key without escapes and without what stands between two strings of JSON: its text between quotes, behind a brace or
# a comma and with what follows, occurs in an object of texts only where it is a key.
_PLAIN_KEY = re.compile(r'[^\x00-\x1f"\\:,{}]+')
_GROUPS = "SELECT id FROM device_groups WHERE project_id = ?1 AND id IN (SELECT value FROM json_each(?2))"
_GROUPS_AND_BELOW = f"""
WITH RECURSIVE below (id) AS (
    {_GROUPS}
    UNION
    SELECT device_groups.id FROM device_groups JOIN below ON device_groups.parent_id = below.id
)
SELECT id FROM below
"""  # noqa: S608 - words of this module

# Objects that may own a device: the column, and the query whether the project has the object.
_OWNERS = {
    "type_id": "SELECT 1 FROM device_types WHERE id = ? AND project_id = ?",
    "customer_id": "SELECT 1 FROM customers WHERE id = ? AND project_id = ?",
    "gateway_id": "SELECT 1 FROM devices WHERE id = ? AND project_id = ?",
}
_ALARMED = "SELECT device_id FROM open_alarms WHERE project_id = ?"
_ALARMED_AT = f"{_ALARMED} GROUP BY device_id HAVING max(alarm_level) = ?"
_OF_CONN_TYPE = "SELECT id FROM device_types WHERE project_id = ? AND conn_type = ?"
_OF_PROTOCOL = "SELECT device_number FROM sessions WHERE project_id = ? AND protocol = ?"
_MEMBERS = "SELECT device_number FROM device_group_members WHERE group_id IN (SELECT value FROM json_each(?))"
_ACTIVE = "SELECT device_number FROM device_state WHERE newest_uplink >= ?"
_ANY_OF = "IN (SELECT value FROM json_each(?))"
_ANY_NUMBER_OF = "IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"


class Conditions:
    """SQL conditions joined by AND, with their parameters."""

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


def group_ids(connection: Connection, project_id: str, named: Sequence[str], *, include_sub_groups: bool) -> list[str]:
    """The named groups that are in the project; with ``include_sub_groups`` also their descendants."""
    sql = _GROUPS_AND_BELOW if include_sub_groups else _GROUPS
    return [row[0] for row in connection.execute(sql, (project_id, to_json(named)))]


def add_owners(where: Conditions, connection: Connection, project_id: str, device_filter: DeviceFilter) -> bool:
    """Adds the conditions on owners. Returns False if an owner is not in the project; if it is, so are its devices,
    which need no further condition."""
    for column, sql in _OWNERS.items():
        owner_id = getattr(device_filter, column)
        if owner_id is None:
            continue
        if connection.execute(sql, (owner_id, project_id)).fetchone() is None:
            return False
        where.add(f"d.{column} = ?", owner_id)
    return True


def add_texts(where: Conditions, device_filter: DeviceFilter) -> None:
    """Adds the conditions on keyword and tags."""
    if device_filter.keyword is not None:
        where.add("instr(d.search_text, ?) > 0", search_form(device_filter.keyword))
    for readings in device_filter.tags:
        sql, parameters = _tag_condition(readings)
        where.add(sql, *parameters)


def add_online(where: Conditions, device_filter: DeviceFilter, number: str) -> None:
    """Adds the condition on online; ``number`` is the column of the device number."""
    if device_filter.online is not None:
        session = f"EXISTS (SELECT 1 FROM sessions s WHERE s.device_number = {number})"  # noqa: S608
        where.add(session if device_filter.online else f"NOT {session}")


def add_rest(
    where: Conditions,
    connection: Connection,
    project_id: str,
    device_filter: DeviceFilter,
    fresh: Sequence[int],
) -> None:
    """Adds the rarely used conditions.

    Args:
        fresh: numbers of devices that are active by uplinks that are only in memory.
    """
    if device_filter.ids:
        where.add(f"d.id {_ANY_OF}", to_json(device_filter.ids))
    if device_filter.alarm is not None:
        _add_alarm(where, project_id, device_filter.alarm)
    if device_filter.conn_type is not None:
        untyped = " OR d.type_id IS NULL" if device_filter.conn_type == DIRECT else ""
        where.add(f"(d.type_id IN ({_OF_CONN_TYPE}){untyped})", project_id, device_filter.conn_type)
    if device_filter.protocol is not None:
        where.add(f"d.number IN ({_OF_PROTOCOL})", project_id, device_filter.protocol)
    if device_filter.active is not None:
        active = f"(d.number IN ({_ACTIVE}) OR d.number {_ANY_NUMBER_OF})"
        where.add(active if device_filter.active else f"NOT {active}", device_filter.active_since, to_json(fresh))
    _add_excluded(where, connection, project_id, device_filter)


def _add_alarm(where: Conditions, project_id: str, alarm: AlarmFilter, negation: str = "") -> None:
    if alarm == "any":
        where.add(f"{negation} d.id IN ({_ALARMED})", project_id)
    elif alarm == "none":
        where.add(f"{negation} d.id NOT IN ({_ALARMED})", project_id)
    else:
        where.add(f"{negation} d.id IN ({_ALARMED_AT})", project_id, int(alarm))


def _add_excluded(where: Conditions, connection: Connection, project_id: str, device_filter: DeviceFilter) -> None:
    excluded: DeviceExclusion = device_filter.excluded
    owners = (
        ("type_id", excluded.type_ids),
        ("customer_id", excluded.customer_ids),
        ("gateway_id", excluded.gateway_ids),
    )
    for column, owner_ids in owners:
        if owner_ids:
            where.add(f"(d.{column} IS NULL OR d.{column} NOT {_ANY_OF})", to_json(owner_ids))
    if excluded.group_ids:
        below = device_filter.include_sub_groups
        groups = group_ids(connection, project_id, excluded.group_ids, include_sub_groups=below)
        where.add(f"d.number NOT IN ({_MEMBERS})", to_json(groups))
    for readings in excluded.tags:
        sql, parameters = _tag_condition(readings)
        where.add(f"NOT {sql}", *parameters)
    if excluded.alarm is not None:
        _add_alarm(where, project_id, excluded.alarm, "NOT")


def _tag_condition(readings: Sequence[TagReading]) -> tuple[str, tuple[str, ...]]:
    """Condition that a device has a tag in one of its readings."""
    conditions = [_reading_condition(key, value) for key, value in readings]
    sql = " OR ".join(condition for condition, _ in conditions)
    return f"({sql})", tuple(parameter for _, parameters in conditions for parameter in parameters)


def _reading_condition(key: str, value: str | None) -> tuple[str, tuple[str, ...]]:
    """Looks for the reading in the text of the tags, which is compact JSON. Only a key that is not plain must be looked
    for among the keys of the object, too."""
    key = normal(key)
    if value is None:
        if _PLAIN_KEY.fullmatch(key):
            return _among_tags(f"{to_json(key)}:")
        exact = "EXISTS (SELECT 1 FROM json_each(d.tags) WHERE key = ?)"
        return f"(instr(d.tags, ?) > 0 AND {exact})", (to_json(key), key)
    value = normal(value)
    if _PLAIN_KEY.fullmatch(key):
        return _among_tags(to_json({key: value})[1:-1])
    exact = "EXISTS (SELECT 1 FROM json_each(d.tags) WHERE key = ? AND value = ?)"
    return f"(instr(d.tags, ?) > 0 AND {exact})", (to_json({key: value})[1:-1], key, value)


def _among_tags(member: str) -> tuple[str, tuple[str, ...]]:
    return "(instr(d.tags, ?) > 0 OR instr(d.tags, ?) > 0)", (f"{{{member}", f",{member}")
