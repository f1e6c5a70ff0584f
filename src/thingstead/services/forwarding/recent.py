"""The newest segments in memory, so that targets that keep up read nothing from the store."""

from bisect import bisect_left, insort
from collections import OrderedDict

from thingstead.model.forwarding.segment import Segment

RECENT_BYTES = 32 << 20  # of all projects; the oldest segments are read from the store again
SEGMENT_OVERHEAD_BYTES, ITEM_OVERHEAD_BYTES = 1_000, 100  # in memory, about


class RecentSegments:
    """All segments of a project after its floor, and none up to it."""

    def __init__(self) -> None:
        self.floor = 0  # of projects without one of their own: what was stored before the start
        self._floors: dict[str, int] = {}
        self._segments: dict[str, list[Segment]] = {}
        self._order: OrderedDict[int, Segment] = OrderedDict()  # of all projects by seq, oldest first
        self.size_bytes = 0

    def add(self, segment: Segment) -> None:
        """Adds a committed segment."""
        if segment.seq <= self._floors.get(segment.project_id, self.floor):
            return
        insort(self._segments.setdefault(segment.project_id, []), segment, key=_seq_of)
        self._order[segment.seq] = segment
        self.size_bytes += _size_of(segment)
        while self.size_bytes > RECENT_BYTES and len(self._order) > 1:
            oldest = next(iter(self._order.values()))
            self.forget(oldest.project_id, oldest.seq)

    def since(self, project_id: str, seq: int) -> list[Segment] | None:
        """The segments of a project from ``seq`` on, inclusive; None: some of them are not in memory."""
        if seq <= self._floors.get(project_id, self.floor):
            return None
        segments = self._segments.get(project_id, [])
        return segments[bisect_left(segments, seq, key=_seq_of) :]

    def forget(self, project_id: str, end: int) -> None:
        """Removes the segments of a project up to ``end``, inclusive."""
        segments = self._segments.get(project_id, [])
        count = bisect_left(segments, end + 1, key=_seq_of)
        for segment in segments[:count]:
            self.size_bytes -= _size_of(segment)
            self._order.pop(segment.seq, None)
        del segments[:count]
        if not segments:
            self._segments.pop(project_id, None)
        self._floors[project_id] = max(end, self._floors.get(project_id, self.floor))


def _seq_of(segment: Segment) -> int:
    return segment.seq


def _size_of(segment: Segment) -> int:
    return segment.size_bytes + SEGMENT_OVERHEAD_BYTES + ITEM_OVERHEAD_BYTES * len(segment)
