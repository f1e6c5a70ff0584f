"""Tasks, and when each is due."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from thingstead.errors import Conflict, NotFound
from thingstead.model.audit.log import Edit
from thingstead.model.device import Page
from thingstead.model.limits import require_id
from thingstead.model.tasks.run import TaskRun
from thingstead.model.tasks.task import Task, TaskFilter
from thingstead.model.versions import of_version
from thingstead.storage.base_tasks import Claim
from thingstead.storage.sql.access.audit import note
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout
from thingstead.storage.sql.tables.automation.task_runs import (
    add_run,
    drop_runs_of,
    has_open_run,
    is_recorded,
    note_instants,
)
from thingstead.storage.sql.tables.paging import Order, read_page

_JSON = ("schedule", "device_ids", "selection", "action")
TASKS = Layout("tasks", Task, json=_JSON, counted=("due_at", "run_count"), kind="task")
_CHANGED = ("name", "descr", "enabled", "schedule", "device_ids", "selection", "action", "missed", "missed_within_ms")
_DUE = "due_at > 0 AND due_at <= ?"
_NEXT_DUE = f"{_DUE} AND (due_at, id) > (?, ?) ORDER BY due_at, id LIMIT ?"
_AS_READ = "FROM tasks WHERE id = ? AND due_at = ? AND version = ? AND enabled = 1"


class SqlTasks:
    """See :class:`~thingstead.storage.base_tasks.TaskStore`."""

    def __init__(self, access: Queries) -> None:
        self._access = access

    async def create(self, task: Task, most: int) -> None:
        def run(connection: Connection) -> None:
            sql = "SELECT count(*) FROM tasks WHERE project_id = ?"
            if connection.execute(sql, (task.project_id,)).fetchone()[0] >= most:
                raise Conflict("too_many_tasks", maximum=most)
            TASKS.add(connection, task)
            connection.execute("UPDATE tasks SET due_at = ? WHERE id = ?", (task.due_at, task.id))

        await self._access.write(run)

    async def get(self, project_id: str, task_id: str) -> Task:
        require_id(task_id, "no_such_task")
        row = await self._access.one(TASKS.select_one, (task_id, project_id))
        if row is None:
            raise NotFound("no_such_task")
        return TASKS.load(row)

    async def list_page(self, project_id: str, task_filter: TaskFilter, page: Page) -> tuple[list[Task], int]:
        where, parameters = "project_id = ?", list[Any]([project_id])
        if task_filter.enabled is not None:
            where += " AND enabled = 1" if task_filter.enabled else " AND enabled = 0"
        if task_filter.keyword is not None:
            # Databases lower ASCII alone: other letters are found as they are written.
            where += " AND (instr(lower(name), ?) > 0 OR instr(name, ?) > 0)"
            parameters += [task_filter.keyword.lower(), task_filter.keyword]
        order = Order(("create_time", "id"))
        rows, total = await self._access.read(
            lambda connection: read_page(connection, TASKS.select, "tasks", where, parameters, order, page)
        )
        return [TASKS.load(row) for row in rows], total

    async def replace(
        self, task: Task, version: int | None = None, *, due: bool = False, counted: bool = False
    ) -> None:
        changes = of_version({name: getattr(task, name) for name in (*_CHANGED, "update_time")}, version)

        def run(connection: Connection) -> None:
            TASKS.update(connection, task.project_id, task.id, changes, "no_such_task")
            if due:
                connection.execute("UPDATE tasks SET due_at = ? WHERE id = ?", (task.due_at, task.id))
            if counted:
                connection.execute("UPDATE tasks SET run_count = ? WHERE id = ?", (task.run_count, task.id))

        await self._access.write(run)

    async def delete(self, project_id: str, task_id: str) -> None:
        require_id(task_id, "no_such_task")

        def run(connection: Connection) -> None:
            TASKS.delete(connection, project_id, task_id, "no_such_task")
            drop_runs_of(connection, task_id)

        await self._access.write(run)

    async def due_projects(self, until: int) -> list[str]:
        sql = f"SELECT DISTINCT project_id FROM tasks WHERE {_DUE}"  # noqa: S608 - words of this module
        return [project_id for (project_id,) in await self._access.all(sql, (until,))]

    async def list_due(self, project_id: str | None, until: int, after: tuple[int, str], limit: int) -> list[Task]:
        parameters: tuple[Any, ...] = (until, *after, limit)
        where = _NEXT_DUE
        if project_id is not None:
            where, parameters = f"project_id = ? AND {where}", (project_id, *parameters)
        sql = f"{TASKS.select} WHERE {where}"
        rows = await self._access.read(lambda connection: connection.execute(sql, parameters).fetchall())
        return [TASKS.load(row) for row in rows]

    async def next_due(self, after: int) -> int | None:
        row = await self._access.one("SELECT min(due_at) FROM tasks WHERE due_at > 0 AND due_at > ?", (after,))
        return None if row is None else row[0]

    async def claim(self, task: Task, next_due: int, run: TaskRun, parts: Sequence[Sequence[str]]) -> Claim:
        def claim(connection: Connection) -> Claim:
            if not _is_as_read(connection, task):
                return "lost"
            if is_recorded(connection, run):
                _move(connection, task, next_due, task.run_count)
                return "lost"
            if has_open_run(connection, task.id):
                _move(connection, task, next_due, task.run_count)
                note_instants(connection, replace(run, state="left_out", end_time=run.begin_time, total=0))
                _tell(task, run, "left_out")
                return "left_out"
            count, most = task.run_count + 1, task.schedule.max_runs
            _move(connection, task, 0 if most and count >= most else next_due, count)
            add_run(connection, run, parts)
            _tell(task, run, "begin")
            return "begun"

        return await self._access.write(claim)

    async def pass_over(self, task: Task, next_due: int, missed: TaskRun) -> bool:
        def pass_over(connection: Connection) -> bool:
            if not _is_as_read(connection, task):
                return False
            _move(connection, task, next_due, task.run_count)
            if not is_recorded(connection, missed):
                note_instants(connection, missed)
                _tell(task, missed, "missed")
            return True

        return await self._access.write(pass_over)

    async def replan(self, task: Task, due_at: int) -> None:
        def replan(connection: Connection) -> None:
            if _is_as_read(connection, task):
                _move(connection, task, due_at, task.run_count)

        await self._access.write(replan)


def _is_as_read(connection: Connection, task: Task) -> bool:
    found = connection.execute(f"SELECT 1 {_AS_READ}", (task.id, task.due_at, task.version))
    return found.fetchone() is not None


def _tell(task: Task, run: TaskRun, action: str) -> None:
    """Tells subscribers of the project; what happens by schedule is no change that people make, and has no author."""
    note(Edit(task.project_id, "task_run", run.id, task.name, action))


def _move(connection: Connection, task: Task, due_at: int, run_count: int) -> None:
    sql = "UPDATE tasks SET due_at = ?, run_count = ? WHERE id = ?"
    connection.execute(sql, (due_at, run_count, task.id))
