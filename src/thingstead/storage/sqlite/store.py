"""The store of a single node: one SQLite file, owned by one process."""

import asyncio
from pathlib import Path
from types import TracebackType

import structlog

from thingstead.clock import Clock
from thingstead.config import StorageSettings
from thingstead.model.health import HealthWarning, health_warning
from thingstead.refusals import Reason
from thingstead.storage.base import StoreStats
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.console.desk import SqlDesk
from thingstead.storage.sql.console.jobs import SqlJobs
from thingstead.storage.sql.console.message_stat import SqlMessageStat
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.history.ranges import SqlRanges
from thingstead.storage.sql.history.retention import SqlRetention
from thingstead.storage.sql.tables.accounts import SqlAccounts
from thingstead.storage.sql.tables.alarms.alarm_rules import SqlAlarmRules
from thingstead.storage.sql.tables.alarms.alarms import SqlAlarms
from thingstead.storage.sql.tables.audit import SqlAuditLogs
from thingstead.storage.sql.tables.browser_sessions import SqlBrowserSessions
from thingstead.storage.sql.tables.commands import SqlCommands
from thingstead.storage.sql.tables.customers import SqlCustomers
from thingstead.storage.sql.tables.device_groups import SqlDeviceGroups
from thingstead.storage.sql.tables.device_logs import SqlDeviceLogs
from thingstead.storage.sql.tables.device_types import SqlDeviceTypes
from thingstead.storage.sql.tables.devices import SqlDevices
from thingstead.storage.sql.tables.events import SqlEvents
from thingstead.storage.sql.tables.log_retention import SqlLogRetention
from thingstead.storage.sql.tables.mqtt_sessions import SqlMqttSessions
from thingstead.storage.sql.tables.notify import SqlNotify
from thingstead.storage.sql.tables.presence import SqlPresence
from thingstead.storage.sql.tables.projects import SqlProjects
from thingstead.storage.sqlite.engine.database import BUSY_TIMEOUT_MS, Database
from thingstead.storage.sqlite.engine.disk import DiskWatch
from thingstead.storage.sqlite.engine.schema import prepare

log = structlog.get_logger("thingstead.storage")


class SqliteStore:
    """See :class:`~thingstead.storage.base.Store`. Use :meth:`open`; also an async context manager."""

    def __init__(self, database: Database, clock: Clock, settings: StorageSettings) -> None:
        self._database = database
        access = Queries(database)
        self.history = SqlHistory(database, clock=clock)
        self.disk = DiskWatch(database, self.history.refuse, settings.low_disk_bytes)
        self.ranges = SqlRanges(database, self.history)
        self.retention = SqlRetention(access, self.history)
        self.log_retention = SqlLogRetention(access)
        self.projects = SqlProjects(access)
        self.accounts = SqlAccounts(access)
        self.browser_sessions = SqlBrowserSessions(access)
        self.device_types = SqlDeviceTypes(access)
        self.device_groups = SqlDeviceGroups(access)
        self.devices = SqlDevices(access, self.history)
        self.customers = SqlCustomers(access)
        self.events = SqlEvents(access, self.history)
        self.commands = SqlCommands(access)
        self.device_logs = SqlDeviceLogs(access, self.history)
        self.alarms = SqlAlarms(access, self.history)
        self.alarm_rules = SqlAlarmRules(access)
        self.notify = SqlNotify(access)
        self.presence = SqlPresence(access, self.history)
        self.mqtt_sessions = SqlMqttSessions(access, self.history)
        self.jobs = SqlJobs(access, self.history)
        self.desk = SqlDesk(access)
        self.audit = SqlAuditLogs(access, self.history)
        self.message_stat = SqlMessageStat(access)

    @classmethod
    async def open(
        cls,
        path: Path,
        clock: Clock,
        settings: StorageSettings = StorageSettings(),  # noqa: B008 - frozen
        *,
        busy_timeout_ms: int = BUSY_TIMEOUT_MS,
    ) -> "SqliteStore":
        """Opens the file; creates it or migrates its schema if needed.

        Args:
            busy_timeout_ms: how long a write waits for another process that has locked the file.

        Raises:
            ConfigError: the file cannot be opened, is not a database of Thingstead, or was written by a newer release.
            Unavailable: the file cannot be opened now: the disk is full or fails, or a needed page is damaged.
        """
        begun_s = clock.monotonic_s()
        await asyncio.to_thread(prepare, path, now_ms=clock.now_ms())
        store = cls(Database(path, busy_timeout_ms=busy_timeout_ms, clock=clock), clock, settings)
        try:
            await store.history.open()
            store.disk.start()
        except BaseException:
            await store._database.close()
            raise
        log.info("store opened", path=str(path), took_ms=round((clock.monotonic_s() - begun_s) * 1000))
        return store

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self._database.path

    def figures(self) -> StoreStats:
        return StoreStats(
            points=self.history.appends.points_committed,
            commit_seconds=self._database.commit_seconds,
            commits_failed=self._database.commits_failed,
            writes_waiting=self._database.writes_waiting,
            points_repeated=self.history.packer.compactor.points_repeated,
            rows_quarantined=self.history.quarantine.rows,
            disk_free_bytes=self.disk.free_bytes,
            damage_met=self._database.damage_met,
            points_pending=self.history.packer.pending_points,
            points_due=self.history.packer.compactor.due_points,
            devices_held_back=self.history.held_back,
            packings_failed=self.history.packer.failures,
        )

    def trouble(self) -> Reason | None:
        return self._database.trouble() or self.disk.refusal

    def warnings(self) -> list[HealthWarning]:
        warnings = []
        if rows := self.history.quarantine.rows:
            warnings.append(health_warning("rows_set_aside", rows=rows))
        packer = self.history.packer
        if packer.failure is not None:
            warnings.append(health_warning("packing_failing", detail=packer.failure))
        if devices := packer.compactor.failing:
            warnings.append(health_warning("devices_not_packed", devices=devices))
        if self._database.damage is not None:
            warnings.append(health_warning("damaged_pages", detail=self._database.damage))
        return warnings

    async def close(self) -> None:
        try:
            await self.disk.close()
            await self.history.close()
        finally:
            await self._database.close()

    async def __aenter__(self) -> "SqliteStore":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
