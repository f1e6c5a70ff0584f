"""What a device is told: the command ``otaUpgrade`` (wire reference §11.4)."""

from collections.abc import Mapping, Sequence
from functools import cmp_to_key
from typing import Any

from thingstead.clock import Clock
from thingstead.config import OtaSettings
from thingstead.errors import Conflict, NotFound, ThingsteadError
from thingstead.model.command import Command
from thingstead.model.device import Device
from thingstead.model.ota.comparing import compared, not_offered
from thingstead.model.ota.rollout import (
    DOWNLOADS_IN_VAIN,
    FAILED_STATES,
    OPEN_STATES,
    TIMEOUT_MS,
    TOKENS_OF_DEVICE_COUNT,
    OtaUpgrade,
)
from thingstead.model.ota.version import MODULE, MODULE_LENGTH, OtaVersion, is_version_text
from thingstead.services.commands.control import ControlService
from thingstead.services.ota.files import OtaFiles
from thingstead.services.ota.links import Links, NewLink
from thingstead.services.ota.watching import OtaWatch, reported, version_text
from thingstead.services.shared.lru import Lru
from thingstead.storage.base import Store
from thingstead.storage.base_ota import OtaToken
from thingstead.storage.commit import Commit

METHOD = "otaUpgrade"
CHECK_WAIT_MS = 60_000  # how long an answer waits for a device that asked and has no connection now
DAY_MS = 24 * 3600 * 1000
STOPPED_STATES = (*OPEN_STATES, *FAILED_STATES)  # no offer by an ask while the rollout is paused
RECENT_PROJECTS = 1_000  # whose versions are in memory


class OtaOffer:
    """A command that is checked, with what is stored beside it. Without an upgrade it says that there is none."""

    def __init__(
        self, offers: "OtaOffers", device: Device, command: Command, upgrade: OtaUpgrade | None = None,
        version: OtaVersion | None = None, link: NewLink | None = None, known: bool = False,
    ) -> None:  # fmt: skip
        self._offers = offers
        self._known = known
        self._device = device
        self._command = command
        self.upgrade = upgrade
        self._version = version
        self._link = link
        self._refused: list[ThingsteadError] = []
        self.commit: Commit | None = None

    @property
    def reference(self) -> str:
        """Id of the command."""
        return self._command.id

    @property
    def refusal(self) -> ThingsteadError | None:
        """Why the command was refused in the commit; also for a later write of it, in the writer thread."""
        return self._refused[0] if self._refused else None

    def check_room(self) -> None:
        """It has room in any commit."""

    def append(self) -> None:
        """Puts the command, the upgrade and its link into the open commit, in this turn of the event loop."""
        self.commit, self._refused = self._offers.append(self._command, self.upgrade, self._link, known=self._known)

    def done(self) -> ThingsteadError | None:
        """Call after the commit: sends the command. Returns why it was refused in the commit."""
        refused = self.refusal
        self._offers.committed(self._device, self._command, self.upgrade, self._version, refused)
        return refused


class OtaOffers:
    """Decides what a device is told, and tells it."""

    def __init__(
        self, store: Store, clock: Clock, settings: OtaSettings, control: ControlService, links: Links,
        files: OtaFiles, watch: OtaWatch,
    ) -> None:  # fmt: skip
        self._store = store
        self._clock = clock
        self._settings = settings
        self._control = control
        self._links = links
        self._files = files
        self.watch = watch
        self._versions: Lru[str, list[OtaVersion]] = Lru(RECENT_PROJECTS)

    def changed(self, project_id: str) -> None:
        """Call after a version of a project was changed."""
        self._versions.pop(project_id, None)

    async def versions_for(self, device: Device, module: str) -> list[OtaVersion]:
        """Versions of a module that a device may get, newest first."""
        project_id = device.project_id
        offered = self._versions.use(project_id)
        if offered is None:
            offered = await self._store.ota_versions.list_offered(project_id)
            self._versions.put(project_id, offered)
        found = [
            each
            for each in offered
            if each.module == module and each.is_for(device.id, device.type_id) and each.file is not None
            and each.file.id not in self._files.damaged
        ]  # fmt: skip
        return sorted(found, key=cmp_to_key(_newest_first))

    async def current(self, device: Device, attribute: str) -> str:
        """The version that a device runs, as it reported it; empty: it has not."""
        value = await reported(self._store, device, attribute)
        return "" if value is None else version_text(value.value)

    async def answer(
        self, device: Device, *, attribute: str = "", module: str = "", params: dict[str, Any] | None = None,
        cause: str = "",
    ) -> OtaOffer:  # fmt: skip
        """The answer to a device that asks whether there is a newer version.

        Args:
            attribute: in which it reports its version; empty: the one that each version says.
            module: empty: the one in ``params``, otherwise ``main``.
            params: of the event; they may have ``module`` and ``version``, which counts if the attribute is missing.
            cause: id of the message.

        Raises:
            ThingsteadError: the command is refused, as :meth:`ControlService.draft` says.
        """
        asked = params or {}
        module = module or module_of(asked)
        told = version_text(asked.get("version"))
        rows = await self._store.ota_upgrades.list_of_device(device.id)
        for version in await self.versions_for(device, module):
            current = await self.current(device, attribute or version.version_attribute) or told
            if not_offered(version, current):
                continue
            upgrade = await self._upgrade_of(device, version, rows, current, cause)
            if upgrade is not None:
                offer = await self.offer(device, version, upgrade, CHECK_WAIT_MS, known=upgrade in rows)
                if offer is not None:
                    return offer
        command = await self._control.draft(device, METHOD, {"module": module, "upgrade": False}, None, CHECK_WAIT_MS)
        return OtaOffer(self, device, command)

    async def _upgrade_of(
        self, device: Device, version: OtaVersion, rows: Sequence[OtaUpgrade], current: str, cause: str
    ) -> OtaUpgrade | None:
        """The upgrade that a device gets when it asks; None: not now."""
        now = self._clock.now_ms()
        mine = [row for row in rows if row.version_id == version.id]
        if any(row.blocked_until > now for row in mine):
            return None
        for row in mine:
            if row.state in OPEN_STATES and row.downloads >= DOWNLOADS_IN_VAIN:
                self.watch.in_vain(row)
                return None
        if any(row.state == "waiting" for row in mine):
            return None  # its wave has not begun
        for row in mine:
            if row.rollout_id and row.state in STOPPED_STATES and await self._paused(device.project_id, row.rollout_id):
                return None
        for row in mine:
            if row.state in OPEN_STATES:
                return row
        if not version.check_offers:
            return None
        return OtaUpgrade(
            device_id=device.id, version_id=version.id, project_id=device.project_id, state="sent", sent_time=now,
            from_version=current, due_time=now + TIMEOUT_MS, cause=cause, update_time=now,
        )  # fmt: skip

    async def _paused(self, project_id: str, rollout_id: str) -> bool:
        try:
            return (await self._store.ota_upgrades.get_rollout(project_id, rollout_id)).state == "paused"
        except NotFound:
            return False

    async def offer(
        self, device: Device, version: OtaVersion, upgrade: OtaUpgrade, wait_ms: int, *, known: bool = False
    ) -> OtaOffer | None:
        """The command to upgrade; None: its file is damaged.

        Args:
            known: the upgrade is open already, and gets another link.

        Raises:
            Conflict: devices cannot reach the server in the way that the version wants.
            ThingsteadError: the command is refused.
        """
        file = version.file
        if file is None or not await self._files.sound(file):
            return None
        link = self._links.make(version)
        if link is None:
            raise Conflict("ota_no_address")
        params = {
            "module": version.module, "upgrade": True, "version": version.version_name, "url": link.url,
            "size": file.size_bytes, "md5": file.md5,
        }  # fmt: skip
        command = await self._control.draft(device, METHOD, params, None, wait_ms)
        return OtaOffer(self, device, command, upgrade, version, link, known=known)

    def append(
        self, command: Command, upgrade: OtaUpgrade | None, link: NewLink | None, *, known: bool
    ) -> tuple[Commit, list[ThingsteadError]]:
        """Puts what an offer stores into the open commit. Returns it, and the list of refusals after it."""
        commit, refused = self._store.commands.append(command)
        if upgrade is not None and link is not None:
            now = self._clock.now_ms()
            token = OtaToken(upgrade.project_id, upgrade.device_id, upgrade.version_id)
            over = now + self._settings.link_days * DAY_MS
            commit = self._store.ota_upgrades.put_token(link.token_hash, token, now, over, TOKENS_OF_DEVICE_COUNT)
            if not known:  # else its row may have counted more by now
                commit = self._store.ota_upgrades.put_upgrade(upgrade)
        return commit, refused

    def committed(
        self, device: Device, command: Command, upgrade: OtaUpgrade | None, version: OtaVersion | None,
        refused: ThingsteadError | None,
    ) -> None:  # fmt: skip
        """Sends the command of an offer that was committed."""
        if upgrade is not None and version is not None:
            self.watch.put(upgrade, device.number, version)
        if refused is None:
            self._control.announce(command)
        elif upgrade is not None:
            self.watch.refused(upgrade, refused.message)


def module_of(params: Mapping[str, Any]) -> str:
    """The module that a device asks for: its own word, if it can be one."""
    module = params.get("module")
    usable = isinstance(module, str) and len(module) <= MODULE_LENGTH and is_version_text(module)
    return str(module) if usable else MODULE


def _newest_first(one: OtaVersion, other: OtaVersion) -> int:
    """Of versions that are equal or cannot be compared, the one that was created last is first."""
    return -(compared(one.version_name, other.version_name) or 0) or other.create_time - one.create_time
