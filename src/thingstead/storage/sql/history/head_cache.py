"""Cache of heads: loaded on first use, evicted least recently used first."""

from collections.abc import Callable, Collection, Sequence

from thingstead.model.device import Known
from thingstead.storage.frames import Damaged
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.database import Database
from thingstead.storage.sql.history.heads import Head
from thingstead.storage.sql.history.quarantine import Quarantine, UnreadableRow
from thingstead.storage.sql.history.rebuild import rebuild_current
from thingstead.storage.sql.history.records import decode_active, decode_attributes, decode_sent

SELECT_STATE = "SELECT attributes, active, packed_seq, spooled, sent FROM device_state WHERE device_number = ?"
SELECT_VALUES = "SELECT attributes, sent FROM device_state WHERE device_number = ?"
SELECT_ACTIVE = "SELECT active FROM device_state WHERE device_number = ?"


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
        self.find = self._heads.get

    def __len__(self) -> int:
        return len(self._heads)

    def get(self, number: int) -> Head:
        """The head of a device; loaded if it is not in memory.

        Raises:
            Unavailable: the device's state cannot be read.
        """
        head = self._heads.get(number)
        if head is None:
            head = self._heads[number] = Head(number)
            self._restore(head)
            self.grown(head.state_bytes)
            if len(self._heads) > self._evict_at:
                self._evict()
        return head

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

    def active_of(self, numbers: Sequence[int]) -> dict[int, dict[str, int]]:
        """Newest uplink (ms) by kind for each device; does not load heads."""
        active = {}
        for number in numbers:
            head = self._heads.get(number)
            if head is not None:
                active[number] = dict(head.active)
                continue
            row = self._database.reader.execute(SELECT_ACTIVE, (number,)).fetchone()
            try:
                active[number] = decode_active(row[0]) if row else {}
            except Damaged:
                active[number] = dict(self.get(number).active)  # get() moves the damaged row to the quarantine
        return active

    async def known_of(self, numbers: Sequence[int], identifiers: Sequence[str]) -> dict[int, dict[str, Known]]:
        """Current values of these attributes, if any, for each device; does not load heads."""
        absent = [number for number in numbers if number not in self._heads]
        stored = await self._database.read(lambda reader: stored_values(reader, absent, identifiers)) if absent else {}
        known: dict[int, dict[str, Known]] = {}
        for number in numbers:
            head, values = self._heads.get(number), stored.get(number, {})
            if head is None and values is None:
                head = self.get(number)  # moves the damaged row to the quarantine
            known[number] = head.known(identifiers) if head is not None else values or {}
        return known

    def _restore(self, head: Head) -> None:
        reader = self._database.reader
        try:
            row = reader.execute(SELECT_STATE, (head.number,)).fetchone()
        except reader.dialect.driver_errors as exc:
            del self._heads[head.number]
            raise self._database.translated(exc) from exc
        if row is None:
            return
        try:
            head.restore(*row)
        except Damaged as exc:
            finding = UnreadableRow("device_state", (head.number,), head.number, None, str(exc), b"".join(row[:2]))
            self._quarantine.found([finding])
            head.take_over(rebuild_current(reader, head.number), {}, {})
            self._on_rebuilt(head)

    def _evict(self) -> None:
        """Drops heads that are not busy, those loaded first, while there are too many or they are too large."""
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


def stored_values(
    reader: Connection, numbers: Sequence[int], identifiers: Sequence[str]
) -> dict[int, dict[str, Known] | None]:
    """Stored current values of these attributes for each device; None for a device whose state is damaged."""
    stored: dict[int, dict[str, Known] | None] = {}
    for number in numbers:
        row = reader.execute(SELECT_VALUES, (number,)).fetchone()
        if row is None:
            continue
        try:
            current, sent = decode_attributes(row[0]), decode_sent(row[1])
        except Damaged:
            stored[number] = None
        else:
            stored[number] = {name: Known(current[name], sent.get(name)) for name in identifiers if name in current}
    return stored
