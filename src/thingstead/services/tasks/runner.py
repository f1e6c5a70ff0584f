"""Does what runs of tasks have to do, a slice of devices at a time.

The effects on the devices of a slice, their results, and the deletion of the slice are put into the open commit in one
turn of the event loop, so that they are one transaction: each device is acted upon once, also when the process is
killed at any moment.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import structlog

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import ThingsteadError, Unavailable
from thingstead.model.messages import ThingChanged
from thingstead.model.tasks.run import OpenRun, RunPart, TaskResult, TaskRun
from thingstead.model.tenant import TENANT
from thingstead.repeating import Repeating
from thingstead.services.message_rules.effect_kinds import Effect
from thingstead.services.shared.pace import Pace
from thingstead.services.shared.part_turns import PartTurns
from thingstead.services.shared.project_workers import ProjectWorkers
from thingstead.services.tasks.actions import Step, TaskActions, refused
from thingstead.storage.base import Store
from thingstead.storage.commit import ended

log = structlog.get_logger("thingstead.tasks")

PAUSE_SHARE = 1.0  # pause after a slice, relative to its duration, for other work
LOOK_INTERVAL_S = 60.0  # interval of checks for open runs, and for what is to be removed
HELD_S = 60.0  # how long a congested device is waited for
HELD_RETRY_S = 0.5  # until congested devices are tried again


class TaskRunner:
    """Applies the slices of all open runs. :meth:`start` continues those of an earlier run of the server.

    Attributes:
        on_end: called when a run may have ended.
        results: devices that were acted upon since the start, by their result.
    """

    def __init__(
        self, store: Store, bus: Bus, clock: Clock, actions: TaskActions, pace: Pace, turns: PartTurns
    ) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._actions = actions
        self._pace = pace
        self._turns = turns
        self._workers = ProjectWorkers("tasks of a project", store.task_runs.open_projects, self._work)
        self._task = Repeating("runs of tasks", self._workers.run, LOOK_INTERVAL_S, at_start=True)
        self._held_s: dict[tuple[int, str], float] = {}  # since when a device of a run is congested
        self.on_end: Callable[[], None] = lambda: None
        self.results: Counter[str] = Counter()

    def start(self) -> None:
        """Starts the task that applies slices."""
        self._task.start()

    async def close(self) -> None:
        await self._task.close()

    def begun(self) -> None:
        """Call when a run has begun."""
        self._workers.tell()
        self._task.want()

    async def run(self) -> None:
        """Applies the slices of all open runs until none is left."""
        await self._workers.run()

    async def _work(self, project_id: str) -> None:
        """Applies the slices of a project's runs, which take turns, until none is open."""
        token = TENANT.set(project_id)
        try:
            while runs := await self._store.task_runs.list_open(project_id):
                for run in runs:
                    await self._do_part(run)
        finally:
            TENANT.reset(token)

    async def _do_part(self, opened: OpenRun) -> None:
        run = await self._store.task_runs.read(opened.number)
        part = await self._store.task_runs.next_part(opened.number)
        if run is None:
            self._forget(opened.number)
            return
        if part is None:
            await self._end(run, "")
            self._ended(run)
            return
        await asyncio.sleep(self._pace.wait_s(run.project_id))
        try:
            await self._apply(run, part)
        except ThingsteadError:
            raise  # cannot be stored now: tried again
        except Exception:  # a bug: only this run fails
            log.exception("a run of a task failed", task=run.task_id, run=run.id, project=run.project_id)
            await self._end(run, "internal_error")
        if await self._store.task_runs.read(run.number) is None:
            self._ended(run)

    def _forget(self, run_number: int) -> None:
        for key in [key for key in self._held_s if key[0] == run_number]:
            del self._held_s[key]

    async def _end(self, run: TaskRun, code: str) -> None:
        await self._store.task_runs.end(run.number, self._clock.now_ms(), "failed" if code else "done", code)

    def _ended(self, run: TaskRun) -> None:
        self._forget(run.number)
        self._bus.publish(ThingChanged(run.project_id, "task_run", run.id, 0, "end", ""))
        self.on_end()

    async def _apply(self, run: TaskRun, part: RunPart) -> None:
        steps = await self._actions.prepare(run, part.device_ids)
        self._pace.spent(run.project_id, len(steps))
        async with self._turns.turn(run.project_id, PAUSE_SHARE):
            if await self._store.task_runs.next_part(run.number) != part:
                return  # it was cancelled meanwhile
            held = await self._commit(part, steps)
        if held:
            await asyncio.sleep(HELD_RETRY_S)

    async def _commit(self, part: RunPart, steps: Sequence[Step]) -> bool:
        """Commits the effects of a slice with its results. Returns whether devices still wait."""
        results: list[TaskResult] = []
        held: list[str] = []
        effects: list[tuple[str, Effect]] = []
        # No await until finish_part(): all writes are in one commit.
        for device_id, found in steps:
            step = found if isinstance(found, TaskResult) else self._appended(part, device_id, found)
            if isinstance(step, TaskResult):
                results.append(step)
            elif step is None:
                held.append(device_id)
            else:
                effects.append((device_id, step))
        if not results and not effects:
            return True
        commit = self._store.task_runs.finish_part(
            part, held, lambda: [*results, *(_result(*each) for each in effects)], self._clock.now_ms()
        )
        error = await ended(commit)
        if error is not None:
            raise error
        for device_id, effect in effects:
            effect.done()
            self.results[_result(device_id, effect).result] += 1
        for result in results:
            self.results[result.result] += 1
        return bool(held)

    def _appended(self, part: RunPart, device_id: str, effect: Effect) -> Effect | TaskResult | None:
        """Puts an effect into the open commit. Returns the result if it is refused, None if the device must wait."""
        key = (part.run_number, device_id)
        try:
            effect.check_room()
            effect.append()
        except Unavailable as exc:
            now_s = self._clock.monotonic_s()
            if exc.reason.code != "device_congested" or now_s - self._held_s.setdefault(key, now_s) < HELD_S:
                return None
            del self._held_s[key]
            return refused(device_id, exc.reason)
        except ThingsteadError as exc:
            return refused(device_id, exc.errors[0].reason if exc.errors else exc.reason)
        self._held_s.pop(key, None)
        return effect


def _result(device_id: str, effect: Effect) -> TaskResult:
    """The result of an effect that was put into a commit."""
    refusal = effect.refusal
    if refusal is not None:
        return refused(device_id, refusal.reason)
    return TaskResult(device_id, "done", command_id=effect.reference)
