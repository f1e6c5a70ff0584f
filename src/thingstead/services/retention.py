"""Keeps history as long as the rules say: who may change them, and the task that drops what is past its time, alarms
and notices too."""

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from thingstead.clock import Clock
from thingstead.config import StorageSettings
from thingstead.errors import NotFound, ThingsteadError
from thingstead.model import limits
from thingstead.model.retention import (
    DAY_MS,
    Cutoff,
    HistoryExtent,
    RetentionPolicy,
    RetentionRule,
    StoredDevice,
)
from thingstead.services.history import iso_utc
from thingstead.services.log_retention import LogRetention
from thingstead.services.retention_changes import PendingRetention, RetentionChange, RetentionChanges
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.retention")

SETTLE_AFTER_MS = 3_600_000  # points that wait for more of their kind are brought where they stay after so long
NOTHING = HistoryExtent(0, 0, None)


class RetentionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a project, and how much history it has."""

    rules: tuple[RetentionRule, ...]
    max_bytes: int  # of history, over which the oldest is dropped; 0: no bound
    default_days: float  # of the server, where no rule fits; 0: for ever
    points: int  # kept, without those of the last hours
    size_bytes: int  # about what they take on disk
    oldest_ts: int | None  # ms, rounded down to the hour; null: nothing is kept
    pending: PendingRetention | None = None  # rules that replace these at an instant, unless they are taken back


class SeriesRetention(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one attribute of a device."""

    identifier: str
    days: float  # 0: for ever
    points: int
    size_bytes: int
    oldest_ts: int  # ms
    newest_ts: int  # ms


class RetentionService:
    """The rules, and the task that follows them. :meth:`start` starts it, :meth:`close` ends it."""

    def __init__(self, store: Store, clock: Clock, settings: StorageSettings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self.logs = LogRetention(store, clock, settings)
        self.changes = RetentionChanges(store, clock, settings)
        self._task: asyncio.Task[None] | None = None
        self.extent = NOTHING  # of all projects, as of the last run
        self.points_dropped = 0
        self.bytes_dropped = 0
        self.alarms_dropped = self.notices_dropped = 0
        self.runs = 0

    # The rules

    async def info(self, project_id: str) -> RetentionInfo:
        """The rules of a project, and how much history it has."""
        policy = await self._store.retention.policy(project_id)
        extent = await self._store.retention.extent(project_id)
        return RetentionInfo(
            rules=policy.rules,
            max_bytes=policy.max_bytes,
            default_days=self.changes.defaults.days,
            points=extent.points,
            size_bytes=extent.size_bytes,
            oldest_ts=extent.oldest_ts,
            pending=await self.changes.pending(project_id),
        )

    async def put_policy(
        self, project_id: str, policy: RetentionPolicy, grace_days: float | None = None
    ) -> RetentionChange:
        """Replaces the rules of a project, at once or after the grace period; see :meth:`RetentionChanges.put`. What
        they no longer cover is dropped at the next run."""
        change = await self.changes.put(project_id, policy, grace_days)
        drop = change.would_drop
        log.info(
            "the rules of retention change",
            project=project_id,
            effective_at=iso_utc(change.effective_at),
            would_drop_points=drop.points,
            would_drop_bytes=drop.size_bytes,
        )
        return change

    async def series_info(self, project_id: str, device_id: str) -> list[SeriesRetention]:
        """What is kept of each attribute of a device, by identifier."""
        if not limits.is_id(device_id):
            raise NotFound("no such device")
        device = await self._store.devices.get(project_id, device_id)
        policy = await self._store.retention.policy(project_id)
        return [
            SeriesRetention(
                identifier=extent.identifier,
                days=self.changes.days(policy, device.type_id, extent.identifier),
                points=extent.points,
                size_bytes=extent.size_bytes,
                oldest_ts=extent.oldest_ts,
                newest_ts=extent.newest_ts,
            )
            for extent in await self._store.retention.series_extents(device.number)
        ]

    # The task

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run_regularly())
        self.logs.start()

    async def close(self) -> None:
        await self.logs.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run_regularly(self) -> None:
        while True:
            try:
                await self.run()
            except ThingsteadError as exc:
                log.error("retention failed and will be tried again", error=exc.message)
            except Exception:
                log.exception("retention failed and will be tried again")
            await asyncio.sleep(self._settings.retention_interval_s)

    async def run(self) -> None:
        """Drops everything that is past its time now, gives the disk back what that leaves free, and says how much is
        left. In steps, between which everybody else has a turn."""
        store, now = self._store.retention, self._clock.now_ms()
        for project_id in await store.apply_pending(now):
            log.info("rules of retention that waited are in force", project=project_id)
        await self._drop_alarms(now)
        while await store.settle(now - SETTLE_AFTER_MS):
            pass
        points, size = await self._drop_expired(now)
        while await store.drop_removed():
            pass
        given = 0
        while step := await store.give_back():
            given += step
        self.extent = await store.extent()
        self.runs += 1
        if points or given:
            log.info("history past its time was dropped", points=points, size_bytes=size, given_back_bytes=given)

    async def _drop_alarms(self, now: int) -> None:
        """Drops alarms and notices that are past their time; such as are open, or wait, never are."""
        if days := self._settings.alarm_retention_days:
            for project in await self._store.projects.list_all():
                while dropped := await self._store.alarms.prune(project.id, now - days * DAY_MS):
                    self.alarms_dropped += dropped
        if days := self._settings.notice_retention_days:
            while dropped := await self._store.notify.prune(now - days * DAY_MS):
                self.notices_dropped += dropped

    async def _drop_expired(self, now: int) -> tuple[int, int]:
        cutoffs = await self._cutoffs(now)
        points = size = 0
        after: int | None = 0 if cutoffs is not None else None
        while after is not None and cutoffs is not None:
            dropped = await self._store.retention.drop_expired(after, cutoffs)
            points += dropped.points
            size += dropped.size_bytes
            after = dropped.go_on_after
        self.points_dropped += points
        self.bytes_dropped += size
        return points, size

    async def _cutoffs(self, now: int) -> Callable[[StoredDevice], Callable[[str], Cutoff] | None] | None:
        """What is past its time; None where nothing can be."""
        store, defaults = self._store.retention, await self.changes.settle_defaults()
        everywhere = await store.size_cutoff(defaults.max_bytes) if defaults.max_bytes else 0
        policies: dict[str, tuple[RetentionPolicy, int]] = {}
        for project in await self._store.projects.list_all():
            policy = await store.policy(project.id)
            bounds = [bound for bound in (policy.max_bytes, self._settings.project_history_max_bytes) if bound]
            by_size = await store.size_cutoff(min(bounds), project.id) if bounds else 0
            policies[project.id] = policy, max(everywhere, by_size)
        if not defaults.days and not any(policy.rules or by_size for policy, by_size in policies.values()):
            return None

        return self.changes.cutoffs(policies, now)
