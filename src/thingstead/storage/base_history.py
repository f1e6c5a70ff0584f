"""The contract of a store, history: current values, series, retention."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from thingstead.model.device import (
    AttributeValue,
    Device,
    Sent,
    UplinkKind,
)
from thingstead.model.limits import INSTANT_MS
from thingstead.model.report import (
    AggregateFunction,
    Band,
    Bucket,
    Report,
    Sample,
    SampleMethod,
    SeriesPoint,
    SpanBucket,
)
from thingstead.model.retention import (
    Counted,
    Cutoff,
    Defaults,
    Dropped,
    HistoryExtent,
    LogKind,
    LogsDue,
    RetentionPolicy,
    SeriesExtent,
    StoredDevice,
)
from thingstead.model.spans import Spans
from thingstead.storage.commit import Commit


class HistoryStore(Protocol):
    """Current values and history of attributes, and the newest uplink per kind."""

    def append(self, report: Report) -> Commit:
        """Puts a report into the open commit, without waiting. Reports appended between two turns of the event
        loop share a commit. Once it is done, every read shows it. Raises Unavailable when nothing can be kept.

        A value that was received (``RECEIVED`` sources) becomes the current one of its attribute. One with a timestamp
        of its own does so unless the ``ts`` of the current one is greater.
        """
        ...

    def append_run(self, reports: Sequence[Report], *, flat: bool = False) -> tuple[int, Commit | None]:
        """:meth:`append` for reports of one device and one source, of which there is at least one: as many from the
        front as can be kept. Returns how many, and their commit; 0, None where :meth:`append` raises InvalidInput for
        the first. ``flat``: the caller knows that no value is an array or an object. Raises Unavailable when nothing
        can be kept."""
        ...

    def touch(self, device_number: int, kind: UplinkKind, ts: int, size_bytes: int = 0) -> Commit:
        """Notes an uplink of a kind that leaves nothing else in history. So much of it goes elsewhere in the same
        commit, and counts for the device until then."""
        ...

    @property
    def congested(self) -> bool:
        """Whether so much waits for a commit that a producer should stop reading from its peer."""
        ...

    def crowded(self, device_number: int) -> bool:
        """Whether so much of one device waits, for a commit or on its way to where it stays, that its producers should
        stop reading from their peers; those of others need not."""
        ...

    def when_room(self, callback: Callable[[], None], device_number: int | None = None) -> None:
        """Calls back once, on the event loop, when the store is no longer congested, and of the device, if one is
        named, no more than its share waits."""
        ...

    async def newest_uplink(self) -> int:
        """When the newest uplink of all devices was received (ms); 0: there is none."""
        ...

    async def current(self, device_number: int) -> Mapping[str, AttributeValue]:
        """The current value by identifier. Not to be changed by the caller."""
        ...

    async def sent(self, device_number: int) -> Mapping[str, Sent]:
        """Of which attributes the current value was pushed to the device or set in the cloud, and what the device had
        reported before. Not to be changed by the caller."""
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

    async def spans(
        self,
        device_number: int,
        identifier: str,
        start: int,
        end: int,
        *,
        spans: Spans,
        functions: Sequence[AggregateFunction],
        gaps: bool,
        until: int,
        points_limit: int,
    ) -> list[SpanBucket]:
        """Several functions in one pass, over spans of any kind, by time; the first and the last span are those of
        ``start`` and ``end``.

        Args:
            gaps: also the spans in which nothing counts.
            until: the instant (ms) up to which the newest value holds.
        """
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

    async def bands(
        self,
        device_number: int,
        identifiers: Sequence[str],
        start: int,
        end: int,
        *,
        spans: Spans,
        raw_limit: int,
        gaps: bool,
        points_limit: int,
    ) -> list[Band]:
        """For each identifier its points, where there are no more than ``raw_limit``; else spans with what
        ``BAND_FUNCTIONS`` make of each. ``gaps``: also spans in which there is nothing."""
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

    async def put_policy(self, project_id: str, policy: RetentionPolicy) -> None:
        """Replaces the project's rules, and forgets such as wait."""
        ...

    async def pending(self, project_id: str) -> tuple[RetentionPolicy, int] | None:
        """The rules that wait, and the instant (ms) at which they replace the others."""
        ...

    async def put_pending(self, project_id: str, policy: RetentionPolicy, at: int) -> None:
        """Lets rules wait until an instant (ms), in the place of such as wait already."""
        ...

    async def drop_pending(self, project_id: str) -> bool:
        """Forgets the rules that wait; whether there were any."""
        ...

    async def apply_pending(self, now: int) -> list[str]:
        """Puts rules in force whose instant has come; the ids of their projects."""
        ...

    async def defaults(self) -> tuple[Defaults, Defaults, int | None] | None:
        """The defaults in force; those that wait, and the instant (ms) at which they are in force, or None where none
        wait. None where none were ever put."""
        ...

    async def put_defaults(self, defaults: Defaults, pending: Defaults, at: int | None) -> None: ...

    async def count_expired(
        self, project_id: str, after: int, cutoffs: Callable[[StoredDevice], Callable[[str], Cutoff] | None]
    ) -> Counted:
        """One step over the project's devices, as :meth:`drop_expired` takes it; counts whole blocks, drops nothing."""
        ...

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
        self,
        after: int,
        cutoffs: Callable[[StoredDevice], Callable[[str], Cutoff] | None],
        project_id: str | None = None,
    ) -> Dropped:
        """One step over the devices of a project, or of all, with a number greater than ``after`` (0 at first).
        ``cutoffs`` gives for a device what is past its time of each attribute, or None where nothing is; it is called
        in another thread."""
        ...

    async def next_removed(self, after: int) -> int | None:
        """Of the devices that were removed and of which something is left, the first with a number greater than
        ``after``."""
        ...

    async def drop_removed(self, number: int | None = None) -> bool:
        """One step over the history, events, commands, alarms and notices of a device that was removed, or of any;
        False: nothing is left of it."""
        ...

    async def compact(self, before: int) -> bool:
        """Compacts one batch of points spooled before ``before`` (ms) into blocks. Returns False when none was left."""
        ...

    async def give_back(self) -> int:
        """One step of giving the disk back what was dropped; bytes, 0: there is nothing to give."""
        ...


class LogRetentionStore(Protocol):
    """How many events, commands, alarms and notices of a device are kept, and for how long. Commands that are open,
    alarms that are open and notices that wait are never dropped, and do not count. Drops in steps, as
    :class:`RetentionStore` does."""

    @property
    def rows_added(self) -> int:
        """Rows of all kinds added since the store was opened."""
        ...

    async def hold_until(self, at: int) -> int:
        """The instant (ms) until which nothing may be dropped, since an earlier release that kept everything filled
        this store: ``at`` when asked for the first time. 0 where a store was made by a release that drops."""
        ...

    async def clock(self) -> tuple[int, int | None] | None:
        """What :meth:`put_clock` kept last."""
        ...

    async def put_clock(self, seen: int, doubted: int | None) -> None:
        """Keeps the last reading of the server's clock (ms) that was believed, and that of a jump which is not."""
        ...

    async def due(self, kind: LogKind, before: int, most: int) -> LogsDue:
        """How many rows would be dropped: those before an instant (ms), and of each device those beyond its newest
        ``most``; 0 stands for no bound. Goes over all rows."""
        ...

    async def drop_old(self, kind: LogKind, before: int, after: str) -> tuple[int, str | None]:
        """One step over devices with an id greater than ``after`` ('' at first): drops rows before an instant (ms).
        Returns how many, and the device to go on after; None at the end."""
        ...

    async def drop_excess(self, kind: LogKind, most: int) -> int | None:
        """One step over devices that got rows since they were last looked at, and once over all: drops what each has
        beyond its newest ``most`` rows. Returns how many; None where no device is left to look at."""
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
