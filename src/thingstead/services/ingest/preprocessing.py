"""Reports that cloud functions change before they are stored.

Only the reports of a device with such rules wait, in a queue of the device, so that they keep their order. A report is
kept as it came if the functions fail, take too long, or it has waited too long; its acknowledgement still means that it
is on disk.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from thingstead.clock import Clock
from thingstead.errors import FieldError, InvalidInput, Unavailable
from thingstead.services.ingest.chain import ChangedMessage, RuleChain
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.shared.commits import Commit, RefusableCommit, settled
from thingstead.services.shared.device_logs import PARTS_REFUSED, DeviceLogService
from thingstead.services.shared.fair_room import FairRoom
from thingstead.services.shared.payloads import encoded_or_empty
from thingstead.services.triggers.trace import TriggerRule
from thingstead.services.triggers.triggers import Triggers

HELD_COUNT = 1_000  # reports of one device in the queue; one more is kept as it came, behind them
HELD_LIMIT_COUNT = 10_000  # … and one more than these is not taken now
HELD_MS = 250  # a report that has waited longer is kept as it came
HELD_ALL_COUNT = 100_000  # reports of all devices that wait; a project has half of it at most
HELD_ALL_MAX_BYTES = 64 << 20  # of the same

_encode = msgspec.msgpack.Encoder().encode

# Stores checked values at once: (context, attributes, timestamp of the device, instant of receipt in ms). Raises
# InvalidInput if none of them is allowed; returns the commit, and those that were refused.
Keep = Callable[[DeviceContext, dict[str, Any], int | None, int], tuple[Commit, tuple[FieldError, ...]]]


class _Queue:
    """The reports of a device that wait, in order."""

    __slots__ = ("length", "lock")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.length = 0


class Preprocessing:
    """Applies ``before_report`` rules to reports."""

    def __init__(
        self,
        clock: Clock,
        chain: RuleChain,
        triggers: Triggers,
        keep: Keep,
        logs: DeviceLogService | None,
        room: FairRoom,
    ) -> None:
        self._clock = clock
        self._chain = chain
        self._triggers = triggers
        self._keep = keep
        self._logs = logs
        self._queues: dict[str, _Queue] = {}  # by device id, while reports wait
        self.room = room

    def take(self, link: DeviceContext, attributes: dict[str, Any], ts: int | None) -> Commit | None:
        """Takes a report that must wait; None: it need not, no rule acts on it.

        Raises:
            Unavailable: too many reports of the device, or of all devices, wait.
        """
        triggers = link.triggers
        if triggers is None:
            return None
        rules = self._triggers.before(link.device, triggers.before, attributes)
        queue = self._queues.get(link.device.id)
        if not rules and queue is None:
            return None
        try:
            size_bytes = len(_encode(attributes))
        except (OverflowError, UnicodeEncodeError, RecursionError):
            size_bytes = 0  # refused when it is stored
        if (queue is not None and queue.length >= HELD_LIMIT_COUNT) or not self.room.take(
            link.device.project_id, size_bytes
        ):
            raise Unavailable("device_congested")
        if queue is None:
            queue = self._queues[link.device.id] = _Queue()
        late = queue.length >= HELD_COUNT
        queue.length += 1
        return RefusableCommit(self._run(queue, link, rules, attributes, ts, self._clock.now_ms(), late, size_bytes))

    async def _run(
        self,
        queue: _Queue,
        link: DeviceContext,
        rules: Sequence[TriggerRule],
        attributes: dict[str, Any],
        ts: int | None,
        received_at: int,
        late: bool,
        size_bytes: int,
    ) -> None:
        begun_s = self._clock.monotonic_s()
        project_id = link.device.project_id
        try:
            async with queue.lock:
                waited_ms = (self._clock.monotonic_s() - begun_s) * 1000
                made = await self._chain.change(
                    link, rules, attributes, "before_report", late=late or waited_ms > HELD_MS
                )
                commit = self._stored(link, made, ts, received_at)
        finally:
            self.room.give(project_id, size_bytes)
            queue.length -= 1
            if not queue.length:
                self._queues.pop(link.device.id, None)
        await settled(commit)

    def _stored(self, link: DeviceContext, made: ChangedMessage, ts: int | None, received_at: int) -> Commit:
        """Stores what the functions returned; the original, if nothing of it is allowed. What is refused is in the
        device's log of refused messages."""
        if made.changed:
            try:
                return self._kept(link, made.values, ts, received_at)
            except InvalidInput as exc:
                self._refused(link, made.values, exc.errors)
                made.refuse(exc.errors[0].reason if exc.errors else exc.reason)
        return self._kept(link, made.original, ts, received_at)

    def _kept(self, link: DeviceContext, attributes: dict[str, Any], ts: int | None, received_at: int) -> Commit:
        given = dict(attributes)
        commit, refused = self._keep(link, attributes, ts, received_at)
        if refused:
            self._refused(link, given, refused)
        return commit

    def _refused(self, link: DeviceContext, attributes: dict[str, Any], errors: Sequence[FieldError]) -> None:
        if self._logs is not None:
            self._logs.rejected(link.device, "attributes", PARTS_REFUSED, errors, encoded_or_empty(attributes))
