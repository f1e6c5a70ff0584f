"""What a run does to each of its devices: checked first, then an effect or the result."""

import asyncio
from collections.abc import Sequence

from thingstead.clock import Clock
from thingstead.errors import InvalidInput, ThingsteadError, Unavailable
from thingstead.model.message_rules.action import Action
from thingstead.model.message_rules.work import Cause, WorkItem
from thingstead.model.tasks.run import TaskResult, TaskRun
from thingstead.refusals import Reason, reason
from thingstead.services.ingest.ingest import IngestService
from thingstead.services.message_rules.effect_kinds import Effect, FailedAction
from thingstead.services.message_rules.effects import UNAVAILABLE, Effects
from thingstead.services.message_rules.results import actions_of
from thingstead.services.shared.payloads import check_depth
from thingstead.storage.base import Store

Step = tuple[str, Effect | TaskResult]  # device id, and what is to be done or came of it


def refused(device_id: str, why: Reason) -> TaskResult:
    """The result for a device to which nothing was done."""
    return TaskResult(device_id, "refused", why.code, dict(why.args))


def function_key(task_id: str) -> str:
    """The name of a task's function in the pool, under which its failures are counted."""
    return f"task:{task_id}"


class TaskActions:
    """Prepares what runs do."""

    def __init__(self, store: Store, clock: Clock, ingest: IngestService, effects: Effects) -> None:
        self._store = store
        self._clock = clock
        self._ingest = ingest
        self._effects = effects

    async def prepare(self, run: TaskRun, device_ids: Sequence[str]) -> list[Step]:
        """A step for each device, in their order. Raises Unavailable if the store cannot be read now."""
        if run.action.function is None:
            return [(device_id, await self._prepare(run, device_id, run.action.plain())) for device_id in device_ids]
        found = await asyncio.gather(*(self._call(run, device_id, run.action.function) for device_id in device_ids))
        return list(zip(device_ids, found, strict=True))

    async def _prepare(self, run: TaskRun, device_id: str, action: Action) -> Effect | TaskResult:
        item = WorkItem(run.project_id, device_id, run.task_id, self._clock.now_ms(), Cause(run.id))
        found = await self._effects.prepare(item, action)
        if isinstance(found, FailedAction):
            return refused(device_id, found.why or reason("function_failed", why=found.outcome, detail=found.detail))
        return found

    async def _call(self, run: TaskRun, device_id: str, source: str) -> Effect | TaskResult:
        """What the function of a run wants to be done to a device."""
        try:
            link = await self._ingest.link(await self._store.devices.get(run.project_id, device_id))
        except Unavailable:
            raise
        except ThingsteadError as exc:
            return refused(device_id, exc.reason)
        if self._ingest.functions is None:
            return refused(device_id, reason("function_failed", why="function_error", detail=UNAVAILABLE))
        result = await self._ingest.functions.call(link, function_key(run.task_id), source, None, on="task")
        if result.reason == "empty":
            return TaskResult(device_id, "empty")
        if result.reason:
            return refused(device_id, reason("function_failed", why=result.reason, detail=result.detail))
        returns = Action(function=source, result=run.action.result, identifier=run.action.identifier)
        try:
            check_depth(result.value)
            (wanted,) = actions_of(returns, "task", result.value)
        except InvalidInput as exc:
            return refused(device_id, exc.errors[0].reason if exc.errors else exc.reason)
        return await self._prepare(run, device_id, wanted)
