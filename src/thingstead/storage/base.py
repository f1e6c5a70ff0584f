"""The contract of a store: what must be durable, and what must be atomic.

Every coroutine that writes returns only when its change is committed to disk, and what it changed is visible to
every later read on any node. Reads never wait for writers. Ids that do not exist *in the given project* are
:class:`~thingstead.errors.NotFound`; taken unique values are :class:`~thingstead.errors.Conflict`, naming the
field; a store that cannot keep data raises :class:`~thingstead.errors.Unavailable`. No driver exception passes.

``get`` one or NotFound, ``find`` one or None, ``list`` many in a stated order; a list narrowed to what does not exist
in the project is empty. ``changes`` of an update are the struct's own members by name; ValueError for one that never
changes, such as ``id`` and ``create_time``. What is read may be shared between callers and must not be changed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from thingstead.metrics import Histogram
from thingstead.model.command import Command, CommandState
from thingstead.model.customer import Customer
from thingstead.model.device import (
    AttributeValue,
    Device,
    DeviceFilter,
    DeviceGroup,
    DevicesAlarmStat,
    DeviceSession,
    DevicesStat,
    DeviceView,
    Page,
    UplinkKind,
)
from thingstead.model.device_log import DeviceLog, LogKind
from thingstead.model.device_type import DeviceType
from thingstead.model.limits import INSTANT_MS
from thingstead.model.project import Administrator, Application, Project
from thingstead.model.report import (
    AggregateFunction,
    Bucket,
    EventRecord,
    Report,
    Sample,
    SampleMethod,
    SeriesPoint,
)
from thingstead.model.retention import (
    Cutoff,
    Dropped,
    HistoryExtent,
    RetentionPolicy,
    SeriesExtent,
    StoredDevice,
)
from thingstead.storage.base_alarms import AlarmRuleStore, AlarmStore, NotifyStore
from thingstead.storage.base_sessions import MqttSessionStore
from thingstead.storage.commit import Commit as Commit


class ProjectStore(Protocol):
    """Projects, and secrets of the installation."""

    async def create(self, project: Project, application: Application, administrator: Administrator) -> None:
        """Adds a project with its first application and administrator, all or nothing."""
        ...

    async def get(self, project_id: str) -> Project: ...

    async def find_by_view_key(self, view_key: str) -> Project | None: ...

    async def find_by_project_key(self, project_key: str) -> Project | None: ...

    async def list_all(self) -> list[Project]:
        """Every project, oldest first."""
        ...

    async def update(self, project_id: str, changes: Mapping[str, Any]) -> None: ...

    async def server_secret(self, name: str) -> bytes:
        """A random secret of 32 bytes that all nodes share; made and committed when first asked for."""
        ...


class AccountStore(Protocol):
    """Applications and administrators: who may call the Project API."""

    async def create_application(self, application: Application) -> None: ...

    async def find_application(self, app_id: str) -> Application | None:
        """By AppID, which is unique in the server. On the path of every request: must be fast."""
        ...

    async def list_applications(self, project_id: str) -> list[Application]:
        """Oldest first."""
        ...

    async def update_application(self, project_id: str, app_id: str, changes: Mapping[str, Any]) -> None: ...

    async def delete_application(self, project_id: str, app_id: str) -> None:
        """Refuses, with Conflict, to remove the project's last one."""
        ...

    async def create_administrator(self, administrator: Administrator) -> None: ...

    async def find_administrator(self, admin_id: str) -> Administrator | None:
        """By id. On the path of every request with an administrator's token: must be fast."""
        ...

    async def find_administrator_by_account(self, project_id: str, account: str) -> Administrator | None: ...

    async def list_administrators(self, project_id: str) -> list[Administrator]:
        """Oldest first."""
        ...

    async def update_administrator(self, project_id: str, admin_id: str, changes: Mapping[str, Any]) -> None: ...

    async def delete_administrator(self, project_id: str, admin_id: str) -> None:
        """Refuses, with Conflict, to remove the project's last one."""
        ...


class DeviceTypeStore(Protocol):
    """Device types. ``device_count`` is filled on every read."""

    async def create(self, device_type: DeviceType) -> None: ...

    async def get(self, project_id: str, type_id: str) -> DeviceType: ...

    async def find_by_type_key(self, project_id: str, type_key: str) -> DeviceType | None: ...

    async def list_all(self, project_id: str) -> list[DeviceType]:
        """Oldest first."""
        ...

    async def update(self, project_id: str, type_id: str, changes: Mapping[str, Any]) -> None: ...

    async def merge_tags(self, project_id: str, type_id: str, put: Mapping[str, str], remove: Sequence[str]) -> None:
        """Removes, then puts, in one step: two callers never lose each other's tags."""
        ...

    async def delete(self, project_id: str, type_id: str) -> None:
        """Refuses, with Conflict, a type that still has devices."""
        ...


class DeviceGroupStore(Protocol):
    """The forest of device groups and who stands in them."""

    async def create(self, group: DeviceGroup) -> None: ...

    async def get(self, project_id: str, group_id: str) -> DeviceGroup: ...

    async def list_all(self, project_id: str) -> list[DeviceGroup]:
        """All groups of the project, oldest first; the tree is in ``parent_id``."""
        ...

    async def update(self, project_id: str, group_id: str, changes: Mapping[str, Any]) -> None:
        """Refuses, with InvalidInput on ``parent``, a parent that lies below the group itself."""
        ...

    async def merge_tags(self, project_id: str, group_id: str, put: Mapping[str, str], remove: Sequence[str]) -> None:
        """Removes, then puts, in one step: two callers never lose each other's tags."""
        ...

    async def delete(self, project_id: str, group_id: str) -> None:
        """Removes the group; refuses, with Conflict, one that still has child groups. Devices stay."""
        ...

    async def add_devices(self, project_id: str, group_id: str, device_ids: Sequence[str]) -> None:
        """All or nothing; a device that is in already stays in."""
        ...

    async def remove_devices(self, project_id: str, group_id: str, device_ids: Sequence[str]) -> None: ...


class DeviceStore(Protocol):
    """The registry of devices."""

    async def create(self, device: Device) -> Device:
        """Returns the device with its ``number``. Conflict on ``device_key``; InvalidInput on ``type``."""
        ...

    async def create_many(self, devices: Sequence[Device]) -> list[Device | Exception]:
        """Adds what can be added, in one commit; an answer for each row, in order: the device as kept, or the
        Conflict or InvalidInput that :meth:`create` would raise."""
        ...

    async def get(self, project_id: str, device_id: str) -> Device: ...

    async def find_by_access_token(self, access_token: str) -> Device | None:
        """On the path of every log-in."""
        ...

    async def find_by_device_key(self, project_id: str, device_key: str) -> Device | None: ...

    async def find_by_sub_address(self, gateway_id: str, sub_address: str) -> Device | None: ...

    async def find(self, device_id: str) -> Device | None:
        """By id, in any project: for whoever heard of a device on the bus."""
        ...

    async def find_by_number(self, number: int) -> Device | None:
        """By the compact key that reports carry."""
        ...

    async def get_view(self, project_id: str, device_id: str) -> DeviceView: ...

    async def list_views(
        self, project_id: str, device_filter: DeviceFilter, page: Page
    ) -> tuple[list[DeviceView], int]:
        """One page, oldest first (ties by id), and the number of devices that match."""
        ...

    async def update(self, project_id: str, device_id: str, changes: Mapping[str, Any]) -> None: ...

    async def merge_tags(
        self, project_id: str, device_id: str, put: Mapping[str, str], remove: Sequence[str]
    ) -> None: ...

    async def bind_customer(self, project_id: str, customer_id: str, device_ids: Sequence[str], *, bind: bool) -> None:
        """All or nothing. Binding moves a device from another customer; unbinding passes over devices that are
        not this customer's."""
        ...

    async def delete(self, project_id: str, device_id: str) -> None:
        """Removes the device with its state, history, logs and memberships. Conflict while it is a gateway that
        still has sub-devices."""
        ...

    async def stat(self, project_id: str, active_since: int) -> DevicesStat:
        """``active_since``: ms; a device whose newest uplink is not older counts as active."""
        ...

    async def alarm_stat(self, project_id: str) -> DevicesAlarmStat: ...


class CustomerStore(Protocol):
    """End users. ``device_count`` is filled on every read."""

    async def create(self, customer: Customer) -> None: ...

    async def get(self, project_id: str, customer_id: str) -> Customer: ...

    async def list_page(self, project_id: str, page: Page) -> tuple[list[Customer], int]:
        """One page, oldest first, and the total."""
        ...

    async def update(self, project_id: str, customer_id: str, changes: Mapping[str, Any]) -> None: ...

    async def merge_tags(
        self, project_id: str, customer_id: str, put: Mapping[str, str], remove: Sequence[str]
    ) -> None: ...

    async def delete(self, project_id: str, customer_id: str) -> None:
        """Devices bound to the customer stay, unbound."""
        ...


class HistoryStore(Protocol):
    """Current values and history of attributes, and the newest uplink per kind."""

    def append(self, report: Report) -> Commit:
        """Puts a report into the open commit, without waiting. Reports appended between two turns of the event
        loop share a commit. Once it is done, every read shows it. Raises Unavailable when nothing can be kept.

        The current value of an attribute is the one with the greatest ``ts``; among equal ones the last appended.
        """
        ...

    def append_run(self, reports: Sequence[Report]) -> tuple[int, Commit | None]:
        """:meth:`append` for reports of one device and one source, of which there is at least one: as many from the
        front as can be kept. Returns how many, and their commit; 0, None where :meth:`append` raises InvalidInput for
        the first. Raises Unavailable when nothing can be kept."""
        ...

    def touch(self, device_number: int, kind: UplinkKind, ts: int) -> Commit:
        """Notes an uplink of a kind that leaves nothing else in history."""
        ...

    @property
    def congested(self) -> bool:
        """Whether so much waits for a commit that a producer should stop reading from its peer."""
        ...

    def on_relief(self, callback: Callable[[], None]) -> None:
        """Calls back once, on the event loop, when the store is no longer congested."""
        ...

    async def current(self, device_number: int) -> Mapping[str, AttributeValue]:
        """The current value by identifier. Not to be changed by the caller."""
        ...

    async def series(
        self, device_number: int, identifier: str, start: int, end: int, *, offset: int, limit: int
    ) -> list[SeriesPoint]:
        """Points with ``start <= ts <= end`` (ms), newest first; of equal ``ts`` the last appended first."""
        ...

    async def remove_attributes(self, device_number: int, identifiers: Sequence[str]) -> None:
        """Removes current values and history. Unknown identifiers are passed over."""
        ...


class RangeStore(Protocol):
    """History over ranges of any length. Reads in one pass, and sees each point that is committed once.

    A range is ``start <= ts <= end`` (ms). One that holds more than ``points_limit`` points is InvalidInput on
    ``end_time``.
    """

    async def aggregate(
        self,
        device_number: int,
        identifier: str,
        start: int,
        end: int,
        *,
        interval: int,
        function: AggregateFunction,
        points_limit: int,
    ) -> list[Bucket]:
        """Buckets of ``interval`` ms from ``start`` on, by time; without those in which nothing counts. ``count``,
        ``first`` and ``last`` count every point, the others those whose value is a number."""
        ...

    async def sample(
        self,
        device_number: int,
        identifiers: Sequence[str],
        start: int,
        end: int,
        *,
        points: int,
        method: SampleMethod,
        points_limit: int,
    ) -> list[Sample]:
        """For each identifier at most ``points`` points (at least 2): all, where there are no more."""
        ...

    async def values_at(self, device_number: int, at: int) -> Mapping[str, AttributeValue]:
        """The values as they were at an instant: of each attribute the newest point at or before it."""
        ...


class RetentionStore(Protocol):
    """How long history is kept, how much there is, and dropping what is past its time.

    What drops does so in steps, each short enough to hold nobody up; the caller repeats them until there is nothing
    left to do. Of the newest points, those that are in no block yet, nothing is dropped or counted.
    """

    async def policy(self, project_id: str) -> RetentionPolicy:
        """The project's rules; without rules where none were put."""
        ...

    async def put_policy(self, project_id: str, policy: RetentionPolicy) -> None: ...

    async def extent(self, project_id: str | None = None) -> HistoryExtent:
        """How much history a project has, or all of them."""
        ...

    async def series_extents(self, device_number: int) -> list[SeriesExtent]:
        """How much of each attribute of a device there is, by identifier."""
        ...

    async def size_cutoff(self, max_bytes: int, project_id: str | None = None) -> int:
        """The earliest instant (ms, a whole hour) so that what does not end before it takes at most ``max_bytes``; 0
        where all of it does."""
        ...

    async def drop_expired(
        self, after: int, cutoffs: Callable[[StoredDevice], Callable[[str], Cutoff] | None]
    ) -> Dropped:
        """One step over devices with a number greater than ``after`` (0 at first). ``cutoffs`` gives for a device what
        is past its time of each attribute, or None where nothing is; it is called in another thread."""
        ...

    async def drop_removed(self) -> bool:
        """One step over the history of devices that were removed; False: there was none."""
        ...

    async def settle(self, before: int) -> bool:
        """One step of bringing points that were packed before an instant (ms) where they stay; False: there were
        none."""
        ...

    async def give_back(self) -> int:
        """One step of giving the disk back what was dropped; bytes, 0: there is nothing to give."""
        ...


class Archive(Protocol):
    """History to be read from outside, by a process that is not the server, while one may be writing.

    Reads what was committed when it was opened, and perhaps some of what came later. Blocks the caller's thread.
    """

    damaged_rows: int  # passed over so far

    def devices(
        self, project_id: str | None = None, type_id: str | None = None, device_ids: Sequence[str] = ()
    ) -> list[Device]:
        """Devices of a project, or of all; of a type; or those with these ids."""
        ...

    def identifiers(self, device_number: int) -> list[str]:
        """The attributes that have points, in order."""
        ...

    def points(
        self, device_number: int, identifier: str, start: int = 0, end: int = INSTANT_MS
    ) -> Iterator[tuple[list[int], list[Any]]]:
        """Points with ``start <= ts <= end`` (ms), each once, by time: runs of timestamps and of their values."""
        ...


class EventStore(Protocol):
    """Events as devices reported them."""

    def append(self, event: EventRecord, device_number: int) -> Commit:
        """Puts an event into a commit, without waiting. Touches ``event``. An event whose device is removed before
        the commit is dropped with it. InvalidInput for what is no JSON value."""
        ...

    async def list_page(
        self, device_id: str, page: Page, start: int = 0, end: int = INSTANT_MS
    ) -> tuple[list[EventRecord], int]:
        """One page of the events with ``start <= ts <= end`` (ms), newest first, and their number."""
        ...


class CommandStore(Protocol):
    """Commands, whose states only move forward (``model.command.TRANSITIONS``)."""

    async def create(self, command: Command) -> None: ...

    async def get(self, device_id: str, row_id: str) -> Command: ...

    async def advance(
        self,
        row_id: str,
        state: CommandState,
        at: int,
        *,
        reason: str = "",
        reply: Any = None,
        expire_time: int = 0,
    ) -> Command | None:
        """Moves a command forward, and its ``expire_time`` (ms) to no earlier than the one given; None where its
        present state does not allow that, or it is gone with its device, and nothing changes."""
        ...

    async def expire(self, now: int, limit: int) -> list[Command]:
        """Moves up to ``limit`` open commands whose ``expire_time`` is not after ``now`` (ms) to ``expired``; returns
        them."""
        ...

    async def list_open(self, device_id: str) -> list[Command]:
        """Commands that are queued, sent or delivered, in the order in which they were created."""
        ...

    async def list_page(
        self, device_id: str, page: Page, start: int = 0, end: int = INSTANT_MS
    ) -> tuple[list[Command], int]:
        """One page of the commands with ``start <= create_time <= end`` (ms), newest first, and their number."""
        ...


class DeviceLogStore(Protocol):
    """What happened to devices lately; of each device and kind only the newest entries are kept."""

    def append(self, device_number: int, kind: LogKind, ts: int, body: dict[str, Any]) -> Commit:
        """Puts an entry into a commit, without waiting. An entry of a device that is gone is dropped."""
        ...

    async def list_page(
        self, device_number: int, kind: LogKind, page: Page, start: int = 0, end: int = INSTANT_MS
    ) -> tuple[list[DeviceLog], int]:
        """One page of the entries with ``start <= ts <= end`` (ms), newest first, and their number."""
        ...


class PresenceStore(Protocol):
    """Which device has a live session, and where."""

    async def open_session(self, device_number: int, session: DeviceSession) -> DeviceSession | None:
        """Makes this the device's session; returns the one that it replaces. Touches ``connect``."""
        ...

    async def close_session(self, device_number: int, session_id: str) -> bool:
        """Ends the session, if it is still the device's; False where another has taken over."""
        ...

    async def find_session(self, device_number: int) -> DeviceSession | None: ...

    async def clear_node(self, node: str) -> list[tuple[int, str]]:
        """Ends every session of a node that is starting (its connections died with its process); device number and
        session id of each."""
        ...


class StoreFigures(NamedTuple):
    """What a store counts, since it was opened."""

    points: int  # written to history
    commit_seconds: Histogram  # how long transactions took
    commits_failed: int
    writes_waiting: int
    points_repeated: int  # that were reported again with the same timestamp and value, and are kept once
    rows_quarantined: int  # damaged rows that were set aside, also by earlier runs
    disk_free_bytes: int
    damage_met: int  # reads and writes that failed since a page of the file is damaged


class Store(Protocol):
    """All of it. One per process; open until :meth:`close`."""

    @property
    def projects(self) -> ProjectStore: ...
    @property
    def accounts(self) -> AccountStore: ...
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
    def notify(self) -> NotifyStore: ...
    @property
    def presence(self) -> PresenceStore: ...
    @property
    def mqtt_sessions(self) -> MqttSessionStore: ...

    def figures(self) -> StoreFigures:
        """For ``/metrics``."""
        ...

    def trouble(self) -> str | None:
        """None while everything can be kept; else what is wrong, for ``/healthz`` and people."""
        ...

    def warnings(self) -> list[str]:
        """What somebody should look at although everything is served and kept; for ``/healthz`` and people."""
        ...

    async def close(self) -> None:
        """Commits what was accepted, then closes."""
        ...
