"""The audit log in SQLite. How its rows come about: ``engine/audit.py``."""

from collections.abc import Callable, Sequence
from typing import Any, get_args

import msgspec

from thingstead.model.audit.log import ActorKind, AuditChange, AuditFilter, AuditLog, Edit
from thingstead.storage.commit import Commit
from thingstead.storage.sql.access.audit import write_of
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries, Row
from thingstead.storage.sql.history.history import SqlHistory

ROWS_PER_STEP = 1_000  # dropped in one transaction
_SELECT = """
SELECT number, ts, actor_kind, actor_id, actor_name, address, action, object_type, object_id, object_name, changes
FROM audit_logs
"""
_BEFORE = "(ts, number) < ((SELECT ts FROM audit_logs WHERE number = ?), ?)"
_DROP_OLD = """
DELETE FROM audit_logs WHERE number IN (SELECT number FROM audit_logs WHERE project_id = ? AND ts < ? LIMIT ?)
"""
_EXCESS = "SELECT ts FROM audit_logs WHERE project_id = ? ORDER BY ts DESC, number DESC LIMIT 1 OFFSET ?"
_decode_changes = msgspec.json.Decoder(tuple[AuditChange, ...]).decode


class SqlAuditLogs:
    """See :class:`~thingstead.storage.base.AuditStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    def listen(self, listener: Callable[[Sequence[Edit], str], None]) -> None:
        self._access.on_edits = listener

    @property
    def rows_added(self) -> int:
        return self._access.audit_rows_added

    def beside(self, edit: Edit) -> Commit | None:
        write = write_of(edit)
        return None if write is None else self._history.add_write(write)

    async def list_rows(self, project_id: str, wanted: AuditFilter, limit: int) -> list[AuditLog]:
        where, parameters = _where(project_id, wanted)
        sql = f"{_SELECT} WHERE {where} ORDER BY ts DESC, number DESC LIMIT ?"

        def run(connection: Connection) -> list[Row]:
            return connection.execute(sql, (*parameters, limit)).fetchall()

        return [_log(row) for row in await self._access.read(run)]

    async def drop_old(self, project_id: str, before: int) -> int:
        parameters = (project_id, before, ROWS_PER_STEP)
        return await self._access.write(lambda connection: connection.execute(_DROP_OLD, parameters).rowcount)

    async def excess_before(self, project_id: str, most: int) -> int:
        row = await self._access.read(lambda connection: connection.execute(_EXCESS, (project_id, most)).fetchone())
        return 0 if row is None else int(row[0]) + 1


def _log(row: Row) -> AuditLog:
    number, *values, changes = row
    names = AuditLog.__struct_fields__[1:-1]
    return AuditLog(id=str(number), **dict(zip(names, values, strict=True)), changes=_decode_changes(changes))


def _where(project_id: str, wanted: AuditFilter) -> tuple[str, list[Any]]:
    where, parameters = ["project_id = ?"], list[Any]([project_id])
    actor_column = "actor_kind" if wanted.actor in get_args(ActorKind) else "actor_id"
    for condition, value in (
        (f"{actor_column} = ?", wanted.actor),
        ("object_type = ?", wanted.object_type),
        ("object_id = ?", wanted.object_id),
        ("action = ?", wanted.action),
        ("ts >= ?", wanted.start),
        ("ts <= ?", wanted.end),
    ):
        if value is not None:
            where.append(condition)
            parameters.append(value)
    if wanted.before is not None:
        where.append(_BEFORE)
        parameters += [int(wanted.before)] * 2
    return " AND ".join(where), parameters
