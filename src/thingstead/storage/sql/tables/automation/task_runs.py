"""Runs of tasks, the devices that wait, and the results."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from thingstead.errors import Conflict, NotFound
from thingstead.model.audit.log import Edit
from thingstead.model.device import Page
from thingstead.model.limits import require_id
from thingstead.model.tasks.run import DeviceResult, ListedResult, OpenRun, RunPart, RunState, TaskResult, TaskRun
from thingstead.model.tasks.task import RUNS_WAITING_DEVICES
from thingstead.storage.commit import Commit
from thingstead.storage.sql.access.audit import note
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout, to_json
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.tables.paging import Order, read_page

RUNS = Layout("task_runs", TaskRun, json=("actor", "action", "args"), counted=("number",))
PURGED_RESULTS = 2_000  # in one transaction
RESULT_BYTES = 128  # that a result adds to a commit, about

_OPEN = "SELECT 1 FROM task_runs WHERE task_id = ? AND end_time = 0"
_NEWEST = f"{RUNS.select} WHERE task_id = ? AND dropped = 0 ORDER BY number DESC LIMIT 1"
_OF_THESE = "task_id IN (SELECT value FROM json_each(?)) AND dropped = 0"
_NEWEST_OF = f"{RUNS.select} WHERE number IN (SELECT max(number) FROM task_runs WHERE {_OF_THESE} GROUP BY task_id)"  # noqa: S608 - words of this module
_PLANNED = "SELECT 1 FROM task_runs WHERE task_id = ? AND planned_at = ? AND trigger = ?"
_WAITING = """
SELECT coalesce(sum(total - done - empty - refused), 0) FROM task_runs WHERE project_id = ? AND end_time = 0
"""
_ADD_RESULT = """
INSERT INTO task_results (run_number, device_id, result, code, args, command_id, ts)
SELECT number, ?, ?, ?, ?, ?, ? FROM task_runs WHERE number = ? AND dropped = 0
ON CONFLICT DO NOTHING
"""
_COUNT = "UPDATE task_runs SET done = done + ?, empty = empty + ?, refused = refused + ? WHERE number = ?"
_END_WITHOUT_PARTS = """
UPDATE task_runs SET end_time = ?, state = 'done' WHERE number = ? AND end_time = 0
AND NOT EXISTS (SELECT 1 FROM task_run_parts WHERE run_number = task_runs.number)
"""
_END = "UPDATE task_runs SET end_time = ?, state = ?, code = ? WHERE number = ? AND end_time = 0"
_DROP_BEYOND = """
UPDATE task_runs SET dropped = 1 WHERE end_time > 0 AND dropped = 0 AND number IN (
    SELECT number FROM (
        SELECT number, row_number() OVER newest_first AS place, sum(total) OVER newest_first AS devices
        FROM task_runs WHERE task_id = ? AND dropped = 0
        WINDOW newest_first AS (ORDER BY number DESC ROWS UNBOUNDED PRECEDING)) placed
    WHERE place > ? OR (devices > ? AND place > 1))
"""
_PURGE = """
DELETE FROM task_results WHERE run_number = ?1 AND device_id IN (
    SELECT device_id FROM task_results WHERE run_number = ?1 LIMIT ?2)
"""
_RESULTS = """
SELECT r.device_id, r.result, r.code, r.args, r.command_id, r.ts, coalesce(d.name, ''), coalesce(c.state, '')
FROM task_results r LEFT JOIN devices d ON d.id = r.device_id LEFT JOIN commands c ON c.id = r.command_id
"""
_decode_ids = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_args = msgspec.json.Decoder(dict[str, Any]).decode


class SqlTaskRuns:
    """See :class:`~thingstead.storage.base_tasks.TaskRunStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    async def begin(self, run: TaskRun, parts: Sequence[Sequence[str]]) -> None:
        def begin(connection: Connection) -> None:
            sql = "SELECT name FROM tasks WHERE id = ? AND project_id = ?"
            named = connection.execute(sql, (run.task_id, run.project_id)).fetchone()
            if named is None:
                raise NotFound("no_such_task")
            if has_open_run(connection, run.task_id):
                raise Conflict("task_running")
            sql = "SELECT max(planned_at) FROM task_runs WHERE task_id = ? AND trigger = 'manual'"
            last = connection.execute(sql, (run.task_id,)).fetchone()[0] or 0
            at = run.planned_at if run.planned_at > last else last + 1  # the clock may have been set back
            add_run(connection, replace(run, planned_at=at, last_planned_at=at), parts)
            note(Edit(run.project_id, "task", run.task_id, named[0], "run"))

        await self._access.write(begin)

    async def get(self, project_id: str, task_id: str, run_id: str) -> TaskRun:
        require_id(run_id, "no_such_task_run")
        row = await self._access.one(
            f"{RUNS.select_one} AND task_id = ? AND dropped = 0", (run_id, project_id, task_id)
        )
        if row is None:
            raise NotFound("no_such_task_run")
        return RUNS.load(row)

    async def list_page(self, project_id: str, task_id: str, page: Page) -> tuple[list[TaskRun], int]:
        where, order = "project_id = ? AND task_id = ? AND dropped = 0", Order(("number",), descending=True)
        rows, total = await self._access.read(
            lambda connection: read_page(
                connection, RUNS.select, "task_runs", where, (project_id, task_id), order, page
            )
        )
        return [RUNS.load(row) for row in rows], total

    async def newest(self, task_ids: Sequence[str]) -> dict[str, TaskRun]:
        rows = await self._access.all(_NEWEST_OF, (to_json(list(task_ids)),))
        return {run.task_id: run for run in map(RUNS.load, rows)}

    async def open_projects(self) -> list[str]:
        sql = "SELECT DISTINCT project_id FROM task_runs WHERE end_time = 0"
        return [project_id for (project_id,) in await self._access.all(sql)]

    async def list_open(self, project_id: str) -> list[OpenRun]:
        sql = "SELECT number, id, project_id FROM task_runs WHERE project_id = ? AND end_time = 0 ORDER BY number"
        return [OpenRun(*row) for row in await self._access.all(sql, (project_id,))]

    async def next_part(self, run_number: int) -> RunPart | None:
        sql = "SELECT position, device_ids FROM task_run_parts WHERE run_number = ? ORDER BY position LIMIT 1"
        row = await self._access.one(sql, (run_number,))
        return None if row is None else RunPart(run_number, row[0], _decode_ids(row[1]))

    async def read(self, run_number: int) -> TaskRun | None:
        row = await self._access.one(f"{RUNS.select} WHERE number = ? AND end_time = 0", (run_number,))
        return None if row is None else RUNS.load(row)

    def finish_part(
        self, part: RunPart, rest: Sequence[str], results: Callable[[], Sequence[TaskResult]], at: int
    ) -> Commit:
        waiting, size_bytes = to_json(list(rest)), RESULT_BYTES * len(part.device_ids)
        return self._history.add_write(
            lambda connection: _finish_part(connection, part, waiting if rest else "", results(), at), size_bytes
        )

    async def end(self, run_number: int, at: int, state: RunState, code: str = "") -> None:
        await self._access.write(lambda connection: _end(connection, run_number, at, state, code))

    async def cancel(self, project_id: str, task_id: str, run_id: str, at: int) -> bool:
        require_id(run_id, "no_such_task_run")

        def cancel(connection: Connection) -> bool:
            sql = (
                "SELECT r.number, t.name FROM task_runs r JOIN tasks t ON t.id = r.task_id"
                " WHERE r.id = ? AND r.project_id = ? AND r.task_id = ? AND r.dropped = 0"
            )
            found = connection.execute(sql, (run_id, project_id, task_id)).fetchone()
            if found is None:
                raise NotFound("no_such_task_run")
            ended = _end(connection, found[0], at, "cancelled")
            if ended:
                note(Edit(project_id, "task", task_id, found[1], "cancel"))
            return ended

        return await self._access.write(cancel)

    async def list_results(
        self, run_number: int, result: DeviceResult | None, page: Page
    ) -> tuple[list[ListedResult], int]:
        where, parameters = "r.run_number = ?", list[Any]([run_number])
        if result is not None:
            where, parameters = f"{where} AND r.result = ?", [*parameters, result]
        order = Order(("r.device_id",))
        rows, total = await self._access.read(
            lambda connection: read_page(connection, _RESULTS, "task_results r", where, parameters, order, page)
        )
        found = [
            ListedResult(TaskResult(row[0], row[1], row[2], _decode_args(row[3]), row[4]), *row[5:]) for row in rows
        ]
        return found, total

    async def drop_old(self, before: int) -> None:
        sql = "UPDATE task_runs SET dropped = 1 WHERE end_time > 0 AND end_time < ? AND dropped = 0"
        await self._access.write(lambda connection: connection.execute(sql, (before,)).rowcount)

    async def purge(self) -> bool:
        def purge(connection: Connection) -> bool:
            sql = "SELECT number FROM task_runs WHERE dropped = 1 ORDER BY number LIMIT 1"
            row = connection.execute(sql).fetchone()
            if row is None:
                return False
            if connection.execute(_PURGE, (row[0], PURGED_RESULTS)).rowcount < PURGED_RESULTS:
                connection.execute("DELETE FROM task_runs WHERE number = ?", row)
            return True

        if await self._access.one("SELECT 1 FROM task_runs WHERE dropped = 1 LIMIT 1") is None:
            return False
        return await self._access.write(purge)

    async def limit(self, task_id: str, runs_most: int, results_most: int) -> None:
        await self._access.write(
            lambda connection: connection.execute(_DROP_BEYOND, (task_id, runs_most, results_most)).rowcount
        )


def has_open_run(connection: Connection, task_id: str) -> bool:
    """Whether a run of a task has not ended."""
    return connection.execute(_OPEN, (task_id,)).fetchone() is not None


def is_recorded(connection: Connection, run: TaskRun) -> bool:
    """Whether the planned instant of a run has a row: after the clock was set back, and the schedule changed."""
    return connection.execute(_PLANNED, (run.task_id, run.planned_at, run.trigger)).fetchone() is not None


def add_run(connection: Connection, run: TaskRun, parts: Sequence[Sequence[str]]) -> None:
    """Adds a run with its devices. It fails at once if too many devices of the project wait."""
    waiting = connection.execute(_WAITING, (run.project_id,)).fetchone()[0]
    if run.end_time == 0 and waiting + run.total > RUNS_WAITING_DEVICES:
        args = {"maximum": RUNS_WAITING_DEVICES}
        run = replace(run, state="failed", end_time=run.begin_time, code="too_many_devices_wait", args=args)
    number = RUNS.add(connection, run)
    if run.end_time:
        return
    rows = [(number, position, to_json(list(device_ids))) for position, device_ids in enumerate(parts)]
    connection.executemany("INSERT INTO task_run_parts (run_number, position, device_ids) VALUES (?, ?, ?)", rows)


def note_instants(connection: Connection, run: TaskRun) -> None:
    """Records instants without a run; those that follow others of their kind are added to their row."""
    row = connection.execute(_NEWEST, (run.task_id,)).fetchone()
    newest = None if row is None else RUNS.load(row)
    if newest is None or newest.state != run.state:
        RUNS.add(connection, run)
        return
    sql = "UPDATE task_runs SET instants = instants + ?, last_planned_at = ?, end_time = ? WHERE number = ?"
    connection.execute(sql, (run.instants, run.last_planned_at, run.end_time, newest.number))


def drop_runs_of(connection: Connection, task_id: str) -> None:
    """Drops the runs of a task that is removed."""
    open_runs = "SELECT number FROM task_runs WHERE task_id = ? AND end_time = 0"
    sql = f"DELETE FROM task_run_parts WHERE run_number IN ({open_runs})"  # noqa: S608 - words of this module
    connection.execute(sql, (task_id,))
    sql = "UPDATE task_runs SET dropped = 1, end_time = max(end_time, 1) WHERE task_id = ?"
    connection.execute(sql, (task_id,))


def _finish_part(connection: Connection, part: RunPart, waiting: str, results: Sequence[TaskResult], at: int) -> None:
    counts = {"done": 0, "empty": 0, "refused": 0}
    rows = []
    for each in results:
        counts[each.result] += 1
        args = to_json(dict(each.args))
        rows.append((each.device_id, each.result, each.code, args, each.command_id, at, part.run_number))
    connection.executemany(_ADD_RESULT, rows)
    connection.execute(_COUNT, (*counts.values(), part.run_number))
    if waiting:
        sql = "UPDATE task_run_parts SET device_ids = ? WHERE run_number = ? AND position = ?"
        connection.execute(sql, (waiting, part.run_number, part.position))
        return
    sql = "DELETE FROM task_run_parts WHERE run_number = ? AND position = ?"
    connection.execute(sql, (part.run_number, part.position))
    connection.execute(_END_WITHOUT_PARTS, (at, part.run_number))


def _end(connection: Connection, run_number: int, at: int, state: RunState, code: str = "") -> bool:
    ended = connection.execute(_END, (at, state, code, run_number)).rowcount > 0
    if ended:
        connection.execute("DELETE FROM task_run_parts WHERE run_number = ?", (run_number,))
    return ended
