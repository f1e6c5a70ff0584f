"""Operations on versions."""

from collections.abc import AsyncIterator, Container
from typing import Any

import msgspec
from msgspec import UNSET

from thingstead.clock import Clock
from thingstead.model import ids, limits
from thingstead.model.device import Page
from thingstead.model.limits import Problems
from thingstead.model.ota.form import OtaVersionForm, OtaVersionPatch, check_version
from thingstead.model.ota.version import VERSIONS_COUNT, OtaFile, OtaVersion, OtaVersionFilter, url_name
from thingstead.services.ota.downloads import OtaDownloads
from thingstead.services.ota.files import OtaFiles
from thingstead.services.ota.offers import OtaOffers
from thingstead.services.registry.rule_source import find_device
from thingstead.storage.base import Store

REFERENCES = ("types", "devices")  # members that name what exists
_MEMBERS = tuple(name for name in OtaVersionPatch.__struct_fields__ if name != "version")


class OtaVersionService:
    """Operations on versions. A change is committed, and in effect, when its coroutine returns."""

    def __init__(self, store: Store, clock: Clock, files: OtaFiles, downloads: OtaDownloads, offers: OtaOffers) -> None:
        self._store = store
        self._clock = clock
        self._files = files
        self._downloads = downloads
        self._offers = offers

    async def create(self, project_id: str, form: OtaVersionForm) -> OtaVersion:
        """Creates a version without a file.

        Raises:
            InvalidInput: names every part that is invalid or refers to an unknown object.
            Conflict: the project has too many versions.
        """
        await self._check(project_id, form)
        now = self._clock.now_ms()
        version = OtaVersion(id=ids.new_id(), project_id=project_id, create_time=now, update_time=now, **_members(form))
        await self._store.ota_versions.create(version, VERSIONS_COUNT)
        return version

    async def get(self, project_id: str, version_id: str) -> OtaVersion:
        """Raises NotFound for an unknown version."""
        return await self._store.ota_versions.get(project_id, version_id)

    async def list_page(
        self, project_id: str, version_filter: OtaVersionFilter, page: Page
    ) -> tuple[list[OtaVersion], int]:
        """One page of versions, oldest first, and the number of matches."""
        return await self._store.ota_versions.list_page(project_id, version_filter, page)

    async def update(self, project_id: str, version_id: str, patch: OtaVersionPatch) -> OtaVersion:
        """Changes the given members. Raises NotFound, InvalidInput, or Conflict for another version of the row."""
        before = await self.get(project_id, version_id)
        given = {name: getattr(patch, name) for name in _MEMBERS if getattr(patch, name) is not UNSET}
        form = OtaVersionForm(**{name: getattr(before, name) for name in OtaVersionForm.__struct_fields__})
        form = msgspec.structs.replace(form, **given)
        await self._check(project_id, form, given)
        changes = {name: value for name, value in _members(form).items() if name in given}
        changes["update_time"] = self._clock.now_ms()
        await self._store.ota_versions.update(project_id, version_id, changes, patch.version or None)
        self._changed(project_id, version_id)
        return await self.get(project_id, version_id)

    async def delete(self, project_id: str, version_id: str) -> None:
        """Removes a version with its file, its rollouts and its upgrades. Raises Conflict while a rollout is open."""
        await self._store.ota_versions.delete(project_id, version_id)
        self._changed(project_id, version_id)
        self._offers.watch.drop_version(version_id)
        self._files.removed()

    async def upload(
        self, project_id: str, version_id: str, name: str, pieces: AsyncIterator[bytes], sha256: str = ""
    ) -> OtaVersion:
        """Stores the file of a version, as :meth:`OtaFiles.upload` says."""
        await self._files.upload(project_id, version_id, url_name(name), pieces, sha256)
        self._changed(project_id, version_id)
        return await self.get(project_id, version_id)

    def damaged(self, file: OtaFile) -> bool:
        """Whether the file is known to be damaged."""
        return file.id in self._files.damaged

    def _changed(self, project_id: str, version_id: str) -> None:
        self._offers.changed(project_id)
        self._downloads.changed(version_id)

    async def _check(self, project_id: str, form: OtaVersionForm, given: Container[str] = REFERENCES) -> None:
        """Raises InvalidInput with every problem. Types and devices that are not ``given`` may be gone by now: a
        version can be disabled all the same."""
        problems = Problems()
        check_version(form, problems)
        types = form.types if "types" in given else ()
        named = [each for each in types if limits.is_id(each)]
        known = await self._store.device_types.conn_types(project_id, set(named)) if named else {}
        for index, type_id in enumerate(types):
            if type_id not in known:
                problems.add(f"types[{index}]", "not_in_project")
        for index, device_id in enumerate(form.devices if "devices" in given else ()):
            if await find_device(self._store, project_id, device_id) is None:
                problems.add(f"devices[{index}]", "not_in_project")
        problems.refuse()


def _members(form: OtaVersionForm) -> dict[str, Any]:
    members = {name: getattr(form, name) for name in OtaVersionForm.__struct_fields__}
    return {**members, "types": tuple(dict.fromkeys(form.types)), "devices": tuple(dict.fromkeys(form.devices))}
