"""Tasks (任务): what is done to devices at an instant or again and again."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import PageQuery, listed
from thingstead.api.project.console.bulk_changes import actor_of
from thingstead.errors import Conflict, NotFound
from thingstead.model import limits
from thingstead.model.console.device_selection import DeviceSelection
from thingstead.model.roles import ADMIN, OPERATOR, VIEWER
from thingstead.model.tasks.run import DeviceResult, ListedResult, TaskRun
from thingstead.model.tasks.task import Task, TaskFilter, TaskSchedule
from thingstead.model.tasks.task_form import TaskForm, TaskPatch
from thingstead.refusals import reason
from thingstead.wire.automation.tasks import (
    PlannedInstant,
    ScheduleNote,
    ScheduleWords,
    TaskInfo,
    TaskPreview,
    TaskResultInfo,
    TaskRunInfo,
)
from thingstead.wire.common import Created, Listed

COMMON: Mapping[str, Any] = {"tag": "Tasks", "extension": True}

SMALLEST: Mapping[str, Any] = {
    "name": "Lamps on",
    "schedule": {"cron": "0 18 * * *"},
    "filter": {"type": "m4t8y1qz"},
    "action": {"push": {"lamp": True}},
}
THOROUGH: Mapping[str, Any] = {
    "name": "Street lamps",
    "schedule": {
        "sun": "sunset", "offset_ms": -900_000, "latitude": 31.23, "longitude": 121.47, "timezone": "Asia/Shanghai",
    },
    "filter": {"group": "g7n2k5wd", "include_sub_groups": True, "tag": ["place:street"]},
    "action": {"command": {"method": "light", "params": {"level": 80}, "wait_ms": 600_000}},
    "missed": "once",
    "missed_within_ms": 7_200_000,
}  # fmt: skip


class TasksQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list; all given filters must match."""

    enabled: Annotated[bool, Meta(description="1: only enabled tasks, 0: only disabled ones.")] | None = None
    keyword: (
        Annotated[str, Meta(max_length=limits.KEYWORD_LENGTH, description="Part of the name, in any case.")] | None
    ) = None


class TaskRunsQuery(PageQuery, frozen=True, kw_only=True):
    """The page."""


class TaskResultsQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list."""

    result: Annotated[DeviceResult, Meta(description="Only these: `done`, `empty` or `refused`.")] | None = None


class TaskPreviewBody(msgspec.Struct, frozen=True, kw_only=True):
    """The schedule."""

    schedule: TaskSchedule


def _shown(found: tuple[Task, TaskRun | None]) -> TaskInfo:
    task, run = found
    return TaskInfo(
        id=task.id,
        name=task.name,
        descr=task.descr,
        enabled=task.enabled,
        state=task.state,
        schedule=task.schedule,
        devices=list(task.device_ids),
        filter=UNSET if task.selection is None else _given(task.selection),
        action=task.action,
        missed=task.missed,
        missed_within_ms=task.missed_within_ms,
        next_run_at=task.due_at,
        run_count=task.run_count,
        last_run=None if run is None else _run_shown(run),
        create_time=task.create_time,
        update_time=task.update_time,
        version=task.version,
    )


def _given(selection: DeviceSelection) -> dict[str, Any]:
    """The members that select something."""
    return {name: value for name, value in msgspec.to_builtins(selection).items() if value not in (None, False)}


def _run_shown(run: TaskRun) -> TaskRunInfo:
    return TaskRunInfo(
        id=run.id,
        task_id=run.task_id,
        trigger=run.trigger,
        planned_at=run.planned_at,
        last_planned_at=run.last_planned_at,
        instants=run.instants,
        begin_time=run.begin_time,
        end_time=run.end_time,
        state=run.state,
        total=run.total,
        done=run.done,
        empty=run.empty,
        refused=run.refused,
        task_version=run.task_version,
        by=run.actor,
        code=run.code,
        args=run.args,
        message=_text(run.code, run.args),
    )


def _result_shown(found: ListedResult) -> TaskResultInfo:
    each = found.result
    return TaskResultInfo(
        device_id=each.device_id,
        name=found.name,
        result=each.result,
        code=each.code,
        args=dict(each.args),
        message=_text(each.code, each.args),
        ts=found.ts,
        command=each.command_id,
        command_state=found.command_state,
    )


def _text(code: str, args: Mapping[str, Any]) -> str:
    return reason(code, **args).message if code else ""


async def create_task(call: ApiCall) -> Created:
    """A task acts on chosen devices (`devices`) or on those that match a `filter` when a run begins: it pushes
    attributes, sends a command or custom data, or calls a cloud function for each device that says what is to be done.
    It runs once (`at`), by a cron expression, at an interval, or at sunrise or sunset.

    Each planned instant has one run, and each device one effect of it, also when the server is killed at any moment or
    another node takes over. If a run has not ended at the next instant, that instant is left out."""
    task = await call.platform.tasks.create(call.caller.project_id, call.body)
    return Created(id=task.id, name=task.name)


async def tasks(call: ApiCall) -> Listed[TaskInfo]:
    """Oldest task first."""
    query: TasksQuery = call.query
    page = query.to_page()
    task_filter = TaskFilter(enabled=query.enabled, keyword=query.keyword)
    found, total = await call.platform.tasks.list_page(call.caller.project_id, task_filter, page)
    return listed([_shown(each) for each in found], total, page)


async def task(call: ApiCall) -> TaskInfo:
    """A task with its next instant and its newest run."""
    return _shown(await call.platform.tasks.get(call.caller.project_id, call.path["task_id"]))


async def update_task(call: ApiCall) -> TaskInfo:
    """Absent members stay unchanged; `enabled` switches it on and off. A run under way goes on as it began. A task that
    is enabled, or gets another schedule, is planned from now on."""
    return _shown(await call.platform.tasks.update(call.caller.project_id, call.path["task_id"], call.body))


async def delete_task(call: ApiCall) -> None:
    """Its runs and results are removed, too. A run under way ends; devices that had their turn stay as they are."""
    await call.platform.tasks.delete(call.caller.project_id, call.path["task_id"])


async def run_task(call: ApiCall) -> TaskRunInfo:
    """Begins a run now, also of a task that is disabled or has ended; its schedule stays as it is. Refused while a run
    has not ended."""
    actor = await actor_of(call)
    return _run_shown(await call.platform.tasks.run_now(call.caller.project_id, call.path["task_id"], actor))


async def task_runs(call: ApiCall) -> Listed[TaskRunInfo]:
    """Newest run first. The newest 100 runs are kept for 90 days, and the results of the last 500,000 devices; the
    server can be configured otherwise."""
    query: TaskRunsQuery = call.query
    page = query.to_page()
    found, total = await call.platform.tasks.list_runs(call.caller.project_id, call.path["task_id"], page)
    return listed([_run_shown(each) for each in found], total, page)


async def task_run(call: ApiCall) -> TaskRunInfo:
    """`done` + `empty` + `refused` of `total` devices had their turn."""
    run = await call.platform.tasks.get_run(call.caller.project_id, call.path["task_id"], call.path["task_run_id"])
    return _run_shown(run)


async def cancel_run(call: ApiCall) -> TaskRunInfo:
    """Ends a run; devices that had their turn stay as they are, the others get no result."""
    run = await call.platform.tasks.cancel(call.caller.project_id, call.path["task_id"], call.path["task_run_id"])
    return _run_shown(run)


async def task_results(call: ApiCall) -> Listed[TaskResultInfo]:
    """Results of devices that had their turn, by device id. `done` means that the attributes are stored and were sent
    if the device was connected, that the custom data was sent, or that the command was issued: `command_state` is its
    present state."""
    query: TaskResultsQuery = call.query
    page = query.to_page()
    path = call.path
    found, total = await call.platform.tasks.list_results(
        call.caller.project_id, path["task_id"], path["task_run_id"], query.result, page
    )
    return listed([_result_shown(each) for each in found], total, page)


async def preview(call: ApiCall) -> TaskPreview:
    """The next 10 instants of a schedule, what it says in words, and what people may not expect of it. Nothing is
    stored."""
    body: TaskPreviewBody = call.body
    found = await call.platform.tasks.preview(call.caller.project_id, body.schedule)
    return TaskPreview(
        words=ScheduleWords(en=found.english, zh=found.chinese),
        timezone=found.timezone,
        instants=[PlannedInstant(ts=instant, local=local) for instant, local in found.instants],
        notes=[ScheduleNote(code=each.code, args=dict(each.args), message=each.message) for each in found.notes],
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/api/v1/task",
        summary="Create a task",
        handler=create_task,
        role=ADMIN,
        body=TaskForm,
        info=Created,
        refusals=(Conflict,),
        example=SMALLEST,
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/tasks",
        summary="List tasks",
        handler=tasks,
        role=VIEWER,
        query=TasksQuery,
        info=Listed[TaskInfo],
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/task/{task_id}",
        summary="Read a task",
        handler=task,
        role=VIEWER,
        info=TaskInfo,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/task/{task_id}",
        summary="Change a task",
        handler=update_task,
        role=ADMIN,
        body=TaskPatch,
        read_only=TaskInfo,
        info=TaskInfo,
        refusals=(NotFound, Conflict),
        example=THOROUGH,
        **COMMON,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/task/{task_id}",
        summary="Remove a task",
        handler=delete_task,
        role=ADMIN,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/task/{task_id}/run",
        summary="Run a task now",
        handler=run_task,
        role=OPERATOR,
        info=TaskRunInfo,
        refusals=(NotFound, Conflict),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/task/{task_id}/runs",
        summary="List the runs of a task",
        handler=task_runs,
        role=VIEWER,
        query=TaskRunsQuery,
        info=Listed[TaskRunInfo],
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/task/{task_id}/run/{task_run_id}",
        summary="Read a run of a task",
        handler=task_run,
        role=VIEWER,
        info=TaskRunInfo,
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/task/{task_id}/run/{task_run_id}/cancel",
        summary="Cancel a run of a task",
        handler=cancel_run,
        role=OPERATOR,
        info=TaskRunInfo,
        refusals=(NotFound, Conflict),
        **COMMON,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/task/{task_id}/run/{task_run_id}/results",
        summary="List the results of a run for each device",
        handler=task_results,
        role=VIEWER,
        query=TaskResultsQuery,
        info=Listed[TaskResultInfo],
        refusals=(NotFound,),
        **COMMON,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/task_preview",
        summary="Preview a schedule",
        handler=preview,
        role=VIEWER,
        body=TaskPreviewBody,
        info=TaskPreview,
        example={"schedule": {"cron": "30 2 * * 1-5", "timezone": "Europe/Berlin"}},
        **COMMON,
    ),
)
