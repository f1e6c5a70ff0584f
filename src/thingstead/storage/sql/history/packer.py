"""Packs the report log: pending reports into the spool, and full runs into blocks.

Two tasks, so that making blocks (:mod:`.compactor`) never keeps the memory of pending reports
from being freed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog

from thingstead.errors import Unavailable
from thingstead.repeating import Repeating
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.database import Database
from thingstead.storage.sql.access.errors import DamagedFile
from thingstead.storage.sql.history import flush
from thingstead.storage.sql.history.chunks import chunks
from thingstead.storage.sql.history.compactor import Compactor
from thingstead.storage.sql.history.flush import (
    CHUNK_BYTES,
    CHUNK_POINTS,
    Rows,
    Snapshot,
    make_rows,
    parts,
    take_snapshot,
)
from thingstead.storage.sql.history.heads import Head
from thingstead.storage.sql.history.quarantine import Quarantine, UnreadableRow, set_aside
from thingstead.storage.sql.history.records import encode_spooled

log = structlog.get_logger("thingstead.history")

PACK_BYTES = 16_777_216  # pending reports and changed states that start packing
STATE_BYTES_FREE = 4_096  # size of a state that is not counted: most are smaller
LOG_ROWS_PER_DELETE = 500
LOG_BYTES_PER_DELETE = 4_194_304


class Packer:
    """Heads with changes that are not stored in their rows, and the task that packs them."""

    def __init__(
        self,
        database: Database,
        quarantine: Quarantine,
        now_ms: Callable[[], int],
        on_packed: Callable[[], None],
        on_grown: Callable[[int], None],
        *,
        pack_points: int,
        pack_interval_s: float,
    ) -> None:
        self._database = database
        self._quarantine = quarantine
        self._now_ms = now_ms
        self._on_packed = on_packed  # called whenever points were packed: there is more room
        self._on_grown = on_grown  # called with the bytes by which states in memory have grown
        self._pack_points = pack_points  # pending points that start packing
        self.compactor = Compactor(database, quarantine, now_ms, on_packed)
        self.task = Repeating(
            "from the log into the spool", self._pack_dirty, pack_interval_s
        )  # runs at least once in this interval
        self.dirty: dict[int, Head] = {}
        self._large: dict[int, int] = {}  # size of the state of dirty heads with a large one
        self.applied_seq = 0  # the newest log row that was applied to the heads
        self._packing = asyncio.Lock()
        self.pending_points = 0  # on disk, not yet packed
        self.pending_bytes = 0  # size of these and of large states to be written
        self.points_packed = 0
        self.packings = 0

    def start(self) -> None:
        """Starts the tasks; :meth:`close` ends them."""
        self.task.start()
        self.compactor.task.start()

    async def close(self) -> None:
        await self.task.close()
        await self.compactor.close()

    @property
    def failure(self) -> str | None:
        """Why the last attempt of either task failed; None if it succeeded."""
        return self.task.failure or self.compactor.task.failure

    @property
    def failures(self) -> int:
        """Number of failed attempts."""
        return self.task.failures + self.compactor.task.failures

    @property
    def busy(self) -> set[int]:
        """Devices whose heads must stay in memory."""
        return self.dirty.keys() | self.compactor.busy

    def touched(self, head: Head) -> None:
        """Notes that the stored state of a head is outdated."""
        self._cleaned(head)
        self.dirty[head.number] = head
        if head.state_bytes > STATE_BYTES_FREE:
            self._large[head.number] = head.state_bytes
            self.pending_bytes += head.state_bytes

    def _cleaned(self, head: Head) -> None:
        if self.dirty.pop(head.number, None) is not None and self._large:
            self.pending_bytes -= self._large.pop(head.number, 0)

    def added(self, points: int, size_bytes: int) -> None:
        """Adds to the pending points and bytes; negative values subtract."""
        self.pending_points += points
        self.pending_bytes += size_bytes
        if self.pending_points >= self._pack_points or self.pending_bytes >= PACK_BYTES:
            self.task.want()

    async def pack(self, *, whole: bool = False) -> None:
        """Packs everything that is pending now; on return it is on disk and removed from the log.

        Args:
            whole: also compact into blocks, however few points a series has.

        Raises:
            Unavailable: it could not be written; everything is still in the log and in the heads.
        """
        async with self._packing:
            upto = self.applied_seq
            heads = list(self.dirty.values())
            for chunk in chunks(heads, _weight):
                while chunk:
                    await self._spool(chunk)
                    chunk = [head for head in chunk if head.pending and head.pending[0].seq <= upto]
            await self._delete_log(upto)
            self.packings += 1
        if whole:
            await self.compactor.compact(heads)

    @asynccontextmanager
    async def still(self) -> AsyncIterator[None]:
        """Context in which nothing moves between log, spool and blocks."""
        async with self._packing, self.compactor.lock:
            yield

    async def _pack_dirty(self) -> None:
        if self.dirty:
            await self.pack()

    async def _spool(self, heads: list[Head]) -> None:
        snapshots = [take_snapshot(head, self.applied_seq) for head in heads]
        now = self._now_ms()
        rows: list[Rows] = []
        try:
            rows = await self._database.read_for_packing(lambda _: [make_rows(taken, now) for taken in snapshots])
            await self._database.write(lambda connection: flush.write(connection, rows))
        except Exception as exc:
            if isinstance(exc, MemoryError) or (isinstance(exc, Unavailable) and not isinstance(exc, DamagedFile)):
                raise
            if len(heads) > 1:  # one device fails, such as for a damaged page; the others are packed one by one
                for head in heads:
                    await self._spool([head])
                return
            await self._give_up(snapshots[0], f"{type(exc).__name__}: {exc}")
            rows = []
        for taken in snapshots:
            self._spooled(taken)
        for row, head in zip(rows, heads, strict=False):
            head.spooled += sum(spooled[4] for spooled in row.spool)
            head.spooled_bytes += row.spool_bytes
            self._on_grown(row.state_bytes - head.state_bytes)
            head.state_bytes = row.state_bytes
            head.state_bound = row.state_bytes + head.pending_bytes + head.waiting_bytes
        self.compactor.spooled(heads)
        self._on_packed()

    def _spooled(self, taken: Snapshot) -> None:
        head = taken.head
        points, size = head.drop_packed(taken.seq, len(taken.pending), taken.points, taken.size_bytes)
        head.stored_uplink = taken.newest_uplink
        self.pending_points -= points
        self.pending_bytes -= size
        self.points_packed += points
        if not head.pending and head.newest_uplink == head.stored_uplink:
            self._cleaned(head)

    async def _give_up(self, taken: Snapshot, reason: str) -> None:
        """Moves the pending reports of a device, whose rows cannot be written, to the quarantine."""
        number = taken.head.number
        log.error("reports of a device cannot be packed", device_number=number, reason=reason)
        findings = [
            UnreadableRow("reports", (number,), number, None, reason, encode_spooled(part))
            for part in parts(taken.pending)
        ]
        now = self._now_ms()
        await self._database.write(lambda connection: set_aside(connection, findings, now))
        self._quarantine.note(findings)

    async def _delete_log(self, upto: int) -> None:
        """Deletes packed rows of the log in steps, because long rows have many pages."""

        def delete(connection: Connection) -> bool:
            rows = connection.execute(
                "SELECT seq, length(entries) FROM report_log WHERE seq <= ? ORDER BY seq LIMIT ?",
                (upto, LOG_ROWS_PER_DELETE),
            ).fetchall()
            size, last = 0, upto
            for seq, length in rows:
                last = seq
                size += length
                if size >= LOG_BYTES_PER_DELETE:
                    break
            connection.execute("DELETE FROM report_log WHERE seq <= ?", (last,))
            return bool(rows) and last < upto

        while await self._database.write(delete):
            pass

    def forget(self, number: int) -> None:
        """Drops a deleted device."""
        self.compactor.forget(number)
        head = self.dirty.get(number)
        if head is not None:
            self._cleaned(head)
            self.added(-head.points, -head.pending_bytes)
            head.pending, head.points, head.pending_bytes = [], 0, 0


def _weight(head: Head) -> float:
    """Weight of a head in a transaction."""
    return max(
        min(1.0, head.points / CHUNK_POINTS),
        min(1.0, (head.pending_bytes + head.state_bytes) / CHUNK_BYTES),
    )
