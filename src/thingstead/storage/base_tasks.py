"""The contract of a store, tasks: the tasks, their runs, and the results for each device.

What ``base.py`` says of every part of a store holds here too.
"""

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

from thingstead.model.device import Page
from thingstead.model.tasks.run import DeviceResult, ListedResult, OpenRun, RunPart, RunState, TaskResult, TaskRun
from thingstead.model.tasks.task import Task, TaskFilter
from thingstead.storage.commit import Commit

Claim = Literal["begun", "left_out", "lost"]


class TaskStore(Protocol):
    """Tasks, and when each is due."""

    async def create(self, task: Task, most: int) -> None:
        """Adds a task, due at ``task.due_at``. Raises Conflict if the project has ``most`` tasks."""
        ...

    async def get(self, project_id: str, task_id: str) -> Task:
        """Raises NotFound."""
        ...

    async def list_page(self, project_id: str, task_filter: TaskFilter, page: Page) -> tuple[list[Task], int]:
        """One page of tasks, oldest first, and the number of matches."""
        ...

    async def replace(
        self, task: Task, version: int | None = None, *, due: bool = False, counted: bool = False
    ) -> None:
        """Changes a task.

        Args:
            version: the one that it must have.
            due: also sets ``due_at``.
            counted: also sets ``run_count``.

        Raises:
            NotFound: there is no such task.
            Conflict: it has another version.
        """
        ...

    async def delete(self, project_id: str, task_id: str) -> None:
        """Removes a task with its runs; a run that has not ended is cancelled. Raises NotFound."""
        ...

    async def due_projects(self, until: int) -> list[str]:
        """Ids of the projects with tasks that are due at an instant."""
        ...

    async def list_due(self, project_id: str | None, until: int, after: tuple[int, str], limit: int) -> list[Task]:
        """Tasks of a project, or of all, that are due at an instant, by ``(due_at, id)``, which are greater than
        ``after``."""
        ...

    async def next_due(self, after: int) -> int | None:
        """The first instant after this one (ms) at which a task is due; None: there is none."""
        ...

    async def claim(self, task: Task, next_due: int, run: TaskRun, parts: Sequence[Sequence[str]]) -> Claim:
        """Begins the run of a task that is due, and sets when it is due next, in one transaction: if the task is as it
        was read, so that one caller among several begins the run.

        If another run of the task has not ended, the instant is left out, and ``next_due`` counts although the task
        was limited to fewer runs.

        Args:
            run: the run. One that has ended (``end_time``) is recorded, and has no parts.
            parts: the devices.

        Returns:
            ``lost`` if the task was changed, is not due at this instant any more, or had a run of it already.
        """
        ...

    async def pass_over(self, task: Task, next_due: int, missed: TaskRun) -> bool:
        """Records missed instants, and sets when the task is due next. Returns False if the task was changed."""
        ...

    async def replan(self, task: Task, due_at: int) -> None:
        """Sets when a task is due, if it is as it was read."""
        ...


class TaskRunStore(Protocol):
    """Runs of tasks, the devices that wait, and the results."""

    async def begin(self, run: TaskRun, parts: Sequence[Sequence[str]]) -> None:
        """Begins a run by hand. Raises Conflict if a run of the task has not ended."""
        ...

    async def get(self, project_id: str, task_id: str, run_id: str) -> TaskRun:
        """Raises NotFound."""
        ...

    async def list_page(self, project_id: str, task_id: str, page: Page) -> tuple[list[TaskRun], int]:
        """One page of the runs of a task, newest first, and their number."""
        ...

    async def newest(self, task_ids: Sequence[str]) -> dict[str, TaskRun]:
        """The newest run of each of these tasks that has one."""
        ...

    async def open_projects(self) -> list[str]:
        """Ids of the projects with runs that have not ended."""
        ...

    async def list_open(self, project_id: str) -> list[OpenRun]:
        """Runs of a project that have not ended, oldest first."""
        ...

    async def next_part(self, run_number: int) -> RunPart | None:
        """The next devices of a run; None if none is left or the run was cancelled."""
        ...

    async def read(self, run_number: int) -> TaskRun | None:
        """A run; None if it has ended."""
        ...

    def finish_part(
        self, part: RunPart, rest: Sequence[str], results: Callable[[], Sequence[TaskResult]], at: int
    ) -> Commit:
        """Adds to the open commit: the results for devices of a part, and the deletion of the part; the run ends with
        its last one.

        Args:
            rest: devices of the part that still wait.
            results: called within the transaction, in another thread, after the writes that were added before.
        """
        ...

    async def end(self, run_number: int, at: int, state: RunState, code: str = "") -> None:
        """Ends a run; its devices that wait get no result."""
        ...

    async def cancel(self, project_id: str, task_id: str, run_id: str, at: int) -> bool:
        """Ends a run; its devices that wait get no result. Returns False if it has ended already. Raises NotFound."""
        ...

    async def list_results(
        self, run_number: int, result: DeviceResult | None, page: Page
    ) -> tuple[list[ListedResult], int]:
        """One page of results by device id, and the number of matches."""
        ...

    async def limit(self, task_id: str, runs_most: int, results_most: int) -> None:
        """Drops ended runs of a task beyond its newest ones: so many runs, and so many devices in all."""
        ...

    async def drop_old(self, before: int) -> None:
        """Drops runs that ended before an instant (ms)."""
        ...

    async def purge(self) -> bool:
        """Deletes some results of dropped runs, or one of these runs. Returns False if nothing is left to delete."""
        ...
