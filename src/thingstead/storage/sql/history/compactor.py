"""Schedules compaction of the spool: devices with full blocks at once, others on request.

Step by step: what is done at once of a device has a bound, so that a step takes no longer however much waits; devices
take turns.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable

import structlog

from thingstead.errors import Unavailable
from thingstead.repeating import Repeating
from thingstead.storage.sql.access.database import Database
from thingstead.storage.sql.access.errors import DamagedFile
from thingstead.storage.sql.history import compaction
from thingstead.storage.sql.history.chunks import chunks
from thingstead.storage.sql.history.compaction import Compacted
from thingstead.storage.sql.history.heads import Head
from thingstead.storage.sql.history.packing_worker import PackingWorker
from thingstead.storage.sql.history.quarantine import Quarantine

log = structlog.get_logger("thingstead.history")

MANY_POINTS = 20_000  # due points from which compaction runs in a separate process
IDLE_S = 60.0  # without work, after which that process is ended
SPOOL_POINTS = 50_000  # of one device; over it they are compacted although blocks are not full
SPOOL_BYTES = 4_194_304  # the same


class Compactor:
    """Heads whose spooled points fill blocks, and the task that compacts them.

    Args:
        on_done: called after every step: the spool has more room.
    """

    def __init__(
        self, database: Database, quarantine: Quarantine, now_ms: Callable[[], int], on_done: Callable[[], None]
    ) -> None:
        self._database = database
        self.worker = PackingWorker(database.packing_program)
        self._quarantine = quarantine
        self._now_ms = now_ms
        self._on_done = on_done
        self.task = Repeating("from the spool into blocks", self._compact_due, IDLE_S)
        self._due: dict[int, Head] = {}  # the next first
        self._failing: set[int] = set()  # devices whose compaction failed; not retried until the next start
        self.lock = asyncio.Lock()  # blocks have one writer at a time
        self.due_points = 0  # spooled points of devices that have enough for full blocks
        self.overdue_points = 0  # those among them that were spooled after there were enough
        self.points_repeated = 0  # repeated points, which are stored once

    async def close(self) -> None:
        await self.task.close()
        await self.worker.close()

    @property
    def busy(self) -> Collection[int]:
        """Devices whose heads must stay in memory."""
        return self._due.keys()

    @property
    def failing(self) -> int:
        """Number of devices that cannot be compacted."""
        return len(self._failing)

    def can_settle(self, number: int) -> bool:
        """Whether the device can be compacted."""
        return number not in self._failing

    def spooled(self, heads: Iterable[Head]) -> None:
        """Notes that reports of these devices were written to the spool."""
        for head in heads:
            if (head.spooled >= filling(head) or head.spooled_bytes >= SPOOL_BYTES) and self.can_settle(head.number):
                self._due[head.number] = head
                self.task.want()
        self._count_due()

    def forget(self, number: int) -> None:
        """Drops a deleted device."""
        self._due.pop(number, None)

    async def compact(self, heads: Iterable[Head]) -> None:
        """Compacts all spooled points of these devices.

        Raises:
            Unavailable: the blocks could not be written; the points are still in the spool.
        """
        async with self.lock:
            chosen = list(heads)
            self._due |= {head.number: head for head in chosen}
            for chunk in chunks(chosen, _weight):
                while chunk:
                    chunk = await self._compact(chunk)

    async def _compact_due(self) -> None:
        if not self._due:
            await self.worker.close()
        while self._due:
            async with self.lock:
                due = list(self._due.values())  # may be empty: compact() may have done the work
                for heads in chunks(due, _weight):
                    for head in heads:  # a device with more points goes to the end of the queue
                        self._due[head.number] = self._due.pop(head.number)
                    await self._compact(heads)
                    break
            self._on_done()

    async def _compact(self, heads: list[Head]) -> list[Head]:
        """One step for some devices. Returns those with more points. The caller must hold the lock."""
        before = {head.number: (head.spooled, head.spooled_bytes) for head in heads if self.can_settle(head.number)}
        numbers = list(before)
        compacted = await self.worker.build(numbers) if self.due_points >= MANY_POINTS else None
        if compacted is None:
            compacted = await self._database.read_for_packing(lambda connection: compaction.build(connection, numbers))
        try:
            await self._write(compacted)
        except Exception as exc:
            if isinstance(exc, MemoryError) or (isinstance(exc, Unavailable) and not isinstance(exc, DamagedFile)):
                raise
            if len(numbers) > 1:  # one device fails; the others are compacted one by one
                return [more for head in heads for more in await self._compact([head])]
            compacted = Compacted([], [], [], [], [], [(number, str(exc)) for number in numbers], [])
        self._quarantine.note(compacted.findings)
        self.points_repeated += sum(compacted.repeats)
        for number, reason in compacted.failures:
            log.error("reports of a device cannot be compacted", device_number=number, reason=reason)
            self._failing.add(number)
        for number, points in compacted.crowded_out:
            log.warning("too many values in one millisecond; the earliest were dropped", device=number, points=points)
        taken = {taken.device_number: taken for taken in compacted.taken}
        left = []
        for head in heads:
            one = taken.get(head.number)
            points, size = (0, 0) if one is None else (one.points, one.size_bytes)
            if one is not None and one.more:
                left.append(head)
            else:
                self._due.pop(head.number, None)
                if self.can_settle(head.number):  # nothing is left in the spool; damaged rows are in the quarantine
                    points, size = max(points, before[head.number][0]), max(size, before[head.number][1])
            head.spooled -= points
            head.spooled_bytes = max(0, head.spooled_bytes - size)
        self.spooled(heads)  # points spooled meanwhile may fill further blocks
        return left

    async def _write(self, compacted: Compacted) -> None:
        now = self._now_ms()
        await self._database.write(lambda connection: compaction.write(connection, compacted, now))

    def _count_due(self) -> None:
        due = self._due.values()
        self.due_points = sum(head.spooled for head in due)
        self.overdue_points = sum(max(0, head.spooled - filling(head)) for head in due)


def filling(head: Head) -> int:
    """Number of spooled points of a device that fill blocks."""
    return min(SPOOL_POINTS, compaction.BLOCK_POINTS * max(1, len(head.current)))


def _weight(head: Head) -> float:
    """Weight of a device in a step."""
    return max(
        min(1.0, head.spooled / compaction.COMPACTION_POINTS),
        min(1.0, head.spooled_bytes / compaction.COMPACTION_BYTES),
    )
