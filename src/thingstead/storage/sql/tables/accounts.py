"""Applications and administrators in SQLite."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from thingstead.errors import Conflict
from thingstead.model.project import Administrator, Application
from thingstead.model.roles import ADMIN
from thingstead.model.values.unicode_text import account_key
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout
from thingstead.storage.sql.tables.browser_sessions import Ended, end_sessions, forget_sessions

APPLICATIONS = Layout("applications", Application, kind="application", secret=("access_key", "secret_hash"))
ADMINISTRATORS = Layout(
    "administrators",
    Administrator,
    json=("tags",),
    kind="administrator",
    secret=("password_hash",),
    derived={"account_key": lambda administrator: account_key(administrator.account)},
)


class SqlAccounts:
    """See :class:`~thingstead.storage.base.AccountStore`."""

    def __init__(self, access: Queries) -> None:
        self._access = access

    async def create_application(self, application: Application) -> None:
        await self._access.write(lambda connection: APPLICATIONS.add(connection, application))

    async def find_application(self, app_id: str) -> Application | None:
        application = self._access.caches.applications.find(app_id)
        if application is None:
            caches = self._access.caches
            row, current = await self._access.current_one(
                caches.applications, f"{APPLICATIONS.select} WHERE id = ?", (app_id,)
            )
            if row is None:
                return None
            application = APPLICATIONS.load(row)
            if current:
                caches.applications.put(app_id, application)
        return application

    async def list_applications(self, project_id: str) -> list[Application]:
        rows = await self._access.all(
            f"{APPLICATIONS.select} WHERE project_id = ? ORDER BY create_time, id", (project_id,)
        )
        return [APPLICATIONS.load(row) for row in rows]

    async def update_application(self, project_id: str, app_id: str, changes: Mapping[str, Any]) -> None:
        await self._access.write(
            lambda connection: APPLICATIONS.update(connection, project_id, app_id, changes, "no_such_application"),
            lambda _: self._access.caches.applications.drop(app_id),
        )

    async def delete_application(self, project_id: str, app_id: str) -> None:
        def run(connection: Connection) -> None:
            APPLICATIONS.delete(connection, project_id, app_id, "no_such_application")
            left = connection.execute("SELECT 1 FROM applications WHERE project_id = ? LIMIT 1", (project_id,))
            if left.fetchone() is None:
                raise Conflict("last_application")

        await self._access.write(run, lambda _: self._access.caches.applications.drop(app_id))

    async def create_administrator(self, administrator: Administrator) -> None:
        def run(connection: Connection) -> None:
            check_account_is_free(connection, "administrators", administrator.project_id, administrator.account)
            ADMINISTRATORS.add(connection, administrator)

        await self._access.write(run)

    async def find_administrator(self, admin_id: str) -> Administrator | None:
        administrator = self._access.caches.administrators.find(admin_id)
        if administrator is None:
            caches = self._access.caches
            row, current = await self._access.current_one(
                caches.administrators, f"{ADMINISTRATORS.select} WHERE id = ?", (admin_id,)
            )
            if row is None:
                return None
            administrator = ADMINISTRATORS.load(row)
            if current:
                caches.administrators.put(admin_id, administrator)
        return administrator

    async def find_administrator_by_account(self, project_id: str, account: str) -> Administrator | None:
        rows = await self._access.all(
            f"{ADMINISTRATORS.select} WHERE project_id = ? AND account_key = ? LIMIT 100",
            (project_id, account_key(account)),
        )
        return _chosen([ADMINISTRATORS.load(row) for row in rows], account)

    async def list_administrators_by_account(self, account: str, limit: int) -> list[Administrator]:
        rows = await self._access.all(
            f"{ADMINISTRATORS.select} WHERE account_key = ? ORDER BY last_login_at DESC, id LIMIT 1000",
            (account_key(account),),
        )
        alike: dict[str, list[Administrator]] = {}
        for row in rows:
            administrator = ADMINISTRATORS.load(row)
            alike.setdefault(administrator.project_id, []).append(administrator)
        found = [chosen for of_project in alike.values() if (chosen := _chosen(of_project, account)) is not None]
        return found[:limit]

    async def list_administrators(self, project_id: str) -> list[Administrator]:
        rows = await self._access.all(
            f"{ADMINISTRATORS.select} WHERE project_id = ? ORDER BY create_time, id", (project_id,)
        )
        return [ADMINISTRATORS.load(row) for row in rows]

    async def update_administrator(
        self, project_id: str, admin_id: str, changes: Mapping[str, Any], *, ends_sessions_but: str | None = None
    ) -> list[str]:
        def run(connection: Connection) -> Ended:
            ADMINISTRATORS.update(connection, project_id, admin_id, changes, "no_such_administrator")
            if changes.get("role", ADMIN) != ADMIN and not _has_admin(connection, project_id):
                raise Conflict("last_admin_role")
            if ends_sessions_but is None:
                return []
            return end_sessions(connection, "admin_id = ? AND id <> ?", (admin_id, ends_sessions_but))

        return await self._change_administrator(admin_id, run)

    def note_log_in(self, admin_id: str, at: int) -> None:
        def run(connection: Connection) -> None:
            connection.execute("UPDATE administrators SET last_login_at = ? WHERE id = ?", (at, admin_id))

        def deliver(_: None, error: Exception | None) -> None:
            self._access.caches.administrators.drop(admin_id)

        self._access.submit(run, deliver)

    async def delete_administrator(self, project_id: str, admin_id: str) -> list[str]:
        def run(connection: Connection) -> Ended:
            ended = end_sessions(connection, "admin_id = ? AND project_id = ?", (admin_id, project_id))
            ADMINISTRATORS.delete(connection, project_id, admin_id, "no_such_administrator")
            if not _has_admin(connection, project_id):
                raise Conflict("last_administrator")
            return ended

        return await self._change_administrator(admin_id, run)

    async def _change_administrator(self, admin_id: str, run: Callable[[Connection], Ended]) -> list[str]:
        """Runs a change, and drops the administrator and its ended sessions from the cache. Returns the ids of these
        sessions."""

        def committed(ended: Ended) -> None:
            self._access.caches.administrators.drop(admin_id)
            forget_sessions(self._access, ended)

        return [session_id for session_id, _ in await self._access.write(run, committed)]


def _chosen(alike: Sequence[Administrator], account: str) -> Administrator | None:
    """The administrator that an account name means, among those of a project whose accounts look the same. Only
    releases that did not check for this could create several."""
    exact = next((administrator for administrator in alike if administrator.account == account), None)
    return exact or (alike[0] if len(alike) == 1 else None)


def _has_admin(connection: Connection, project_id: str) -> bool:
    """Whether the project has an administrator with the role ``admin``."""
    sql = "SELECT 1 FROM administrators WHERE project_id = ? AND role = ? LIMIT 1"
    return connection.execute(sql, (project_id, ADMIN)).fetchone() is not None


def check_account_is_free(connection: Connection, table: str, project_id: str, account: str) -> None:
    """Raises Conflict if an account of the project looks the same."""
    row = connection.execute(
        f"SELECT 1 FROM {table} WHERE project_id = ? AND account_key = ? LIMIT 1",  # noqa: S608 - a word of ours
        (project_id, account_key(account)),
    ).fetchone()
    if row is not None:
        raise Conflict.field("account", "taken")
