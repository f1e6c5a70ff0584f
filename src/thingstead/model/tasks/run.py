"""Runs of tasks, and their results for each device."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from thingstead.model.console.bulk import Actor
from thingstead.model.tasks.task import TaskAction

RunTrigger = Literal["schedule", "manual"]
RunState = Literal["running", "done", "cancelled", "failed", "left_out", "missed"]
DeviceResult = Literal["done", "empty", "refused"]


class TaskRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a task. Its devices and its action are those of its begin.

    Instants at which a run was left out, because another one had not ended, or that were missed, are one row as long
    as they follow each other.
    """

    id: str
    number: int = 0  # assigned by the store, in the order of begin
    project_id: str
    task_id: str
    trigger: RunTrigger
    planned_at: int  # ms
    last_planned_at: int = 0  # ms; of left-out or missed instants the last one
    instants: int = 1  # that the row stands for
    begin_time: int  # ms
    end_time: int = 0  # ms; 0: not ended
    state: RunState = "running"
    total: int = 0  # devices
    done: int = 0
    empty: int = 0  # devices for which the function returned nothing
    refused: int = 0
    task_version: int = 1
    actor: Actor | None = None  # of a manual run
    action: TaskAction
    code: str = ""  # why it failed
    args: dict[str, Any] = {}


class OpenRun(NamedTuple):
    """A run that has not ended."""

    number: int
    id: str
    project_id: str


class RunPart(NamedTuple):
    """Devices of a run that wait for their turn."""

    run_number: int
    position: int
    device_ids: tuple[str, ...]


class TaskResult(NamedTuple):
    """What came of a run for one device."""

    device_id: str
    result: DeviceResult
    code: str = ""
    args: Mapping[str, Any] = {}
    command_id: str = ""  # row id of the command that was sent


class ListedResult(NamedTuple):
    """A result with what a list shows beside it."""

    result: TaskResult
    ts: int  # ms
    name: str  # of the device; empty: it was removed
    command_state: str  # of the command; empty: there is none
