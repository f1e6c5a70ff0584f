"""Drops events, commands, alarms, notices and rows of the audit log above their age or number.

A folder of an earlier release has a grace period of :data:`GRACE_DAYS`, in which the log announces daily what will be
dropped.
"""

from typing import NamedTuple

import structlog

from thingstead.clock import Clock
from thingstead.config import StorageSettings
from thingstead.model.retention import DAY_MS, LogKind
from thingstead.repeating import Repeating
from thingstead.services.audit.retention import AuditRetention
from thingstead.services.history.history import iso_utc
from thingstead.services.history.trusted_clock import TrustedClock
from thingstead.services.shared.parts import Parts
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.retention")

GRACE_DAYS = 7
LOOK_INTERVAL_S = 5.0  # interval of checks for added rows
ROWS_BETWEEN_RUNS = 20_000  # added rows after which the limit of number is applied before the interval ends


class _Bound(NamedTuple):
    """Retention of one kind of rows; 0: no limit."""

    days: int
    most: int  # per device


class LogRetention:
    """Task that applies the retention settings to logs. :meth:`start` starts it, :meth:`close` ends it."""

    def __init__(
        self, store: Store, clock: Clock, settings: StorageSettings, trusted: TrustedClock | None = None
    ) -> None:
        self._store = store.log_retention
        self._trusted = trusted or TrustedClock(store, clock)
        self._parts = Parts("the retention of logs", log)
        self._clock = clock
        self._interval_s = settings.retention_interval_s
        # RetentionService drops alarms and notices by age, because it also updates the statistics of rules.
        self._bounds: dict[LogKind, _Bound] = {
            "event": _Bound(settings.event_retention_days, settings.events_per_device_max),
            "command": _Bound(settings.command_retention_days, settings.commands_per_device_max),
            "alarm": _Bound(0, settings.alarms_per_device_max),
            "notice": _Bound(0, settings.notices_per_device_max),
        }
        look_s = min(LOOK_INTERVAL_S, self._interval_s)
        self._task = Repeating("the retention of logs", self._look, look_s, at_start=True)
        self._run_s = -self._interval_s  # monotonic time of the last run
        self._rows = self._store.rows_added + store.audit.rows_added  # value of rows_added at the last run
        self._named_at: int | None = None
        self._audit = AuditRetention(store, settings)
        self.dropped: dict[LogKind, int] = dict.fromkeys(self._bounds, 0)

    def start(self) -> None:
        """Starts the regular deletion of old logs."""
        self._task.start()

    async def close(self) -> None:
        await self._task.close()

    async def _look(self) -> None:
        """Runs if the interval has ended, or enough rows were added."""
        now_s = self._clock.monotonic_s()
        added = self._store.rows_added + self._audit.rows_added - self._rows
        with self._parts.part("the run"):
            if now_s - self._run_s >= self._interval_s:
                self._run_s, self._rows = now_s, self._store.rows_added + self._audit.rows_added
                await self.run()
            elif added >= ROWS_BETWEEN_RUNS:
                self._rows += added
                await self.run(only_excess=True)

    async def run(self, *, only_excess: bool = False) -> None:
        """Drops rows that are expired or above the limit of their number, in small steps. During the grace period of a
        folder of an earlier release it logs them instead, once a day."""
        now = await self._trusted.now_ms()
        until = await self._store.hold_until(now + GRACE_DAYS * DAY_MS)
        if now < until:
            if self._named_at is None or now - self._named_at >= DAY_MS:
                self._named_at = now
                await self._name(now, until)
            return
        with self._parts.part("the audit log"):
            await self._audit.run(now)
        for kind, bound in self._bounds.items():
            before = self.dropped[kind]
            if bound.most:
                with self._parts.part("limit of number", kind=kind):
                    await self._drop_excess(kind, bound.most)
            if bound.days and not only_excess:
                with self._parts.part("expiry by age", kind=kind):
                    await self._drop_old(kind, now - bound.days * DAY_MS)
            if self.dropped[kind] > before:
                log.info("log rows dropped", kind=kind, rows=self.dropped[kind] - before)

    async def _drop_excess(self, kind: LogKind, most: int) -> None:
        while (dropped := await self._store.drop_excess(kind, most)) is not None:
            self.dropped[kind] += dropped

    async def _drop_old(self, kind: LogKind, before: int) -> None:
        after: str | None = ""
        while after is not None:
            dropped, after = await self._store.drop_old(kind, before, after)
            self.dropped[kind] += dropped

    async def _name(self, now: int, until: int) -> None:
        for kind, bound in self._bounds.items():
            due = await self._store.due(kind, now - bound.days * DAY_MS if bound.days else 0, bound.most)
            if due.old or due.excess:
                log.warning(
                    "log rows will be dropped, unless their settings are raised",
                    kind=kind,
                    begins=iso_utc(until),
                    rows_past_their_days=due.old,
                    retention_days=bound.days,
                    rows_beyond_their_number=due.excess,
                    per_device_max=bound.most,
                )
