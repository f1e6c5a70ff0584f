"""Jobs over many devices in SQLite."""

from collections.abc import Sequence

import msgspec

from thingstead.errors import Conflict, NotFound, ThingsteadError
from thingstead.model.audit.log import Edit
from thingstead.model.command import Command
from thingstead.model.console.bulk import BulkRemoval, Job, JobPart, OpenJob, RegistryChange
from thingstead.model.device import DeviceFilter
from thingstead.model.limits import JOB_REFUSALS_COUNT, JOB_SHOWN_BYTES, require_id
from thingstead.storage.base_jobs import Changed
from thingstead.storage.commit import Commit
from thingstead.storage.sql.access.audit import note
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout, to_json
from thingstead.storage.sql.console.registry_changes import Applied, apply_change, done_ids, refused
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.tables.commands import issue_commands
from thingstead.storage.sql.tables.device_filter import Fresh, SelectionByOnline, select
from thingstead.wire.bulk import BulkItem

JOBS = Layout("jobs", Job, json=("change", "actor"), kind="job")
_SHOWN_CHANGE = """CASE WHEN length(change) <= ?3 THEN change
    ELSE json_replace(change, '$.attributes', json('{}'), '$.params', json('{}')) END AS change"""
_NEWEST = f"{JOBS.select.replace(' change,', f' {_SHOWN_CHANGE},')} WHERE project_id = ?1 ORDER BY number DESC LIMIT ?2"
PRUNED_AT_ONCE = 100  # jobs deleted in one transaction

_OPEN_PART = """
SELECT 1 FROM job_parts JOIN jobs ON jobs.id = job_parts.job_id AND jobs.end_time = 0
WHERE job_id = ? AND position = ?
"""
_COUNT_UP = """
UPDATE jobs SET done = done + ?, unchanged = unchanged + ?, refused = refused + ?,
    state = CASE state WHEN 'queued' THEN 'running' ELSE state END
WHERE id = ?
"""
_ADD_REFUSAL = """
INSERT INTO job_refusals (job_id, item) SELECT ?1, ?2
WHERE (SELECT count(*) FROM job_refusals WHERE job_id = ?1) < ?3
"""
_OLD = """
SELECT number FROM jobs WHERE end_time > 0 AND end_time < ?1
UNION ALL
SELECT number FROM (SELECT number, end_time, row_number() OVER (PARTITION BY project_id ORDER BY number DESC) AS place
                    FROM jobs) placed
WHERE place > ?2 AND end_time > 0
LIMIT ?3
"""
_decode_ids = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_item = msgspec.json.Decoder(BulkItem).decode


class SqlJobs:
    """See :class:`~thingstead.storage.base_jobs.JobStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    async def list_ids(self, project_id: str, device_filter: DeviceFilter, limit: int) -> list[str]:
        fresh = Fresh(self._history.fresh_uplinks())

        def run(connection: Connection) -> list[str]:
            selection = select(connection, project_id, device_filter, fresh=fresh, rows=True)
            if selection is None:
                return []
            chosen = selection.selection if isinstance(selection, SelectionByOnline) else selection
            sql = (
                f"SELECT d.id FROM {chosen.source} WHERE {chosen.where}"  # noqa: S608 - words of our modules
                " ORDER BY d.gateway_id IS NULL, d.create_time, d.id LIMIT ?"
            )
            return [row[0] for row in connection.execute(sql, (*chosen.parameters, limit))]

        return await self._access.read(run)

    async def change(
        self, project_id: str, change: RegistryChange, device_ids: Sequence[str], part: JobPart | None = None
    ) -> Changed:
        def run(connection: Connection) -> Applied:
            if part is not None and not _is_open(connection, part):
                return Applied([], {}, [], set())
            applied = apply_change(connection, project_id, change, device_ids)
            if part is not None:
                _note(connection, part, applied.items)
            return applied

        def committed(applied: Applied) -> None:
            for device_id in done_ids(applied.items):
                self._access.caches.drop_device(device_id)
            for type_id in applied.type_ids:
                self._access.caches.device_types.drop(type_id)
            for number in applied.numbers.values():
                self._history.forget(number)

        applied = await self._access.write(run, committed)
        return Changed(applied.items, done_ids(applied.items) if isinstance(change, BulkRemoval) else applied.revoked)

    async def issue(
        self, project_id: str, commands: Sequence[Command | BulkItem], *, wait: bool, part: JobPart | None = None
    ) -> list[BulkItem]:
        def run(connection: Connection) -> list[BulkItem]:
            if part is not None and not _is_open(connection, part):
                return []
            created = issue_commands(
                connection, project_id, [each for each in commands if isinstance(each, Command)], wait=wait
            )
            items = [each if isinstance(each, BulkItem) else _issued(each, created[each.id]) for each in commands]
            if part is not None:
                _note(connection, part, items)
            return items

        def committed(items: list[BulkItem]) -> None:
            for device_id in done_ids(items):
                self._access.log_rows.note("command", device_id)

        return await self._access.write(run, committed)

    def progress(self, part: JobPart, items: Sequence[BulkItem]) -> Commit:
        noted = list(items)
        return self._history.add_write(lambda connection: _note(connection, part, noted))

    async def amend(self, job_id: str, items: Sequence[BulkItem]) -> None:
        def run(connection: Connection) -> None:
            connection.execute(_COUNT_UP, (-len(items), 0, len(items), job_id))
            _add_refusals(connection, job_id, items)

        await self._access.write(run)

    async def create(self, job: Job, parts: Sequence[Sequence[str]], open_most: int) -> None:
        rows = [(job.id, position, to_json(device_ids)) for position, device_ids in enumerate(parts)]

        def run(connection: Connection) -> None:
            count = connection.execute(
                "SELECT count(*) FROM jobs WHERE project_id = ? AND end_time = 0", (job.project_id,)
            )
            if count.fetchone()[0] >= open_most:
                raise Conflict("too_many_jobs", maximum=open_most)
            JOBS.add(connection, job)
            connection.executemany("INSERT INTO job_parts (job_id, position, device_ids) VALUES (?, ?, ?)", rows)

        await self._access.write(run)

    async def get(self, project_id: str, job_id: str) -> Job:
        require_id(job_id, "no_such_job")
        row = await self._access.one(JOBS.select_one, (job_id, project_id))
        if row is None:
            raise NotFound("no_such_job")
        return JOBS.load(row)

    async def list_newest(self, project_id: str, limit: int) -> list[Job]:
        rows = await self._access.read(
            lambda connection: connection.execute(_NEWEST, (project_id, limit, JOB_SHOWN_BYTES)).fetchall()
        )
        return [JOBS.load(row) for row in rows]

    async def refusals(self, job_id: str) -> list[BulkItem]:
        sql = "SELECT item FROM job_refusals WHERE job_id = ? ORDER BY seq"
        return [_decode_item(item) for (item,) in await self._access.all(sql, (job_id,))]

    async def list_open(self) -> list[OpenJob]:
        sql = "SELECT id, project_id FROM jobs WHERE end_time = 0 ORDER BY number"
        return [OpenJob(*row) for row in await self._access.all(sql)]

    async def next_part(self, job_id: str) -> JobPart | None:
        sql = "SELECT position, device_ids FROM job_parts WHERE job_id = ? ORDER BY position LIMIT 1"
        row = await self._access.one(sql, (job_id,))
        return None if row is None else JobPart(job_id, row[0], _decode_ids(row[1]))

    async def end(self, project_id: str, job_id: str, state: str, at: int) -> bool:
        require_id(job_id, "no_such_job")

        def run(connection: Connection) -> bool:
            if not JOBS.exists(connection, project_id, job_id):
                raise NotFound("no_such_job")
            sql = "UPDATE jobs SET state = ?, end_time = ? WHERE id = ? AND end_time = 0"
            ended = connection.execute(sql, (state, at, job_id)).rowcount > 0
            if ended:
                note(Edit(project_id, JOBS.kind, job_id, "", "cancel" if state == "cancelled" else "end"))
                connection.execute("DELETE FROM job_parts WHERE job_id = ?", (job_id,))
            return ended

        return await self._access.write(run)

    async def prune(self, before: int, most: int) -> None:
        def run(connection: Connection) -> int:
            numbers = [row[0] for row in connection.execute(_OLD, (before, most, PRUNED_AT_ONCE))]
            connection.execute(
                "DELETE FROM jobs WHERE number IN (SELECT CAST(value AS BIGINT) FROM json_each(?))", (to_json(numbers),)
            )
            return len(numbers)

        while await self._access.write(run) == PRUNED_AT_ONCE:
            pass


def _is_open(connection: Connection, part: JobPart) -> bool:
    return connection.execute(_OPEN_PART, (part.job_id, part.position)).fetchone() is not None


def _note(connection: Connection, part: JobPart, items: Sequence[BulkItem]) -> None:
    counts = {"done": 0, "unchanged": 0, "refused": 0}
    for item in items:
        counts[item.result] += 1
    connection.execute(_COUNT_UP, (*counts.values(), part.job_id))
    _add_refusals(connection, part.job_id, items)
    connection.execute("DELETE FROM job_parts WHERE job_id = ? AND position = ?", part[:2])


def _add_refusals(connection: Connection, job_id: str, items: Sequence[BulkItem]) -> None:
    rows = [(job_id, to_json(item), JOB_REFUSALS_COUNT) for item in items if item.result == "refused"]
    connection.executemany(_ADD_REFUSAL, rows)


def _issued(command: Command, refusal: ThingsteadError | None) -> BulkItem:
    if refusal is not None:
        return refused(command.device_id, refusal.reason)
    return BulkItem(id=command.device_id, result="done", command=command.id)
