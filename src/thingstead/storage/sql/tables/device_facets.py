"""Facets of a list of devices: which values its devices have of something, and how many have each.

The filter by the thing itself does not count for its facet, so that the other values can be chosen.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from thingstead.model.device import DeviceFilter, FacetName, FacetValue
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Row
from thingstead.storage.sql.access.row_mapper import to_json
from thingstead.storage.sql.tables.device_filter import Fresh, SelectionByOnline, select

FACET_VALUES_COUNT = 100  # values of one facet, most frequent first


class _Facet(NamedTuple):
    """SQL of a facet over ``d``, the devices of the list."""

    value: str
    joined: str = ""
    name: str = "''"
    where: str = "TRUE"
    free: Mapping[str, Any] = {}  # members of the filter that the facet ignores, and their neutral values
    excluded: Mapping[str, Any] = {}  # the same for the filter's exclusions


_OF_TYPE = "JOIN device_types n ON n.id = d.type_id"
_OF_CUSTOMER = "JOIN customers n ON n.id = d.customer_id"
_OF_GATEWAY = "JOIN devices n ON n.id = d.gateway_id"
_OF_GROUPS = "JOIN device_group_members x ON x.device_number = d.number JOIN device_groups n ON n.id = x.group_id"
_OF_ALARMS = """
LEFT JOIN (SELECT device_id, max(alarm_level) AS level FROM open_alarms WHERE project_id = ? GROUP BY device_id) x
ON x.device_id = d.id"""
_IS_ONLINE = "CASE WHEN EXISTS (SELECT 1 FROM sessions x WHERE x.device_number = d.number) THEN 1 ELSE 0 END"
_IS_ACTIVE = """
CASE WHEN d.number IN (SELECT device_number FROM device_state WHERE newest_uplink >= ?)
OR d.number IN (SELECT CAST(value AS BIGINT) FROM json_each(?)) THEN 1 ELSE 0 END"""

_FACETS: dict[FacetName, _Facet] = {
    "type": _Facet("n.id", _OF_TYPE, "n.name", free={"type_id": None}, excluded={"type_ids": ()}),
    "customer": _Facet("n.id", _OF_CUSTOMER, "n.name", free={"customer_id": None}, excluded={"customer_ids": ()}),
    "gateway": _Facet("n.id", _OF_GATEWAY, "n.name", free={"gateway_id": None}, excluded={"gateway_ids": ()}),
    "group": _Facet("n.id", _OF_GROUPS, "n.name", free={"group_ids": ()}, excluded={"group_ids": ()}),
    "online": _Facet(_IS_ONLINE, free={"online": None}),
    "active": _Facet(_IS_ACTIVE, free={"active": None}),
    "alarm_level": _Facet(
        "coalesce(CAST(x.level AS TEXT), 'none')", _OF_ALARMS, free={"alarm": None}, excluded={"alarm": None}
    ),
    "conn_type": _Facet(
        "coalesce(n.conn_type, '1')", "LEFT JOIN device_types n ON n.id = d.type_id", free={"conn_type": None}
    ),
    "protocol": _Facet("x.protocol", "JOIN sessions x ON x.device_number = d.number", free={"protocol": None}),
    "tag": _Facet("x.key", ", json_each(d.tags) x", where="d.tags <> '{}'"),
}
_TAG_VALUES = _Facet("x.value", ", json_each(d.tags) x", where="instr(d.tags, ?) > 0 AND x.key = ?")

# Facets of all devices of a project, from what the store counts already: without reading each device.
_DEVICES = "(SELECT count(*) FROM devices WHERE project_id = ?1)"
_SESSIONS = "(SELECT count(*) FROM sessions WHERE project_id = ?1)"
_TYPED = "(SELECT coalesce(sum(device_count), 0) FROM device_types WHERE project_id = ?1)"
_LEVELS = "SELECT max(alarm_level) AS level FROM open_alarms WHERE project_id = ?1 GROUP BY device_id"
_COUNTED: dict[FacetName, str] = {
    "type": "SELECT id AS value, device_count AS count, name FROM device_types WHERE project_id = ?1",
    "customer": "SELECT id AS value, device_count AS count, name FROM customers WHERE project_id = ?1",
    "group": """
    SELECT n.id AS value, count(*) AS count, n.name FROM device_groups n
    JOIN device_group_members x ON x.group_id = n.id WHERE n.project_id = ?1 GROUP BY n.id, n.name""",
    "online": f"""
    SELECT '1' AS value, {_SESSIONS} AS count, '' AS name UNION ALL SELECT '0', {_DEVICES} - {_SESSIONS}, ''""",
    "alarm_level": f"""
    SELECT CAST(level AS TEXT) AS value, count(*) AS count, '' AS name FROM ({_LEVELS}) y GROUP BY level
    UNION ALL SELECT 'none', {_DEVICES} - (SELECT count(*) FROM ({_LEVELS}) z), ''""",  # noqa: S608 - words of this module
    "conn_type": f"""
    SELECT value, CAST(sum(count) AS BIGINT) AS count, '' AS name FROM (
        SELECT conn_type AS value, device_count AS count FROM device_types WHERE project_id = ?1
        UNION ALL SELECT '1', {_DEVICES} - {_TYPED}
    ) y GROUP BY value""",  # noqa: S608 - as above
    "protocol": """
    SELECT protocol AS value, count(*) AS count, '' AS name FROM sessions WHERE project_id = ?1 GROUP BY protocol""",
}


def facet(
    connection: Connection,
    project_id: str,
    device_filter: DeviceFilter,
    wanted: tuple[FacetName, str],
    fresh: Fresh,
) -> list[FacetValue]:
    """Values of a facet, most frequent first; at most FACET_VALUES_COUNT.

    Args:
        wanted: facet name and, for ``tag``, the key whose values are wanted (``""``: the keys).
    """
    name, key = wanted
    found = _TAG_VALUES if key else _FACETS[name]
    freed = _freed(device_filter, found, key)
    if name in _COUNTED and freed == DeviceFilter(active_since=freed.active_since):
        counted = f"SELECT value, count, name FROM ({_COUNTED[name]}) x WHERE count > 0"  # noqa: S608 - words of ours
        sql = f"{counted} ORDER BY count DESC, value LIMIT {FACET_VALUES_COUNT}"
        return _values(connection.execute(sql, (project_id,)))
    selection = select(connection, project_id, freed, fresh=fresh, rows=True)
    if selection is None:
        return []
    chosen = selection.selection if isinstance(selection, SelectionByOnline) else selection
    parameters: tuple[Any, ...] = (to_json(key), key) if key else ()
    if name == "alarm_level":
        parameters = (project_id,)
    elif name == "active":
        parameters = (device_filter.active_since, to_json(fresh.since(device_filter.active_since)))
    sql = f"""
    WITH d AS (
        SELECT d.number, d.id, d.type_id, d.customer_id, d.gateway_id, d.tags FROM {chosen.source} WHERE {chosen.where}
    )
    SELECT {found.value}, count(*), min({found.name}) FROM d {found.joined} WHERE {found.where}
    GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {FACET_VALUES_COUNT}
    """  # noqa: S608 - words of our modules
    return _values(connection.execute(sql, (*chosen.parameters, *parameters)))


def _values(rows: Iterable[Row]) -> list[FacetValue]:
    return [FacetValue(value=str(value), count=count, name=shown) for value, count, shown in rows]


def _freed(device_filter: DeviceFilter, found: _Facet, key: str) -> DeviceFilter:
    """The filter without the conditions on the facet itself."""
    free = dict(found.free)
    if key:
        free["tags"] = tuple(
            readings for readings in device_filter.tags if all(reading[0] != key for reading in readings)
        )
    excluded = replace(device_filter.excluded, **found.excluded)
    return replace(device_filter, excluded=excluded, **free)
