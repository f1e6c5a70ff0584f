"""The contract of a store, of changes of many devices, and of what people keep in the console."""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from thingstead.model.command import Command
from thingstead.model.console.bulk import Job, JobPart, RegistryChange
from thingstead.model.console.saved_view import SavedView
from thingstead.model.device import DeviceFilter
from thingstead.storage.commit import Commit
from thingstead.wire.bulk import BulkItem
from thingstead.wire.search import SearchInfo


class Changed(msgspec.Struct, frozen=True):
    """What came of devices, in their order, and what others must be told of them."""

    items: list[BulkItem]
    revoked: list[str]  # devices that connect in another way from now on


class JobStore(Protocol):
    """Changes of many devices, each by itself, and jobs that make them part by part.

    What is done with a part is in one transaction with the progress of its job, so that no device of it is done twice
    or left out whenever the process ends. A part whose job has ended by then changes nothing, and has no items.
    """

    async def list_ids(self, project_id: str, device_filter: DeviceFilter, limit: int) -> list[str]:
        """The devices that match, sub-devices first, then the oldest; at most ``limit``."""
        ...

    async def change(
        self, project_id: str, change: RegistryChange, device_ids: Sequence[str], part: JobPart | None = None
    ) -> Changed:
        """Changes the devices. One that cannot be is an item that says why."""
        ...

    async def issue(
        self, project_id: str, commands: Sequence[Command | BulkItem], *, wait: bool, part: JobPart | None = None
    ) -> list[BulkItem]:
        """Keeps the commands as ``queued``; items among them are kept as they are. Not ``wait``: those to offline
        devices are refused."""
        ...

    def progress(self, part: JobPart, items: Sequence[BulkItem]) -> Commit:
        """Notes what came of a part, in the commit that is open now."""
        ...

    async def amend(self, job_id: str, items: Sequence[BulkItem]) -> None:
        """Devices that count as done were refused after all."""
        ...

    async def create(self, job: Job, parts: Sequence[Sequence[str]], open_most: int) -> None:
        """Keeps a job with its devices. Conflict where the project has ``open_most`` that have not ended."""
        ...

    async def get(self, project_id: str, job_id: str) -> Job: ...

    async def list_newest(self, project_id: str, limit: int) -> list[Job]:
        """The newest first."""
        ...

    async def refusals(self, job_id: str) -> list[BulkItem]:
        """The first devices that a job was refused."""
        ...

    async def list_open(self) -> list[Job]:
        """Of every project, those that have not ended, the oldest first."""
        ...

    async def next_part(self, job_id: str) -> JobPart | None:
        """What is to be done next."""
        ...

    async def end(self, project_id: str, job_id: str, state: str, at: int) -> bool:
        """Ends a job; what is left of it is left undone. False where it has ended."""
        ...

    async def prune(self, before: int, most: int) -> None:
        """Deletes jobs that ended before an instant (ms), and of each project those beyond the newest ``most``."""
        ...


class ConsoleStore(Protocol):
    """Search over the nouns of a project, and what administrators keep for themselves."""

    async def search(self, project_id: str, text: str, limit: int) -> SearchInfo:
        """Of each noun the first that contain the text in any case, and how many there are."""
        ...

    async def create_view(self, view: SavedView, most: int) -> None:
        """Conflict where the administrator has ``most``."""
        ...

    async def list_views(self, project_id: str, admin_id: str) -> list[SavedView]:
        """Those of an administrator, and the shared ones of others; the oldest first."""
        ...

    async def update_view(self, project_id: str, admin_id: str, view_id: str, changes: dict[str, Any]) -> None:
        """NotFound where the administrator has no such view."""
        ...

    async def delete_view(self, project_id: str, admin_id: str, view_id: str, *, any_owner: bool) -> None:
        """``any_owner``: also a shared one of another administrator."""
        ...

    async def preferences(self, admin_id: str) -> bytes:
        """As JSON; ``{}`` where nothing is kept."""
        ...

    async def keep_preferences(self, admin_id: str, body: bytes) -> None: ...
