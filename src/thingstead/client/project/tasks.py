"""Tasks: what is done to devices at an instant or again and again."""

from collections.abc import Mapping
from typing import Any

from thingstead.client.call import Call, Listing, members
from thingstead.client.http import segment
from thingstead.wire.automation.tasks import TaskInfo, TaskPreview, TaskResultInfo, TaskRunInfo
from thingstead.wire.common import Created, Empty, Listed


def create(task: Mapping[str, Any]) -> Call[Created]:
    """Creates a task; ``task`` is the JSON object of ``POST /task``."""
    return Call("POST", "/task", Created, dict(task))


def list_tasks(*, enabled: bool | None = None, keyword: str | None = None) -> Listing[TaskInfo]:
    """Oldest task first; all given filters must match."""
    return Listing(Call("GET", "/tasks", Listed[TaskInfo], query={"enabled": enabled, "keyword": keyword}))


def read(task_id: str) -> Call[TaskInfo]:
    """One task."""
    return Call("GET", f"/task/{segment(task_id)}", TaskInfo)


def update(task_id: str, task: Mapping[str, Any], *, version: int | None = None) -> Call[TaskInfo]:
    """Changes the members that are in ``task``."""
    return Call("PUT", f"/task/{segment(task_id)}", TaskInfo, {**task, **members(version=version)})


def delete(task_id: str) -> Call[Empty]:
    """Removes a task with its runs."""
    return Call("DELETE", f"/task/{segment(task_id)}", Empty)


def run(task_id: str) -> Call[TaskRunInfo]:
    """Begins a run now."""
    return Call("POST", f"/task/{segment(task_id)}/run", TaskRunInfo)


def list_runs(task_id: str) -> Listing[TaskRunInfo]:
    """Runs of a task, newest first."""
    return Listing(Call("GET", f"/task/{segment(task_id)}/runs", Listed[TaskRunInfo]))


def read_run(task_id: str, run_id: str) -> Call[TaskRunInfo]:
    """One run."""
    return Call("GET", f"/task/{segment(task_id)}/run/{segment(run_id)}", TaskRunInfo)


def cancel_run(task_id: str, run_id: str) -> Call[TaskRunInfo]:
    """Ends a run; devices that had their turn stay as they are."""
    return Call("POST", f"/task/{segment(task_id)}/run/{segment(run_id)}/cancel", TaskRunInfo)


def list_results(task_id: str, run_id: str, *, result: str | None = None) -> Listing[TaskResultInfo]:
    """Results of a run, by device id."""
    path = f"/task/{segment(task_id)}/run/{segment(run_id)}/results"
    return Listing(Call("GET", path, Listed[TaskResultInfo], query={"result": result}))


def preview(schedule: Mapping[str, Any]) -> Call[TaskPreview]:
    """The next instants of a schedule; nothing is stored."""
    return Call("POST", "/task_preview", TaskPreview, {"schedule": dict(schedule)})
