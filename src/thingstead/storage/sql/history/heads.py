"""Heads: the state of a device in memory that is not packed yet.

A head holds the current values, the newest uplink by kind, and the reports since the last packing in the few bytes that
also stand in the log. It is changed only on the event loop, and only by what is committed, so that a reader sees
exactly what is on disk.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from thingstead.model.device import AttributeValue, Known, Sent
from thingstead.model.report import Report
from thingstead.storage.sql.history.head_sources import report_over, send_into
from thingstead.storage.sql.history.records import (
    FROM_DEVICE,
    KINDS,
    REMOVE_CODE,
    SENT_CODES,
    SOURCE_CODES,
    SOURCES,
    TIMED_FROM,
    LogEntry,
    PendingReport,
    count_values,
    decode_active,
    decode_attributes,
    decode_identifiers,
    decode_sent,
    decode_values,
    encode_values,
    is_timed,
    nested_bytes,
)

UNREAD_LIMIT = 1_000  # reports of the log that are not decoded until the current values are needed
UNREAD_BYTES = 262_144  # the same in bytes
FOLD_AT = 8  # reports that may wait to be folded into the current values; they are larger here than in pending

DEVICE_WAITING_BYTES = 1_048_576  # of a device that wait for a commit; over it the device is not read
DEVICE_UNPACKED_POINTS = 400_000  # of a device in no block yet; over it the device is not read
DEVICE_UNPACKED_BYTES = 25_165_824  # the same in bytes

_code_of = itemgetter(0)


class Head:
    """State of one device in memory: current values, newest uplinks, and reports that are not packed yet."""

    __slots__ = (
        "_code",
        "_current",
        "_sent",
        "_unfolded",
        "_unread",
        "_unread_bytes",
        "active",
        "loaded",
        "names_bound",
        "newest_uplink",
        "number",
        "packed_seq",
        "pending",
        "pending_bytes",
        "points",
        "spooled",
        "spooled_bytes",
        "state_bound",
        "state_bytes",
        "stored_uplink",
        "waiting_bytes",
        "waiting_points",
    )

    def __init__(self, number: int, *, loaded: bool = True) -> None:
        self.number = number
        self.loaded = loaded  # what is stored of the device is here; until then nothing that was committed is
        self._current: dict[str, AttributeValue] = {}
        self._unfolded: list[Report] = []  # reports that are not in _current yet, in order; all are timed or none is
        self._code = 0  # source code of these
        self._unread_bytes = 0
        # Earlier reports from the log at the start, not decoded yet: source code, ts, values.
        self._unread: list[tuple[int, int, bytes]] = []
        self._sent: dict[str, Sent] = {}  # attributes whose current value is not from the device
        self.names_bound = 0  # upper bound of the number of attributes, waiting reports included
        self.state_bytes = 0  # size of the current values when they were last written or read
        self.state_bound = 0  # upper bound of their size, waiting reports included
        self.waiting_points = 0  # appended, not yet on disk
        self.waiting_bytes = 0
        self.active: dict[str, int] = {}
        self.newest_uplink = 0  # ms, over all kinds
        self.stored_uplink = 0  # the same in the stored state
        self.packed_seq = 0
        self.pending: list[PendingReport] = []
        self.points = 0  # points in pending
        self.pending_bytes = 0
        self.spooled = 0  # points in the spool
        self.spooled_bytes = 0  # bytes written to the spool since the start

    @property
    def crowded(self) -> bool:
        """Whether more of this device than its share waits for a commit or for packing."""
        return (
            self.waiting_bytes >= DEVICE_WAITING_BYTES
            or self.points + self.spooled >= DEVICE_UNPACKED_POINTS
            or self.pending_bytes + self.spooled_bytes >= DEVICE_UNPACKED_BYTES
        )

    def restore(self, attributes: bytes, active: bytes, packed_seq: int, spooled: int, sent: bytes | None) -> None:
        """Sets the head from a stored state.

        Raises:
            Damaged: the state cannot be decoded; only the numbers were set.
        """
        self.packed_seq = packed_seq
        self.spooled = spooled
        self.take_over(decode_attributes(attributes), decode_active(active), decode_sent(sent))
        self.state_bytes = self.state_bound = len(attributes) + nested_bytes(
            known.value for known in self._current.values()
        )

    def take_over(self, current: dict[str, AttributeValue], active: dict[str, int], sent: dict[str, Sent]) -> None:
        """Sets current values, newest uplinks and sources."""
        self._current = current
        self._sent = sent
        self.names_bound = len(current)
        self.active = active
        self.newest_uplink = self.stored_uplink = max(active.values(), default=0)

    def load(self, found: "Head") -> None:
        """Sets a head that is not loaded from one that is; what waits for a commit stays."""
        self.packed_seq, self.spooled = found.packed_seq, found.spooled
        self._current, self._sent, self.active = found._current, found._sent, found.active
        self.newest_uplink, self.stored_uplink = found.newest_uplink, found.stored_uplink
        self.state_bytes = found.state_bytes
        self.names_bound += found.names_bound
        self.state_bound += found.state_bound
        self.loaded = True

    def take(
        self, seq: int, entries: Sequence[LogEntry], reports: Sequence[Report], points: int, size_bytes: int
    ) -> None:
        """Applies committed reports of one source. A received value becomes the current value; a value with its own
        timestamp does so unless the timestamp of the current value is greater.

        Args:
            entries: the same reports as entries of the log.
            points: number of points in all reports.
            size_bytes: size of all reports.
        """
        _, _, received_at, code, _ = entries[-1]
        timed = code >= TIMED_FROM
        if code != self._code:
            if self._unfolded:
                self._fold()
            self._code = code
        if len(entries) == 1:
            self.pending.append(PendingReport(seq, entries[0][1], entries[0][4], timed))
        else:
            self.pending += [PendingReport(seq, entry[1], entry[4], timed) for entry in entries]
        self.points += points
        self.pending_bytes += size_bytes
        self._unfolded += reports
        if len(self._unfolded) >= FOLD_AT:
            self._fold()
        if received_at > self.newest_uplink and code in FROM_DEVICE:
            self.active["attributes"] = self.newest_uplink = received_at
        elif code in FROM_DEVICE:
            self.touch("attributes", received_at)

    @property
    def current(self) -> dict[str, AttributeValue]:
        """Current values by identifier."""
        if self._unfolded or self._unread:
            self._fold()
        return self._current

    @property
    def sent(self) -> dict[str, Sent]:
        """Attributes whose current value is not from the device."""
        if self._unfolded or self._unread:
            self._fold()
        return self._sent

    def known(self, identifiers: Sequence[str]) -> dict[str, Known]:
        """Current values of these attributes, if any."""
        current, sent = self.current, self._sent
        return {name: Known(current[name], sent.get(name)) for name in identifiers if name in current}

    def _fold(self) -> None:
        """Applies all outstanding reports to the current values."""
        if self._unread:
            self._read()
        if self._unfolded:
            self._fold_all(self._unfolded, self._code)
            self._unfolded = []
        self.names_bound = len(self._current) + self.waiting_points

    def _read(self) -> None:
        """Decodes the reports from the log. Delayed until needed, because decoding all of them would prolong the
        start."""
        unread, self._unread, self._unread_bytes = self._unread, [], 0
        for code, group in groupby(unread, _code_of):
            self._fold_all([Report(self.number, ts, ts, decode_values(body)) for _, ts, body in group], code)

    def _fold_all(self, reports: list[Report], code: int) -> None:
        """Applies reports of one source, given by its code, to the current values."""
        sent, timed = self._sent, code >= TIMED_FROM
        if code in SENT_CODES:
            send_into(self._current, sent, reports, SENT_CODES[code])
        elif not sent or all(sent.keys().isdisjoint(report.attributes) for report in reports):
            _fold_into(self._current, reports, timed)
        else:
            report_over(self._current, sent, reports, timed)

    def touch(self, kind: str, ts: int) -> None:
        """Records the time (ms) of a committed uplink of ``kind``."""
        if ts > self.active.get(kind, 0):
            self.active[kind] = ts
            if ts > self.newest_uplink:
                self.newest_uplink = ts

    def remove(self, identifiers: set[str]) -> None:
        """Removes attributes from current values and pending reports."""
        current = self.current
        for identifier in identifiers:
            current.pop(identifier, None)
            self._sent.pop(identifier, None)
        self.pending, self.points = without_attributes(self.pending, identifiers)
        self.pending_bytes = sum(len(report.body) for report in self.pending)

    def replay(self, seq: int, entry: LogEntry) -> None:
        """Applies an entry of the log at the start, unless the stored state includes it."""
        if seq <= self.packed_seq:
            return
        _, ts, received_at, code, body = entry
        if code < len(SOURCES):
            timed = is_timed(entry)
            self.pending.append(PendingReport(seq, ts, body, timed))
            self._unread.append((SOURCE_CODES["series"] if timed else code, ts, body))
            count = count_values(body)
            self.points += count
            self.names_bound += count
            size = len(body)
            self.pending_bytes += size
            self.state_bound += size
            self._unread_bytes += size
            if code in FROM_DEVICE:
                self.touch("attributes", received_at)
            if len(self._unread) >= UNREAD_LIMIT or self._unread_bytes >= UNREAD_BYTES:
                self._fold()
        elif code == REMOVE_CODE:
            self.remove(set(decode_identifiers(body)))
        else:
            self.touch(KINDS[code - 10], ts)

    def drop_packed(self, seq: int, count: int, points: int, size_bytes: int) -> tuple[int, int]:
        """Drops the first ``count`` pending reports, which are packed now, up to ``seq``.

        Returns:
            Number of their points and their size in bytes; 0 if the device was removed meanwhile.
        """
        self.packed_seq = seq
        if not self.pending:
            return 0, 0
        del self.pending[:count]
        if not self.pending:
            points, size_bytes = self.points, self.pending_bytes
        size_bytes = min(size_bytes, self.pending_bytes)
        self.points -= points
        self.pending_bytes -= size_bytes
        return points, size_bytes

    def prefix(self, points_limit: int, bytes_limit: int) -> tuple[list[PendingReport], int, int]:
        """The oldest pending reports, up to about these limits, with their points and bytes. Reports of one row of the
        log stay together."""
        pending = self.pending
        if self.points <= points_limit and self.pending_bytes <= bytes_limit:
            return list(pending), self.points, self.pending_bytes
        points = size_bytes = seq = 0
        for count, report in enumerate(pending):
            if report.seq != seq and (points >= points_limit or size_bytes >= bytes_limit):
                return pending[:count], points, size_bytes
            seq = report.seq
            points += count_values(report.body)
            size_bytes += len(report.body)
        return list(pending), self.points, self.pending_bytes


def _fold_into(current: dict[str, AttributeValue], reports: list[Report], timed: bool) -> None:
    """Applies one or more later reports to the current values. Most reports have the same attributes, so the newest is
    applied first, and earlier ones only add attributes that it lacks."""
    seen: set[str] = set()
    covers = seen.issuperset
    ts = reports[-1].ts
    for report in reversed(reports):
        if timed and report.ts > ts:
            break
        ts = report.ts
        if covers(report.attributes):
            continue
        for identifier, value in report.attributes.items():
            if identifier not in seen:
                if timed:
                    _supersede(current, identifier, ts, value)
                else:
                    current[identifier] = AttributeValue(ts, value)
        seen.update(report.attributes)
    else:
        return
    for report in reports:  # timestamps not in order: apply one after another, again from the first
        for identifier, value in report.attributes.items():
            _supersede(current, identifier, report.ts, value)


def _supersede(current: dict[str, AttributeValue], identifier: str, ts: int, value: Any) -> None:
    known = current.get(identifier)
    if known is None or ts >= known.ts:
        current[identifier] = AttributeValue(ts, value)


def without_attributes(reports: list[PendingReport], identifiers: set[str]) -> tuple[list[PendingReport], int]:
    """The reports without these attributes, and the number of their points. Reports that become empty are removed."""
    kept = []
    points = 0
    for report in reports:
        values = decode_values(report.body)
        left = {identifier: value for identifier, value in values.items() if identifier not in identifiers}
        if len(left) != len(values):
            report = PendingReport(report.seq, report.ts, encode_values(left), report.timed)
        if left:
            kept.append(report)
            points += len(left)
    return kept, points
