"""Live sessions, and the connection log of each device, which is written with them."""

import structlog

from thingstead.errors import NotFound
from thingstead.model.device import DeviceSession
from thingstead.storage.base_devices import ConnectionEntry
from thingstead.storage.commit import ended
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import to_json
from thingstead.storage.sql.history.history import SqlHistory
from thingstead.storage.sql.tables.automation.forwarding import insert_segment
from thingstead.storage.sql.tables.device_logs import insert_entry

log = structlog.get_logger("thingstead.storage")

_COLUMNS = "session_id, node, protocol, client_id, remote_address, connected_at"
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", "))
_FIND = f"SELECT {_COLUMNS} FROM sessions WHERE device_number = ?"  # noqa: S608 - our own words
_OPEN = f"""
INSERT INTO sessions (device_number, project_id, {_COLUMNS})
SELECT number, project_id, ?, ?, ?, ?, ?, ? FROM devices WHERE number = ?
ON CONFLICT (device_number) DO UPDATE SET {_REPLACED}
"""  # noqa: S608 - as above
_CLOSE = "DELETE FROM sessions WHERE device_number = ? AND session_id = ?"
_CLEAR = "DELETE FROM sessions WHERE node = ? RETURNING device_number, session_id"
# The log of a device never goes back in time.
_LOG_CLEARED = """
INSERT INTO device_logs (device_number, kind, ts, body)
SELECT number, 'connection', max(?, coalesce((
    SELECT ts FROM device_logs WHERE device_number = number AND kind = 'connection' ORDER BY seq DESC LIMIT 1
), 0)), ? FROM devices WHERE number = ?
"""


class SqlPresence:
    """See :class:`~thingstead.storage.base.PresenceStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    async def count_all(self) -> int:
        return await self._access.count("sessions")

    async def open_session(
        self, device_number: int, session: DeviceSession, entry: ConnectionEntry | None = None
    ) -> DeviceSession | None:
        def run(connection: Connection) -> DeviceSession | None:
            replaced = _session(connection.execute(_FIND, (device_number,)).fetchone())
            values = (
                session.session_id,
                session.node,
                session.protocol,
                session.client_id,
                session.remote_address,
                session.connected_at,
            )
            if connection.execute(_OPEN, (*values, device_number)).rowcount == 0:
                raise NotFound("no_such_device")
            _log(connection, device_number, entry, replaced.session_id if replaced else None)
            return replaced

        await self._history.open_device(device_number)
        touch = self._history.touch(device_number, "connect", session.connected_at)
        replaced = await self._access.write(run)
        await ended(touch)  # if it failed, the session is stored all the same: others must hear of it
        return replaced

    async def close_session(self, device_number: int, session_id: str, entry: ConnectionEntry | None = None) -> bool:
        def run(connection: Connection) -> bool:
            closed = connection.execute(_CLOSE, (device_number, session_id)).rowcount > 0
            if closed:
                _log(connection, device_number, entry, session_id)
            return closed

        return await self._access.write(run)

    async def find_session(self, device_number: int) -> DeviceSession | None:
        return _session(await self._access.one(_FIND, (device_number,)))

    async def clear_node(self, node: str, entry: ConnectionEntry | None = None) -> list[tuple[int, str]]:
        def run(connection: Connection) -> list[tuple[int, str]]:
            gone: list[tuple[int, str]] = connection.execute(_CLEAR, (node,)).fetchall()
            if entry is not None:
                rows = [(entry.ts, to_json(entry.body(session_id)), number) for number, session_id in gone]
                connection.executemany(_LOG_CLEARED, rows)
            return gone

        return await self._access.write(run)


def _log(connection: Connection, device_number: int, entry: ConnectionEntry | None, ended_id: str | None) -> None:
    if entry is None:
        return
    if entry.segment is not None:
        insert_segment(connection, entry.segment)
    try:
        insert_entry(connection, device_number, "connection", entry.ts, to_json(entry.body(ended_id)))
    except connection.dialect.driver_errors as exc:
        if not connection.dialect.is_damage(exc):
            raise
        log.warning("a connection could not be logged", device_number=device_number, error=str(exc))


def _session(row: tuple[str, str, str, str, str, int] | None) -> DeviceSession | None:
    if row is None:
        return None
    session_id, node, protocol, client_id, remote_address, connected_at = row
    return DeviceSession(
        session_id=session_id,
        node=node,
        protocol=protocol,
        client_id=client_id,
        remote_address=remote_address,
        connected_at=connected_at,
    )
