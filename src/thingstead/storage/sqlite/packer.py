"""Decides when heads are packed into blocks, and does it, a bounded number of points per transaction."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator

import structlog

from thingstead.errors import Unavailable
from thingstead.storage.sqlite import packing
from thingstead.storage.sqlite.database import Database
from thingstead.storage.sqlite.heads import Head
from thingstead.storage.sqlite.packing_worker import PackingWorker

log = structlog.get_logger("thingstead.history")

CHUNK_POINTS = 20_000  # packed per transaction, so that reports never wait long for one
MANY_POINTS = 50_000  # in one packing: the work is given to a process of its own
LOG_ROWS_PER_DELETE = 500
RETRY_S = 5.0  # after a packing that failed


class Packer:
    """The heads that hold something which the blocks and state rows do not, and the task that packs them."""

    def __init__(
        self, database: Database, pack_points: int, pack_interval_s: float, on_packed: Callable[[], None]
    ) -> None:
        self._database = database
        self._worker = PackingWorker(database.path)
        self._on_packed = on_packed  # called whenever points were packed, so that there is room again
        self._pack_points = pack_points  # pending points that start a packing
        self._pack_interval_s = pack_interval_s  # at most so long until one starts anyway
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.dirty: dict[int, Head] = {}
        self.applied_seq = 0  # the newest log row that was applied to the heads
        self.lock = asyncio.Lock()  # blocks have one writer at a time
        self.pending_points = 0  # on disk, not yet packed
        self.points_packed = 0
        self.packings = 0

    def start(self) -> None:
        """Starts the task; :meth:`close` ends it."""
        self._task = asyncio.get_running_loop().create_task(self._pack_regularly())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._worker.close()

    def added(self, points: int) -> None:
        """Points came into the heads (or, negative, went)."""
        self.pending_points += points
        if self.pending_points >= self._pack_points:
            self._wanted.set()

    async def pack(self) -> None:
        """Packs everything that is pending now; on return it is on disk and gone from the log.

        Raises:
            Unavailable: it could not be written; everything is still in the log and in the heads.
        """
        async with self.lock:
            upto = self.applied_seq
            many = self.pending_points >= MANY_POINTS
            for heads in _chunks(list(self.dirty.values())):
                await self._pack_heads(heads, many=many)
            await self._delete_log(upto)
            self.packings += 1

    async def _pack_heads(self, heads: list[Head], *, many: bool) -> None:
        seq = self.applied_seq
        states = [packing.state(head, seq) for head in heads]
        devices = [packing.waiting(head) for head in heads]
        built = await self._worker.build(devices) if many else None
        if built is None:
            built = await self._database.read(lambda connection: packing.build(connection, devices))
        await self._database.write(lambda connection: packing.write(connection, built, states))
        for head, state in zip(heads, states, strict=True):
            dropped = head.drop_packed(seq)
            head.stored_uplink = state.newest_uplink
            self.pending_points -= dropped
            self.points_packed += dropped
            if not head.pending and head.newest_uplink == head.stored_uplink:
                self.dirty.pop(head.number, None)
        self._on_packed()

    async def _delete_log(self, upto: int) -> None:
        def delete(connection: sqlite3.Connection) -> int:
            return connection.execute(
                "DELETE FROM report_log WHERE seq IN (SELECT seq FROM report_log WHERE seq <= ? ORDER BY seq LIMIT ?)",
                (upto, LOG_ROWS_PER_DELETE),
            ).rowcount

        while await self._database.write(delete) == LOG_ROWS_PER_DELETE:
            pass

    async def _pack_regularly(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._wanted.wait(), self._pack_interval_s)
            except TimeoutError:
                pass
            self._wanted.clear()
            if not self.dirty:
                continue
            try:
                await self.pack()
            except Unavailable as exc:
                log.error("packing failed and will be tried again", error=str(exc))
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("packing failed and will be tried again")
                await asyncio.sleep(RETRY_S)


def _chunks(heads: list[Head]) -> Iterator[list[Head]]:
    """Heads in groups of about ``CHUNK_POINTS`` points. Looked at when the group's turn comes, as heads still grow."""
    chunk: list[Head] = []
    points = 0
    for head in heads:
        chunk.append(head)
        points += head.points + 1
        if points >= CHUNK_POINTS:
            yield chunk
            chunk, points = [], 0
    if chunk:
        yield chunk
