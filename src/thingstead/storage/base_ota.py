"""The contract of a store, of upgrades of firmware."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from thingstead.model.device import Page
from thingstead.model.ota.rollout import (
    ListedUpgrade,
    OtaRollout,
    OtaRolloutFilter,
    OtaUpgrade,
    Served,
    UpgradeState,
    WaveCounts,
)
from thingstead.model.ota.version import OtaFile, OtaVersion, OtaVersionFilter
from thingstead.storage.commit import Commit


class OtaToken(NamedTuple):
    """What a link is for."""

    project_id: str
    device_id: str
    version_id: str


class OtaVersionStore(Protocol):
    """Versions and their files. A file is written in pieces, and belongs to its version when it is complete."""

    async def create(self, version: OtaVersion, most: int) -> None:
        """Adds a version. Raises Conflict if the project has ``most``."""
        ...

    async def get(self, project_id: str, version_id: str) -> OtaVersion: ...

    async def list_page(
        self, project_id: str, version_filter: OtaVersionFilter, page: Page
    ) -> tuple[list[OtaVersion], int]:
        """One page of versions, oldest first, and the number of matches."""
        ...

    async def list_offered(self, project_id: str) -> list[OtaVersion]:
        """Enabled versions that have a file, oldest first."""
        ...

    async def update(
        self, project_id: str, version_id: str, changes: Mapping[str, Any], version: int | None = None
    ) -> None: ...

    async def delete(self, project_id: str, version_id: str) -> None:
        """Removes a version with its rollouts and upgrades; its file is left to :meth:`remove_pieces`. Raises Conflict
        while a rollout of it is open."""
        ...

    # Files

    async def begin_file(self, project_id: str, version_id: str, file: OtaFile, most_bytes: int) -> None:
        """Begins an upload. Raises Conflict if the version has a file, or the files of the project are ``most_bytes``
        already."""
        ...

    async def add_pieces(self, file_id: str, position: int, pieces: Sequence[bytes], most_bytes: int) -> None:
        """Adds pieces, the first of which has this position.

        Raises:
            Conflict: the files of the project, complete or not, would be larger than ``most_bytes``.
            NotFound: the file was removed meanwhile.
        """
        ...

    async def finish_file(self, file: OtaFile) -> None:
        """Completes an upload: the version has the file. Raises Conflict if it has another one, and NotFound if the
        version was removed."""
        ...

    async def read_pieces(self, file_id: str, position: int, count: int) -> list[bytes]:
        """Pieces from a position on; fewer at the end of the file."""
        ...

    async def stored_bytes(self, project_id: str) -> int:
        """Bytes of the files of a project, also of those that are not complete."""
        ...

    async def list_files(self) -> list[OtaFile]:
        """Complete files of versions, of all projects."""
        ...

    async def remove_pieces(self, uploading: Sequence[str], most: int) -> bool:
        """Removes up to ``most`` pieces of files that belong to no version, or are incomplete and not among
        ``uploading``; then the files. Returns whether any are left."""
        ...


class OtaUpgradeStore(Protocol):
    """Rollouts, the upgrades of devices, and links."""

    async def create_rollout(self, rollout: OtaRollout, open_most: int, most: int) -> None:
        """Adds a rollout, and removes the oldest that ended beyond ``most``. Raises Conflict if the project has
        ``open_most`` that have not ended."""
        ...

    async def get_rollout(self, project_id: str, rollout_id: str) -> OtaRollout:
        """Raises NotFound."""
        ...

    async def list_rollouts(
        self, project_id: str, rollout_filter: OtaRolloutFilter, page: Page
    ) -> tuple[list[OtaRollout], int]:
        """One page of rollouts, newest first, and the number of matches."""
        ...

    async def list_working(self) -> list[OtaRollout]:
        """Rollouts of all projects that are preparing or running, oldest first."""
        ...

    async def change_rollout(
        self, project_id: str, rollout_id: str, changes: Mapping[str, Any], states: Sequence[str]
    ) -> bool:
        """Changes a rollout in one of these states; False: it is in another one. A rollout that ends cancels the
        devices that wait."""
        ...

    async def delete_rollout(self, project_id: str, rollout_id: str) -> None:
        """Removes a rollout with its upgrades. Raises Conflict while it is open."""
        ...

    async def add_devices(self, upgrades: Sequence[OtaUpgrade]) -> None:
        """Adds devices to a rollout; those that it has, and those that were removed, are left out."""
        ...

    async def waiting(self, rollout_id: str, wave: int, limit: int) -> list[str]:
        """Ids of devices that wait in the waves up to one, wave by wave."""
        ...

    async def counts(self, rollout_ids: Sequence[str]) -> dict[str, list[WaveCounts]]:
        """Devices by wave and state, of each rollout."""
        ...

    async def list_upgrades(
        self, project_id: str, page: Page, *, rollout_id: str | None = None, device_id: str | None = None,
        state: UpgradeState | None = None,
    ) -> tuple[list[ListedUpgrade], int]:  # fmt: skip
        """One page of the upgrades of a rollout by wave and device, or of a device from the newest on; and their
        number."""
        ...

    async def list_open(self, after: tuple[str, str, str], limit: int) -> list[OtaUpgrade]:
        """Open upgrades of all projects, by device, version and rollout."""
        ...

    async def list_of_device(self, device_id: str) -> list[OtaUpgrade]:
        """Upgrades of a device, newest first; at most 100."""
        ...

    def put_upgrade(self, upgrade: OtaUpgrade) -> Commit:
        """Adds an upgrade to the open commit, or replaces it; nothing if its device or version was removed."""
        ...

    def move(
        self, upgrade: OtaUpgrade, states: Sequence[UpgradeState], state: UpgradeState, at: int, *, code: str = "",
        detail: str = "", blocked_until: int = 0,
    ) -> Commit:  # fmt: skip
        """Moves an upgrade from one of these states to another, in the open commit."""
        ...

    def note_served(self, served: Sequence[Served], at: int) -> Commit:
        """Adds what was downloaded to the open upgrades, in the open commit; sent ones become ``downloading``."""
        ...

    async def expire(self, now: int, limit: int) -> list[OtaUpgrade]:
        """Lets up to ``limit`` open upgrades time out whose time is over. Returns them."""
        ...

    def put_token(self, token_hash: str, token: OtaToken, now: int, expire_time: int, keep: int) -> Commit:
        """Adds a link in the open commit; the device keeps its newest ``keep``."""
        ...

    async def find_token(self, token_hash: str, now: int) -> OtaToken | None:
        """What a link is for; None: there is none, or it is over."""
        ...

    async def prune(self, now: int, before: int, limit: int) -> int:
        """Removes links that are over, and upgrades of devices that asked and that ended before an instant (ms); up to
        ``limit`` of each. Returns how many."""
        ...
