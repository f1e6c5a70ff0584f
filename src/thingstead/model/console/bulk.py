"""Changes of many devices, and the jobs that apply them."""

from typing import Any, Literal, NamedTuple

import msgspec

from thingstead.model.audit.log import ActorKind
from thingstead.model.project import Tags

JobState = Literal["queued", "running", "done", "cancelled", "failed"]
ENDED: frozenset[JobState] = frozenset({"done", "cancelled", "failed"})


class BulkTags(msgspec.Struct, frozen=True, tag="tags"):
    """Adds tags, or replaces those with the same key."""

    tags: Tags


class BulkTagsRemoval(msgspec.Struct, frozen=True, tag="tags_remove"):
    """Removes tags by key."""

    keys: tuple[str, ...]


class BulkType(msgspec.Struct, frozen=True, tag="type"):
    """Sets the device type, or removes it."""

    type_id: str | None


class BulkGroups(msgspec.Struct, frozen=True, tag="groups"):
    """Adds devices to each of these groups."""

    group_ids: tuple[str, ...]


class BulkGroupsRemoval(msgspec.Struct, frozen=True, tag="groups_remove"):
    """Removes devices from each of these groups."""

    group_ids: tuple[str, ...]


class BulkCustomer(msgspec.Struct, frozen=True, tag="customer"):
    """Binds devices to a customer, or unbinds them."""

    customer_id: str | None


class BulkRemoval(msgspec.Struct, frozen=True, tag="remove"):
    """Removes devices with their history."""


class BulkCommand(msgspec.Struct, frozen=True, tag="command"):
    """Sends a command to each device."""

    method: str
    params: dict[str, Any]
    command_id: int | None = None
    wait_ms: int = 0  # ms; how long it may wait for an offline device; 0: refused


class BulkAttributes(msgspec.Struct, frozen=True, tag="attributes"):
    """Pushes attributes to each device."""

    attributes: dict[str, Any]


# Changes of rows of the registry only: applied by the store in one transaction.
RegistryChange = BulkTags | BulkTagsRemoval | BulkType | BulkGroups | BulkGroupsRemoval | BulkCustomer | BulkRemoval
BulkChange = RegistryChange | BulkCommand | BulkAttributes


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """The caller who requested a change."""

    kind: ActorKind
    id: str  # empty: the operator of the server
    name: str = ""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A change of many devices in the background. Its devices are fixed when it is created."""

    id: str
    project_id: str
    change: BulkChange
    actor: Actor
    state: JobState = "queued"
    total: int  # devices
    done: int = 0
    unchanged: int = 0  # devices already in the requested state
    refused: int = 0
    create_time: int  # ms
    end_time: int = 0  # ms; 0: not ended


class OpenJob(NamedTuple):
    """A job that has not ended."""

    id: str
    project_id: str


class JobPart(NamedTuple):
    """The devices of a job that are changed in one transaction."""

    job_id: str
    position: int
    device_ids: tuple[str, ...]
