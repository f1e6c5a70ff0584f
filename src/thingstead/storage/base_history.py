"""The contract of a store, history: current values, series, retention."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from thingstead.model.audit.log import Edit
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
from thingstead.refusals import Reason
from thingstead.storage.commit import Commit


class HistoryStore(Protocol):
    """Current values and history of attributes, and the newest uplink of each kind."""

    async def open_device(self, device_number: int) -> None:
        """Reads the state of a device, if it is not in memory. Call it before the first :meth:`append` of a connection
        or request: the limits of a device are exact only for one that was opened.

        Raises:
            Unavailable: the state cannot be read.
        """
        ...

    def present(self, device_number: int) -> Mapping[str, AttributeValue]:
        """Current values of a device that was opened, as of the last commit; empty if its state is not in memory."""
        ...

    def append(self, report: Report) -> Commit:
        """Adds a report to the open commit, without waiting. Reports appended between two turns of the event loop share
        a commit. Once it is done, every read returns them.

        A received value (``RECEIVED`` sources) becomes the current value of its attribute. A value with its own
        timestamp does so unless the ``ts`` of the current value is greater.

        Raises:
            InvalidInput: the report or a value is too large, or the device has too many attributes.
            Unavailable: nothing can be stored now.
        """
        ...

    def append_run(self, reports: Sequence[Report], *, flat: bool = False) -> tuple[int, Commit | None]:
        """Same as :meth:`append` for one or more reports of one device and one source: as many from the front as are
        valid.

        Args:
            flat: the caller guarantees that no value is an array or object.

        Returns:
            How many were appended, and their commit; 0 and None if :meth:`append` would raise InvalidInput for the
                first.

        Raises:
            Unavailable: nothing can be stored now.
        """
        ...

    def touch(self, device_number: int, kind: UplinkKind, ts: int, size_bytes: int = 0) -> Commit:
        """Records the time of an uplink that is not a report. ``size_bytes`` of other data are written with it in the
        same commit, and count for the device until then."""
        ...

    @property
    def refusal(self) -> Reason | None:
        """Why appends are refused now; None: they are accepted."""
        ...

    @property
    def congested(self) -> bool:
        """Whether so much waits for a commit that producers should stop reading from their peers."""
        ...

    def crowded(self, device_number: int) -> bool:
        """Whether so much of one device waits for a commit or for packing that its producers should stop reading; those
        of other devices need not."""
        ...

    def when_room(self, callback: Callable[[], None], device_number: int | None = None) -> None:
        """Calls back once, on the event loop, when the store is not congested any more and the named device, if any, is
        back within its share."""
        ...

    async def newest_uplink(self) -> int:
        """Receipt (ms) of the newest uplink of all devices; 0: there is none."""
        ...

    async def current(self, device_number: int) -> Mapping[str, AttributeValue]:
        """Current values by identifier. Callers must not change the mapping."""
        ...

    async def sent(self, device_number: int) -> Mapping[str, Sent]:
        """Attributes whose current value was pushed to the device or set in the cloud, with the value that the device
        had reported before. Callers must not change the mapping."""
        ...

    async def series(
        self, device_number: int, identifier: str, start: int, end: int, *, offset: int, limit: int
    ) -> list[SeriesPoint]:
        """Points with ``start <= ts <= end`` (ms), newest first; of equal ``ts`` the last appended first."""
        ...

    async def remove_attributes(self, device_number: int, identifiers: Sequence[str], edit: Edit | None = None) -> None:
        """Removes current values and history of attributes; the audit log records it as ``edit``. Unknown identifiers
        are ignored."""
        ...


class RangeStore(Protocol):
    """History over ranges of any length. Each read is one pass that returns every committed point once.

    A range is ``start <= ts <= end`` (ms). A range with more than ``points_limit`` points raises InvalidInput on
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
        """Buckets of ``interval`` ms from ``start`` on, in order of time, without empty ones. ``count``, ``first`` and
        ``last`` use every point, the other functions only points with numbers."""
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
        """Several functions in one pass over spans of any kind, in order of time. The first and the last span contain
        ``start`` and ``end``.

        Args:
            gaps: also return spans without points.
            until: instant (ms) up to which the newest value holds.
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
        """For each identifier at most ``points`` points (at least 2); all points if there are no more."""
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
        """For each identifier its points if there are at most ``raw_limit``; otherwise spans with the
        ``BAND_FUNCTIONS`` of each. ``gaps``: also return spans without points."""
        ...

    async def values_at(self, device_number: int, at: int) -> Mapping[str, AttributeValue]:
        """Values at an instant (ms): the newest point of each attribute at or before it."""
        ...


class RetentionStore(Protocol):
    """Retention policies, sizes of history, and deletion of expired history.

    Deletion works in steps that are each short enough not to delay others; the caller repeats them until nothing is
    left. Points that are in no block yet are neither counted nor deleted.
    """

    async def policy(self, project_id: str) -> RetentionPolicy:
        """Retention policy of a project; a policy without rules if none was stored."""
        ...

    async def version(self, project_id: str) -> int:
        """Version of the project's policy and its pending one, from 1; each change of either increments it."""
        ...

    async def put_policy(self, project_id: str, policy: RetentionPolicy, version: int | None = None) -> None:
        """Replaces the project's policy, and deletes a pending one. Raises Conflict if ``version`` is given and not the
        present one."""
        ...

    async def pending(self, project_id: str) -> tuple[RetentionPolicy, int] | None:
        """Pending policy, and the instant (ms) at which it takes effect; None if there is none."""
        ...

    async def put_pending(self, project_id: str, policy: RetentionPolicy, at: int, version: int | None = None) -> None:
        """Stores a policy that takes effect at an instant (ms), and replaces a pending one. Raises Conflict if
        ``version`` is given and not the present one."""
        ...

    async def drop_pending(self, project_id: str) -> bool:
        """Deletes the pending policy. Returns whether there was one."""
        ...

    async def apply_pending(self, now: int) -> list[str]:
        """Puts pending policies into effect whose instant is not after ``now`` (ms). Returns the ids of their
        projects."""
        ...

    async def defaults(self) -> tuple[Defaults, Defaults, int | None] | None:
        """Defaults in effect; pending defaults, and the instant (ms) at which they take effect, or None if none are
        pending. None if no defaults were ever stored."""
        ...

    async def put_defaults(self, defaults: Defaults, pending: Defaults, at: int | None) -> None:
        """Replaces the defaults in effect and the pending ones, which take effect at ``at`` (ms); None: none are
        pending."""
        ...

    async def count_expired(
        self, project_id: str, after: int, cutoffs: Callable[[StoredDevice], Callable[[str], Cutoff] | None]
    ) -> Counted:
        """One step over the project's devices with the arguments of :meth:`drop_expired`; counts whole blocks and
        deletes nothing."""
        ...

    async def extent(self, project_id: str | None = None) -> HistoryExtent:
        """Size of the history of a project, or of all projects."""
        ...

    async def series_extents(self, device_number: int) -> list[SeriesExtent]:
        """Size of the history of each attribute of a device, by identifier."""
        ...

    async def size_cutoff(self, max_bytes: int, project_id: str | None = None) -> int:
        """The earliest instant (ms, a whole hour) such that history ending at or after it takes at most ``max_bytes``;
        0 if all of it fits."""
        ...

    async def drop_expired(
        self,
        after: int,
        cutoffs: Callable[[StoredDevice], Callable[[str], Cutoff] | None],
        project_id: str | None = None,
    ) -> Dropped:
        """One step over the devices of a project, or of all, with a number greater than ``after`` (0 at first).

        Args:
            cutoffs: called in another thread; returns for a device the cutoff of each attribute, or None if nothing has
                expired.
        """
        ...

    async def next_removed(self, after: int) -> int | None:
        """Number of the first removed device after ``after`` with data left; None if there is none."""
        ...

    async def drop_removed(self, number: int | None = None) -> bool:
        """One step of deleting history, events, commands, alarms and notices of a removed device, or of any. Returns
        False if nothing is left."""
        ...

    async def compact(self, before: int) -> bool:
        """Compacts one batch of points spooled before ``before`` (ms) into blocks. Returns False when none was left."""
        ...

    async def give_back(self) -> int:
        """One step of returning free pages to the disk. Returns bytes; 0: nothing to return."""
        ...


class LogRetentionStore(Protocol):
    """Deletion of events, commands, alarms and notices by age and by number for each device. Open commands, open alarms
    and waiting notices are never deleted and not counted. Works in steps, as :class:`RetentionStore` does."""

    @property
    def rows_added(self) -> int:
        """Rows of all kinds added since the store was opened."""
        ...

    async def hold_until(self, at: int) -> int:
        """Instant (ms) until which nothing may be deleted because an earlier release, which deleted nothing, filled
        this store: ``at`` on the first call. 0 if the store was made by a release that deletes."""
        ...

    async def clock(self) -> tuple[int, int | None] | None:
        """The values last stored by :meth:`put_clock`; None if there are none."""
        ...

    async def put_clock(self, seen: int, doubted: int | None) -> None:
        """Stores the last trusted reading of the server clock (ms), and a later reading that is not trusted yet because
        it jumped."""
        ...

    async def due(self, kind: LogKind, before: int, most: int) -> LogsDue:
        """Number of rows that would be deleted: those before an instant (ms), and those beyond the newest ``most`` of
        each device; 0: no bound. Reads all rows."""
        ...

    async def drop_old(self, kind: LogKind, before: int, after: str) -> tuple[int, str | None]:
        """One step over devices with an id greater than ``after`` ('' at first): deletes rows before an instant (ms).

        Returns:
            How many, and the device id for the next step; None at the end.
        """
        ...

    async def drop_excess(self, kind: LogKind, most: int) -> int | None:
        """One step over devices with new rows since the last check (after the start: over all devices): deletes rows
        beyond the newest ``most`` of each.

        Returns:
            How many; None if no device is left to check.
        """
        ...


class Archive(Protocol):
    """Read access to history for a process other than the server, which may be writing meanwhile.

    Returns everything committed when the archive was opened, and possibly later data. Blocks the caller's thread.
    """

    damaged_rows: int  # damaged rows skipped so far

    def devices(
        self, project_id: str | None = None, type_id: str | None = None, device_ids: Sequence[str] = ()
    ) -> list[Device]:
        """Devices of a project, of a type, or with these ids; without arguments all."""
        ...

    def identifiers(self, device_number: int) -> list[str]:
        """Attributes that have points, sorted."""
        ...

    def points(
        self, device_number: int, identifier: str, start: int = 0, end: int = INSTANT_MS
    ) -> Iterator[tuple[list[int], list[Any]]]:
        """Points with ``start <= ts <= end`` (ms), each once, in order of time: runs of timestamps and of their
        values."""
        ...
