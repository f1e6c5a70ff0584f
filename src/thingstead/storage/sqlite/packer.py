"""Empties the log: pending reports go into the spool, and from there, when there are enough of them, into blocks.

Two tasks, so that making blocks never keeps the memory of pending reports from being freed.
"""

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager

import structlog

from thingstead.errors import Unavailable
from thingstead.storage.sqlite import compaction, spooling
from thingstead.storage.sqlite.database import Database
from thingstead.storage.sqlite.failures import DamagedFile
from thingstead.storage.sqlite.heads import Head
from thingstead.storage.sqlite.packing_worker import PackingWorker
from thingstead.storage.sqlite.quarantine import Finding, Quarantine, set_aside
from thingstead.storage.sqlite.records import encode_spooled
from thingstead.storage.sqlite.spooling import Snapshot, make_rows, take_snapshot

log = structlog.get_logger("thingstead.history")

CHUNK_POINTS = 20_000  # packed per transaction, so that reports never wait long for one
COMPACTION_POINTS = 100_000  # made into blocks per transaction
HEAD_WEIGHT = 20  # what a head costs beside its points, in points
MANY_POINTS = 20_000  # due for blocks, from which on the work is given to a process of its own
IDLE_S = 60.0  # without work for it, after which that process is ended
SPOOL_POINTS = 50_000  # of one device; over it they become blocks although these are not full
LOG_ROWS_PER_DELETE = 500
RETRY_S = 5.0  # after a packing that failed


class Packer:
    """The heads that hold something which the rows of their devices do not, and the tasks that pack them."""

    def __init__(
        self,
        database: Database,
        quarantine: Quarantine,
        now_ms: Callable[[], int],
        on_packed: Callable[[], None],
        *,
        pack_points: int,
        pack_interval_s: float,
    ) -> None:
        self._database = database
        self._worker = PackingWorker(database.path)
        self._quarantine = quarantine
        self._now_ms = now_ms
        self._on_packed = on_packed  # called whenever points were packed, so that there is room again
        self._pack_points = pack_points  # pending points that start a packing
        self._pack_interval_s = pack_interval_s  # at most so long until one starts anyway
        self._wanted = asyncio.Event()
        self._due_wanted = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.dirty: dict[int, Head] = {}
        self._due: dict[int, Head] = {}  # heads with enough in the spool to make blocks
        self._failing: set[int] = set()  # devices of which blocks cannot be made, until the next start
        self.applied_seq = 0  # the newest log row that was applied to the heads
        self.lock = asyncio.Lock()  # blocks have one writer at a time
        self._packing = asyncio.Lock()
        self.pending_points = 0  # on disk, not yet packed
        self.due_points = 0  # in the spool, of devices that have enough for blocks
        self.overdue_points = 0  # of these, what came when there were enough: many devices may have enough at once
        self.points_packed = 0
        self.points_repeated = 0  # packed points that were there already
        self.packings = 0

    def start(self) -> None:
        """Starts the tasks; :meth:`close` ends them."""
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._repeat(self._wanted, self._pack_interval_s, self._pack_dirty)),
            loop.create_task(self._repeat(self._due_wanted, IDLE_S, self._compact_due)),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._worker.close()

    @property
    def busy(self) -> set[int]:
        """Devices whose heads must stay."""
        return self.dirty.keys() | self._due.keys()

    def touched(self, head: Head) -> None:
        """The state row of a head is to be written."""
        self.dirty[head.number] = head

    def added(self, points: int) -> None:
        """Points came into the heads (or, negative, went)."""
        self.pending_points += points
        if self.pending_points >= self._pack_points:
            self._wanted.set()

    async def pack(self, *, whole: bool = False) -> None:
        """Packs everything that is pending now; on return it is on disk and gone from the log.

        Args:
            whole: into blocks, however few points of a series there are.

        Raises:
            Unavailable: it could not be written; everything is still in the log and in the heads.
        """
        async with self._packing:
            upto = self.applied_seq
            heads = list(self.dirty.values())
            for chunk in _chunks(heads, lambda head: head.points, CHUNK_POINTS):
                await self._spool(chunk)
            await self._delete_log(upto)
            self.packings += 1
        if whole:
            await self.settle(heads)

    async def settle(self, heads: Iterable[Head]) -> None:
        """Makes blocks of what these devices have in the spool.

        Raises:
            Unavailable: it could not be written; it is still in the spool.
        """
        async with self.lock:
            chosen = list(heads)
            self._due |= {head.number: head for head in chosen}
            for chunk in _chunks(chosen, lambda head: head.spooled, COMPACTION_POINTS):
                await self._compact(chunk)

    @property
    def failing(self) -> int:
        """Of how many devices no blocks can be made."""
        return len(self._failing)

    def can_settle(self, number: int) -> bool:
        """False where a page of the file that is needed for it is damaged."""
        return number not in self._failing

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Nothing moves between log, spool and blocks in this block."""
        async with self._packing, self.lock:
            yield

    # From the log into the spool

    async def _pack_dirty(self) -> None:
        if self.dirty:
            await self.pack()

    async def _spool(self, heads: list[Head]) -> None:
        snapshots = [take_snapshot(head, self.applied_seq) for head in heads]
        now = self._now_ms()
        try:
            rows = await self._database.read(lambda _: [make_rows(taken, now) for taken in snapshots])
            await self._database.write(lambda connection: spooling.write(connection, rows))
        except DamagedFile as exc:
            if len(heads) > 1:  # one of them meets a damaged page of the file; the others need not wait for it
                for head in heads:
                    await self._spool([head])
                return
            await self._give_up(snapshots[0], exc.message)
            snapshots = [snapshots[0]._replace(points=0)]
        for taken in snapshots:
            self._spooled(taken)
        self._count_due()
        self._on_packed()

    def _spooled(self, taken: Snapshot) -> None:
        head = taken.head
        dropped = head.drop_packed(taken.seq)
        head.spooled += taken.points
        head.stored_uplink = taken.newest_uplink
        self.pending_points -= dropped
        self.points_packed += dropped
        if not head.pending and head.newest_uplink == head.stored_uplink:
            self.dirty.pop(head.number, None)
        if head.spooled >= _filling(head) and head.number not in self._failing:
            self._due[head.number] = head
            self._due_wanted.set()

    async def _give_up(self, taken: Snapshot, reason: str) -> None:
        """Sets the pending reports of a device aside whose rows cannot be written."""
        number = taken.head.number
        finding = Finding("reports", (number,), number, None, reason, encode_spooled(taken.pending))
        now = self._now_ms()
        await self._database.write(lambda connection: set_aside(connection, [finding], now))
        self._quarantine.note([finding])

    async def _delete_log(self, upto: int) -> None:
        def delete(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "DELETE FROM report_log WHERE seq IN (SELECT seq FROM report_log WHERE seq <= ? ORDER BY seq LIMIT ?)",
                (upto, LOG_ROWS_PER_DELETE),
            ).rowcount

        while await self._database.write(delete) == LOG_ROWS_PER_DELETE:
            pass

    # From the spool into blocks

    async def _compact_due(self) -> None:
        if not self._due:
            await self._worker.close()
        while self._due:
            async with self.lock:
                due = list(self._due.values())  # perhaps none any more: settle may have been quicker
                for heads in itertools.islice(_chunks(due, lambda head: head.spooled, COMPACTION_POINTS), 1):
                    await self._compact(heads)
            self._on_packed()

    async def _compact(self, heads: list[Head]) -> None:
        """Needs the lock."""
        numbers = [head.number for head in heads if head.number not in self._failing]
        compacted = await self._worker.build(numbers) if self.due_points >= MANY_POINTS else None
        if compacted is None:
            compacted = await self._database.read(lambda connection: compaction.build(connection, numbers))
        now = self._now_ms()
        await self._database.write(lambda connection: compaction.write(connection, compacted, now))
        self._quarantine.note(compacted.findings)
        self.points_repeated += sum(compacted.repeats)
        taken_points = {taken.device_number: taken.points for taken in compacted.taken}
        for head in heads:
            head.spooled -= taken_points.get(head.number, 0)
            self._due.pop(head.number, None)
        for number, reason in compacted.failures:
            log.error("reports of a device stay in the spool", device_number=number, reason=reason)
            self._failing.add(number)
        self._count_due()

    def _count_due(self) -> None:
        due = self._due.values()
        self.due_points = sum(head.spooled for head in due)
        self.overdue_points = sum(max(0, head.spooled - _filling(head)) for head in due)

    def forget(self, number: int) -> None:
        """Drops a device that was deleted."""
        self._due.pop(number, None)
        head = self.dirty.pop(number, None)
        if head is not None:
            self.added(-head.points)
            head.pending, head.points = [], 0

    async def _repeat(
        self, wanted: asyncio.Event, interval_s: float | None, work: Callable[[], Awaitable[None]]
    ) -> None:
        """Does the work whenever it is wanted, and at intervals. What fails is tried again; nothing is lost by that."""
        while True:
            try:
                async with asyncio.timeout(interval_s):  # wait_for may swallow the cancellation that ends the task
                    await wanted.wait()
            except TimeoutError:
                pass
            wanted.clear()
            try:
                await work()
            except Unavailable as exc:
                log.error("packing failed and will be tried again", error=exc.message)
            except Exception:
                log.exception("packing failed and will be tried again")
            else:
                continue
            await asyncio.sleep(RETRY_S)
            wanted.set()


def _filling(head: Head) -> int:
    """So many points of a device in the spool fill blocks."""
    return min(SPOOL_POINTS, compaction.BLOCK_POINTS * max(1, len(head.current)))


def _chunks(heads: list[Head], weight: Callable[[Head], int], limit: int) -> Iterator[list[Head]]:
    """Heads in groups of about ``limit``. Looked at when the group's turn comes, as heads still grow."""
    chunk: list[Head] = []
    total = 0
    for head in heads:
        chunk.append(head)
        total += weight(head) + HEAD_WEIGHT
        if total >= limit:
            yield chunk
            chunk, total = [], 0
    if chunk:
        yield chunk
