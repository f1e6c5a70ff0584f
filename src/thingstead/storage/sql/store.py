"""The store of any engine: its tables, history and console over one database."""

from types import TracebackType
from typing import Protocol, Self

from thingstead.clock import Clock
from thingstead.model.health import HealthWarning, health_warning
from thingstead.refusals import Reason
from thingstead.storage.base import StoreStats
from thingstead.storage.sql.access.database import Database
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.writer import Writer
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
from thingstead.storage.sql.tables.automation.forwarding import SqlForwarding
from thingstead.storage.sql.tables.automation.ota_upgrades import SqlOtaUpgrades
from thingstead.storage.sql.tables.automation.ota_versions import SqlOtaVersions
from thingstead.storage.sql.tables.automation.outgoing import SqlOutgoing
from thingstead.storage.sql.tables.automation.task_runs import SqlTaskRuns
from thingstead.storage.sql.tables.automation.tasks import SqlTasks
from thingstead.storage.sql.tables.browser_sessions import SqlBrowserSessions
from thingstead.storage.sql.tables.commands import SqlCommands
from thingstead.storage.sql.tables.customers import SqlCustomers
from thingstead.storage.sql.tables.device_groups import SqlDeviceGroups
from thingstead.storage.sql.tables.device_logs import SqlDeviceLogs
from thingstead.storage.sql.tables.device_types import SqlDeviceTypes
from thingstead.storage.sql.tables.devices import SqlDevices
from thingstead.storage.sql.tables.events import SqlEvents
from thingstead.storage.sql.tables.log_retention import SqlLogRetention
from thingstead.storage.sql.tables.message_rules import SqlMessageRules
from thingstead.storage.sql.tables.mqtt_sessions import SqlMqttSessions
from thingstead.storage.sql.tables.notify import SqlNotify
from thingstead.storage.sql.tables.presence import SqlPresence
from thingstead.storage.sql.tables.projects import SqlProjects


class OpenDatabase(Database, Protocol):
    """What a store asks of its database beside reads and writes."""

    writer: Writer

    @property
    def commits_failed(self) -> int:
        """Number of failed transactions."""
        ...

    def trouble(self) -> Reason | None:
        """Why the last commit failed; None: it succeeded."""
        ...

    async def close(self) -> None:
        """Commits waiting writes, then closes the database."""
        ...


class SqlStore:
    """See :class:`~thingstead.storage.base.Store`; also an async context manager. An engine opens it, and begins with
    ``history.open()``."""

    def __init__(self, database: OpenDatabase, clock: Clock) -> None:
        self.database = database
        access = Queries(database)
        self.history = SqlHistory(database, clock=clock)
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
        self.commands = SqlCommands(access, self.history)
        self.device_logs = SqlDeviceLogs(access, self.history)
        self.alarms = SqlAlarms(access, self.history)
        self.alarm_rules = SqlAlarmRules(access)
        self.message_rules = SqlMessageRules(access, self.history)
        self.forwarding = SqlForwarding(access, self.history)
        self.tasks = SqlTasks(access)
        self.task_runs = SqlTaskRuns(access, self.history)
        self.ota_versions = SqlOtaVersions(access)
        self.ota_upgrades = SqlOtaUpgrades(access, self.history)
        self.outgoing = SqlOutgoing(access, self.history)
        self.notify = SqlNotify(access)
        self.presence = SqlPresence(access, self.history)
        self.mqtt_sessions = SqlMqttSessions(access, self.history)
        self.jobs = SqlJobs(access, self.history)
        self.desk = SqlDesk(access)
        self.audit = SqlAuditLogs(access, self.history)
        self.message_stat = SqlMessageStat(access)

    @property
    def disk_free_bytes(self) -> int | None:
        """Free space on the disk of the database; None: it is not known here."""
        return None

    @property
    def damage_met(self) -> int:
        """Reads and writes that failed because a page of the database is damaged."""
        return 0

    def figures(self) -> StoreStats:
        return StoreStats(
            points=self.history.appends.points_committed,
            commit_seconds=self.database.writer.commit_seconds,
            commits_failed=self.database.commits_failed,
            writes_waiting=self.database.writer.waiting,
            points_repeated=self.history.packer.compactor.points_repeated,
            rows_quarantined=self.history.quarantine.rows,
            disk_free_bytes=self.disk_free_bytes,
            damage_met=self.damage_met,
            points_pending=self.history.packer.pending_points,
            points_due=self.history.packer.compactor.due_points,
            devices_held_back=self.history.held_back,
            packings_failed=self.history.packer.failures,
        )

    async def database_bytes(self) -> int | None:
        return None

    def trouble(self) -> Reason | None:
        return self.database.trouble()

    def warnings(self) -> list[HealthWarning]:
        warnings = []
        if rows := self.history.quarantine.rows:
            warnings.append(health_warning("rows_set_aside", rows=rows))
        packer = self.history.packer
        if packer.failure is not None:
            warnings.append(health_warning("packing_failing", detail=packer.failure))
        if devices := packer.compactor.failing:
            warnings.append(health_warning("devices_not_packed", devices=devices))
        return warnings

    async def close(self) -> None:
        try:
            await self.history.close()
        finally:
            await self.database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
