"""Reads the messages of a target from the log, from memory or from the store."""

import asyncio
from bisect import bisect_left
from typing import NamedTuple

from thingstead.model.forwarding.message import ForwardMessage
from thingstead.model.forwarding.segment import Segment
from thingstead.model.forwarding.target import BATCH_BYTES, BATCH_ITEMS, ForwardTarget, LaneCursor
from thingstead.services.forwarding.lane import TargetLane
from thingstead.services.forwarding.recent import RecentSegments
from thingstead.services.forwarding.tap import ForwardTap
from thingstead.storage.base import Store

CHUNK_BYTES = 1 << 20  # read from the store at once


class BatchItem(NamedTuple):
    """A message of a batch."""

    segment: Segment
    place: int
    size_bytes: int

    @property
    def message(self) -> ForwardMessage:
        """The message itself."""
        return self.segment.message(self.place)


class _Chunk(NamedTuple):
    """All segments of a target from ``begin`` to ``end``, inclusive."""

    begin: int
    end: int
    segments: list[Segment]


class SegmentReader:
    """The messages of one target. Its lanes share what was read last."""

    def __init__(self, store: Store, tap: ForwardTap, recent: RecentSegments, target: ForwardTarget) -> None:
        self._store = store
        self._tap = tap
        self._recent = recent
        self._target = target
        self._chunk = _Chunk(1, 0, [])
        self._reading = asyncio.Lock()

    async def take(self, lane: TargetLane, most: int = BATCH_ITEMS) -> list[BatchItem]:
        """The next messages of a lane, at most ``most`` and BATCH_BYTES; empty: there are none. Moves the cursor over
        segments without a message of the lane."""
        while True:
            horizon = self._tap.horizon
            if lane.cursor.seq > horizon:
                return []
            chunk = await self._from(lane.cursor.seq, horizon)
            taken = self._next(lane, chunk, most)
            if taken:
                return taken
            lane.cursor = LaneCursor(chunk.end + 1)

    async def _from(self, begin: int, horizon: int) -> _Chunk:
        """Segments from ``begin`` on."""
        target = self._target
        recent = self._recent.since(target.project_id, begin)
        if recent is not None:
            return _Chunk(begin, horizon, recent)
        async with self._reading:
            chunk = self._chunk
            if not chunk.begin <= begin <= chunk.end:
                found = await self._store.forwarding.read_segments(
                    target.project_id, target.id, begin, horizon, CHUNK_BYTES
                )
                chunk = self._chunk = _Chunk(begin, found[-1].seq if found else horizon, found)
        return chunk

    def _next(self, lane: TargetLane, chunk: _Chunk, most: int) -> list[BatchItem]:
        taken: list[BatchItem] = []
        size_bytes, cursor = 0, lane.cursor
        for segment in chunk.segments:
            if segment.seq > chunk.end:
                break
            if segment.seq < cursor.seq:
                continue
            places = segment.places(self._target.id, lane.number)
            first = bisect_left(places, cursor.item) if segment.seq == cursor.seq else 0
            for place in places[first:]:
                item_bytes = len(segment.body.items[place])
                if taken and size_bytes + item_bytes > BATCH_BYTES:
                    return taken
                taken.append(BatchItem(segment, place, item_bytes))
                size_bytes += item_bytes
                if len(taken) >= most:
                    return taken
        return taken


def after(cursor: LaneCursor, taken: list[BatchItem]) -> LaneCursor:
    """The cursor of a lane after messages from its front."""
    last = taken[-1].segment.seq
    of_last = [each for each in taken if each.segment.seq == last]
    items, size_bytes = len(of_last), sum(each.size_bytes for each in of_last)
    if last == cursor.seq:
        items, size_bytes = items + cursor.done_items, size_bytes + cursor.done_bytes
    return LaneCursor(last, taken[-1].place + 1, items, size_bytes)
