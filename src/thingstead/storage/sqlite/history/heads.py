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
from thingstead.storage.sqlite.history.head_sources import report_over, send_into
from thingstead.storage.sqlite.history.records import (
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

UNREAD_LIMIT = 1_000  # reports of the log that stay as they are until somebody asks for the current values
UNREAD_BYTES = 262_144  # the same
FOLD_AT = 8  # reports that may wait to be folded into the current values; they are larger there than in pending

DEVICE_WAITING_BYTES = 1_048_576  # of a device that wait for a commit, over which it is not read
DEVICE_UNPACKED_POINTS = 400_000  # of a device that are in no block yet, over which it is not read
DEVICE_UNPACKED_BYTES = 25_165_824  # the same

_code_of = itemgetter(0)


class Head:
    """One device in memory."""

    __slots__ = (
        "_code",
        "_current",
        "_sent",
        "_unfolded",
        "_unread",
        "_unread_bytes",
        "active",
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

    def __init__(self, number: int) -> None:
        self.number = number
        self._current: dict[str, AttributeValue] = {}
        self._unfolded: list[Report] = []  # that are not in _current yet, as appended; all of them timed, or none
        self._code = 0  # of the source of these
        self._unread_bytes = 0
        # Reports before those, from the log at start, not decoded yet: code of the source, ts, values.
        self._unread: list[tuple[int, int, bytes]] = []
        self._sent: dict[str, Sent] = {}  # of the attributes whose current value is not from the device
        self.names_bound = 0  # there are at most so many attributes, with those that wait for a commit
        self.state_bytes = 0  # of the current values, when they were last written or read
        self.state_bound = 0  # they have at most so many bytes, with those that wait for a commit
        self.waiting_points = 0  # appended, not yet on disk
        self.waiting_bytes = 0
        self.active: dict[str, int] = {}
        self.newest_uplink = 0  # ms, over all kinds
        self.stored_uplink = 0  # the same as the state row has it
        self.packed_seq = 0
        self.pending: list[PendingReport] = []
        self.points = 0  # in pending
        self.pending_bytes = 0
        self.spooled = 0  # points in the spool
        self.spooled_bytes = 0  # the same, as far as they went there since the start

    @property
    def crowded(self) -> bool:
        """Whether more of this device waits than is its share: for a commit, or on its way into blocks."""
        return (
            self.waiting_bytes >= DEVICE_WAITING_BYTES
            or self.points + self.spooled >= DEVICE_UNPACKED_POINTS
            or self.pending_bytes + self.spooled_bytes >= DEVICE_UNPACKED_BYTES
        )

    def restore(self, attributes: bytes, active: bytes, packed_seq: int, spooled: int, sent: bytes | None) -> None:
        """Takes over a state row.

        Raises:
            Damaged: it cannot be read; only the numbers were taken over.
        """
        self.packed_seq = packed_seq
        self.spooled = spooled
        self.take_over(decode_attributes(attributes), decode_active(active), decode_sent(sent))
        self.state_bytes = self.state_bound = len(attributes) + nested_bytes(
            known.value for known in self._current.values()
        )

    def take_over(self, current: dict[str, AttributeValue], active: dict[str, int], sent: dict[str, Sent]) -> None:
        """Makes these what is known."""
        self._current = current
        self._sent = sent
        self.names_bound = len(current)
        self.active = active
        self.newest_uplink = self.stored_uplink = max(active.values(), default=0)

    def take(
        self, seq: int, entries: Sequence[LogEntry], reports: Sequence[Report], points: int, size_bytes: int
    ) -> None:
        """Applies committed reports of one source. A value that was received becomes the current one; one with a
        timestamp of its own does unless that of the current one is greater.

        Args:
            entries: the same reports, as they stand in the log.
            points: in all of them.
            size_bytes: of all of them.
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
        """The current value by identifier."""
        if self._unfolded or self._unread:
            self._fold()
        return self._current

    @property
    def sent(self) -> dict[str, Sent]:
        """Of which attributes the current value is not from the device."""
        if self._unfolded or self._unread:
            self._fold()
        return self._sent

    def known(self, identifiers: Sequence[str]) -> dict[str, Known]:
        """The current values of these attributes, as far as they have one."""
        current, sent = self.current, self._sent
        return {name: Known(current[name], sent.get(name)) for name in identifiers if name in current}

    def _fold(self) -> None:
        """Brings the current values up to date."""
        if self._unread:
            self._read()
        if self._unfolded:
            self._fold_all(self._unfolded, self._code)
            self._unfolded = []
        self.names_bound = len(self._current) + self.waiting_points

    def _read(self) -> None:
        """Decodes what the log had. To start a server takes as long as to look at every report of it, so this waits."""
        unread, self._unread, self._unread_bytes = self._unread, [], 0
        for code, group in groupby(unread, _code_of):
            self._fold_all([Report(self.number, ts, ts, decode_values(body)) for _, ts, body in group], code)

    def _fold_all(self, reports: list[Report], code: int) -> None:
        """Brings the current values up to date with reports of one source, given by its code."""
        sent, timed = self._sent, code >= TIMED_FROM
        if code in SENT_CODES:
            send_into(self._current, sent, reports, SENT_CODES[code])
        elif not sent or all(sent.keys().isdisjoint(report.attributes) for report in reports):
            _fold_into(self._current, reports, timed)
        else:
            report_over(self._current, sent, reports, timed)

    def touch(self, kind: str, ts: int) -> None:
        """Applies a committed uplink of ``kind``."""
        if ts > self.active.get(kind, 0):
            self.active[kind] = ts
            if ts > self.newest_uplink:
                self.newest_uplink = ts

    def remove(self, identifiers: set[str]) -> None:
        """Forgets attributes, current and pending."""
        current = self.current
        for identifier in identifiers:
            current.pop(identifier, None)
            self._sent.pop(identifier, None)
        self.pending, self.points = without_attributes(self.pending, identifiers)
        self.pending_bytes = sum(len(report.body) for report in self.pending)

    def replay(self, seq: int, entry: LogEntry) -> None:
        """Applies an entry of the log at start, unless the state row already contains it."""
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
            How many points and bytes these were; none where the device was removed meanwhile.
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
        """The oldest pending reports of about so many points and bytes, and how many these are. Those of one row of the
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
    """Brings current values up to date with reports that came after them, one or more. Most of them repeat the
    attributes of the one before, so the newest is looked at first, and of the others only what it does not have."""
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
    for report in reports:  # not in order: one after another, whatever was done already
        for identifier, value in report.attributes.items():
            _supersede(current, identifier, report.ts, value)


def _supersede(current: dict[str, AttributeValue], identifier: str, ts: int, value: Any) -> None:
    known = current.get(identifier)
    if known is None or ts >= known.ts:
        current[identifier] = AttributeValue(ts, value)


def without_attributes(reports: list[PendingReport], identifiers: set[str]) -> tuple[list[PendingReport], int]:
    """The reports without some attributes, and how many points they have then. Reports that become empty go."""
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
