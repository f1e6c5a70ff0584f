"""Live sessions in SQLite."""

from thingstead.errors import NotFound
from thingstead.model.device import DeviceSession
from thingstead.storage.commit import settled
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.history.history import SqlHistory

_COLUMNS = "session_id, node, protocol, client_id, remote_address, connected_at"
_REPLACED = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", "))
_FIND = f"SELECT {_COLUMNS} FROM sessions WHERE device_number = ?"  # noqa: S608 - our own words
_OPEN = f"""
INSERT INTO sessions (device_number, project_id, {_COLUMNS})
SELECT number, project_id, ?, ?, ?, ?, ?, ? FROM devices WHERE number = ?
ON CONFLICT (device_number) DO UPDATE SET {_REPLACED}
"""  # noqa: S608 - as above


class SqlPresence:
    """See :class:`~thingstead.storage.base.PresenceStore`."""

    def __init__(self, access: Queries, history: SqlHistory) -> None:
        self._access = access
        self._history = history

    async def count_all(self) -> int:
        return await self._access.count("sessions")

    async def open_session(self, device_number: int, session: DeviceSession) -> DeviceSession | None:
        def run(connection: Connection) -> DeviceSession | None:
            replaced = connection.execute(_FIND, (device_number,)).fetchone()
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
            return _session(replaced)

        await self._history.open_device(device_number)
        touch = self._history.touch(device_number, "connect", session.connected_at)
        replaced = await self._access.write(run)
        await settled(touch)
        return replaced

    async def close_session(self, device_number: int, session_id: str) -> bool:
        def run(connection: Connection) -> bool:
            sql = "DELETE FROM sessions WHERE device_number = ? AND session_id = ?"
            return connection.execute(sql, (device_number, session_id)).rowcount > 0

        return await self._access.write(run)

    async def find_session(self, device_number: int) -> DeviceSession | None:
        return _session(await self._access.one(_FIND, (device_number,)))

    async def clear_node(self, node: str) -> list[tuple[int, str]]:
        sql = "DELETE FROM sessions WHERE node = ? RETURNING device_number, session_id"
        return await self._access.write(lambda connection: connection.execute(sql, (node,)).fetchall())


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
