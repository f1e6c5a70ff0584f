"""Current values and history in SQLite: report log, heads in memory, spool, blocks.

* *Append* (``appends.py``): reports between two turns of the event loop share a commit, which is one row of the log.
* *Pack* (``packer.py``): when enough points are pending, or after a while, the heads move them into the spool or into
  blocks, and their log rows are deleted.
* *Start*: state rows are read when a device is first seen; log rows that are not packed yet are applied again.
"""

import asyncio
import gc
from collections.abc import Callable, Mapping, Sequence

import structlog

from thingstead.clock import Clock, SystemClock
from thingstead.errors import Unavailable
from thingstead.model.audit.log import Edit
from thingstead.model.device import AttributeValue, Known, Sent
from thingstead.model.report import SeriesPoint
from thingstead.refusals import Reason
from thingstead.storage.commit import settled
from thingstead.storage.sql.access.audit import write_of
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.database import Database
from thingstead.storage.sql.access.transactions import snapshot
from thingstead.storage.sql.history.appends import Appends
from thingstead.storage.sql.history.head_cache import HeadCache
from thingstead.storage.sql.history.packer import PACK_BYTES, Packer
from thingstead.storage.sql.history.quarantine import Quarantine, UnreadableRow
from thingstead.storage.sql.history.records import REMOVE_CODE, PendingReport, encode_values
from thingstead.storage.sql.history.removal import drop_step, remove_blocks, remove_device
from thingstead.storage.sql.history.report_log import LogReader, LogRow, readable_rows, renew
from thingstead.storage.sql.history.series import BlockStream, newest_points
from thingstead.storage.sql.history.spool import Unpacked, remove_attributes

log = structlog.get_logger("thingstead.history")

INLINE_POINTS = 1_000  # series reads up to this offset plus limit run on the event loop, deeper ones in a thread
OVERDUE_LIMIT = 5_000_000  # spooled points beyond full blocks, at which producers are held back
SMALL_POINTS, SMALL_UNPACKED = (
    10_000,
    50_000,
)  # over either limit a read is a large one, of which a project has one at a time
INLINE_UNPACKED = 10_000  # points of a device in no block; over it a read runs in a thread too
INLINE_UNPACKED_BYTES = 1_048_576  # the same in bytes
OPENED_AT_ONCE = 500  # devices whose states are read together when the log is applied
WAITING_BYTES = 8_388_608  # waiting for a commit, at which producers are held back
FILLED_AT_START = 2  # multiple of the pending limit to which a log may be read at the start if packing fails
PENDING_BYTES = 4 * PACK_BYTES  # waiting to be packed, at which producers are held back


class SqlHistory:
    """``HistoryStore`` of one SQLite file. Use :meth:`open`."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock | None = None,
        pack_points: int = 300_000,
        pack_interval_s: float = 300.0,
        waiting_limit: int = 50_000,
        head_limit: int = 20_000,
    ) -> None:
        self._database = database
        self._loop = asyncio.get_running_loop()
        self._pending_limit = 4 * pack_points  # pending points at which producers are held back
        self.waiting_limit = waiting_limit  # reports that wait for a commit at which producers are held back
        self._relief: list[tuple[Callable[[], None], int | None]] = []
        self._crowds: dict[int, list[Callable[[], None]]] = {}  # callbacks that wait for room of a device, by number
        self.now_ms = now_ms = (clock or SystemClock()).now_ms
        self.quarantine = Quarantine(database, now_ms)
        self.packer = Packer(
            database,
            self.quarantine,
            now_ms,
            self._relieve,
            lambda size_bytes: self.heads.grown(size_bytes),
            pack_points=pack_points,
            pack_interval_s=pack_interval_s,
        )
        self.heads = HeadCache(database, self.quarantine, self._busy, self.packer.touched, head_limit)
        self._head = self.heads.get
        self.appends = appends = Appends(database, self.packer, self.heads, self._relieve)
        self.append, self.append_run = appends.append, appends.append_run
        self.touch, self.add_write = appends.touch, appends.add_write

    async def open(self) -> None:
        """Applies the log of the last run, and starts packing.

        Reads the log in steps and packs between them, if possible, so that even a long log needs no more memory than
        normal operation.
        """
        await self.quarantine.open()
        reader = LogReader()
        while not reader.ended:
            log = await self._database.read_for_packing(reader.read)
            self.quarantine.found(log.findings)
            await self._replay(log.rows)
            self.appends.seq = self.packer.applied_seq = log.newest_seq
            if self._filled >= FILLED_AT_START and not reader.ended:
                await self._pack_early()
        if reader.broken:
            now, rows = self.now_ms(), await self._database.read_for_packing(readable_rows)
            await self._database.write(lambda connection: renew(connection, rows, now))
            self.quarantine.rows += 1
        self.packer.start()

    async def _pack_early(self) -> None:
        try:
            await self.packer.pack()
        except Unavailable as exc:
            log.error("the report log cannot be packed yet and is read into memory", error=exc.message)

    async def _replay(self, rows: Sequence[LogRow]) -> None:
        """Applies rows of the log to the heads, which are read for many devices at once."""
        begin, numbers = 0, set[int]()
        for end, (_, entries) in enumerate(rows, 1):
            numbers.update(entry[0] for entry in entries)
            if len(numbers) >= OPENED_AT_ONCE or end == len(rows):
                await self.heads.open_many(numbers)
                self._replay_rows(rows[begin:end])
                begin, numbers = end, set()

    def _replay_rows(self, rows: Sequence[LogRow]) -> None:
        dirty, touched = self.packer.dirty, self.packer.touched
        points = size = 0
        collecting = gc.isenabled()
        gc.disable()  # hundreds of thousands of objects are made and stay: collections would take a quarter of the time
        try:
            for seq, entries in rows:
                for entry in entries:
                    head = self._head(entry[0])
                    points -= head.points
                    size -= head.pending_bytes
                    head.replay(seq, entry)
                    points += head.points
                    size += head.pending_bytes
                    if head.number not in dirty:
                        touched(head)
        finally:
            if collecting:
                gc.enable()
        self.packer.added(points, size)

    async def close(self) -> None:
        """Commits appended reports. Pending reports stay in the log for the next start."""
        await self.packer.close()
        await self.appends.close()

    # Back-pressure

    @property
    def refusal(self) -> Reason | None:
        """Why appends are refused now; None: they are accepted."""
        return self.appends.refusal

    def refuse(self, reason: Reason | None) -> None:
        """Refuses appends with this reason; None: accepts them again."""
        self.appends.refusal = reason

    @property
    def congested(self) -> bool:
        appends, packer = self.appends, self.packer
        return (
            appends.waiting >= self.waiting_limit
            or appends.waiting_bytes >= WAITING_BYTES
            or packer.pending_points >= self._pending_limit
            or packer.pending_bytes >= PENDING_BYTES
            or packer.compactor.overdue_points >= OVERDUE_LIMIT
        )

    @property
    def _filled(self) -> float:
        """Pending points and bytes as a fraction of their limits; the greater one."""
        return max(self.packer.pending_points / self._pending_limit, self.packer.pending_bytes / PENDING_BYTES)

    async def open_device(self, device_number: int) -> None:
        await self.heads.opened(device_number)

    def crowded(self, device_number: int) -> bool:
        head = self.heads.find(device_number)
        if head is None or not head.crowded:
            return False
        return self.packer.compactor.can_settle(device_number)  # otherwise there would never be room

    @property
    def held_back(self) -> int:
        """Number of devices whose producers wait for room."""
        return len(self._crowds)

    def when_room(self, callback: Callable[[], None], device_number: int | None = None) -> None:
        if self.congested:
            self._relief.append((callback, device_number))
        elif device_number is not None and self.crowded(device_number):
            self._crowds.setdefault(device_number, []).append(callback)
        else:
            self._loop.call_soon(callback)

    def _relieve(self) -> None:
        if self._relief and not self.congested:
            relieved, self._relief = self._relief, []
            for callback, device_number in relieved:
                self.when_room(callback, device_number)
        if self._crowds:
            for device_number in [number for number in self._crowds if not self.crowded(number)]:
                for callback in self._crowds.pop(device_number):
                    self._loop.call_soon(callback)

    def _busy(self) -> set[int]:
        """Devices whose heads must stay in memory: dirty, or waiting for a commit."""
        return self.packer.busy | self.appends.busy()

    # Reads

    async def newest_uplink(self) -> int:
        def read(connection: Connection) -> int:
            return connection.execute("SELECT max(newest_uplink) FROM device_state").fetchone()[0] or 0

        fresh = max((head.newest_uplink for head in self.packer.dirty.values()), default=0)
        return max(fresh, await self._database.read(read))

    async def current(self, device_number: int) -> Mapping[str, AttributeValue]:
        return (await self.heads.opened(device_number)).current

    def present(self, device_number: int) -> Mapping[str, AttributeValue]:
        head = self.heads.find(device_number)
        return {} if head is None else head.current

    async def sent(self, device_number: int) -> Mapping[str, Sent]:
        return (await self.heads.opened(device_number)).sent

    def pending(self, device_number: int) -> list[PendingReport]:
        """Reports of a device that may not be packed yet, in the order in which they were appended. A head that is not
        in memory has none."""
        head = self.heads.find(device_number)
        return [] if head is None else list(head.pending)

    async def active_of(self, device_numbers: Sequence[int]) -> dict[int, dict[str, int]]:
        """The newest uplink (ms) by kind, of each device."""
        return await self.heads.active_of(device_numbers)

    def fresh_uplinks(self) -> dict[int, int]:
        """Newest uplink (ms) by device number, for devices whose stored one is older."""
        dirty = self.packer.dirty
        return {number: head.newest_uplink for number, head in dirty.items() if head.newest_uplink > head.stored_uplink}

    async def known_of(self, device_numbers: Sequence[int], identifiers: Sequence[str]) -> dict[int, dict[str, Known]]:
        """Current values of these attributes, if any, for each device."""
        return await self.heads.known_of(device_numbers, identifiers)

    async def count_active(self, project_id: str, since: int) -> int:
        """Number of devices of a project with an uplink at or after ``since`` (ms)."""
        fresh = [
            head.number
            for head in self.packer.dirty.values()
            if head.newest_uplink >= since and head.stored_uplink < since
        ]
        return await self._database.read(lambda connection: _count_active(connection, project_id, since, fresh))

    async def series(
        self, device_number: int, identifier: str, start: int, end: int, *, offset: int, limit: int
    ) -> list[SeriesPoint]:
        head = await self.heads.opened(device_number)
        pending = list(head.pending)

        def read(connection: Connection) -> tuple[list[SeriesPoint], list[UnreadableRow]]:
            with snapshot(connection):
                unpacked = Unpacked(connection, device_number, pending)
                blocks = BlockStream(connection, device_number, identifier, start, end)
                points = newest_points(blocks, unpacked.newest_points(identifier, start, end), offset, limit)
                return points, unpacked.findings + blocks.findings

        small = head.points + head.spooled <= INLINE_UNPACKED
        if (
            offset + limit <= INLINE_POINTS
            and small
            and head.pending_bytes + head.spooled_bytes <= INLINE_UNPACKED_BYTES
        ):
            points, findings = await self._database.read_now(read)
        elif offset + limit <= SMALL_POINTS and head.points + head.spooled <= SMALL_UNPACKED:
            points, findings = await self._database.read(read)
        else:
            points, findings = await self._database.read_large(
                device_number, lambda: lambda connection, _: read(connection)
            )
        self.quarantine.found(findings)
        return points

    async def compact(self, device_numbers: Sequence[int]) -> bool:
        """Compacts the spooled points of these devices. Returns whether there were any."""
        wanted = [number for number in device_numbers if self.packer.compactor.can_settle(number)]
        heads = [await self.heads.opened(number) for number in wanted]
        await self.packer.compactor.compact(heads)
        return bool(heads)

    # Removal

    async def remove_attributes(self, device_number: int, identifiers: Sequence[str], edit: Edit | None = None) -> None:
        names = list(identifiers)
        left: list[int] = []  # points of the device left in the spool

        def some(connection: Connection) -> bool:
            return remove_blocks(connection, device_number, names)

        def rest(connection: Connection) -> None:
            some(connection)
            left.append(remove_attributes(connection, device_number, set(names)))

        async with self.packer.still():  # no points of these may be in transit
            while await self._database.write(some):
                pass
            head = await self.heads.opened(device_number)
            batch = self.appends.add(head, (device_number, 0, 0, REMOVE_CODE, encode_values(names)))
            batch.writes.append(rest)
            if edit is not None and (recorded := write_of(edit)) is not None:
                batch.writes.append(recorded)
            await settled(batch)
            head.spooled = left[-1]

    @staticmethod
    def delete_in(connection: Connection, device_number: int) -> None:
        """Deletes the history of a device within the transaction that deletes the device."""
        remove_device(connection, device_number)

    async def drop_removed(self, number: int | None = None) -> bool:
        """One step of deleting the data of a removed device, or of any. Returns False if nothing is left."""
        async with self.packer.compactor.lock:
            return await self._database.write(lambda connection: drop_step(connection, number))

    def forget(self, device_number: int) -> None:
        """Drops a deleted device from memory."""
        self.heads.forget(device_number)
        self.packer.forget(device_number)


def _count_active(connection: Connection, project_id: str, since: int, fresh: Sequence[int]) -> int:
    """Devices with a stored uplink at or after ``since``, and those of ``fresh`` whose stored uplink is older."""
    row: tuple[int] = connection.execute(
        "SELECT (SELECT count(*) FROM device_state JOIN devices ON devices.number = device_state.device_number"
        " WHERE devices.project_id = ?1 AND newest_uplink >= ?2)"
        " + (SELECT count(*) FROM devices WHERE project_id = ?1"
        " AND number IN (SELECT CAST(value AS bigint) FROM json_each(?3))"
        " AND NOT EXISTS (SELECT 1 FROM device_state WHERE device_number = number AND newest_uplink >= ?2))",
        (project_id, since, str(fresh)),
    ).fetchone()
    return row[0]
