"""Applies retention: validates changes of the rules, and drops expired history, alarms and notices."""

import structlog

from thingstead.clock import Clock
from thingstead.config import StorageSettings
from thingstead.model.retention import (
    DAY_MS,
    HistoryExtent,
    RetentionPolicy,
)
from thingstead.repeating import Repeating
from thingstead.services.history.history import iso_utc
from thingstead.services.history.log_retention import LogRetention
from thingstead.services.history.retention_changes import RetentionChanges
from thingstead.services.history.trusted_clock import TrustedClock
from thingstead.services.shared.parts import Parts
from thingstead.storage.base import Store
from thingstead.wire.retention import RetentionChange, RetentionInfo, SeriesRetention

log = structlog.get_logger("thingstead.retention")

COMPACT_AFTER_MS = 3_600_000  # points that wait for a full block are compacted after this time
NOTHING = HistoryExtent(0, 0, None)


class RetentionService:
    """Retention rules of projects, and the task that applies them. :meth:`start` starts it, :meth:`close` ends it."""

    def __init__(self, store: Store, clock: Clock, settings: StorageSettings) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self.trusted_clock = TrustedClock(store, clock)
        self._parts = Parts("retention", log)
        self.logs = LogRetention(store, clock, settings, self.trusted_clock)
        self.changes = RetentionChanges(store, clock, settings)
        self._task = Repeating("retention", self.run, settings.retention_interval_s, at_start=True)
        self.extent = NOTHING  # of all projects, updated by each run
        self.points_dropped = 0
        self.bytes_dropped = 0
        self.alarms_dropped = self.notices_dropped = 0
        self.runs = 0

    # The rules

    async def info(self, project_id: str) -> RetentionInfo:
        """The rules of a project, and the size of its history."""
        version = await self._store.retention.version(project_id)  # first: rules may be newer than it, never older
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
            version=version,
        )

    async def put_policy(
        self, project_id: str, policy: RetentionPolicy, grace_days: float | None = None, version: int | None = None
    ) -> RetentionChange:
        """Replaces the rules of a project, at once or after the grace period; see :meth:`RetentionChanges.put`. The
        next run drops what is then expired."""
        change = await self.changes.put(project_id, policy, grace_days, version)
        drop = change.would_drop
        log.info(
            "retention rules were changed",
            project=project_id,
            effective_at=iso_utc(change.effective_at),
            would_drop_points=drop.points,
            would_drop_bytes=drop.size_bytes,
        )
        return change

    async def series_info(self, project_id: str, device_id: str) -> list[SeriesRetention]:
        """The stored history of each attribute of a device, by identifier."""
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
        """Starts the regular deletion of old history and logs."""
        self._task.start()
        self.logs.start()

    async def close(self) -> None:
        await self.logs.close()
        await self._task.close()

    async def run(self) -> None:
        """Drops all expired data, returns free pages to the file system, and updates the statistics. Works in small
        steps; a failure of one part does not stop the others."""
        part, store = self._parts.part, self._store.retention
        points = size = given = 0
        with part("expiry by age"):
            now = await self.trusted_clock.now_ms()
            with part("pending retention rules"):
                for project_id in await store.apply_pending(now):
                    log.info("pending retention rules took effect", project=project_id)
            await self._drop_alarms(now)
            with part("settling of points"):
                while await store.compact(now - COMPACT_AFTER_MS):
                    pass
            points, size = await self._drop_expired(now)
        with part("free pages"):
            while step := await store.give_back():
                given += step
        with part("totals"):
            self.extent = await store.extent()
        self.runs += 1
        if points or given:
            log.info("expired history was dropped", points=points, size_bytes=size, given_back_bytes=given)

    async def _drop_alarms(self, now: int) -> None:
        """Drops expired alarms and notices, except open alarms and queued notices."""
        if days := self._settings.alarm_retention_days:
            for project in await self._store.projects.list_all():
                with self._parts.part("alarms", project=project.id):
                    while dropped := await self._store.alarms.prune(project.id, now - days * DAY_MS):
                        self.alarms_dropped += dropped
        if days := self._settings.notice_retention_days:
            with self._parts.part("notices"):
                while dropped := await self._store.notify.prune(now - days * DAY_MS):
                    self.notices_dropped += dropped

    async def _drop_expired(self, now: int) -> tuple[int, int]:
        """Drops expired history. Returns the number of points and bytes."""
        store, defaults = self._store.retention, await self.changes.settle_defaults(now)
        everywhere = await store.size_cutoff(defaults.max_bytes) if defaults.max_bytes else 0
        points, size = self.points_dropped, self.bytes_dropped
        for project in await self._store.projects.list_all():
            with self._parts.part("history", project=project.id):
                await self._drop_history(project.id, everywhere, now)
        return self.points_dropped - points, self.bytes_dropped - size

    async def _drop_history(self, project_id: str, everywhere: int, now: int) -> None:
        """Drops history of one project that is expired, or older than ``everywhere`` (ms)."""
        store = self._store.retention
        policy = await store.policy(project_id)
        bounds = [bound for bound in (policy.max_bytes, self._settings.project_history_max_bytes) if bound]
        by_size = await store.size_cutoff(min(bounds), project_id) if bounds else 0
        by_size = max(everywhere, by_size)
        if not (policy.rules or by_size or self.changes.defaults.days):
            return
        cutoffs = self.changes.cutoffs({project_id: (policy, by_size)}, now)
        after: int | None = 0
        while after is not None:
            dropped = await store.drop_expired(after, cutoffs, project_id)
            self.points_dropped += dropped.points
            self.bytes_dropped += dropped.size_bytes
            after = dropped.go_on_after
