"""Sends the messages of one target: its lanes, its session, back-off, dead letters and what it gives up."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import msgspec
import structlog

from thingstead.clock import Clock
from thingstead.config import ForwardingSettings
from thingstead.errors import ThingsteadError
from thingstead.model.forwarding.message import ForwardMessage
from thingstead.model.forwarding.segment import Segment
from thingstead.model.forwarding.target import (
    BATCH_BYTES,
    BATCH_ITEMS,
    LANES,
    DeadLetter,
    ForwardError,
    ForwardTarget,
    LaneCursor,
    Progress,
    TargetState,
)
from thingstead.model.tenant import TENANT
from thingstead.refusals import reason
from thingstead.services.forwarding.lane import TargetLane
from thingstead.services.forwarding.log_reader import SegmentBatch, SegmentReader
from thingstead.services.forwarding.room import SendingRoom
from thingstead.services.forwarding.sending import TargetLink
from thingstead.services.forwarding.target import PermanentFailure, TargetRefusal, TransientFailure
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.forwarding")

LINGER_S = 0.2  # how long a message waits for others of its batch
HEADERS_PER_READ = 1_000
DEAD_WAITING = 1_000  # dead letters that are not stored yet; then the target waits
STOP_S = 2.0  # for batches that are under way
RETRY_S = 5.0  # after a failure of the store
BEHIND_S = 0.05  # while an earlier transaction has not ended
PROBE_BYTES = 65_536  # of a batch after a failure, or where others take the room
SENDING_FACTOR = 3  # memory of a batch under way, over its stored bytes


class ForwardTotals:
    """Messages of all targets since the start of the server."""

    def __init__(self) -> None:
        self.sent = self.refused = self.dropped = 0


class TargetRunner:
    """A target at work. It is disabled if its target is: then nothing is sent, but old messages are still given up.

    Args:
        progress: how far it is.
        changed: called when :meth:`take_progress` has something to save.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: ForwardingSettings,
        target: ForwardTarget,
        progress: Progress,
        reader: SegmentReader,
        link: TargetLink,
        totals: ForwardTotals,
        room: SendingRoom,
        changed: Callable[[], None],
    ) -> None:
        self.target = target
        self.progress = progress
        self.lanes = [TargetLane(number, cursor) for number, cursor in enumerate(progress.lanes)]
        self.counted = False  # whether what waited at the start is counted
        self._store = store
        self._clock = clock
        self._settings = settings
        self._reader = reader
        self._link = link
        self._totals = totals
        self._room = room
        self._changed = changed
        self._dead: list[DeadLetter] = []
        self._saved = asyncio.Event()
        self._dirty = False
        self._closing = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    # What waits

    @property
    def items(self) -> int:
        """Messages that wait."""
        return sum(lane.items for lane in self.lanes)

    @property
    def size_bytes(self) -> int:
        """Bytes of the messages that wait."""
        return sum(lane.size_bytes for lane in self.lanes)

    @property
    def state(self) -> TargetState:
        """What it does now."""
        if not self.target.enabled:
            return "off"
        failing = [lane for lane in self.lanes if lane.failures]
        if any(lane.pausing for lane in failing):
            return "paused"
        return "backing_off" if failing else "running"

    def added(self, segment: Segment, horizon: int) -> None:
        """Counts the messages of a committed segment. Lanes without waiting messages skip what is before it."""
        counts = segment.counts().get(self.target.id)
        if counts is not None:
            now_s, begin = self._clock.monotonic_s(), min(segment.seq, horizon + 1)
            for lane in self.lanes:
                if self.counted and not lane.items and lane.cursor.seq < begin and not lane.turn.locked():
                    lane.cursor = LaneCursor(begin)
                lane.added(segment.seq, counts, now_s)

    def needed_from(self, horizon: int) -> int:
        """The first ``seq`` that it may still need."""
        if not self.counted:
            return min(lane.cursor.seq for lane in self.lanes)
        waiting = [lane.cursor.seq for lane in self.lanes if lane.items or lane.turn.locked()]
        return min(waiting, default=horizon + 1)

    # Progress

    def take_progress(self, horizon: int) -> tuple[Progress, list[DeadLetter]] | None:
        """What is to be saved; None: nothing changed."""
        if not self._dirty:
            return None
        self._dirty = False
        dead, self._dead = self._dead, []
        for lane in self.lanes:
            if self.counted and not lane.items and not lane.turn.locked() and lane.cursor.seq <= horizon:
                lane.cursor = LaneCursor(horizon + 1)
        self.progress.lanes = [lane.cursor for lane in self.lanes]
        return msgspec.structs.replace(self.progress), dead

    def saved(self) -> None:
        """Tells that what was taken is saved."""
        self._saved.set()

    def unsaved(self, dead: Sequence[DeadLetter]) -> None:
        """Gives back what could not be saved."""
        self._dead[:0] = dead
        self._dirty = True

    def inherit(self, before: "TargetRunner") -> None:
        """Takes over what a closed runner of the target has not saved."""
        self._dead, self._dirty = before._dead, before._dirty

    def _note(self) -> None:
        self._dirty = True
        self._changed()

    # Work

    def start(self, horizon: int) -> None:
        """Starts sending. Messages up to ``horizon`` are counted first."""
        self._tasks = [asyncio.create_task(self._begin(horizon), name="forward")]

    async def close(self) -> None:
        """Stops, after the batches that are under way if they end soon. What was not sent is on disk."""
        self._closing.set()
        self.retry_now()
        self._saved.set()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.progress.lanes = [lane.cursor for lane in self.lanes]
        await self._link.close()

    def retry_now(self) -> None:
        """Ends the waiting time after failures."""
        for lane in self.lanes:
            lane.next_try_s = 0.0
            lane.wake.set()

    async def _begin(self, horizon: int) -> None:
        TENANT.set(self.target.project_id)
        while not self._closing.is_set():
            try:
                await self._count(horizon)
                break
            except ThingsteadError as exc:
                log.warning("waiting messages cannot be counted now", target=self.target.id, error=exc.message)
                await asyncio.sleep(RETRY_S)
        if self.target.enabled:
            await asyncio.gather(*map(self._run, self.lanes))

    async def _count(self, horizon: int) -> None:
        """Counts what waits since an earlier run."""
        counted = [[0, 0] for _ in self.lanes]
        after_seq = min(lane.cursor.seq for lane in self.lanes) - 1
        while True:
            headers = await self._store.forwarding.list_headers(
                self.target.project_id, self.target.id, after_seq, HEADERS_PER_READ
            )
            for header in headers:
                if header.seq > horizon:
                    break
                for lane, total in zip(self.lanes, counted, strict=True):
                    items, size_bytes = left_of(lane, header.seq, header.counts[self.target.id])
                    total[0] += items
                    total[1] += size_bytes
                    if items:
                        lane.newest = max(lane.newest, header.seq)
            if len(headers) < HEADERS_PER_READ or headers[-1].seq > horizon:
                break
            after_seq = headers[-1].seq
        for lane, (items, size_bytes) in zip(self.lanes, counted, strict=True):
            lane.items += items
            lane.size_bytes += size_bytes
            if items:
                lane.wake.set()
        self.counted = True

    async def _run(self, lane: TargetLane) -> None:
        while not self._closing.is_set():
            await self._until_due(lane)
            if self._closing.is_set():
                return
            async with lane.turn:
                try:
                    await self._turn(lane)
                except TransientFailure as exc:
                    self._failed(lane, exc)
                except ThingsteadError as exc:
                    log.warning("messages cannot be forwarded now", target=self.target.id, error=exc.message)
                    lane.next_try_s = self._clock.monotonic_s() + RETRY_S
                except Exception:  # a bug must not end the lane
                    log.exception("forwarding failed", target=self.target.id)
                    self._failed(lane, TransientFailure(reason("forward_failed")))

    async def _until_due(self, lane: TargetLane) -> None:
        """Waits until there is a batch to send: it is full, or its first message has waited for LINGER_S; after a
        failure until the next try."""
        while not self._closing.is_set():
            now_s = self._clock.monotonic_s()
            if not lane.items:
                wait_s: float | None = None
            elif lane.next_try_s > now_s:
                wait_s = lane.next_try_s - now_s
            elif not self.target.batch or lane.failures or lane.items >= BATCH_ITEMS or lane.size_bytes >= BATCH_BYTES:
                return
            else:
                wait_s = (lane.first_s or 0.0) + LINGER_S - now_s
                if wait_s <= 0:
                    return
            lane.wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await lane.wake.wait()

    async def _turn(self, lane: TargetLane) -> None:
        while len(self._dead) >= DEAD_WAITING and not self._closing.is_set():
            self._saved.clear()
            await self._saved.wait()
        project_id, most = self.target.project_id, BATCH_ITEMS if self.target.batch else 1
        wanted = SENDING_FACTOR * min(lane.size_bytes, BATCH_BYTES)
        small = bool(lane.failures) or not self._room.fits(project_id, wanted)
        limit = PROBE_BYTES if small else BATCH_BYTES
        alone = small and not any(other.turn.locked() for other in self.lanes if other is not lane)
        async with self._room.taken(project_id, SENDING_FACTOR * min(lane.size_bytes, limit), at_once=alone):
            batch = await self._reader.take(lane, most, limit)
            if batch is not None:
                await self._send(lane, batch)
        if batch is None and lane.cursor.seq <= lane.newest:
            lane.next_try_s = self._clock.monotonic_s() + BEHIND_S
            return
        if batch is None:  # what was counted is not there: deleted, or damaged
            log.error("waiting messages are missing", target=self.target.id, messages=lane.items)
            lane.removed(lane.items, 0, self._clock.monotonic_s())
        lane.recovered()

    async def _send(self, lane: TargetLane, batch: SegmentBatch) -> None:
        """Sends messages, in halves if they are refused. Raises TransientFailure."""
        messages = batch.messages()
        try:
            refusals = await self._link.send(messages)
        except PermanentFailure as exc:
            if batch.count > 1:
                for half in batch.halves():
                    await self._send(lane, half)
                return
            refusals = [exc.refusal]
        self._done(lane, batch, messages, refusals or ())

    def _done(
        self,
        lane: TargetLane,
        batch: SegmentBatch,
        messages: Sequence[ForwardMessage],
        refusals: Sequence[TargetRefusal | None],
    ) -> None:
        now, progress = self._clock.now_ms(), self.progress
        refused = 0
        for message, refusal in zip(messages, refusals, strict=bool(refusals)):
            if refusal is not None:
                refused += 1
                progress.last_error = error = error_of(refusal, now)
                self._dead.append(DeadLetter(target_id=self.target.id, message=message, error=error, create_time=now))
        progress.refused += refused
        progress.sent += batch.count - refused
        self._totals.refused += refused
        self._totals.sent += batch.count - refused
        if refused < batch.count:
            progress.sent_bytes += batch.size_bytes
            progress.last_sent_at = now
        lane.cursor = batch.after(lane.cursor)
        lane.removed(batch.count, batch.size_bytes, self._clock.monotonic_s())
        self._note()

    def _failed(self, lane: TargetLane, failure: TransientFailure) -> None:
        wait_s = lane.failed(self._settings.wait_max_s, failure.retry_after_s, pause=failure.pause)
        now = self._clock.now_ms()
        lane.next_try_s = self._clock.monotonic_s() + wait_s
        lane.next_try_at = now + round(wait_s * 1000)
        lane.error = self.progress.last_error = error_of(failure.refusal, now)
        self._reader.forget()
        self._note()

    # What is given up

    async def shed(self, trusted_now_ms: Callable[[], Awaitable[int]]) -> int:
        """Gives up messages that are too old, and the oldest ones of the fullest lane while too many bytes wait.
        Returns their number.

        Args:
            trusted_now_ms: the instant that a jump of the clock ahead does not change.
        """
        if not self.counted:
            return 0
        dropped = 0
        for lane in sorted(self.lanes, key=lambda lane: -lane.size_bytes):
            if lane.items and not lane.turn.locked():
                async with lane.turn:
                    dropped += await self._shed(lane, trusted_now_ms)
        if dropped:
            why = TargetRefusal(reason("forward_dropped", count=dropped))
            self.progress.last_error = error_of(why, self._clock.now_ms())
            self._note()
            log.warning("messages that waited too long were given up", target=self.target.id, messages=dropped)
        return dropped

    async def _shed(self, lane: TargetLane, trusted_now_ms: Callable[[], Awaitable[int]]) -> int:
        age_ms = self._settings.age_max_s * 1000
        oldest, trusted = self._clock.now_ms() - age_ms, False
        dropped, limit = 0, 1
        while lane.items:
            headers = await self._store.forwarding.list_headers(
                self.target.project_id, self.target.id, lane.cursor.seq - 1, limit
            )
            for header in headers:
                over = self.size_bytes > self._settings.target_max_bytes
                if header.created_at < oldest and not over and not trusted:
                    oldest, trusted = await trusted_now_ms() - age_ms, True
                if header.seq > lane.newest or not (over or header.created_at < oldest):
                    return dropped
                items, size_bytes = left_of(lane, header.seq, header.counts[self.target.id])
                lane.cursor = LaneCursor(header.seq + 1)
                lane.removed(items, size_bytes, self._clock.monotonic_s())
                self.progress.dropped += items
                self._totals.dropped += items
                dropped += items
            if len(headers) < limit:
                break
            limit = HEADERS_PER_READ
        return dropped


def left_of(lane: TargetLane, seq: int, counts: list[int]) -> tuple[int, int]:
    """Messages of a segment that a lane still has to send, and their bytes."""
    cursor = lane.cursor
    if seq < cursor.seq:
        return 0, 0
    items, size_bytes = counts[lane.number], counts[LANES + lane.number]
    if seq == cursor.seq:
        return max(0, items - cursor.done_items), max(0, size_bytes - cursor.done_bytes)
    return items, size_bytes


def error_of(refusal: TargetRefusal, now: int) -> ForwardError:
    """A refusal as it is kept."""
    why = refusal.reason
    return ForwardError(
        reason=why.message, code=why.code, args=dict(why.args), status=refusal.status, answer=refusal.answer, ts=now
    )
