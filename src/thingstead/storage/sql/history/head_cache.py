"""Cache of heads: loaded on first use, evicted least recently used first."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from typing import Any

from thingstead.model.device import Known
from thingstead.storage.frames import Damaged
from thingstead.storage.sql.access.connection import IN_NUMBERS, Connection
from thingstead.storage.sql.access.database import Database
from thingstead.storage.sql.access.row_mapper import to_json
from thingstead.storage.sql.history.heads import Head
from thingstead.storage.sql.history.quarantine import Quarantine, UnreadableRow
from thingstead.storage.sql.history.rebuild import rebuild_current
from thingstead.storage.sql.history.records import decode_active, decode_attributes, decode_sent

SELECT_STATE = "SELECT attributes, active, packed_seq, spooled, sent FROM device_state WHERE device_number = ?"
SELECT_STATES = "SELECT device_number, attributes, active, packed_seq, spooled, sent FROM device_state"
SELECT_VALUES = f"SELECT device_number, attributes, sent FROM device_state WHERE device_number {IN_NUMBERS}"  # noqa: S608 - ours
SELECT_ACTIVE = f"SELECT device_number, active FROM device_state WHERE device_number {IN_NUMBERS}"  # noqa: S608 - ours


HEADS_BYTES = 50_331_648  # states kept in memory without pending reports


class HeadCache:
    """Cache of heads by device number.

    Args:
        busy: returns the devices whose heads must stay in memory, because work on them is pending.
        on_rebuilt: called with a head whose damaged state was rebuilt and must be written again.
        limit: number of heads that stay without pending reports.
    """

    def __init__(
        self,
        database: Database,
        quarantine: Quarantine,
        busy: Callable[[], Collection[int]],
        on_rebuilt: Callable[[Head], None],
        limit: int,
    ) -> None:
        self._database = database
        self._quarantine = quarantine
        self._busy = busy
        self._on_rebuilt = on_rebuilt
        self._limit = limit
        self._heads: dict[int, Head] = {}
        self._evict_at = 2 * limit  # number of heads at which the next eviction runs
        self._evict_at_bytes = HEADS_BYTES
        self.size_bytes = 0  # size of their states
        self._evictions = 0
        self._loading: dict[int, asyncio.Future[Head]] = {}
        self.find = self._heads.get

    def __len__(self) -> int:
        return len(self._heads)

    def get(self, number: int) -> Head:
        """The head of a device to be appended to; loaded if it is not in memory. If the database cannot be read at
        once, the head is not loaded until :meth:`opened` has ended, or the first commit with it.

        Raises:
            Unavailable: the device's state cannot be read.
        """
        head = self._heads.get(number)
        if head is None:
            reader = self._database.reader
            if reader is None:
                return self._take(Head(number, loaded=False), None)
            try:
                found = read_head(reader, number)
            except reader.dialect.driver_errors as exc:
                raise self._database.translated(exc) from exc
            head = self._take(*found)
        return head

    async def opened(self, number: int) -> Head:
        """The loaded head of a device.

        Raises:
            Unavailable: the device's state cannot be read.
        """
        head = self._heads.get(number)
        if head is not None and head.loaded:
            return head
        if self._database.reader is not None:
            return self.get(number)
        loading = self._loading.get(number)
        if loading is None:
            loading = self._loading[number] = asyncio.ensure_future(self._load(number))
            loading.add_done_callback(lambda _: self._loading.pop(number, None))
        return await asyncio.shield(loading)

    async def _load(self, number: int) -> Head:
        while True:
            evictions = self._evictions
            found = await self._database.read_now(lambda reader: read_head(reader, number))
            head = self._heads.get(number)
            if head is not None or evictions == self._evictions:
                return self.loaded(*found)

    async def open_many(self, numbers: Collection[int]) -> None:
        """Loads the heads of these devices that are not in memory, all of which stay until the next one is loaded."""
        absent = [number for number in numbers if number not in self._heads]
        if absent and self._database.reader is None:
            for found in await self._database.read_for_packing(lambda reader: read_heads(reader, absent)):
                self._put(*found)

    def loaded(self, found: Head, damaged: UnreadableRow | None) -> Head:
        """The head in memory, loaded with what was found in the database if it was not loaded."""
        head = self._heads.get(found.number)
        if head is None:
            return self._take(found, damaged)
        if not head.loaded:
            head.load(found)
            self.grown(head.state_bytes)
            self._rebuilt(head, damaged)
        return head

    def _take(self, head: Head, damaged: UnreadableRow | None) -> Head:
        self._put(head, damaged)
        if len(self._heads) > self._evict_at or self.size_bytes > self._evict_at_bytes:
            self._evict()
        return head

    def _put(self, head: Head, damaged: UnreadableRow | None) -> None:
        self._heads[head.number] = head
        self.size_bytes += head.state_bytes
        self._rebuilt(head, damaged)

    def _rebuilt(self, head: Head, damaged: UnreadableRow | None) -> None:
        if damaged is not None:
            self._quarantine.found([damaged])
            self._on_rebuilt(head)

    def _loaded_head(self, number: int) -> Head | None:
        head = self._heads.get(number)
        return head if head is not None and head.loaded else None

    def grown(self, size_bytes: int) -> None:
        """Notes that the states have grown by ``size_bytes``."""
        self.size_bytes += size_bytes
        if self.size_bytes > self._evict_at_bytes:
            self._evict()

    def forget(self, number: int) -> None:
        """Drops the head of a deleted device."""
        head = self._heads.pop(number, None)
        if head is not None:
            self.size_bytes -= head.state_bytes

    async def active_of(self, numbers: Sequence[int]) -> dict[int, dict[str, int]]:
        """Newest uplink (ms) by kind for each device; does not load heads."""
        absent = [number for number in numbers if self._loaded_head(number) is None]
        stored = await self._database.read_now(lambda reader: stored_active(reader, absent)) if absent else {}
        active: dict[int, dict[str, int]] = {}
        for number in numbers:
            head, found = self._loaded_head(number), stored.get(number, {})
            if head is None and found is None:
                head = await self.opened(number)  # moves the damaged row to the quarantine
            active[number] = dict(head.active) if head is not None else found or {}
        return active

    async def known_of(self, numbers: Sequence[int], identifiers: Sequence[str]) -> dict[int, dict[str, Known]]:
        """Current values of these attributes, if any, for each device; does not load heads."""
        absent = [number for number in numbers if self._loaded_head(number) is None]
        stored = await self._database.read(lambda reader: stored_values(reader, absent, identifiers)) if absent else {}
        known: dict[int, dict[str, Known]] = {}
        for number in numbers:
            head, values = self._loaded_head(number), stored.get(number, {})
            if head is None and values is None:
                head = await self.opened(number)  # moves the damaged row to the quarantine
            known[number] = head.known(identifiers) if head is not None else values or {}
        return known

    def _evict(self) -> None:
        """Drops heads that are not busy, those loaded first, while there are too many or they are too large."""
        self._evictions += 1
        busy = self._busy()
        newest = next(reversed(self._heads))
        many, much = len(self._heads) - self._limit, self.size_bytes - HEADS_BYTES // 2
        for number in [number for number in self._heads if number not in busy and number != newest]:
            if many <= 0 and much <= 0:
                break
            size = self._heads.pop(number).state_bytes
            self.size_bytes -= size
            many, much = many - 1, much - size
        # If most must stay, eviction does not run again for every new head: it costs time by the number of heads.
        self._evict_at = max(2 * self._limit, len(self._heads) + self._limit)
        self._evict_at_bytes = max(HEADS_BYTES, self.size_bytes + HEADS_BYTES // 2)


def read_head(reader: Connection, number: int) -> tuple[Head, UnreadableRow | None]:
    """The head of a device as it is stored; with its state row, if that is damaged and the head was rebuilt."""
    return _head_of(reader, number, reader.execute(SELECT_STATE, (number,)).fetchone())


def read_heads(reader: Connection, numbers: Sequence[int]) -> list[tuple[Head, UnreadableRow | None]]:
    """:func:`read_head` for several devices."""
    found = reader.execute(f"{SELECT_STATES} WHERE device_number {IN_NUMBERS}", (to_json(list(numbers)),))
    rows = {row[0]: row[1:] for row in found}
    return [_head_of(reader, number, rows.get(number)) for number in numbers]


def _head_of(reader: Connection, number: int, row: Sequence[Any] | None) -> tuple[Head, UnreadableRow | None]:
    head = Head(number)
    if row is None:
        return head, None
    try:
        head.restore(*row)
    except Damaged as exc:
        head.take_over(rebuild_current(reader, number), {}, {})
        return head, UnreadableRow("device_state", (number,), number, None, str(exc), b"".join(row[:2]))
    return head, None


def stored_active(reader: Connection, numbers: Sequence[int]) -> dict[int, dict[str, int] | None]:
    """Stored newest uplink (ms) by kind for each device; None for a device whose state is damaged."""
    stored: dict[int, dict[str, int] | None] = {}
    for number, active in reader.execute(SELECT_ACTIVE, (to_json(list(numbers)),)):
        try:
            stored[number] = decode_active(active)
        except Damaged:
            stored[number] = None
    return stored


def stored_values(
    reader: Connection, numbers: Sequence[int], identifiers: Sequence[str]
) -> dict[int, dict[str, Known] | None]:
    """Stored current values of these attributes for each device; None for a device whose state is damaged."""
    stored: dict[int, dict[str, Known] | None] = {}
    for number, attributes, sources in reader.execute(SELECT_VALUES, (to_json(list(numbers)),)):
        try:
            current, sent = decode_attributes(attributes), decode_sent(sources)
        except Damaged:
            stored[number] = None
        else:
            stored[number] = {name: Known(current[name], sent.get(name)) for name in identifiers if name in current}
    return stored
