"""Does the work of rollouts: chooses their devices, tells them wave by wave, pauses, ends; lets upgrades time out."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import structlog
from msgspec.structs import replace

from thingstead.clock import Clock
from thingstead.config import OtaSettings
from thingstead.errors import NotFound, ThingsteadError, Unavailable
from thingstead.model import limits
from thingstead.model.device import Device, DeviceFilter
from thingstead.model.ota.comparing import not_offered
from thingstead.model.ota.rollout import (
    DETAIL_LENGTH,
    FAILED_STATES,
    OPEN_STATES,
    OtaRollout,
    OtaUpgrade,
    PauseCode,
    UpgradeCode,
    UpgradeState,
    WaveCounts,
    wave_ends,
)
from thingstead.model.ota.version import OtaVersion
from thingstead.model.tenant import TENANT
from thingstead.repeating import Repeating
from thingstead.services.commands.control import MAX_WAIT_MS
from thingstead.services.ota.downloads import OtaDownloads
from thingstead.services.ota.offers import OtaOffer, OtaOffers
from thingstead.services.ota.watching import OtaWatch
from thingstead.services.shared.commits import settled
from thingstead.services.shared.parts import Parts
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.ota")

STEP_S = 1.0  # between two looks at the rollouts that run
IDLE_LOOKS = 10  # looks without a rollout that runs, after which time-outs are looked for
PRUNE_LOOKS = 3_600
ORDERED_AT_ONCE = 1_000  # devices, in one turn of the event loop
ADDED_AT_ONCE = 250  # devices of a rollout, in one transaction
EXPIRED_AT_ONCE = 200
PRUNED_AT_ONCE = 500
KEPT_MS = 90 * 24 * 3600 * 1000  # upgrades of devices that asked, after they ended
JOINED_STATES = ("downloading", "finished")  # of a device that is not told again


class Tally(NamedTuple):
    """Devices of some waves."""

    waiting: int
    under_way: int
    verified: int
    failed: int

    @property
    def concluded(self) -> int:
        """Upgrades that are over."""
        return self.verified + self.failed


def tally(waves: Iterable[WaveCounts], up_to: int | None = None) -> Tally:
    """Adds up the waves up to one; None: all."""
    counts: Counter[str] = Counter()
    for wave in waves:
        if up_to is None or wave.wave <= up_to:
            counts.update(wave.counts)
    return Tally(
        counts["waiting"],
        sum(counts[state] for state in OPEN_STATES),
        counts["verified"],
        sum(counts[state] for state in FAILED_STATES),
    )


def next_step(rollout: OtaRollout, waves: Sequence[WaveCounts]) -> dict[str, Any]:
    """The members of a running rollout that change now; empty: none does."""
    everything, begun = tally(waves), tally(waves, rollout.wave)
    concluded = everything.concluded - rollout.excused_concluded
    failed = everything.failed - rollout.excused_failed
    if concluded >= rollout.fail_least and failed * 100 > rollout.fail_percent * concluded:
        return _paused("too_many_failed")
    if begun.waiting:
        return {}
    last = rollout.wave >= len(rollout.waves)
    told = begun.under_way + begun.concluded
    if not last and (not told or begun.verified * 100 >= rollout.advance_percent * told):
        return {"wave": rollout.wave + 1}
    if begun.under_way:
        return {}
    return {"state": "done"} if last else _paused("wave_unverified")


async def order_of_chance(rollout_id: str, device_ids: Sequence[str]) -> list[str]:
    """Devices in the order of a hash. Hundreds of thousands are put in order part by part, with other work between."""
    drawn: list[list[tuple[bytes, str]]] = [[] for _ in range(256)]  # by the first byte of the hash
    for number, device_id in enumerate(device_ids, 1):
        digest = hashlib.sha256(f"{rollout_id}/{device_id}".encode()).digest()
        drawn[digest[0]].append((digest, device_id))
        if number % ORDERED_AT_ONCE == 0:
            await asyncio.sleep(0)
    found: list[str] = []
    for part in drawn:
        found += [device_id for _, device_id in sorted(part)]
        if len(device_ids) > ORDERED_AT_ONCE:
            await asyncio.sleep(0)
    return found


def _paused(code: PauseCode) -> dict[str, Any]:
    return {"state": "paused", "pause_code": code}


class RolloutRunner:
    """Not active until :meth:`start`. Everything that it needs is in rows, so that it goes on after a restart, and on
    another node."""

    def __init__(
        self, store: Store, clock: Clock, settings: OtaSettings, offers: OtaOffers, downloads: OtaDownloads,
        watch: OtaWatch,
    ) -> None:  # fmt: skip
        self._store = store
        self._upgrades = store.ota_upgrades
        self._clock = clock
        self._rate = settings.commands_per_s
        self._offers = offers
        self._downloads = downloads
        self._watch = watch
        self._parts = Parts("rollouts", log)
        self._task = Repeating("rollouts", self.run, STEP_S, at_start=True)
        self._loaded = False
        self._working = True  # there may be a rollout that prepares or runs
        self._looks = 0
        self.running = 0

    def start(self) -> None:
        """Starts the task, which first reads the open upgrades of an earlier run."""
        self._task.start()

    async def close(self) -> None:
        """Stops the task."""
        await self._task.close()

    def want(self) -> None:
        """Call after a rollout was created or changed."""
        self._working = True
        self._task.want()

    async def run(self) -> None:
        """One look at everything that is due."""
        if not self._loaded:
            await self._watch.load()
            self._loaded = True
        if self._working:
            self._working = False
            rollouts = await self._upgrades.list_working()
            self.running = len(rollouts)
            self._working = bool(rollouts)
            of_project = Counter(rollout.project_id for rollout in rollouts)
            for rollout in rollouts:
                share = len(of_project) * of_project[rollout.project_id]
                token = TENANT.set(rollout.project_id)
                with self._parts.part("rollout", rollout=rollout.id):
                    await self._step(rollout, max(1, round(self._rate * STEP_S) // share))
                TENANT.reset(token)
        if self._looks % IDLE_LOOKS == 0 or self._working:
            await self._expire()
        if self._looks % PRUNE_LOOKS == 0:
            self._watch.forget_old()
            while await self._upgrades.prune(self._clock.now_ms(), self._clock.now_ms() - KEPT_MS, PRUNED_AT_ONCE):
                pass
        self._looks += 1

    async def _expire(self) -> None:
        while ended := await self._upgrades.expire(self._clock.now_ms(), EXPIRED_AT_ONCE):
            for upgrade in ended:
                self._watch.timed_out(upgrade)

    async def _step(self, rollout: OtaRollout, most: int) -> None:
        if rollout.state == "preparing":
            await self._prepare(rollout)
            return
        changes = next_step(rollout, (await self._upgrades.counts([rollout.id]))[rollout.id])
        if changes:
            now = self._clock.now_ms()
            over = {"end_time": now} if changes.get("state") == "done" else {}
            await self._upgrades.change_rollout(
                rollout.project_id, rollout.id, {**changes, **over, "update_time": now}, ("running",)
            )
            if "state" in changes:
                log.info("a rollout changed its state", rollout=rollout.id, project=rollout.project_id, **changes)
                return
            rollout = replace(rollout, wave=changes["wave"])
        if not self._downloads.is_crowded(rollout.project_id):
            await self._tell(rollout, await self._upgrades.waiting(rollout.id, rollout.wave, most))

    # Devices

    async def _prepare(self, rollout: OtaRollout) -> None:
        """Chooses the devices, in an order of chance that is the same after a restart."""
        chosen = rollout.selection
        if "filter" in chosen:
            device_filter = msgspec.convert(chosen["filter"], DeviceFilter)
        else:
            device_filter = DeviceFilter(ids=tuple(chosen["devices"]))
        found = await self._store.jobs.list_ids(rollout.project_id, device_filter, limits.JOB_DEVICES_COUNT)
        found = await order_of_chance(rollout.id, found)
        ends = wave_ends(len(found), rollout.waves)
        now, wave = self._clock.now_ms(), 1
        rows: list[OtaUpgrade] = []
        for index, device_id in enumerate(found):
            while index >= ends[wave - 1]:
                wave += 1
            rows.append(
                OtaUpgrade(
                    device_id=device_id, version_id=rollout.version_id, rollout_id=rollout.id,
                    project_id=rollout.project_id, wave=wave, update_time=now,
                )
            )  # fmt: skip
            if len(rows) == ADDED_AT_ONCE or index == len(found) - 1:
                await self._upgrades.add_devices(rows)
                rows = []
        changes: dict[str, Any] = {"state": "created", "total": len(found), "update_time": now}
        if (await self._upgrades.get_rollout(rollout.project_id, rollout.id)).starts:
            changes |= {"state": "running", "start_time": now}
        await self._upgrades.change_rollout(rollout.project_id, rollout.id, changes, ("preparing",))

    async def _tell(self, rollout: OtaRollout, device_ids: Sequence[str]) -> None:
        """Tells devices to upgrade: commands, links and states are one transaction."""
        if not device_ids:
            return
        version = await self._store.ota_versions.get(rollout.project_id, rollout.version_id)
        if not version.enabled:
            return
        prepared: list[OtaOffer | OtaUpgrade] = []
        for device_id in device_ids:
            found = await self._offer(rollout, version, device_id)
            if found is not None:
                prepared.append(found)
        # No await from here on: a rollout that was paused meanwhile is told with the next look.
        commit = None
        for each in prepared:
            if isinstance(each, OtaOffer):
                each.append()
                commit = each.commit or commit
            else:
                commit = self._upgrades.put_upgrade(each)
        if commit is None:
            return
        await settled(commit)
        for each in prepared:
            if isinstance(each, OtaOffer):
                each.done()

    async def _offer(self, rollout: OtaRollout, version: OtaVersion, device_id: str) -> OtaOffer | OtaUpgrade | None:
        """What is to be stored of a device that waits; None: it was removed."""
        try:
            device = await self._store.devices.get(rollout.project_id, device_id)
        except NotFound:
            return None
        now = self._clock.now_ms()
        rows = await self._upgrades.list_of_device(device_id)
        current = await self._offers.current(device, version.version_attribute)
        upgrade = OtaUpgrade(
            device_id=device_id, version_id=version.id, rollout_id=rollout.id, project_id=rollout.project_id,
            wave=next((row.wave for row in rows if row.rollout_id == rollout.id), rollout.wave),
            from_version=current, update_time=now,
        )  # fmt: skip
        why: UpgradeCode = (
            not_offered(version, current) if version.is_for(device_id, device.type_id) else "not_of_version"
        )
        if why:
            return _over(upgrade, "skipped", why)
        for row in rows:
            if row.version_id == version.id and row.rollout_id != rollout.id and row.state in JOINED_STATES:
                return self._joined(upgrade, row, device, version, rollout)
        sent = replace(upgrade, state="sent", sent_time=now, due_time=now + rollout.timeout_ms)
        try:
            offer = await self._offers.offer(device, version, sent, min(rollout.timeout_ms, MAX_WAIT_MS))
        except Unavailable:
            raise
        except ThingsteadError as exc:
            return _over(upgrade, "failed", "refused", exc.message)
        return offer if offer is not None else _over(upgrade, "failed", "refused", "the file is damaged")

    def _joined(
        self, upgrade: OtaUpgrade, row: OtaUpgrade, device: Device, version: OtaVersion, rollout: OtaRollout
    ) -> OtaUpgrade:
        """The upgrade of a device that is downloading the version already: it is not told again."""
        joined = replace(
            upgrade, state=row.state, code="open_already", from_version=row.from_version, downloads=row.downloads,
            bytes_served=row.bytes_served, sent_time=row.sent_time,
            due_time=self._clock.now_ms() + rollout.timeout_ms,
        )  # fmt: skip
        self._watch.put(joined, device.number, version)
        return joined


def _over(upgrade: OtaUpgrade, state: UpgradeState, code: UpgradeCode, detail: str = "") -> OtaUpgrade:
    return replace(upgrade, state=state, code=code, detail=detail[:DETAIL_LENGTH])
