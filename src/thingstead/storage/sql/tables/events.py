"""Events in SQLite."""

import structlog

from thingstead.model.device import Page
from thingstead.model.limits import INSTANT_MS
from thingstead.model.report import EventRecord
from thingstead.storage.base import Commit
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.tables.paging import Order, read_page

log = structlog.get_logger("thingstead.storage")

EVENTS = Layout("events", EventRecord, json=("params",))
_DEVICE = "SELECT 1 FROM devices WHERE id = ?"
_WANTED = "device_id = ? AND ts BETWEEN ? AND ?"


class SqlEvents:
    """See :class:`~thingstead.storage.base.EventStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    def append(self, event: EventRecord, device_number: int) -> Commit:
        row = EVENTS.row(event)

        def insert(connection: Connection) -> None:
            if connection.execute(_DEVICE, (event.device_id,)).fetchone() is None:
                log.info("event dropped: its device was removed", device_id=event.device_id)
            else:
                connection.execute(EVENTS.insert, row)

        size_bytes = sum(len(value) for value in row if isinstance(value, str | bytes))
        batch = self._history.touch(device_number, "event", event.ts, size_bytes)
        batch.writes.append(insert)
        self._access.log_rows.note("event", event.device_id)
        return batch

    async def list_page(
        self, device_id: str, page: Page, start: int = 0, end: int = INSTANT_MS, method: str | None = None
    ) -> tuple[list[EventRecord], int]:
        where = _WANTED if method is None else f"{_WANTED} AND method = ?"
        wanted = (device_id, start, end) if method is None else (device_id, start, end, method)

        def run(connection: Connection) -> tuple[list[EventRecord], int]:
            order = Order(("ts", "seq"), descending=True)
            rows, total = read_page(connection, EVENTS.select, "events", where, wanted, order, page)
            return [EVENTS.load(row) for row in rows], total

        return await self._access.read(run)
