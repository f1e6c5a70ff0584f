"""Reads the messages of a target from the log, from memory or from the store."""

import asyncio
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from thingstead.model.forwarding.message import ForwardMessage
from thingstead.model.forwarding.segment import Segment
from thingstead.model.forwarding.target import BATCH_BYTES, BATCH_ITEMS, ForwardTarget, LaneCursor
from thingstead.services.forwarding.lane import TargetLane
from thingstead.services.forwarding.recent import RecentSegments
from thingstead.services.forwarding.tap import ForwardTap
from thingstead.storage.base import Store

CHUNK_BYTES = 1 << 20  # read from the store at once


class SegmentBatch:
    """Messages from the front of a lane, by segment and places in it."""

    __slots__ = ("count", "parts", "size_bytes")

    def __init__(self) -> None:
        self.parts: list[tuple[Segment, Sequence[int]]] = []
        self.count = self.size_bytes = 0

    def add(self, segment: Segment, places: Sequence[int], size_bytes: int) -> None:
        """Adds messages of a segment, which come after those that are there."""
        self.parts.append((segment, places))
        self.count += len(places)
        self.size_bytes += size_bytes

    def messages(self) -> list[ForwardMessage]:
        """The messages themselves."""
        if len(self.parts) == 1:
            segment, places = self.parts[0]
            return segment.messages(places)
        return [message for segment, places in self.parts for message in segment.messages(places)]

    def halves(self) -> tuple["SegmentBatch", "SegmentBatch"]:
        """Its first and its second half."""
        first, second = SegmentBatch(), SegmentBatch()
        left = self.count // 2
        for segment, places in self.parts:
            for half, part in ((first, places[:left]), (second, places[left:])):
                if part:
                    half.add(segment, part, _size_of(segment, part))
            left = max(0, left - len(places))
        return first, second

    def after(self, cursor: LaneCursor) -> LaneCursor:
        """The cursor of its lane once it is done."""
        segment, places = self.parts[-1]
        items, size_bytes = len(places), _size_of(segment, places)
        if segment.seq == cursor.seq:
            items, size_bytes = items + cursor.done_items, size_bytes + cursor.done_bytes
        return LaneCursor(segment.seq, places[-1] + 1, items, size_bytes)


def _size_of(segment: Segment, places: Sequence[int]) -> int:
    items = segment.body.items
    return sum([len(items[place]) for place in places])


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

    async def take(
        self, lane: TargetLane, most: int = BATCH_ITEMS, size_bytes: int = BATCH_BYTES
    ) -> SegmentBatch | None:
        """The next messages of a lane, at most ``most`` and ``size_bytes``, but one if there is one; None: there are
        none. Moves the cursor over segments without a message of the lane."""
        while True:
            horizon = self._tap.horizon
            if lane.cursor.seq > horizon:
                return None
            chunk = await self._from(lane.cursor.seq, horizon)
            batch = self._next(lane, chunk, most, size_bytes)
            if batch.count:
                return batch
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

    def forget(self) -> None:
        """Drops what was read last: it is not needed for a while."""
        self._chunk = _Chunk(1, 0, [])

    def _next(self, lane: TargetLane, chunk: _Chunk, most: int, limit: int) -> SegmentBatch:
        batch, cursor = SegmentBatch(), lane.cursor
        for segment in chunk.segments:
            if segment.seq > chunk.end or batch.count >= most or batch.size_bytes >= limit:
                break
            if segment.seq < cursor.seq:
                continue
            places = segment.places(self._target.id, lane.number)
            first = bisect_left(places, cursor.item) if segment.seq == cursor.seq else 0
            part = places[first : first + most - batch.count]
            if part:
                size_bytes = _size_of(segment, part)
                if batch.size_bytes + size_bytes > limit:
                    _cut(batch, segment, part, limit - batch.size_bytes)
                    break
                batch.add(segment, part, size_bytes)
        return batch


def _cut(batch: SegmentBatch, segment: Segment, places: Sequence[int], room: int) -> None:
    """Adds those messages that there is room for; at least one to an empty batch."""
    items = segment.body.items
    count = 0
    for place in places:
        room -= len(items[place])
        if room < 0 and (count or batch.count):
            break
        count += 1
    if count:
        batch.add(segment, places[:count], _size_of(segment, places[:count]))
