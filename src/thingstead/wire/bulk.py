"""Changes of many devices, and their jobs."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.model.console.bulk import Actor, JobState

BulkResult = Literal["done", "unchanged", "refused"]
BulkAction = Literal[
    "tags", "tags_remove", "type", "groups", "groups_remove", "customer", "remove", "command", "attributes"
]


class BulkItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The result for one device."""

    id: str
    result: BulkResult
    code: str = ""  # why it was refused; docs/refusals.md has its text
    args: dict[str, Any] = {}  # arguments of its text
    message: str = ""
    before: Annotated[
        Any, Meta(description="The previous values: tags by key (null: none), the type, or the customer.")
    ] = UNSET
    command: Annotated[str | UnsetType, Meta(description="The id of the command that was sent.")] = UNSET


class JobInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A job, without the results of its devices."""

    id: str
    action: BulkAction
    what: Annotated[dict[str, Any], Meta(description="The members of the request beside the devices.")]
    state: JobState
    total: Annotated[int, Meta(description="Devices.")]
    done: int
    unchanged: int
    refused: int
    by: Actor
    create_time: int  # ms
    end_time: Annotated[int, Meta(description="ms; 0 until it has ended.")]


class JobDetail(JobInfo, frozen=True, kw_only=True):
    """A job, and the first 1,000 devices that were refused."""

    items: list[BulkItem]


class BulkInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The results for up to 1,000 devices, or the job that changes more."""

    total: int
    done: int = 0
    unchanged: Annotated[int, Meta(description="Devices already in the requested state.")] = 0
    refused: int = 0
    items: list[BulkItem] = []
    job: Annotated[str | UnsetType, Meta(description="For more than 1,000 devices: the id of the job.")] = UNSET
