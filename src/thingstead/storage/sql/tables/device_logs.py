"""Device logs."""

from typing import Any

import msgspec

from thingstead.model.device import Page
from thingstead.model.device_log import DeviceLog, LogKind
from thingstead.model.limits import INSTANT_MS
from thingstead.storage.base import Commit
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import to_json
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.tables.paging import Order, read_page

KEPT = 1_000  # entries for each device and kind
NOBODY_WAITS: frozenset[LogKind] = frozenset({"rejected"})  # kinds whose writes are retried
_INSERT = """
INSERT INTO device_logs (device_number, kind, ts, body) SELECT number, ?, ?, ? FROM devices WHERE number = ?
"""
_TRIM = """
DELETE FROM device_logs WHERE device_number = ? AND kind = ? AND seq <= (
    SELECT seq FROM device_logs WHERE device_number = ? AND kind = ? ORDER BY seq DESC LIMIT 1 OFFSET ?
)
"""
_NEWEST = "SELECT ts FROM device_logs WHERE device_number = ? AND kind = ? ORDER BY seq DESC LIMIT 1"
_WANTED = "device_number = ? AND kind = ? AND ts BETWEEN ? AND ?"
_decode_body = msgspec.json.Decoder(dict[str, Any]).decode


class SqlDeviceLogs:
    """See :class:`~thingstead.storage.base.DeviceLogStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    def append(self, device_number: int, kind: LogKind, ts: int, body: dict[str, Any]) -> Commit:
        text = to_json(body)

        def insert(connection: Connection) -> None:
            insert_entry(connection, device_number, kind, ts, text)

        size_bytes = 0 if kind == "data" else len(text)  # custom data is counted with its uplink
        return self._history.add_write(insert, size_bytes, behind=kind in NOBODY_WAITS)

    async def newest_ts(self, device_number: int, kind: LogKind) -> int:
        row = await self._access.one(_NEWEST, (device_number, kind))
        return row[0] if row is not None else 0

    async def list_page(
        self, device_number: int, kind: LogKind, page: Page, start: int = 0, end: int = INSTANT_MS
    ) -> tuple[list[DeviceLog], int]:
        def run(connection: Connection) -> tuple[list[DeviceLog], int]:
            order, wanted = Order(("seq",), descending=True), (device_number, kind, start, end)
            select = "SELECT ts, body FROM device_logs"
            rows, total = read_page(connection, select, "device_logs", _WANTED, wanted, order, page)
            return [DeviceLog(ts=ts, body=_decode_body(body)) for ts, body in rows], total

        return await self._access.read(run)


def insert_entry(connection: Connection, device_number: int, kind: LogKind, ts: int, text: str) -> None:
    """Adds an entry (JSON text) to a log of a device, and removes the oldest ones over :data:`KEPT`."""
    connection.execute(_INSERT, (kind, ts, text, device_number))
    connection.execute(_TRIM, (device_number, kind, device_number, kind, KEPT))
