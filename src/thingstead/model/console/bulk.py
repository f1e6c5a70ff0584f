"""What is to be done with many devices at once, and the job that does it where they are very many."""

from typing import Any, Literal, NamedTuple

import msgspec

from thingstead.model.project import Tags

JobState = Literal["queued", "running", "done", "cancelled", "failed"]
ENDED: frozenset[JobState] = frozenset({"done", "cancelled", "failed"})
ActorKind = Literal["admin", "application"]


class BulkTags(msgspec.Struct, frozen=True, tag="tags"):
    """Adds tags and replaces those of the same key."""

    tags: Tags


class BulkTagsRemoval(msgspec.Struct, frozen=True, tag="tags_remove"):
    """Takes tags away, by key."""

    keys: tuple[str, ...]


class BulkType(msgspec.Struct, frozen=True, tag="type"):
    """Moves devices to a device type, or to none."""

    type_id: str | None


class BulkGroups(msgspec.Struct, frozen=True, tag="groups"):
    """Puts devices into each of these groups."""

    group_ids: tuple[str, ...]


class BulkGroupsRemoval(msgspec.Struct, frozen=True, tag="groups_remove"):
    """Takes devices out of each of these groups."""

    group_ids: tuple[str, ...]


class BulkCustomer(msgspec.Struct, frozen=True, tag="customer"):
    """Binds devices to a customer, or to none."""

    customer_id: str | None


class BulkRemoval(msgspec.Struct, frozen=True, tag="remove"):
    """Removes devices with their history."""


class BulkCommand(msgspec.Struct, frozen=True, tag="command"):
    """Sends a command to each device."""

    method: str
    params: dict[str, Any]
    command_id: int | None = None
    wait_ms: int = 0  # how long it may wait for an offline device; 0: it is refused


class BulkAttributes(msgspec.Struct, frozen=True, tag="attributes"):
    """Pushes attributes to each device."""

    attributes: dict[str, Any]


# What only rows of the registry decide: done by the store in one transaction.
RegistryChange = BulkTags | BulkTagsRemoval | BulkType | BulkGroups | BulkGroupsRemoval | BulkCustomer | BulkRemoval
BulkChange = RegistryChange | BulkCommand | BulkAttributes


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked for something."""

    kind: ActorKind
    id: str
    name: str = ""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A change of many devices that goes on by itself. Which ones is fixed at its start."""

    id: str
    project_id: str
    change: BulkChange
    actor: Actor
    state: JobState = "queued"
    total: int  # devices
    done: int = 0
    unchanged: int = 0  # devices that were so already
    refused: int = 0
    create_time: int  # ms
    end_time: int = 0  # ms; 0: it has not ended


class JobPart(NamedTuple):
    """Some devices of a job, whose turn is one transaction."""

    job_id: str
    position: int
    device_ids: tuple[str, ...]
