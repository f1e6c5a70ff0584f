"""Begins the runs of tasks when they are due.

A task has one row with its next planned instant, in UTC. Whoever moves it on, which succeeds once, begins the run in
the same transaction. The next instant follows from the planned one, not from when the run began.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import structlog
from msgspec.structs import replace

from thingstead.clock import Clock
from thingstead.config.settings import TaskSettings
from thingstead.errors import ThingsteadError, Unavailable
from thingstead.model import ids, limits
from thingstead.model.device import DeviceFilter
from thingstead.model.tasks.run import RunTrigger, TaskRun
from thingstead.model.tasks.task import LATE_MS, MISSED_COUNT, Task
from thingstead.model.tenant import TENANT
from thingstead.repeating import Repeating
from thingstead.rules.task_schedule import PlannedInstants
from thingstead.services.registry.devices import DeviceService
from thingstead.services.shared.lru import Lru
from thingstead.services.tasks.runner import TaskRunner
from thingstead.services.tasks.slices import slices_of
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.tasks")

TASKS_PER_READ = 50
LONGEST_SLEEP_S = 1.0
RETRY_S = 1.0  # after the store could not begin a run
BROKEN_RETRY_S = 60.0  # after a failure that is not the store's
CLEARING_INTERVAL_S = 60.0
DAY_MS = 24 * 3600 * 1000


class TaskScheduler:
    """Begins runs. Not active until :meth:`start`.

    Attributes:
        instants: planned instants since the start, by outcome: ``begun``, ``left_out``, ``missed``.
    """

    def __init__(
        self, store: Store, clock: Clock, devices: DeviceService, runner: TaskRunner, settings: TaskSettings
    ) -> None:
        self._store = store
        self._clock = clock
        self._devices = devices
        self._settings = settings
        self.runner = runner
        self._wake = asyncio.Event()
        self._broken_s: Lru[str, float] = Lru(TASKS_PER_READ)  # until when a task that could not be begun waits
        self._set_back = False
        self._beginning: dict[str, asyncio.Task[None]] = {}  # by project
        self._task: asyncio.Task[None] | None = None
        self._clearing = Repeating("removal of old runs of tasks", self.clear, CLEARING_INTERVAL_S)
        self.instants: Counter[str] = Counter()
        runner.on_end = self._wake.set
        self.changed = self._wake.set  # call it when a task may be due earlier

    def start(self) -> None:
        """Starts to begin runs, and continues those of an earlier run of the server."""
        self.runner.start()
        self._clearing.start()
        self._task = asyncio.create_task(self._run(), name="tasks")

    async def close(self) -> None:
        """Ends the background work. Runs under way go on after the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        for beginning in self._beginning.values():
            beginning.cancel()
        if self._beginning:
            await asyncio.wait(self._beginning.values())
        await self._clearing.close()
        await self.runner.close()

    def clock_set_back(self, now: int, by_ms: int) -> None:
        """Handles that the server's clock was set back: the next :meth:`sweep` plans all tasks anew. Instants that had
        a run already have no second one."""
        self._set_back = True
        self._wake.set()

    async def _run(self) -> None:
        while True:
            sleep_s = RETRY_S
            try:
                await self.sweep(wait=False)
                now = self._clock.now_ms()
                due = await self._store.tasks.next_due(now)
                sleep_s = LONGEST_SLEEP_S if due is None else min(LONGEST_SLEEP_S, max(0.0, (due - now) / 1000))
            except ThingsteadError as exc:
                log.warning("tasks could not be begun; retrying", error=exc.message)
            except Exception:
                log.exception("tasks failed to begin; retrying")
            with suppress(TimeoutError):
                async with asyncio.timeout(sleep_s):
                    await self._wake.wait()
            self._wake.clear()

    async def sweep(self, *, wait: bool = True) -> None:
        """Begins what is due. ``wait``: returns when it has begun."""
        if self._set_back:
            self._set_back = False
            await self._plan_anew()
        now = self._clock.now_ms()
        for project_id in await self._store.tasks.due_projects(now):
            if project_id not in self._beginning:
                beginning = asyncio.create_task(self._begin_due(project_id, now), name="due tasks of a project")
                self._beginning[project_id] = beginning
                beginning.add_done_callback(partial(self._begun, project_id))
        if wait and self._beginning:
            await asyncio.wait(self._beginning.values())

    def _begun(self, project_id: str, done: "asyncio.Task[None]") -> None:
        del self._beginning[project_id]
        if not done.cancelled() and (error := done.exception()) is not None:
            log.warning("tasks could not be begun; retrying", error=str(error))

    async def _begin_due(self, project_id: str, now: int) -> None:
        """Begins what is due in a project; others do not wait for the choice of its devices."""
        TENANT.set(project_id)
        after = (0, "")
        while found := await self._store.tasks.list_due(project_id, now, after, TASKS_PER_READ):
            after = (found[-1].due_at, found[-1].id)
            for task in found:
                if self._broken_s.get(task.id, 0.0) > self._clock.monotonic_s():
                    continue
                try:
                    await self._catch_up(task, now)
                except Unavailable:
                    raise
                except Exception:
                    log.exception("a task could not be begun; it is tried again later", task=task.id)
                    self._broken_s.put(task.id, self._clock.monotonic_s() + BROKEN_RETRY_S)

    async def _catch_up(self, task: Task, now: int) -> None:
        """Handles the instants of a task up to now, oldest first."""
        for _ in range(MISSED_COUNT + 2):
            if not 0 < task.due_at <= now or not await self._handle(task, now):
                return
            task = await self._store.tasks.get(task.project_id, task.id)

    async def _handle(self, task: Task, now: int) -> bool:
        """Handles the instant at which a task is due. Returns False if it must wait, or somebody else handled it."""
        planned = PlannedInstants(task.schedule)
        passed = planned.newest(task.due_at - 1, now - LATE_MS) if task.due_at <= now - LATE_MS else []
        if not passed:
            return not await self._catches_up(task) and await self._begin(task, planned)
        made_up = passed if task.missed == "all" else passed[-1:]
        if task.missed == "skip" or (task.missed == "once" and passed[-1] < now - task.missed_within_ms):
            made_up = []
        if not made_up:
            return await self._pass_over(task, passed, planned.after(passed[-1]) or 0)
        if made_up[0] > task.due_at:
            return await self._pass_over(
                task, [each for each in passed if each < made_up[0]] or [task.due_at], made_up[0]
            )
        if task.missed == "all" and await self._open_run(task) is not None:
            return False  # the runner wakes the scheduler at its end
        return await self._begin(task, planned)

    async def _catches_up(self, task: Task) -> bool:
        """Whether a run that makes up for a missed instant has not ended, and others are to wait for it."""
        run = await self._open_run(task) if task.missed == "all" else None
        return run is not None and run.begin_time - run.planned_at > LATE_MS

    async def _open_run(self, task: Task) -> TaskRun | None:
        newest = (await self._store.task_runs.newest([task.id])).get(task.id)
        return newest if newest is not None and newest.end_time == 0 else None

    async def _pass_over(self, task: Task, passed: Sequence[int], due_at: int) -> bool:
        now = self._clock.now_ms()
        run = replace(
            self._run_of(task, "schedule", task.due_at),
            last_planned_at=passed[-1], instants=len(passed), state="missed", end_time=now,
        )  # fmt: skip
        done = await self._store.tasks.pass_over(task, due_at, run)
        if done:
            self.instants["missed"] += len(passed)
        return done

    async def _begin(self, task: Task, planned: PlannedInstants) -> bool:
        run, parts = await self.prepare(task, "schedule", task.due_at)
        claim = await self._store.tasks.claim(task, planned.after(task.due_at) or 0, run, parts)
        if claim != "lost":
            self.instants[claim] += 1
        if claim == "begun":
            await self.began(run)
        return True

    async def began(self, run: TaskRun) -> None:
        """Call when a run was stored: its devices are acted upon, and old runs of its task are dropped."""
        self.runner.begun()
        await self._store.task_runs.limit(run.task_id, self._settings.kept_runs, self._settings.kept_results)

    async def prepare(self, task: Task, trigger: RunTrigger, at: int) -> tuple[TaskRun, list[list[str]]]:
        """The run of a task that begins now, and its devices in slices. It has ended if there is nothing to do."""
        run = self._run_of(task, trigger, at)
        now = run.begin_time
        if task.selection is None:
            device_ids = list(dict.fromkeys(task.device_ids))
        else:
            try:
                device_filter = self._devices.dated(task.selection.to_filter())
                device_ids = await self._list(task.project_id, device_filter)
            except Unavailable:
                raise
            except ThingsteadError as exc:
                why = exc.errors[0].reason if exc.errors else exc.reason
                return replace(run, state="failed", end_time=now, code=why.code, args=dict(why.args)), []
        if len(device_ids) > limits.JOB_DEVICES_COUNT:
            args = {"maximum": limits.JOB_DEVICES_COUNT}
            return replace(run, state="failed", end_time=now, code="too_many_devices", args=args), []
        if not device_ids:
            return replace(run, state="done", end_time=now), []
        return replace(run, total=len(device_ids)), slices_of(device_ids, task.action)

    async def _list(self, project_id: str, device_filter: DeviceFilter) -> list[str]:
        return await self._store.jobs.list_ids(project_id, device_filter, limits.JOB_DEVICES_COUNT + 1)

    def _run_of(self, task: Task, trigger: RunTrigger, at: int) -> TaskRun:
        return TaskRun(
            id=ids.new_id() + ids.new_id(),
            project_id=task.project_id,
            task_id=task.id,
            trigger=trigger,
            planned_at=at,
            last_planned_at=at,
            begin_time=self._clock.now_ms(),
            task_version=task.version,
            action=task.action,
        )

    async def _plan_anew(self) -> None:
        """Plans all tasks from now on, which a clock that was ahead has moved too far."""
        now = self._clock.now_ms()
        after = (now, "")
        while found := await self._store.tasks.list_due(None, limits.INSTANT_MS, after, TASKS_PER_READ):
            after = (found[-1].due_at, found[-1].id)
            for task in found:
                due_at = PlannedInstants(task.schedule).after(now)
                if due_at is not None and due_at < task.due_at:
                    await self._store.tasks.replan(task, due_at)

    async def clear(self) -> None:
        """Removes runs that ended long ago, and what is left of removed ones."""
        await self._store.task_runs.drop_old(self._clock.now_ms() - self._settings.kept_days * DAY_MS)
        while await self._store.task_runs.purge():
            pass
