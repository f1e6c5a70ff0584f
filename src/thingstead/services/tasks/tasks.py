"""Operations on tasks: validation, storage, previews, their runs and results."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from msgspec.structs import replace

from thingstead.clock import Clock
from thingstead.errors import Conflict
from thingstead.model import ids
from thingstead.model.console.bulk import Actor
from thingstead.model.device import Page
from thingstead.model.limits import Problems, require_id
from thingstead.model.tasks.run import DeviceResult, ListedResult, TaskRun
from thingstead.model.tasks.task import PREVIEW_COUNT, TASKS_COUNT, Task, TaskFilter, TaskSchedule
from thingstead.model.tasks.task_checks import check_form, check_schedule
from thingstead.model.tasks.task_form import TaskForm, TaskPatch, form_of, patched
from thingstead.refusals import Reason, Unusable, reason
from thingstead.rules.schedule import zone, zone_named
from thingstead.rules.task_schedule import PlannedInstants, days_without_sun, either_day, local_text, plain_cron
from thingstead.rules.task_words import words_of
from thingstead.services.functions.pool import FunctionPool
from thingstead.services.registry.rule_source import find_device
from thingstead.services.tasks.actions import function_key
from thingstead.services.tasks.scheduler import TaskScheduler
from thingstead.storage.base import Store


class SchedulePreview(NamedTuple):
    """When a schedule runs next, in words and in instants."""

    english: str
    chinese: str
    timezone: str
    instants: list[tuple[int, str]]  # ms, and local time
    notes: list[Reason]


class TaskService:
    """Operations on tasks. A change is committed, and in effect, when its coroutine returns."""

    def __init__(self, store: Store, clock: Clock, scheduler: TaskScheduler, functions: FunctionPool) -> None:
        self._store = store
        self._clock = clock
        self._functions = functions
        self.scheduler = scheduler

    async def create(self, project_id: str, form: TaskForm) -> Task:
        """Creates a task.

        Raises:
            InvalidInput: names every part that is invalid or refers to an unknown object.
            Conflict: the project has as many tasks as it may have.
        """
        form = await self._checked(project_id, form)
        now = self._clock.now_ms()
        task = Task(
            id=ids.new_id(),
            project_id=project_id,
            name=form.name,
            descr=form.descr,
            enabled=form.enabled,
            schedule=form.schedule,
            device_ids=tuple(dict.fromkeys(form.devices)),
            selection=form.filter,
            action=form.action,
            missed=form.missed,
            missed_within_ms=form.missed_within_ms,
            due_at=_due(form, now),
            create_time=now,
            update_time=now,
        )
        await self._store.tasks.create(task, TASKS_COUNT)
        self.scheduler.changed()
        return task

    async def get(self, project_id: str, task_id: str) -> tuple[Task, TaskRun | None]:
        """A task and its newest run. Raises NotFound for an unknown task."""
        task = await self._store.tasks.get(project_id, task_id)
        return task, (await self._store.task_runs.newest([task_id])).get(task_id)

    async def list_page(
        self, project_id: str, task_filter: TaskFilter, page: Page
    ) -> tuple[list[tuple[Task, TaskRun | None]], int]:
        """One page of tasks with their newest runs, oldest task first, and the number of matches."""
        found, total = await self._store.tasks.list_page(project_id, task_filter, page)
        runs = await self._store.task_runs.newest([task.id for task in found])
        return [(task, runs.get(task.id)) for task in found], total

    async def update(self, project_id: str, task_id: str, patch: TaskPatch) -> tuple[Task, TaskRun | None]:
        """Changes the given members. A run under way goes on as it began.

        Raises:
            NotFound, InvalidInput, Conflict: as :meth:`create`; or another version.
        """
        before = await self._store.tasks.get(project_id, task_id)
        given = patched(form_of(before), patch)
        form = await self._checked(project_id, given, before)
        replanned = form.schedule != before.schedule
        due = replanned or form.enabled is not before.enabled
        now = self._clock.now_ms()
        changed = replace(
            before,
            name=form.name,
            descr=form.descr,
            enabled=form.enabled,
            schedule=form.schedule,
            device_ids=tuple(dict.fromkeys(form.devices)),
            selection=form.filter,
            action=form.action,
            missed=form.missed,
            missed_within_ms=form.missed_within_ms,
            run_count=0 if replanned else before.run_count,
            update_time=now,
        )
        if due:
            over = changed.schedule.max_runs and changed.run_count >= changed.schedule.max_runs
            changed = replace(changed, due_at=0 if over else _due(form, now))
        await self._store.tasks.replace(changed, patch.version or None, due=due, counted=replanned)
        self._functions.reset(function_key(task_id))
        self.scheduler.changed()
        return await self.get(project_id, task_id)

    async def delete(self, project_id: str, task_id: str) -> None:
        """Removes a task with its runs. Devices that wait for a run are not acted upon."""
        await self._store.tasks.delete(project_id, task_id)

    # Runs

    async def run_now(self, project_id: str, task_id: str, actor: Actor) -> TaskRun:
        """Begins a run, also of a task that is disabled or has ended.

        Raises:
            NotFound: there is no such task.
            Conflict: another run of the task has not ended.
        """
        task = await self._store.tasks.get(project_id, task_id)
        run, parts = await self.scheduler.prepare(task, "manual", self._clock.now_ms())
        await self._store.task_runs.begin(replace(run, actor=actor), parts)
        await self.scheduler.began(run)
        return await self._store.task_runs.get(project_id, task_id, run.id)

    async def list_runs(self, project_id: str, task_id: str, page: Page) -> tuple[list[TaskRun], int]:
        """One page of the runs of a task, newest first, and their number."""
        await self._store.tasks.get(project_id, task_id)
        return await self._store.task_runs.list_page(project_id, task_id, page)

    async def get_run(self, project_id: str, task_id: str, run_id: str) -> TaskRun:
        """Raises NotFound for an unknown task or run."""
        require_id(task_id, "no_such_task")
        return await self._store.task_runs.get(project_id, task_id, run_id)

    async def cancel(self, project_id: str, task_id: str, run_id: str) -> TaskRun:
        """Ends a run; devices that had their turn stay as they are. Raises Conflict if it has ended."""
        require_id(task_id, "no_such_task")
        if not await self._store.task_runs.cancel(project_id, task_id, run_id, self._clock.now_ms()):
            raise Conflict("task_run_ended")
        self.scheduler.changed()
        return await self._store.task_runs.get(project_id, task_id, run_id)

    async def list_results(
        self, project_id: str, task_id: str, run_id: str, result: DeviceResult | None, page: Page
    ) -> tuple[list[ListedResult], int]:
        """One page of the results of a run, by device id, and the number of matches."""
        run = await self.get_run(project_id, task_id, run_id)
        return await self._store.task_runs.list_results(run.number, result, page)

    # Schedules

    async def preview(self, project_id: str, schedule: TaskSchedule) -> SchedulePreview:
        """The next instants of a schedule. Raises InvalidInput with every part that is invalid."""
        problems = Problems()
        schedule = await self._complete(project_id, schedule, problems)
        problems.refuse()
        now = self._clock.now_ms()
        planned, found = PlannedInstants(schedule), list[int]()
        most = min(schedule.max_runs or PREVIEW_COUNT, PREVIEW_COUNT)
        while len(found) < most and (due := planned.after(found[-1] if found else now)) is not None:
            found.append(due)
        of_zone = zone(schedule.timezone or "+00:00")
        english, chinese = words_of(schedule)
        return SchedulePreview(
            english,
            chinese,
            schedule.timezone,
            [(instant, local_text(instant, of_zone)) for instant in found],
            _notes(schedule, found, now),
        )

    async def _checked(self, project_id: str, form: TaskForm, before: Task | None = None) -> TaskForm:
        """The form with its schedule completed. Raises InvalidInput."""
        problems = Problems()
        check_form(form, problems)
        if before is None or form.schedule != before.schedule:
            schedule = await self._complete(project_id, form.schedule, problems)
            form = replace(form, schedule=schedule)
        for index, device_id in enumerate(form.devices if before is None or form.devices != before.device_ids else ()):
            if await find_device(self._store, project_id, device_id) is None:
                problems.add(f"devices[{index}]", "not_in_project")
        source = form.action.function
        if source is not None and (before is None or source != before.action.function) and not problems.errors:
            checked = await self._functions.check(source, project=project_id)
            if checked.reason:
                problems.add("action.function", "function_unusable", detail=checked.detail[:500])
        problems.refuse()
        return form

    async def _complete(self, project_id: str, schedule: TaskSchedule, problems: Problems) -> TaskSchedule:
        """The schedule with the project's time zone, and with the begin of its interval. Adds its problems."""
        count = len(problems.errors)
        check_schedule(schedule, problems) if not problems.errors else None
        if schedule.timezone:
            try:
                zone_named(schedule.timezone)
            except Unusable as exc:
                problems.add("schedule.timezone", exc.reason)
        if schedule.cron is not None:
            try:
                plain_cron(schedule.cron)
            except Unusable as exc:
                problems.add("schedule.cron", exc.reason)
        if len(problems.errors) > count:
            return schedule
        now = self._clock.now_ms()
        if schedule.at is None and not schedule.timezone:
            schedule = replace(schedule, timezone=(await self._store.projects.get(project_id)).timezone)
        if schedule.every_ms is not None and not schedule.start_at:
            schedule = replace(schedule, start_at=now + schedule.every_ms)
        if not problems.errors and PlannedInstants(schedule).after(now) is None:
            problems.add("schedule", "schedule_never")
        return schedule


def _due(form: TaskForm, now: int) -> int:
    return (PlannedInstants(form.schedule).after(now) or 0) if form.enabled else 0


def _notes(schedule: TaskSchedule, instants: Sequence[int], now: int) -> list[Reason]:
    """What people may not expect of a schedule."""
    notes: list[Reason] = []
    if schedule.cron is not None and either_day(plain_cron(schedule.cron)):
        notes.append(reason("note_either_day"))
    if schedule.sun is not None and instants:
        days = days_without_sun(schedule, now, instants[-1])
        if days:
            notes.append(reason("note_no_sun", days=len(days), first=_day(days[0]), last=_day(days[-1])))
    return notes


def _day(day: date) -> str:
    return day.isoformat()
