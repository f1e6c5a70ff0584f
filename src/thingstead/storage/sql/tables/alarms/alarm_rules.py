"""Alarm rules in SQLite."""

from collections.abc import Sequence
from typing import Any

from thingstead.errors import InvalidInput, NotFound
from thingstead.model.alarms.alarm import AlarmLog
from thingstead.model.alarms.rule import AlarmRule, AlarmRuleFilter, RuleCounts, RuleStatistics
from thingstead.model.audit.differences import differences
from thingstead.model.audit.log import AuditChange, Edit
from thingstead.model.device import Device, Page
from thingstead.model.limits import require_id
from thingstead.model.versions import of_version
from thingstead.storage.sql.access.audit import note, note_more
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries, Row
from thingstead.storage.sql.access.row_mapper import Layout, to_json
from thingstead.storage.sql.tables.alarms.alarm_changes import close_open
from thingstead.storage.sql.tables.device_list import DEVICES
from thingstead.storage.sql.tables.notify_channels import channel_changes, put_channels, read_channels
from thingstead.storage.sql.tables.paging import Order, read_page

_ABSENT = ("device_ids", "disabled_devices", "channels", "group_ids")
ALARM_RULES = Layout("alarm_rules", AlarmRule, json=("body",), absent=_ABSENT, kind="alarm_rule")
_CHANGED = ("name", "descr", "type_id", "enabled", "body", "failing", "update_time")

_STATISTICS = """
SELECT count(*), count(cleared_at), count(*) FILTER (WHERE cleared_at IS NULL AND acknowledged_at IS NOT NULL),
    count(*) FILTER (WHERE raised_at >= ?2), max(raised_at), max(cleared_at), coalesce(sum(cleared_at - raised_at), 0)
FROM alarms WHERE rule_id = ?1
"""
_COUNTS = """
SELECT value, (SELECT count(*) FROM alarms WHERE rule_id = value AND cleared_at IS NULL),
    (SELECT count(*) FROM alarms WHERE rule_id = value AND raised_at >= ?2)
FROM json_each(?1) e
"""
_PRUNED = "SELECT alarms, last_raised_at, last_cleared_at, open_ms FROM alarm_totals WHERE rule_id = ?"
_WATCHES = """
(r.type_id = (SELECT type_id FROM devices WHERE id = ? AND project_id = r.project_id)
OR EXISTS (SELECT 1 FROM alarm_rule_devices x WHERE x.rule_id = r.id AND x.device_id = ?))
"""


class SqlAlarmRules:
    """See :class:`~thingstead.storage.base_alarms.AlarmRuleStore`."""

    def __init__(self, access: Queries) -> None:
        self._access = access

    async def create(self, rule: AlarmRule) -> None:
        def run(connection: Connection) -> None:
            _check_source(connection, rule)
            ALARM_RULES.add(connection, rule)
            _put_parts(connection, rule, rule.create_time)
            note_more(ALARM_RULES.kind, rule.id, _part_changes(None, rule))

        await self._access.write(run)

    async def get(self, project_id: str, rule_id: str) -> AlarmRule:
        require_id(rule_id, "no_such_alarm_rule")
        return await self._access.read(lambda connection: _get(connection, project_id, rule_id))

    async def list_page(self, project_id: str, rule_filter: AlarmRuleFilter, page: Page) -> tuple[list[AlarmRule], int]:
        where, parameters = _where(project_id, rule_filter)

        def run(connection: Connection) -> tuple[list[AlarmRule], int]:
            select = f"SELECT {ALARM_RULES.columns('r')} FROM alarm_rules r"  # noqa: S608 - words of this module
            order = Order(("r.create_time", "r.id"))
            rows, total = read_page(connection, select, "alarm_rules r", where, parameters, order, page)
            return _complete(connection, rows), total

        return await self._access.read(run)

    async def list_enabled(self, after: str, limit: int) -> list[AlarmRule]:
        sql = f"{ALARM_RULES.select} WHERE enabled = 1 AND id > ? ORDER BY id LIMIT ?"
        return await self._access.read(
            lambda connection: _complete(connection, connection.execute(sql, (after, limit)).fetchall())
        )

    async def count(self, project_id: str) -> int:
        row = await self._access.one("SELECT count(*) FROM alarm_rules WHERE project_id = ?", (project_id,))
        return int(row[0]) if row else 0

    async def source_bytes(
        self, project_id: str, type_id: str | None, device_ids: Sequence[str], but: str | None
    ) -> int:
        of_type = "SELECT sum(length(hex(body)) / 2) FROM alarm_rules WHERE type_id = ? AND project_id = ? AND id <> ?"
        of_devices = (
            "SELECT max(bytes) FROM (SELECT sum(length(hex(r.body)) / 2) AS bytes FROM alarm_rule_devices d"
            " JOIN alarm_rules r ON r.id = d.rule_id WHERE d.device_id IN (SELECT value FROM json_each(?))"
            " AND r.project_id = ? AND r.id <> ? GROUP BY d.device_id) of_device"
        )
        query, source = (of_type, type_id) if type_id is not None else (of_devices, to_json(list(device_ids)))
        parameters = (source, project_id, but or "")
        row = await self._access.read(lambda connection: connection.execute(query, parameters).fetchone())
        return int(row[0] or 0)

    async def replace(
        self, rule: AlarmRule, at: int, close_reason: str | None, version: int | None = None
    ) -> list[AlarmLog]:
        def run(connection: Connection) -> list[AlarmLog]:
            before = _get(connection, rule.project_id, rule.id)
            _check_source(connection, rule)
            changes = of_version({name: getattr(rule, name) for name in _CHANGED}, version)
            ALARM_RULES.update(connection, rule.project_id, rule.id, changes, "no_such_alarm_rule")
            closed = [] if close_reason is None else _forget(connection, rule.id, at, close_reason)
            _put_parts(connection, rule, at)
            note_more(ALARM_RULES.kind, rule.id, _part_changes(before, rule))
            return closed

        return await self._access.write(run)

    async def set_exception(
        self, project_id: str, rule_id: str, device_id: str, at: int, close_reason: str | None
    ) -> list[AlarmLog]:
        def run(connection: Connection) -> list[AlarmLog]:
            rule = _get(connection, project_id, rule_id)
            _require_watched(connection, rule, device_id)
            _note_exception(rule, device_id, enabled=close_reason is None)
            if close_reason is None:
                connection.execute(
                    "DELETE FROM alarm_rule_exceptions WHERE rule_id = ? AND device_id = ?", (rule_id, device_id)
                )
                return []
            connection.execute(
                "INSERT INTO alarm_rule_exceptions (rule_id, device_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (rule_id, device_id),
            )
            return _leave(connection, device_id, rule_id, at, close_reason)

        return await self._access.write(run)

    async def delete(self, project_id: str, rule_id: str, at: int, close_reason: str) -> list[AlarmLog]:
        def run(connection: Connection) -> list[AlarmLog]:
            _get(connection, project_id, rule_id)
            closed = _forget(connection, rule_id, at, close_reason)
            put_channels(connection, project_id, "rule_id", rule_id, (), at)
            ALARM_RULES.delete(connection, project_id, rule_id, "no_such_alarm_rule")
            return closed

        return await self._access.write(run)

    async def leave_source(self, device_id: str, rule_ids: Sequence[str], at: int, close_reason: str) -> list[AlarmLog]:
        return await self._access.write(
            lambda connection: [
                message for rule_id in rule_ids for message in _leave(connection, device_id, rule_id, at, close_reason)
            ]
        )

    async def devices_of(self, rule: AlarmRule, after: Device | None, limit: int) -> list[Device]:
        begin = (after.create_time, after.id) if after is not None else (0, "")
        if rule.type_id is not None:
            source, value = "type_id = ?", rule.type_id
        else:
            source, value = "id IN (SELECT value FROM json_each(?))", to_json(rule.device_ids)
        sql = f"{DEVICES.select} WHERE {source} AND (create_time, id) > (?, ?) ORDER BY create_time, id LIMIT ?"
        rows = await self._access.read(lambda connection: connection.execute(sql, (value, *begin, limit)).fetchall())
        return [DEVICES.load(row) for row in rows]

    async def statistics(self, project_id: str, rule_id: str, since: int) -> RuleStatistics:
        def run(connection: Connection) -> RuleStatistics:
            _get(connection, project_id, rule_id)
            kept = connection.execute(_STATISTICS, (rule_id, since)).fetchone()
            pruned = connection.execute(_PRUNED, (rule_id,)).fetchone() or (0, None, None, 0)
            raised, cleared, acknowledged, lately, last_raised, last_cleared, open_ms = kept
            gone, raised_before, cleared_before, open_ms_before = pruned
            ended = cleared + gone
            return RuleStatistics(
                raised_total=raised + gone,
                cleared_total=ended,
                open_total=raised - cleared,
                acknowledged_total=int(acknowledged),
                raised_last_day=int(lately),
                last_raised_at=_newest(last_raised, raised_before),
                last_cleared_at=_newest(last_cleared, cleared_before),
                mean_open_ms=round((open_ms + open_ms_before) / ended) if ended else None,
            )

        return await self._access.read(run)

    async def counts(self, rule_ids: Sequence[str], since: int) -> dict[str, RuleCounts]:
        rows = await self._access.read(
            lambda connection: connection.execute(_COUNTS, (to_json(list(rule_ids)), since)).fetchall()
        )
        return {rule_id: RuleCounts(opened, lately) for rule_id, opened, lately in rows}

    async def note_failing(self, rule_id: str, reason: str) -> None:
        await self._access.write(
            lambda connection: connection.execute("UPDATE alarm_rules SET failing = ? WHERE id = ?", (reason, rule_id))
        )


def _newest(*instants: int | None) -> int | None:
    return max((instant for instant in instants if instant is not None), default=None)


def _get(connection: Connection, project_id: str, rule_id: str) -> AlarmRule:
    row = connection.execute(ALARM_RULES.select_one, (rule_id, project_id)).fetchone()
    if row is None:
        raise NotFound("no_such_alarm_rule")
    return _complete(connection, [row])[0]


def _complete(connection: Connection, rows: list[Row]) -> list[AlarmRule]:
    """Rules with their members from other tables."""
    ids = to_json([row[0] for row in rows])
    devices = _by_rule(connection, "SELECT rule_id, device_id FROM alarm_rule_devices", ids, "device_id")
    exceptions = _by_rule(connection, "SELECT rule_id, device_id FROM alarm_rule_exceptions", ids, "device_id")
    groups = _by_rule(connection, "SELECT rule_id, group_id FROM alarm_rule_groups", ids, "position")
    channels = read_channels(connection, "rule_id", ids)
    return [
        ALARM_RULES.load(
            row,
            device_ids=tuple(devices.get(row[0], ())),
            disabled_devices=tuple(exceptions.get(row[0], ())),
            channels=tuple(channels.get(row[0], ())),
            group_ids=tuple(groups.get(row[0], ())),
        )
        for row in rows
    ]


def _by_rule(connection: Connection, select: str, ids: str, order: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    sql = f"{select} WHERE rule_id IN (SELECT value FROM json_each(?)) ORDER BY {order}"  # noqa: S608 - words of this module
    for rule_id, value in connection.execute(sql, (ids,)):
        found.setdefault(rule_id, []).append(value)
    return found


def _put_parts(connection: Connection, rule: AlarmRule, at: int) -> None:
    """Replaces the members that are in other tables."""
    for table, column, values in (
        ("alarm_rule_devices", "device_id", rule.device_ids),
        ("alarm_rule_exceptions", "device_id", rule.disabled_devices),
    ):
        connection.execute(f"DELETE FROM {table} WHERE rule_id = ?", (rule.id,))  # noqa: S608 - words of this module
        connection.execute(
            f"INSERT INTO {table} (rule_id, {column}) SELECT ?, id FROM devices"  # noqa: S608 - as above
            " WHERE project_id = ? AND id IN (SELECT value FROM json_each(?)) ON CONFLICT DO NOTHING",
            (rule.id, rule.project_id, to_json(values)),
        )
    connection.execute("DELETE FROM alarm_rule_groups WHERE rule_id = ?", (rule.id,))
    for position, group_id in enumerate(rule.group_ids):
        added = connection.execute(
            "INSERT INTO alarm_rule_groups (rule_id, group_id, position)"
            " SELECT ?, id, ? FROM notify_groups WHERE id = ? AND project_id = ?",
            (rule.id, position, group_id, rule.project_id),
        )
        if added.rowcount == 0:
            raise InvalidInput.field("notify", "no_notify_group_with_id", id=group_id)
    put_channels(connection, rule.project_id, "rule_id", rule.id, rule.channels, at)


def _part_changes(before: AlarmRule | None, rule: AlarmRule) -> list[AuditChange]:
    """What differs of what stands in other tables."""
    names = ("device_ids", "disabled_devices", "group_ids")
    old = {} if before is None else {name: getattr(before, name) for name in names}
    changed = differences(old, {name: getattr(rule, name) for name in names})
    return [*changed, *channel_changes(() if before is None else before.channels, rule.channels)]


def _note_exception(rule: AlarmRule, device_id: str, *, enabled: bool) -> None:
    changes = differences({device_id: device_id not in rule.disabled_devices}, {device_id: enabled})
    action = "enable_for_device" if enabled else "disable_for_device"
    note(Edit(rule.project_id, ALARM_RULES.kind, rule.id, rule.name, action, changes, rule.version))


def _check_source(connection: Connection, rule: AlarmRule) -> None:
    if rule.type_id is not None:
        sql = "SELECT 1 FROM device_types WHERE id = ? AND project_id = ?"
        if connection.execute(sql, (rule.type_id, rule.project_id)).fetchone() is None:
            raise InvalidInput.field("type", "not_in_project")
    for index, device_id in enumerate(rule.device_ids):
        sql = "SELECT 1 FROM devices WHERE id = ? AND project_id = ?"
        if connection.execute(sql, (device_id, rule.project_id)).fetchone() is None:
            raise InvalidInput.field(f"devices[{index}]", "not_in_project")


def _require_watched(connection: Connection, rule: AlarmRule, device_id: str) -> None:
    row = connection.execute(
        "SELECT type_id FROM devices WHERE id = ? AND project_id = ?", (device_id, rule.project_id)
    ).fetchone()
    if row is None or (device_id not in rule.device_ids and (rule.type_id is None or row[0] != rule.type_id)):
        raise NotFound("rule_not_of_device")


def _forget(connection: Connection, rule_id: str, at: int, reason: str) -> list[AlarmLog]:
    connection.execute("DELETE FROM alarm_states WHERE rule_id = ?", (rule_id,))
    return close_open(connection, "rule_id = ?", (rule_id,), at, reason)


def _leave(connection: Connection, device_id: str, rule_id: str, at: int, reason: str) -> list[AlarmLog]:
    connection.execute("DELETE FROM alarm_states WHERE device_id = ? AND rule_id = ?", (device_id, rule_id))
    return close_open(connection, "device_id = ? AND rule_id = ?", (device_id, rule_id), at, reason)


def _where(project_id: str, rule_filter: AlarmRuleFilter) -> tuple[str, list[Any]]:
    where, parameters = "r.project_id = ?", [project_id]
    if rule_filter.type_id is not None:
        where, parameters = f"{where} AND r.type_id = ?", [*parameters, rule_filter.type_id]
    if rule_filter.device_id is not None:
        where, parameters = f"{where} AND {_WATCHES}", [*parameters, rule_filter.device_id, rule_filter.device_id]
    if rule_filter.enabled is not None:
        where += " AND r.enabled = 1" if rule_filter.enabled else " AND r.enabled = 0"
    if rule_filter.failing is not None:
        where += " AND r.failing <> ''" if rule_filter.failing else " AND r.failing = ''"
    if rule_filter.keyword is not None:
        # Databases lower ASCII alone: other letters are found as they are written.
        where = f"{where} AND (instr(lower(r.name), ?) > 0 OR instr(r.name, ?) > 0)"
        parameters = [*parameters, rule_filter.keyword.lower(), rule_filter.keyword]
    return where, parameters
