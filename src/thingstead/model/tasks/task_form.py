"""A task in the form of the API."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.model import limits
from thingstead.model.console.device_selection import DeviceSelection
from thingstead.model.tasks.task import (
    DEVICES_COUNT,
    INTERVAL_MS,
    MISSED_WITHIN_MS,
    Missed,
    Task,
    TaskAction,
    TaskSchedule,
)

Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Descr = Annotated[str, Meta(max_length=limits.DESCR_LENGTH)]
DevicesMember = Annotated[tuple[str, ...], Meta(max_length=DEVICES_COUNT, description="Device ids: these alone.")]
FilterMember = Annotated[
    DeviceSelection,
    Meta(
        description="In place of `devices`: those that match when a run begins; as the query of `GET /api/v1/devices`."
    ),
]
MissedMember = Annotated[
    Missed,
    Meta(
        description="What becomes of instants that passed while the server was stopped: `skip`; `once`: the last one "
        "is made up for; `all`: each of the last 100, one after the other."
    ),
]
WithinMember = Annotated[
    int, Meta(ge=0, le=INTERVAL_MS, description="With `once`: how old the missed instant may be (ms).")
]


class TaskForm(msgspec.Struct, frozen=True, kw_only=True):
    """A task. Its devices are either `devices` or `filter`."""

    name: Name
    descr: Descr = ""
    enabled: bool = True
    schedule: TaskSchedule
    devices: DevicesMember = ()
    filter: FilterMember | None = None
    action: TaskAction
    missed: MissedMember = "once"
    missed_within_ms: WithinMember = MISSED_WITHIN_MS


class TaskPatch(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of a task; members that are left out stay unchanged."""

    name: Name | UnsetType = UNSET
    descr: Descr | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    schedule: TaskSchedule | UnsetType = UNSET
    devices: DevicesMember | UnsetType | None = UNSET
    filter: FilterMember | UnsetType | None = UNSET
    action: TaskAction | UnsetType = UNSET
    missed: MissedMember | UnsetType = UNSET
    missed_within_ms: WithinMember | UnsetType = UNSET
    version: (
        Annotated[
            int,
            Meta(
                ge=1, description="Extension: the `version` that was read; where it is another one by now, errcode 409."
            ),
        ]
        | UnsetType
    ) = UNSET


def form_of(task: Task) -> TaskForm:
    """The form that creates an equal task."""
    return TaskForm(
        name=task.name,
        descr=task.descr,
        enabled=task.enabled,
        schedule=task.schedule,
        devices=task.device_ids,
        filter=task.selection,
        action=task.action,
        missed=task.missed,
        missed_within_ms=task.missed_within_ms,
    )


def patched(form: TaskForm, patch: TaskPatch) -> TaskForm:
    """The form with a patch applied. Devices given in one form replace the other form."""
    given = {name: value for name in TaskForm.__struct_fields__ if (value := getattr(patch, name)) is not UNSET}
    if given.get("devices", ()) is None:
        given["devices"] = ()
    if given.get("devices") and "filter" not in given:
        given["filter"] = None
    if given.get("filter") is not None and "devices" not in given:
        given["devices"] = ()
    return msgspec.structs.replace(form, **given)
