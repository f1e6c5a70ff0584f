"""Message rules, and the work that they have to do."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from thingstead.errors import InvalidInput, NotFound
from thingstead.model.audit.differences import differences
from thingstead.model.audit.log import AuditChange, Edit
from thingstead.model.device import Page
from thingstead.model.limits import require_id
from thingstead.model.message_rules.rule import MessageRule, MessageRuleFilter, RuleTotals
from thingstead.model.message_rules.state import EvaluationRecord, MessageRuleState, StoredEvaluation
from thingstead.model.message_rules.work import EffectCount, WaitingWork, Work, WorkItem
from thingstead.model.outbound.mqtt import MQTT_SECRETS
from thingstead.model.versions import of_version
from thingstead.storage.base import Commit
from thingstead.storage.sql.access.audit import note, note_more
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries, Row
from thingstead.storage.sql.access.row_mapper import Layout, to_json
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.tables.paging import Order, read_page

_ABSENT = ("device_ids", "disabled_devices")
MESSAGE_RULES = Layout(
    "message_rules", MessageRule, json=("body",), absent=_ABSENT, kind="message_rule", secret=("secret", *MQTT_SECRETS)
)
_CHANGED = ("name", "descr", "on_message", "type_id", "enabled", "body", "update_time")
ITEM_BYTES = 256  # that an item of work adds to a commit, about

_LISTENS = """
(r.type_id = (SELECT type_id FROM devices WHERE id = ? AND project_id = r.project_id)
OR EXISTS (SELECT 1 FROM message_rule_devices x WHERE x.rule_id = r.id AND x.device_id = ?))
"""
_OF_TYPE = "SELECT count(*) FROM message_rules WHERE type_id = ? AND project_id = ? AND id <> ?"
_OF_DEVICES = (
    "SELECT max(rules) FROM (SELECT count(*) AS rules FROM message_rule_devices d"
    " JOIN message_rules r ON r.id = d.rule_id WHERE d.device_id IN (SELECT value FROM json_each(?))"
    " AND r.project_id = ? AND r.id <> ? GROUP BY d.device_id) of_device"
)
_INSERT_WORK = "INSERT INTO message_rule_work (id, due_at, items, project_id, item_count) VALUES (?, ?, ?, ?, ?)"
_LIST_WORK = """
SELECT id, due_at, project_id, item_count, length(items) FROM message_rule_work WHERE id > ? ORDER BY id LIMIT ?
"""
_PUT_STATE = """
INSERT INTO message_rule_states (rule_id, state) SELECT id, ?2 FROM message_rules WHERE id = ?1
ON CONFLICT (rule_id) DO UPDATE SET state = excluded.state
"""
_PUT_EVALUATION = """
INSERT INTO message_rule_evaluations (rule_id, number, ts, evaluation)
SELECT id, ?2, ?3, ?4 FROM message_rules WHERE id = ?1 ON CONFLICT DO NOTHING
"""
_TRIM = """
DELETE FROM message_rule_evaluations WHERE rule_id = ?1 AND number <=
(SELECT number FROM message_rule_evaluations WHERE rule_id = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)
"""
_COUNT = """
INSERT INTO message_rule_totals (rule_id, effects, last_effect_at)
SELECT id, ?2, ?3 FROM message_rules WHERE id = ?1
ON CONFLICT (rule_id) DO UPDATE SET effects = message_rule_totals.effects + excluded.effects,
    last_effect_at = excluded.last_effect_at
"""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[WorkItem]).decode
_read_state = msgspec.json.Decoder(MessageRuleState).decode
_read_evaluation = msgspec.json.Decoder(EvaluationRecord).decode


class SqlMessageRules:
    """See :class:`~thingstead.storage.base_message_rules.MessageRuleStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    async def create(self, rule: MessageRule) -> None:
        def run(connection: Connection) -> None:
            _check_source(connection, rule)
            MESSAGE_RULES.add(connection, rule)
            _put_devices(connection, rule)
            note_more(MESSAGE_RULES.kind, rule.id, _device_changes(None, rule))

        await self._access.write(run)

    async def get(self, project_id: str, rule_id: str) -> MessageRule:
        require_id(rule_id, "no_such_message_rule")
        return await self._access.read(lambda connection: _get(connection, project_id, rule_id))

    async def list_page(
        self, project_id: str, rule_filter: MessageRuleFilter, page: Page
    ) -> tuple[list[MessageRule], int]:
        where, parameters = _where(project_id, rule_filter)

        def run(connection: Connection) -> tuple[list[MessageRule], int]:
            select = f"SELECT {MESSAGE_RULES.columns('r')} FROM message_rules r"  # noqa: S608 - words of this module
            order = Order(("r.create_time", "r.id"))
            rows, total = read_page(connection, select, "message_rules r", where, parameters, order, page)
            return _complete(connection, rows), total

        return await self._access.read(run)

    async def list_enabled(self, after: str, limit: int) -> list[MessageRule]:
        sql = f"{MESSAGE_RULES.select} WHERE enabled = 1 AND id > ? ORDER BY id LIMIT ?"
        return await self._access.read(
            lambda connection: _complete(connection, connection.execute(sql, (after, limit)).fetchall())
        )

    async def count(self, project_id: str) -> int:
        row = await self._access.one("SELECT count(*) FROM message_rules WHERE project_id = ?", (project_id,))
        return int(row[0]) if row else 0

    async def count_of_source(
        self, project_id: str, type_id: str | None, device_ids: Sequence[str], but: str | None
    ) -> int:
        query, source = (_OF_TYPE, type_id) if type_id is not None else (_OF_DEVICES, to_json(list(device_ids)))
        parameters = (source, project_id, but or "")
        row = await self._access.read(lambda connection: connection.execute(query, parameters).fetchone())
        return int(row[0] or 0)

    async def replace(self, rule: MessageRule, version: int | None = None) -> None:
        def run(connection: Connection) -> None:
            before = _get(connection, rule.project_id, rule.id)
            _check_source(connection, rule)
            changes = of_version({name: getattr(rule, name) for name in _CHANGED}, version)
            MESSAGE_RULES.update(connection, rule.project_id, rule.id, changes, "no_such_message_rule")
            _put_devices(connection, rule)
            note_more(MESSAGE_RULES.kind, rule.id, _device_changes(before, rule))

        await self._access.write(run)

    async def set_exception(self, project_id: str, rule_id: str, device_id: str, *, enabled: bool) -> None:
        def run(connection: Connection) -> None:
            rule = _get(connection, project_id, rule_id)
            _require_listened(connection, rule, device_id)
            changes = differences({device_id: device_id not in rule.disabled_devices}, {device_id: enabled})
            action = "enable_for_device" if enabled else "disable_for_device"
            note(Edit(rule.project_id, MESSAGE_RULES.kind, rule.id, rule.name, action, changes, rule.version))
            if enabled:
                sql = "DELETE FROM message_rule_exceptions WHERE rule_id = ? AND device_id = ?"
            else:
                sql = "INSERT INTO message_rule_exceptions (rule_id, device_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
            connection.execute(sql, (rule_id, device_id))

        await self._access.write(run)

    async def delete(self, project_id: str, rule_id: str) -> None:
        require_id(rule_id, "no_such_message_rule")
        await self._access.write(
            lambda connection: MESSAGE_RULES.delete(connection, project_id, rule_id, "no_such_message_rule")
        )

    async def totals(self, project_id: str, rule_id: str) -> RuleTotals:
        def run(connection: Connection) -> RuleTotals:
            _get(connection, project_id, rule_id)
            sql = "SELECT effects, last_effect_at FROM message_rule_totals WHERE rule_id = ?"
            row = connection.execute(sql, (rule_id,)).fetchone()
            return RuleTotals() if row is None else RuleTotals(effects=row[0], last_effect_at=row[1])

        return await self._access.read(run)

    # Work

    def append_work(self, work: Work) -> Commit:
        def insert(connection: Connection) -> None:
            connection.execute(_INSERT_WORK, _work_row(work))

        return self._history.add_write(insert, ITEM_BYTES)

    def finish_work(self, work_id: int, later: Sequence[Work], effects: Sequence[EffectCount]) -> Commit:
        def finish(connection: Connection) -> None:
            connection.execute("DELETE FROM message_rule_work WHERE id = ?", (work_id,))
            for work in later:
                connection.execute(_INSERT_WORK, _work_row(work))
            for rule_id, count, at in effects:
                connection.execute(_COUNT, (rule_id, count, at))

        return self._history.add_write(finish, ITEM_BYTES * (1 + len(later)))

    async def read_work(self, work_id: int) -> Work | None:
        sql = "SELECT due_at, items, project_id FROM message_rule_work WHERE id = ?"
        row = await self._access.one(sql, (work_id,))
        return None if row is None else Work(work_id, row[0], _decode(row[1]), row[2])

    async def list_work(self, after: int, limit: int) -> list[WaitingWork]:
        rows = await self._access.read(lambda connection: connection.execute(_LIST_WORK, (after, limit)).fetchall())
        return [WaitingWork(*row) for row in rows]

    # Results

    async def save_results(
        self, states: Mapping[str, MessageRuleState], evaluations: Sequence[StoredEvaluation], kept: int, since: int
    ) -> None:
        def run(connection: Connection) -> None:
            for rule_id, state in states.items():
                connection.execute(_PUT_STATE, (rule_id, to_json(state)))
            for each in evaluations:
                row = (each.rule_id, each.number, each.record.ts, to_json(each.record))
                connection.execute(_PUT_EVALUATION, row)
            for rule_id in dict.fromkeys(each.rule_id for each in evaluations):
                connection.execute(_TRIM, (rule_id, kept))
            connection.execute("DELETE FROM message_rule_evaluations WHERE ts < ?", (since,))

        await self._access.write(run)

    async def list_states(self, after: str, limit: int) -> list[tuple[str, MessageRuleState]]:
        sql = "SELECT rule_id, state FROM message_rule_states WHERE rule_id > ? ORDER BY rule_id LIMIT ?"
        rows = await self._access.read(lambda connection: connection.execute(sql, (after, limit)).fetchall())
        return [(row[0], _read_state(row[1])) for row in rows]

    async def state(self, project_id: str, rule_id: str) -> MessageRuleState:
        def run(connection: Connection) -> MessageRuleState:
            _get(connection, project_id, rule_id)
            sql = "SELECT state FROM message_rule_states WHERE rule_id = ?"
            row = connection.execute(sql, (rule_id,)).fetchone()
            return MessageRuleState() if row is None else _read_state(row[0])

        return await self._access.read(run)

    async def list_evaluations(self, project_id: str, rule_id: str, limit: int) -> list[EvaluationRecord]:
        def run(connection: Connection) -> list[EvaluationRecord]:
            _get(connection, project_id, rule_id)
            sql = "SELECT evaluation FROM message_rule_evaluations WHERE rule_id = ? ORDER BY number DESC LIMIT ?"
            return [_read_evaluation(row[0]) for row in connection.execute(sql, (rule_id, limit)).fetchall()]

        return await self._access.read(run)


def _work_row(work: Work) -> tuple[Any, ...]:
    return work.id, work.due_at, _encode(work.items), work.project_id, len(work.items)


def _get(connection: Connection, project_id: str, rule_id: str) -> MessageRule:
    row = connection.execute(MESSAGE_RULES.select_one, (rule_id, project_id)).fetchone()
    if row is None:
        raise NotFound("no_such_message_rule")
    return _complete(connection, [row])[0]


def _complete(connection: Connection, rows: list[Row]) -> list[MessageRule]:
    """Rules with their members from other tables."""
    ids = to_json([row[0] for row in rows])
    devices = _by_rule(connection, "message_rule_devices", ids)
    exceptions = _by_rule(connection, "message_rule_exceptions", ids)
    return [
        MESSAGE_RULES.load(
            row, device_ids=tuple(devices.get(row[0], ())), disabled_devices=tuple(exceptions.get(row[0], ()))
        )
        for row in rows
    ]


def _by_rule(connection: Connection, table: str, ids: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    wanted = "rule_id IN (SELECT value FROM json_each(?)) ORDER BY device_id"
    sql = f"SELECT rule_id, device_id FROM {table} WHERE {wanted}"  # noqa: S608 - words of this module
    for rule_id, device_id in connection.execute(sql, (ids,)):
        found.setdefault(rule_id, []).append(device_id)
    return found


def _put_devices(connection: Connection, rule: MessageRule) -> None:
    connection.execute("DELETE FROM message_rule_devices WHERE rule_id = ?", (rule.id,))
    connection.execute(
        "INSERT INTO message_rule_devices (rule_id, device_id) SELECT ?, id FROM devices"
        " WHERE project_id = ? AND id IN (SELECT value FROM json_each(?)) ON CONFLICT DO NOTHING",
        (rule.id, rule.project_id, to_json(rule.device_ids)),
    )


def _device_changes(before: MessageRule | None, rule: MessageRule) -> list[AuditChange]:
    old = {} if before is None else {"device_ids": before.device_ids}
    return list(differences(old, {"device_ids": rule.device_ids}))


def _check_source(connection: Connection, rule: MessageRule) -> None:
    if rule.type_id is not None:
        sql = "SELECT 1 FROM device_types WHERE id = ? AND project_id = ?"
        if connection.execute(sql, (rule.type_id, rule.project_id)).fetchone() is None:
            raise InvalidInput.field("type", "not_in_project")
    for index, device_id in enumerate(rule.device_ids):
        sql = "SELECT 1 FROM devices WHERE id = ? AND project_id = ?"
        if connection.execute(sql, (device_id, rule.project_id)).fetchone() is None:
            raise InvalidInput.field(f"devices[{index}]", "not_in_project")


def _require_listened(connection: Connection, rule: MessageRule, device_id: str) -> None:
    sql = "SELECT type_id FROM devices WHERE id = ? AND project_id = ?"
    row = connection.execute(sql, (device_id, rule.project_id)).fetchone()
    if row is None or (device_id not in rule.device_ids and (rule.type_id is None or row[0] != rule.type_id)):
        raise NotFound("rule_not_of_device")


def _where(project_id: str, wanted: MessageRuleFilter) -> tuple[str, list[Any]]:
    where, parameters = "r.project_id = ?", list[Any]([project_id])
    if wanted.type_id is not None:
        where, parameters = f"{where} AND r.type_id = ?", [*parameters, wanted.type_id]
    if wanted.device_id is not None:
        where, parameters = f"{where} AND {_LISTENS}", [*parameters, wanted.device_id, wanted.device_id]
    if wanted.on_message is not None:
        where, parameters = f"{where} AND r.on_message = ?", [*parameters, wanted.on_message]
    if wanted.enabled is not None:
        where += " AND r.enabled = 1" if wanted.enabled else " AND r.enabled = 0"
    if wanted.keyword is not None:
        # Databases lower ASCII alone: other letters are found as they are written.
        where = f"{where} AND (instr(lower(r.name), ?) > 0 OR instr(r.name, ?) > 0)"
        parameters = [*parameters, wanted.keyword.lower(), wanted.keyword]
    return where, parameters
