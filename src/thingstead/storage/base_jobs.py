"""The contract of a store, of changes of many devices, and of what people keep in the console."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from thingstead.model.command import Command
from thingstead.model.console.bulk import Job, JobPart, OpenJob, RegistryChange
from thingstead.model.console.message_stat import MessageTally
from thingstead.model.console.saved_view import SavedView
from thingstead.model.device import DeviceFilter
from thingstead.storage.commit import Commit
from thingstead.wire.bulk import BulkItem
from thingstead.wire.message_stat import MessageStatItem
from thingstead.wire.search import SearchInfo


class Changed(msgspec.Struct, frozen=True):
    """Results for devices, in order, and the messages for the bus."""

    items: list[BulkItem]
    revoked: list[str]  # devices whose connections must be closed


class JobStore(Protocol):
    """Independent changes of many devices, and jobs that make them in parts.

    The changes of a part and the progress of its job are one transaction, so that after a crash no device is changed
    twice or left out. If the job has ended by then, the part changes nothing and returns no items.
    """

    async def list_ids(self, project_id: str, device_filter: DeviceFilter, limit: int) -> list[str]:
        """Ids of matching devices, sub-devices first, then oldest first; at most ``limit``."""
        ...

    async def change(
        self, project_id: str, change: RegistryChange, device_ids: Sequence[str], part: JobPart | None = None
    ) -> Changed:
        """Changes devices. A device that cannot be changed gets an item with the reason."""
        ...

    async def issue(
        self, project_id: str, commands: Sequence[Command | BulkItem], *, wait: bool, part: JobPart | None = None
    ) -> list[BulkItem]:
        """Stores commands as ``queued``; given items are stored unchanged. Without ``wait``, commands to offline
        devices are refused."""
        ...

    def progress(self, part: JobPart, items: Sequence[BulkItem]) -> Commit:
        """Records the results of a part in the open commit."""
        ...

    async def amend(self, job_id: str, items: Sequence[BulkItem]) -> None:
        """Records that devices counted as done were refused after all."""
        ...

    async def create(self, job: Job, parts: Sequence[Sequence[str]], open_most: int) -> None:
        """Stores a job with its devices. Raises Conflict if the project has ``open_most`` jobs that have not ended."""
        ...

    async def get(self, project_id: str, job_id: str) -> Job: ...

    async def list_newest(self, project_id: str, limit: int) -> list[Job]:
        """Jobs of a project, newest first. Of a change of more than ``JOB_SHOWN_BYTES`` they lack the values and
        params."""
        ...

    async def refusals(self, job_id: str) -> list[BulkItem]:
        """The first devices that a job could not change, with the reasons."""
        ...

    async def list_open(self) -> list[OpenJob]:
        """Jobs of all projects that have not ended, oldest first."""
        ...

    async def next_part(self, job_id: str) -> JobPart | None:
        """The next part of a job; None if nothing is left."""
        ...

    async def end(self, project_id: str, job_id: str, state: str, at: int) -> bool:
        """Ends a job; devices that are left are not changed. Returns False if it has ended already."""
        ...

    async def prune(self, before: int, most: int) -> None:
        """Deletes jobs that ended before an instant (ms), and those of each project beyond the newest ``most``."""
        ...


class ConsoleStore(Protocol):
    """Search in a project, and saved views and preferences of administrators."""

    async def search(self, project_id: str, text: str, limit: int) -> SearchInfo:
        """For each kind of object the first matches of a text, ignoring case, and their number."""
        ...

    async def create_view(self, view: SavedView, most: int) -> None:
        """Stores a view. Raises Conflict if the administrator has ``most`` views."""
        ...

    async def list_views(self, project_id: str, admin_id: str) -> list[SavedView]:
        """Views of an administrator and shared views of others, oldest first."""
        ...

    async def update_view(self, project_id: str, admin_id: str, view_id: str, changes: dict[str, Any]) -> None:
        """Changes a view. Raises NotFound if the administrator has no such view."""
        ...

    async def delete_view(self, project_id: str, admin_id: str, view_id: str, *, any_owner: bool) -> None:
        """Deletes a view; ``any_owner``: also a shared view of another administrator."""
        ...

    async def preferences(self, admin_id: str) -> bytes:
        """Preferences of an administrator as JSON; ``{}`` if none are stored."""
        ...

    async def keep_preferences(self, admin_id: str, body: bytes) -> None: ...


class MessageStatStore(Protocol):
    """Numbers of messages of each project, by minute and by hour."""

    async def project_of(self, device_id: str) -> str | None:
        """The project of a device; None: no such device."""
        ...

    async def online(self) -> dict[str, int]:
        """How many devices are online, by project; projects without any are left out."""
        ...

    async def add(self, ts: int, tallies: Mapping[str, MessageTally], online: Mapping[str, int]) -> None:
        """Adds to the minute and to the hour of ``ts`` (ms), and drops minutes and hours that are kept no longer, in
        one transaction.

        Args:
            online: devices online, by project; 0 where it is missing.
        """
        ...

    async def list_spans(self, project_id: str, start: int, end: int, length_ms: int) -> list[MessageStatItem]:
        """Sums of spans of ``length_ms`` (a number of minutes), which begin at its multiples, oldest first, with
        ``start <= ts < end``. Spans of whole hours are those of the hours. Spans in which nothing happened are left
        out."""
        ...
