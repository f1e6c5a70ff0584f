"""Operations on rollouts, and lists of upgrades."""

from collections.abc import Sequence
from typing import Any

import msgspec

from thingstead.clock import Clock
from thingstead.errors import Conflict, InvalidInput
from thingstead.model import ids, limits
from thingstead.model.device import DeviceFilter, Page
from thingstead.model.limits import Problems
from thingstead.model.ota.form import OtaRolloutForm, check_rollout
from thingstead.model.ota.rollout import (
    ROLLOUTS_COUNT,
    ROLLOUTS_OPEN_COUNT,
    ListedUpgrade,
    OtaRollout,
    OtaRolloutFilter,
    RolloutState,
    UpgradeState,
    WaveCounts,
)
from thingstead.services.ota.runner import RolloutRunner, tally
from thingstead.services.registry.devices import DeviceService
from thingstead.storage.base import Store

OPEN_ROLLOUT: tuple[RolloutState, ...] = ("preparing", "created", "running", "paused")


class OtaRolloutService:
    """Operations on rollouts. A change is committed when its coroutine returns; ``runner`` does the work."""

    def __init__(self, store: Store, clock: Clock, devices: DeviceService, runner: RolloutRunner) -> None:
        self._store = store
        self._clock = clock
        self._devices = devices
        self.runner = runner

    async def create(
        self, project_id: str, version_id: str, form: OtaRolloutForm, device_ids: Sequence[str] | None,
        device_filter: DeviceFilter | None, total: int | None,
    ) -> OtaRollout:  # fmt: skip
        """Creates a rollout, which begins in the background.

        Args:
            device_ids: the devices, or None for those that match the filter.
            total: how many devices the filter is expected to match.

        Raises:
            InvalidInput: a part is invalid, or too many devices match.
            Conflict: the version has no file or is disabled; another number of devices matches; too many are open.
        """
        problems = Problems()
        check_rollout(form, problems)
        problems.refuse()
        version = await self._store.ota_versions.get(project_id, version_id)
        if version.file is None:
            raise Conflict("ota_file_missing")
        if not version.enabled:
            raise Conflict("ota_version_disabled")
        selection: dict[str, Any] = {"devices": list(dict.fromkeys(device_ids or ()))}
        if device_filter is not None:
            dated = self._devices.dated(device_filter)
            found = await self._store.jobs.list_ids(project_id, dated, limits.JOB_DEVICES_COUNT + 1)
            if len(found) > limits.JOB_DEVICES_COUNT:
                raise InvalidInput.field("filter", "too_many_devices", maximum=limits.JOB_DEVICES_COUNT)
            if len(found) != total:
                raise Conflict("selection_changed", total=len(found), info={"total": len(found)})
            selection = {"filter": msgspec.to_builtins(dated)}
        now = self._clock.now_ms()
        rollout = OtaRollout(
            id=ids.new_id(), project_id=project_id, version_id=version_id, name=form.name or version.name,
            selection=selection, starts=form.start, waves=form.waves, advance_percent=form.advance_percent,
            fail_percent=form.fail_percent, fail_least=form.fail_least, timeout_ms=form.timeout_ms,
            create_time=now, update_time=now,
        )  # fmt: skip
        await self._store.ota_upgrades.create_rollout(rollout, ROLLOUTS_OPEN_COUNT, ROLLOUTS_COUNT)
        self.runner.want()
        return rollout

    async def get(self, project_id: str, rollout_id: str) -> tuple[OtaRollout, list[WaveCounts]]:
        """A rollout, and its devices by wave and state."""
        rollout = await self._store.ota_upgrades.get_rollout(project_id, rollout_id)
        return rollout, (await self._store.ota_upgrades.counts([rollout_id]))[rollout_id]

    async def list_page(
        self, project_id: str, rollout_filter: OtaRolloutFilter, page: Page
    ) -> tuple[list[tuple[OtaRollout, list[WaveCounts]]], int]:
        """One page of rollouts, newest first, each with its devices by wave and state; and the number of matches."""
        found, total = await self._store.ota_upgrades.list_rollouts(project_id, rollout_filter, page)
        counts = await self._store.ota_upgrades.counts([each.id for each in found])
        return [(each, counts[each.id]) for each in found], total

    async def start(self, project_id: str, rollout_id: str) -> None:
        """Starts a rollout that was created without starting. Raises Conflict in another state."""
        now = self._clock.now_ms()
        early = {"starts": True, "update_time": now}  # its devices are being chosen
        if await self._store.ota_upgrades.change_rollout(project_id, rollout_id, early, ("preparing",)):
            return
        changes = {"state": "running", "start_time": now, "update_time": now}
        await self._change(project_id, rollout_id, changes, ("created",))

    async def pause(self, project_id: str, rollout_id: str) -> None:
        """Pauses a running rollout: no further device is told. Raises Conflict in another state."""
        changes = {"state": "paused", "pause_code": "person", "update_time": self._clock.now_ms()}
        await self._change(project_id, rollout_id, changes, ("running",))

    async def resume(self, project_id: str, rollout_id: str) -> None:
        """Goes on with a paused rollout. What failed before does not pause it again; if too few devices of its wave
        were verified, it goes on with the next wave. Raises Conflict in another state."""
        rollout, waves = await self.get(project_id, rollout_id)
        counts = tally(waves)
        changes: dict[str, Any] = {"state": "running", "pause_code": "", "update_time": self._clock.now_ms()}
        if rollout.pause_code == "too_many_failed":
            changes |= {"excused_failed": counts.failed, "excused_concluded": counts.concluded}
        if rollout.pause_code == "wave_unverified":
            changes |= {"wave": min(rollout.wave + 1, len(rollout.waves))}
        await self._change(project_id, rollout_id, changes, ("paused",))

    async def end(self, project_id: str, rollout_id: str) -> None:
        """Ends a rollout: devices that wait are cancelled, those that were told go on. Raises Conflict if it is
        over."""
        now = self._clock.now_ms()
        changes = {"state": "ended", "pause_code": "", "end_time": now, "update_time": now}
        await self._change(project_id, rollout_id, changes, OPEN_ROLLOUT)

    async def delete(self, project_id: str, rollout_id: str) -> None:
        """Removes a rollout with the record of its devices. Raises Conflict while it is open."""
        await self._store.ota_upgrades.delete_rollout(project_id, rollout_id)

    async def list_devices(
        self, project_id: str, rollout_id: str, state: UpgradeState | None, page: Page
    ) -> tuple[list[ListedUpgrade], int]:
        """One page of the devices of a rollout, by wave, and their number."""
        await self._store.ota_upgrades.get_rollout(project_id, rollout_id)
        return await self._store.ota_upgrades.list_upgrades(project_id, page, rollout_id=rollout_id, state=state)

    async def list_of_device(self, project_id: str, device_id: str, page: Page) -> tuple[list[ListedUpgrade], int]:
        """One page of the upgrades of a device, newest first, and their number."""
        await self._store.devices.get(project_id, device_id)
        return await self._store.ota_upgrades.list_upgrades(project_id, page, device_id=device_id)

    async def _change(
        self, project_id: str, rollout_id: str, changes: dict[str, Any], states: Sequence[RolloutState]
    ) -> None:
        if not await self._store.ota_upgrades.change_rollout(project_id, rollout_id, changes, states):
            raise Conflict("ota_rollout_state")
        self.runner.want()
