"""The contract of a store: durability and atomicity.

Every coroutine that writes returns only when its change is committed to disk, and what it changed is visible to
every later read on any node. Reads never wait for writers. Ids that do not exist *in the given project* are
:class:`~thingstead.errors.NotFound`; taken unique values are :class:`~thingstead.errors.Conflict`, naming the
field; a store that cannot keep data raises :class:`~thingstead.errors.Unavailable`. No driver exception passes.

``get`` one or NotFound, ``find`` one or None, ``list`` many in a stated order; a list narrowed to what does not exist
in the project is empty. ``changes`` of an update are the struct's own members by name; ValueError for one that never
changes, such as ``id`` and ``create_time``. What is read may be shared between callers and must not be changed.
"""

from typing import NamedTuple, Protocol

from thingstead.metrics import Histogram
from thingstead.model.health import HealthWarning
from thingstead.refusals import Reason
from thingstead.storage.base_alarms import AlarmRuleStore, AlarmStore, NotifyStore
from thingstead.storage.base_audit import AuditStore
from thingstead.storage.base_devices import (
    CommandStore,
    DeviceLogStore,
    EventStore,
    PresenceStore,
)
from thingstead.storage.base_forwarding import ForwardingStore
from thingstead.storage.base_history import (
    Archive,
    HistoryStore,
    LogRetentionStore,
    RangeStore,
    RetentionStore,
)
from thingstead.storage.base_jobs import ConsoleStore, JobStore, MessageStatStore
from thingstead.storage.base_message_rules import MessageRuleStore
from thingstead.storage.base_ota import OtaUpgradeStore, OtaVersionStore
from thingstead.storage.base_outgoing import OutgoingStore
from thingstead.storage.base_registry import (
    AccountStore,
    BrowserSessionStore,
    CustomerStore,
    DeviceGroupStore,
    DeviceStore,
    DeviceTypeStore,
    ProjectStore,
)
from thingstead.storage.base_sessions import MqttSessionStore
from thingstead.storage.base_tasks import TaskRunStore, TaskStore
from thingstead.storage.commit import Commit

__all__ = [
    "AccountStore",
    "AlarmRuleStore",
    "AlarmStore",
    "Archive",
    "BrowserSessionStore",
    "CommandStore",
    "Commit",
    "ConsoleStore",
    "CustomerStore",
    "DeviceGroupStore",
    "DeviceLogStore",
    "DeviceStore",
    "DeviceTypeStore",
    "EventStore",
    "ForwardingStore",
    "HistoryStore",
    "JobStore",
    "LogRetentionStore",
    "MessageRuleStore",
    "MessageStatStore",
    "MqttSessionStore",
    "NotifyStore",
    "OtaUpgradeStore",
    "OtaVersionStore",
    "PresenceStore",
    "ProjectStore",
    "RangeStore",
    "RetentionStore",
    "Store",
    "StoreStats",
]


class StoreStats(NamedTuple):
    """Counters of a store since it was opened, and present sizes."""

    points: int  # written to history
    commit_seconds: Histogram  # duration of transactions
    commits_failed: int
    writes_waiting: int
    points_repeated: int  # reported again with the same timestamp and value, stored once
    rows_quarantined: int  # damaged rows that were moved to the quarantine, earlier runs included
    disk_free_bytes: int | None  # None: the disk is not this machine's
    damage_met: int  # reads and writes that failed because a page of the file is damaged
    points_pending: int  # on disk in the log, and in memory
    points_due: int  # in the spool, of devices with enough points for full blocks
    devices_held_back: int  # devices over their share of pending reports, whose producers wait
    packings_failed: int  # failed attempts to pack reports; each is retried


class Store(Protocol):
    """All stores of one database. One instance per process, open until :meth:`close`."""

    @property
    def projects(self) -> ProjectStore: ...
    @property
    def accounts(self) -> AccountStore: ...
    @property
    def browser_sessions(self) -> BrowserSessionStore: ...
    @property
    def device_types(self) -> DeviceTypeStore: ...
    @property
    def device_groups(self) -> DeviceGroupStore: ...
    @property
    def devices(self) -> DeviceStore: ...
    @property
    def customers(self) -> CustomerStore: ...
    @property
    def history(self) -> HistoryStore: ...
    @property
    def ranges(self) -> RangeStore: ...
    @property
    def retention(self) -> RetentionStore: ...
    @property
    def log_retention(self) -> LogRetentionStore: ...
    @property
    def events(self) -> EventStore: ...
    @property
    def commands(self) -> CommandStore: ...
    @property
    def device_logs(self) -> DeviceLogStore: ...
    @property
    def alarms(self) -> AlarmStore: ...
    @property
    def alarm_rules(self) -> AlarmRuleStore: ...
    @property
    def message_rules(self) -> MessageRuleStore: ...
    @property
    def forwarding(self) -> ForwardingStore: ...
    @property
    def tasks(self) -> TaskStore: ...
    @property
    def task_runs(self) -> TaskRunStore: ...
    @property
    def ota_versions(self) -> OtaVersionStore: ...
    @property
    def ota_upgrades(self) -> OtaUpgradeStore: ...
    @property
    def outgoing(self) -> OutgoingStore: ...
    @property
    def notify(self) -> NotifyStore: ...
    @property
    def presence(self) -> PresenceStore: ...
    @property
    def mqtt_sessions(self) -> MqttSessionStore: ...
    @property
    def jobs(self) -> JobStore: ...
    @property
    def desk(self) -> ConsoleStore: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def message_stat(self) -> MessageStatStore: ...

    def figures(self) -> StoreStats:
        """Statistics for ``/metrics``."""
        ...

    async def database_bytes(self) -> int | None:
        """Size of the database where it is not in the data folder; None: it is."""
        ...

    def trouble(self) -> Reason | None:
        """Why data cannot be stored now, for ``/healthz`` and ``/readyz``; None if it can."""
        ...

    def warnings(self) -> list[HealthWarning]:
        """Warnings for ``/healthz``: conditions that an operator should look at although requests are served."""
        ...

    async def close(self) -> None:
        """Commits accepted writes, then closes the database."""
        ...
