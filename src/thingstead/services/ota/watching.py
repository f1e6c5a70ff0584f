"""Follows open upgrades: the versions that devices report, their replies, and their downloads."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from thingstead.bus.base import Bus, BusSubscription
from thingstead.clock import Clock
from thingstead.errors import NotFound
from thingstead.model.device import AttributeValue, Device, Sent
from thingstead.model.messages import CommandChanged, DeviceRemoved, ReportsCommitted
from thingstead.model.ota.comparing import compared
from thingstead.model.ota.rollout import (
    BLOCKED_MS,
    DETAIL_LENGTH,
    DOWNLOADS_IN_VAIN,
    OPEN_STATES,
    OtaUpgrade,
    Served,
    UpgradeCode,
    UpgradeState,
)
from thingstead.model.ota.version import VERSION_NAME_LENGTH, OtaVersion
from thingstead.model.report import Report
from thingstead.storage.base import Store

FROM_DEVICE = ("report", "series")
REPLY_METHODS = ("otaUpgrade", "otaFinished")
RESULTS = ("ota_result", "ota_dl_result")  # members of a reply; 0: ok
READ_AT_ONCE = 500  # upgrades, at the start
SETTLING_MS = 60_000  # from the end of a download until the device may report its old version for the last time
# States that the version of a device may end as `verified`: a reply or the time may have been wrong.
MAY_BE_VERIFIED: tuple[UpgradeState, ...] = (*OPEN_STATES, "failed", "timed_out")

_encode = msgspec.json.Encoder().encode


class Watched:
    """An open upgrade in memory."""

    __slots__ = ("attribute", "downloaded_at", "downloads", "number", "over", "upgrade", "version_name")

    def __init__(self, upgrade: OtaUpgrade, device_number: int, version: OtaVersion) -> None:
        self.upgrade = upgrade
        self.number = device_number
        self.attribute = version.version_attribute
        self.version_name = version.version_name
        self.downloads = upgrade.downloads
        self.downloaded_at = 0  # ms; end of the last download; 0: none since the start
        self.over = False  # it failed, and may still turn out to have worked


class OtaWatch:
    """Open upgrades by device. Reports are read only while there are any.

    Attributes:
        ended: upgrades by the state in which they ended since the start.
    """

    def __init__(self, store: Store, bus: Bus, clock: Clock) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self._of_device: dict[str, dict[tuple[str, str], Watched]] = {}
        self._of_number: dict[int, str] = {}
        self._reports: BusSubscription | None = None
        self._subscriptions = [
            bus.subscribe(CommandChanged, self._heard),
            bus.subscribe(DeviceRemoved, lambda message: self._forget(message.device_id)),
        ]
        self.ended: Counter[UpgradeState] = Counter()
        self.on_end: Callable[[], None] = lambda: None

    async def load(self) -> None:
        """Reads the open upgrades of an earlier run; those whose device has reported its new version meanwhile are
        verified."""
        after = ("", "", "")
        while found := await self._store.ota_upgrades.list_open(after, READ_AT_ONCE):
            for upgrade in found:
                await self._load(upgrade)
            after = (found[-1].device_id, found[-1].version_id, found[-1].rollout_id)

    async def _load(self, upgrade: OtaUpgrade) -> None:
        try:
            device = await self._store.devices.get(upgrade.project_id, upgrade.device_id)
            version = await self._store.ota_versions.get(upgrade.project_id, upgrade.version_id)
        except NotFound:
            return
        watched = self.put(upgrade, device.number, version)
        value = await reported(self._store, device, version.version_attribute)
        if value is not None and value.ts >= upgrade.sent_time:
            self._reported(watched, version_text(value.value), value.ts)

    def close(self) -> None:
        """Ends the subscriptions."""
        for subscription in self._subscriptions:
            subscription.cancel()
        if self._reports is not None:
            self._reports.cancel()

    @property
    def count(self) -> int:
        """Open upgrades."""
        return sum(map(len, self._of_device.values()))

    def put(self, upgrade: OtaUpgrade, device_number: int, version: OtaVersion) -> Watched:
        """Follows an upgrade whose row is stored."""
        of_device = self._of_device.setdefault(upgrade.device_id, {})
        watched = of_device.get((upgrade.version_id, upgrade.rollout_id))
        if watched is None or watched.over or watched.upgrade.sent_time != upgrade.sent_time:
            watched = Watched(upgrade, device_number, version)
            of_device[upgrade.version_id, upgrade.rollout_id] = watched
        self._of_number[device_number] = upgrade.device_id
        if self._reports is None:
            self._reports = self._bus.subscribe(ReportsCommitted, self._committed)
        return watched

    def drop(self, upgrade: OtaUpgrade) -> None:
        """Follows an upgrade no longer."""
        of_device = self._of_device.get(upgrade.device_id, {})
        watched = of_device.pop((upgrade.version_id, upgrade.rollout_id), None)
        if watched is not None and not of_device:
            self._of_number.pop(watched.number, None)
            self._forget(upgrade.device_id)

    def drop_version(self, version_id: str) -> None:
        """Follows the upgrades to a version that was removed no longer."""
        for of_device in list(self._of_device.values()):
            for watched in [each for each in of_device.values() if each.upgrade.version_id == version_id]:
                self.drop(watched.upgrade)

    def served(self, served: Served) -> None:
        """Tells what a device downloaded."""
        for watched in self._of_device.get(served.device_id, {}).values():
            if watched.upgrade.version_id == served.version_id and served.downloads:
                watched.downloads += served.downloads
                watched.downloaded_at = self._clock.now_ms()

    def forget_old(self) -> None:
        """Follows upgrades no longer whose time is over."""
        now = self._clock.now_ms()
        for of_device in list(self._of_device.values()):
            for watched in list(of_device.values()):
                if watched.upgrade.due_time <= now:
                    self.drop(watched.upgrade)

    def verified(self, watched: Watched) -> None:
        """Ends an upgrade whose device runs the new version."""
        self._move(watched.upgrade, MAY_BE_VERIFIED, "verified")
        self.drop(watched.upgrade)

    def in_vain(self, upgrade: OtaUpgrade) -> None:
        """Ends an upgrade whose device has downloaded it and still runs its old version."""
        until = self._clock.now_ms() + BLOCKED_MS
        self._move(upgrade, OPEN_STATES, "failed", code="version_unchanged", blocked_until=until)
        self.drop(upgrade)

    def refused(self, upgrade: OtaUpgrade, detail: str) -> None:
        """Ends an upgrade whose command was refused."""
        self._move(upgrade, OPEN_STATES, "failed", code="refused", detail=detail[:DETAIL_LENGTH])
        self.drop(upgrade)

    def timed_out(self, upgrade: OtaUpgrade) -> None:
        """Tells that an upgrade has timed out; its row says so."""
        self.ended["timed_out"] += 1
        self.drop(upgrade)

    def _move(
        self, upgrade: OtaUpgrade, states: tuple[UpgradeState, ...], state: UpgradeState, *, code: UpgradeCode = "",
        detail: str = "", blocked_until: int = 0,
    ) -> None:  # fmt: skip
        """Ends an upgrade, in the open commit."""
        self._store.ota_upgrades.move(
            upgrade, states, state, self._clock.now_ms(), code=code, detail=detail, blocked_until=blocked_until
        )
        self.ended[state] += 1
        self.on_end()

    # Messages

    def _committed(self, message: ReportsCommitted) -> None:
        of_number = self._of_number
        for report in message.reports:
            device_id = of_number.get(report.device_number)
            if device_id is not None and report.source in FROM_DEVICE:
                self._read(device_id, report)

    def _read(self, device_id: str, report: Report) -> None:
        for watched in list(self._of_device.get(device_id, {}).values()):
            value = report.attributes.get(watched.attribute)
            late = report.source == "series" and report.ts < watched.upgrade.sent_time
            if value is not None and not late:
                self._reported(watched, version_text(value), report.received_at)

    def _reported(self, watched: Watched, text: str, at: int) -> None:
        if compared(watched.version_name, text) == 0:
            self.verified(watched)
        elif watched.over:
            return
        elif watched.downloads >= DOWNLOADS_IN_VAIN and at - watched.downloaded_at > SETTLING_MS:
            self.in_vain(watched.upgrade)

    def _heard(self, message: CommandChanged) -> None:
        if message.state != "replied" or message.device_id not in self._of_device:
            return
        reply = message.reply if isinstance(message.reply, dict) else {}
        method = reply.get("method")
        method = method if isinstance(method, str) else message.method
        open_ones = [each for each in self._of_device[message.device_id].values() if not each.over]
        if method not in REPLY_METHODS or not open_ones:
            return
        params = reply.get("params")
        worked = _result(params) if isinstance(params, dict) else None
        if worked is None and method != "otaFinished":
            return
        watched = max(open_ones, key=lambda each: each.upgrade.sent_time)
        if worked is not False:
            now = self._clock.now_ms()
            self._store.ota_upgrades.move(watched.upgrade, ("sent", "downloading"), "finished", now)
            return
        detail = _encode(params).decode("utf-8", "replace")[:DETAIL_LENGTH]
        self._move(watched.upgrade, OPEN_STATES, "failed", code="reply", detail=detail)
        watched.over = True

    def _forget(self, device_id: str) -> None:
        of_device = self._of_device.pop(device_id, {})
        for watched in of_device.values():
            self._of_number.pop(watched.number, None)
        if not self._of_device and self._reports is not None:
            self._reports.cancel()
            self._reports = None


def _result(params: Mapping[str, Any]) -> bool | None:
    """Whether a reply says that the upgrade worked; None: it does not say."""
    for name in RESULTS:
        value = params.get(name)
        if isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            return value == 0
        if isinstance(value, str) and value.strip():
            return value.strip() in ("0", "ok", "OK")
    return None


def version_text(value: Any) -> str:
    """A reported version as a text; empty: it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    text = str(value).strip()
    return text if len(text) <= VERSION_NAME_LENGTH else ""


async def reported(store: Store, device: Device, attribute: str) -> AttributeValue | None:
    """The last value of an attribute that the device itself reported; None: it has not."""
    await store.history.open_device(device.number)
    mark: Sent | None = (await store.history.sent(device.number)).get(attribute)
    if mark is not None:
        return mark.reported
    return (await store.history.current(device.number)).get(attribute)
