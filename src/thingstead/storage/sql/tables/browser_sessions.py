"""Sessions of administrators in browsers, in SQLite."""

from collections.abc import Sequence
from typing import Any

import msgspec

from thingstead.errors import NotFound
from thingstead.model.audit.log import Edit
from thingstead.model.browser_session import BrowserSession
from thingstead.model.limits import ADMINISTRATOR_SESSIONS_COUNT, BROWSER_SESSIONS_COUNT
from thingstead.storage.sql.access.audit import note
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout

SESSIONS = Layout("browser_sessions", BrowserSession)

# Sessions of an administrator beyond a number, least recently used first; the new one is inserted already.
_SURPLUS = """
id IN (SELECT id FROM browser_sessions WHERE admin_id = ?1 AND id <> ?2
       ORDER BY last_seen_at DESC, id LIMIT 1000000 OFFSET ?3)
"""
# The least recently used session of the project with the most sessions.
_OF_THE_FULLEST = """
id = (SELECT id FROM browser_sessions WHERE project_id =
          (SELECT project_id FROM browser_sessions GROUP BY project_id ORDER BY count(*) DESC, project_id LIMIT 1)
      AND id <> ? ORDER BY last_seen_at, id LIMIT 1)
"""

Ended = list[tuple[str, bytes]]  # id and secret hash of each ended session


class SqlBrowserSessions:
    """See :class:`~thingstead.storage.base_registry.BrowserSessionStore`."""

    def __init__(self, access: Queries) -> None:
        self._access = access

    async def begin(self, session: BrowserSession, *, replaces: str = "") -> list[str]:
        def run(connection: Connection) -> Ended:
            begun = session.created_at
            noted = connection.execute(
                "UPDATE administrators SET last_login_at = ? WHERE id = ?", (begun, session.admin_id)
            )
            if noted.rowcount == 0:
                raise NotFound("no_such_administrator")
            ended = end_sessions(connection, "id = ? AND admin_id = ?", (replaces, session.admin_id))
            ended += end_sessions(connection, "expires_at <= ?", (begun,))
            SESSIONS.add(connection, session)
            note(Edit(session.project_id, "session", session.id, session.user_agent, "log_in"))
            surplus = (session.admin_id, session.id, ADMINISTRATOR_SESSIONS_COUNT - 1)
            ended += end_sessions(connection, _SURPLUS, surplus)
            [(total,)] = connection.execute("SELECT count(*) FROM browser_sessions").fetchall()
            if total > BROWSER_SESSIONS_COUNT:
                ended += end_sessions(connection, _OF_THE_FULLEST, (session.id,))
            return ended

        def committed(ended: Ended) -> None:
            self._access.caches.administrators.drop(session.admin_id)
            forget_sessions(self._access, ended)

        return [session_id for session_id, _ in await self._access.write(run, committed)]

    async def find(self, secret_hash: bytes) -> BrowserSession | None:
        session = self._access.caches.browser_sessions.find(secret_hash)
        if session is None:
            caches = self._access.caches
            row, current = await self._access.current_one(
                caches.browser_sessions, f"{SESSIONS.select} WHERE secret_hash = ?", (secret_hash,)
            )
            if row is None:
                return None
            session = SESSIONS.load(row)
            if current:
                caches.browser_sessions.put(secret_hash, session)
        return session

    async def list_of_administrator(self, project_id: str, admin_id: str) -> list[BrowserSession]:
        rows = await self._access.all(
            f"{SESSIONS.select} WHERE admin_id = ? AND project_id = ? ORDER BY created_at DESC, id",
            (admin_id, project_id),
        )
        cached = self._access.caches.browser_sessions.find  # includes uses that are not committed yet
        return [cached(session.secret_hash) or session for session in map(SESSIONS.load, rows)]

    def touch(self, session: BrowserSession, last_seen_at: int, expires_at: int, remote_address: str) -> None:
        cache = self._access.caches.browser_sessions
        touched = msgspec.structs.replace(
            session, last_seen_at=last_seen_at, expires_at=expires_at, remote_address=remote_address
        )
        cache.put(session.secret_hash, touched)

        def run(connection: Connection) -> None:
            connection.execute(
                "UPDATE browser_sessions SET last_seen_at = ?, expires_at = ?, remote_address = ? WHERE id = ?",
                (last_seen_at, expires_at, remote_address, session.id),
            )

        def deliver(_: None, error: Exception | None) -> None:
            if error is not None:
                cache.drop(session.secret_hash)

        self._access.submit(run, deliver)

    async def end(self, project_id: str, admin_id: str, session_id: str) -> None:
        def run(connection: Connection) -> Ended:
            of_person = (session_id, admin_id, project_id)
            ended = end_sessions(connection, "id = ? AND admin_id = ? AND project_id = ?", of_person)
            if not ended:
                raise NotFound("no_such_session")
            note(Edit(project_id, "session", session_id, "", "log_out"))
            return ended

        await self._access.write(run, lambda ended: forget_sessions(self._access, ended))

    async def count(self) -> int:
        return await self._access.count("browser_sessions")


def end_sessions(connection: Connection, which: str, parameters: Sequence[Any]) -> Ended:
    """Ends the sessions that match a condition."""
    deleted = connection.execute(
        f"DELETE FROM browser_sessions WHERE {which} RETURNING id, secret_hash",  # noqa: S608 - conditions of ours
        parameters,
    )
    return deleted.fetchall()


def forget_sessions(access: Queries, ended: Ended) -> None:
    """Drops ended sessions from the cache."""
    for _, secret_hash in ended:
        access.caches.browser_sessions.drop(secret_hash)
