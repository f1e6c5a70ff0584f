"""Tasks, their runs, and the results for each device."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.model.console.bulk import Actor
from thingstead.model.tasks.run import DeviceResult, RunState, RunTrigger
from thingstead.model.tasks.task import Missed, TaskAction, TaskSchedule, TaskState


class TaskRunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a task. Consecutive instants that were left out or missed are one row."""

    id: str
    task_id: str
    trigger: RunTrigger
    planned_at: int  # ms
    last_planned_at: int  # ms; of left-out or missed instants the last one
    instants: Annotated[int, Meta(description="Planned instants that the row stands for; at most 100 in a row count.")]
    begin_time: int  # ms
    end_time: Annotated[int, Meta(description="ms; 0 until it has ended.")]
    state: RunState
    total: Annotated[int, Meta(description="Devices.")]
    done: int
    empty: Annotated[int, Meta(description="Devices for which the function returned nothing.")]
    refused: int
    task_version: Annotated[int, Meta(description="The `version` of the task when the run began.")]
    by: Annotated[Actor | None, Meta(description="Who began it by hand.")]
    code: str  # why it failed; docs/refusals.md has its text
    args: dict[str, Any]  # arguments of its text
    message: str


class TaskInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A task."""

    id: str
    name: str
    descr: str
    enabled: bool
    state: Annotated[TaskState, Meta(description="`ended`: its schedule has no further instant.")]
    schedule: TaskSchedule
    devices: list[str]
    filter: Annotated[
        dict[str, Any] | UnsetType, Meta(description="In place of `devices`: members as in the query of devices.")
    ] = UNSET
    action: TaskAction
    missed: Missed
    missed_within_ms: int
    next_run_at: Annotated[int, Meta(description="ms; 0: none.")]
    run_count: Annotated[int, Meta(description="Scheduled runs since the schedule was set.")]
    last_run: Annotated[TaskRunInfo | None, Meta(description="The newest run, or left-out or missed instants.")]
    create_time: int  # ms
    update_time: int  # ms
    version: int  # extension: incremented by each change, from 1; send it with a change to detect conflicts


class TaskResultInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run for one device."""

    device_id: str
    name: Annotated[str, Meta(description="Of the device; empty: it was removed.")]
    result: DeviceResult
    code: str  # why it was refused; docs/refusals.md has its text
    args: dict[str, Any]  # arguments of its text
    message: str
    ts: int  # ms
    command: Annotated[str, Meta(description="The id of the command that was sent; empty: none.")]
    command_state: Annotated[str, Meta(description="Its present state; empty: there is none any more.")]


class ScheduleWords(msgspec.Struct, frozen=True, kw_only=True):
    """What a schedule says."""

    en: str
    zh: str


class PlannedInstant(msgspec.Struct, frozen=True, kw_only=True):
    """An instant at which a task would run."""

    ts: int  # ms
    local: Annotated[str, Meta(description="ISO 8601, in the time zone of the schedule.")]


class ScheduleNote(msgspec.Struct, frozen=True, kw_only=True):
    """What people may not expect of a schedule."""

    code: str  # docs/refusals.md has its text
    args: dict[str, Any]  # arguments of its text
    message: str


class TaskPreview(msgspec.Struct, frozen=True, kw_only=True):
    """When a schedule runs next."""

    words: ScheduleWords
    timezone: str
    instants: list[PlannedInstant]
    notes: list[ScheduleNote]
