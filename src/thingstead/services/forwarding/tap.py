"""Puts what targets want into the commit of the message.

The messages of a commit and project are a segment, a row of the same transaction, so that a message and its forwarding
are on disk together. Nothing is written if no target wants a message.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import structlog

from thingstead.clock import Clock
from thingstead.model.alarms.alarm import AlarmLog
from thingstead.model.device import Device
from thingstead.model.forwarding.message import MessageKind
from thingstead.model.forwarding.segment import Segment
from thingstead.model.forwarding.target import ForwardTarget
from thingstead.model.report import EventRecord, Report
from thingstead.services.forwarding.index import DeviceForwards, ForwardIndex, in_project
from thingstead.storage.base import Commit, Store

log = structlog.get_logger("thingstead.forwarding")

_NOT_STORED = Exception("the transaction of the caller did not happen")


class Beside:
    """A message that is stored in a transaction of its caller."""

    __slots__ = ("segment", "stored")

    def __init__(self) -> None:
        self.segment: Segment | None = None  # None: no target wants it
        self.stored = False


class ForwardTap:
    """The targets in memory. Nothing happens until :meth:`put` adds one.

    Attributes:
        on_committed: called after a commit with each segment that it contains.
        on_cleared: called with messages of alarms that were cleared in a transaction without :meth:`alarms`.
        on_change: called after targets changed, with the devices whose targets must be looked up again.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._now_ms = clock.now_ms
        self.index = ForwardIndex()
        self.on_committed: Callable[[Segment], None] = lambda segment: None
        self.on_cleared: Callable[[Sequence[AlarmLog]], None] = lambda messages: None
        self.on_change: Callable[[Callable[[Device], bool]], None] = lambda concerned: None
        self._commit: Commit | None = None  # the newest, to which _filling belongs
        self._filling: dict[str, Segment] = {}  # by project
        self._begun: list[Segment] = []  # all of this commit
        self._under_way: dict[int, None] = {}  # segments that are not on disk yet, ascending
        self._last_seq = 0

    @property
    def horizon(self) -> int:
        """All segments up to this ``seq`` are on disk, or never will be."""
        return next(iter(self._under_way), self._last_seq + 1) - 1

    def put(self, target: ForwardTarget) -> None:
        """Adds, replaces or (if it is disabled) removes a target."""
        if target.enabled:
            self.index.put(target)
        else:
            self.index.drop(target)
        self.on_change(in_project(target.project_id))

    def drop(self, target: ForwardTarget) -> None:
        """Removes a target."""
        self.index.drop(target)
        self.on_change(in_project(target.project_id))

    def seqs_used(self, last_seq: int) -> None:
        """Tells the greatest ``seq`` that the store knows."""
        self._last_seq = max(self._last_seq, last_seq)

    def new_seq(self) -> int:
        """A ``seq`` greater than those before. It delays the horizon until :meth:`ended`."""
        self._last_seq = max(self._last_seq + 1, self._now_ms() * 1000)
        self._under_way[self._last_seq] = None
        return self._last_seq

    def ended(self, seq: int) -> None:
        """Tells that the transaction of a segment has ended."""
        self._under_way.pop(seq, None)

    # Messages

    def reports(self, forwards: DeviceForwards, project_id: str, commit: Commit, reports: Sequence[Report]) -> None:
        """Adds reports of a device, which were just added to ``commit`` and have one source."""
        source = reports[0].source
        kind: MessageKind = "attributes"
        if source == "report" or source == "series":
            targets = forwards.attributes
        elif source == "import":
            return
        else:
            kind, targets = "set_attributes", forwards.set_attributes
        if targets:
            self._put(targets, forwards, project_id, commit, kind, [("", each.ts, each.attributes) for each in reports])

    def event(self, forwards: DeviceForwards, project_id: str, commit: Commit, event: EventRecord) -> None:
        """Adds an event."""
        content = {"method": event.method, "params": event.params, "id": event.id}
        self._add(forwards, project_id, commit, "event", event.ts, content, event.id)

    def data(self, forwards: DeviceForwards, project_id: str, commit: Commit, identifier: str, data: bytes) -> None:
        """Adds custom data."""
        try:
            kind, text = "text", data.decode()
        except UnicodeDecodeError:
            kind, text = "hex", data.hex()
        content = {"identifier": identifier, "type": kind, "msg": text}
        self._add(forwards, project_id, commit, "data", self._now_ms(), content)

    def alarms(self, device: Device, commit: Commit, messages: Sequence[AlarmLog]) -> None:
        """Adds messages of alarms."""
        forwards = self.index.of(device) if messages else None
        if forwards is None:
            return
        for message in messages:
            self._add(forwards, device.project_id, commit, "alarm", message.ts, alarm_content(message), message.id)

    def command_reply(self, device: Device, commit: Commit, ts: int, reply: dict[str, Any]) -> None:
        """Adds a reply to a command."""
        forwards = self.index.of(device)
        if forwards is not None:
            self._add(forwards, device.project_id, commit, "command_reply", ts, reply)

    def now(self, device: Device, kind: MessageKind, ts: int, content: dict[str, Any], message_id: str = "") -> None:
        """Adds a message that was committed already to the open commit."""
        with self.beside(device, kind, ts, content, message_id) as beside:
            segment = beside.segment
            if segment is not None:
                commit = self._store.forwarding.append_segment(segment)
                beside.segment = None  # it ends with its commit
                commit.on_done(partial(self._committed, (segment,)))

    @contextmanager
    def beside(
        self, device: Device, kind: MessageKind, ts: int, content: dict[str, Any], message_id: str = ""
    ) -> Iterator["Beside"]:
        """A message that is stored in a transaction of its caller, who sets ``stored`` once it is on disk."""
        forwards = self.index.of(device)
        targets = forwards.by_kind.get(kind) if forwards is not None else None
        beside = Beside()
        if forwards is not None and targets:
            beside.segment = Segment(self.new_seq(), device.project_id, self._now_ms())
            beside.segment.add(targets, forwards.device, kind, [(message_id, ts, content)])
        try:
            yield beside
        finally:
            if beside.segment is not None:
                self._committed((beside.segment,), None if beside.stored else _NOT_STORED)

    def _add(
        self,
        forwards: DeviceForwards,
        project_id: str,
        commit: Commit,
        kind: MessageKind,
        ts: int,
        content: dict[str, Any],
        message_id: str = "",
    ) -> None:
        targets = forwards.by_kind.get(kind)
        if targets:
            self._put(targets, forwards, project_id, commit, kind, [(message_id, ts, content)])

    def _put(
        self,
        targets: tuple[str, ...],
        forwards: DeviceForwards,
        project_id: str,
        commit: Commit,
        kind: MessageKind,
        messages: Sequence[tuple[str, int, dict[str, Any]]],
    ) -> None:
        """Adds messages to a segment. Never raises: the messages themselves are in their commit already."""
        try:
            self._segment(project_id, commit).add(targets, forwards.device, kind, messages)
        except Exception:
            log.exception("messages cannot be forwarded", device=forwards.device.id, kind=kind)

    def _segment(self, project_id: str, commit: Commit) -> Segment:
        """Where messages of a commit are added."""
        if commit is not self._commit:
            self._commit, self._filling, self._begun = commit, {}, []
            commit.on_done(partial(self._committed, self._begun))
        segment = self._filling.get(project_id)
        if segment is None or segment.full:
            segment = self._filling[project_id] = Segment(self.new_seq(), project_id, self._now_ms())
            self._begun.append(segment)
            self._store.forwarding.append_segment(segment)
        return segment

    def _committed(self, segments: Sequence[Segment], error: Exception | None) -> None:
        for segment in segments:
            self.ended(segment.seq)
        if error is None:
            for segment in segments:
                self.on_committed(segment)


def alarm_content(message: AlarmLog) -> dict[str, Any]:
    """A message of an alarm as it is forwarded."""
    return {
        "id": message.id,
        "alarm_id": message.alarm_id,
        "rule_id": message.rule_id,
        "alarm_status": message.alarm_status,
        "alarm_level": message.alarm_level,
        "alarm_info": message.alarm_info,
    }
