"""Applications and administrators in SQLite."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from thingstead.errors import Conflict
from thingstead.model.project import Administrator, Application
from thingstead.model.values.unicode_text import account_key
from thingstead.storage.sqlite.engine.queries import Access
from thingstead.storage.sqlite.engine.row_mapper import Layout

APPLICATIONS = Layout("applications", Application)
ADMINISTRATORS = Layout(
    "administrators",
    Administrator,
    json=("tags",),
    derived={"account_key": lambda administrator: account_key(administrator.account)},
)


class SqliteAccounts:
    """See :class:`~thingstead.storage.base.AccountStore`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def create_application(self, application: Application) -> None:
        await self._access.write(lambda connection: APPLICATIONS.add(connection, application))

    async def find_application(self, app_id: str) -> Application | None:
        application = self._access.caches.applications.find(app_id)
        if application is None:
            row = self._access.one(f"{APPLICATIONS.select} WHERE id = ?", (app_id,))
            if row is None:
                return None
            application = APPLICATIONS.load(row)
            self._access.caches.applications.put(app_id, application)
        return application

    async def list_applications(self, project_id: str) -> list[Application]:
        rows = self._access.all(f"{APPLICATIONS.select} WHERE project_id = ? ORDER BY create_time, id", (project_id,))
        return [APPLICATIONS.load(row) for row in rows]

    async def update_application(self, project_id: str, app_id: str, changes: Mapping[str, Any]) -> None:
        await self._access.write(
            lambda connection: APPLICATIONS.update(connection, project_id, app_id, changes, "application"),
            lambda _: self._access.caches.applications.drop(app_id),
        )

    async def delete_application(self, project_id: str, app_id: str) -> None:
        def run(connection: sqlite3.Connection) -> None:
            APPLICATIONS.delete(connection, project_id, app_id, "application")
            left = connection.execute("SELECT 1 FROM applications WHERE project_id = ? LIMIT 1", (project_id,))
            if left.fetchone() is None:
                raise Conflict("the last application of a project cannot be removed")

        await self._access.write(run, lambda _: self._access.caches.applications.drop(app_id))

    async def create_administrator(self, administrator: Administrator) -> None:
        def run(connection: sqlite3.Connection) -> None:
            check_account_is_free(connection, "administrators", administrator.project_id, administrator.account)
            ADMINISTRATORS.add(connection, administrator)

        await self._access.write(run)

    async def find_administrator(self, admin_id: str) -> Administrator | None:
        administrator = self._access.caches.administrators.find(admin_id)
        if administrator is None:
            row = self._access.one(f"{ADMINISTRATORS.select} WHERE id = ?", (admin_id,))
            if row is None:
                return None
            administrator = ADMINISTRATORS.load(row)
            self._access.caches.administrators.put(admin_id, administrator)
        return administrator

    async def find_administrator_by_account(self, project_id: str, account: str) -> Administrator | None:
        rows = self._access.all(
            f"{ADMINISTRATORS.select} WHERE project_id = ? AND account_key = ? LIMIT 100",
            (project_id, account_key(account)),
        )
        alike = [ADMINISTRATORS.load(row) for row in rows]
        exact = next((administrator for administrator in alike if administrator.account == account), None)
        # Several look alike only where they were made by a release that did not mind.
        return exact or (alike[0] if len(alike) == 1 else None)

    async def list_administrators(self, project_id: str) -> list[Administrator]:
        rows = self._access.all(f"{ADMINISTRATORS.select} WHERE project_id = ? ORDER BY create_time, id", (project_id,))
        return [ADMINISTRATORS.load(row) for row in rows]

    async def update_administrator(self, project_id: str, admin_id: str, changes: Mapping[str, Any]) -> None:
        await self._access.write(
            lambda connection: ADMINISTRATORS.update(connection, project_id, admin_id, changes, "administrator"),
            lambda _: self._access.caches.administrators.drop(admin_id),
        )

    async def delete_administrator(self, project_id: str, admin_id: str) -> None:
        def run(connection: sqlite3.Connection) -> None:
            ADMINISTRATORS.delete(connection, project_id, admin_id, "administrator")
            left = connection.execute("SELECT 1 FROM administrators WHERE project_id = ? LIMIT 1", (project_id,))
            if left.fetchone() is None:
                raise Conflict("the last administrator of a project cannot be removed")

        await self._access.write(run, lambda _: self._access.caches.administrators.drop(admin_id))


def check_account_is_free(connection: sqlite3.Connection, table: str, project_id: str, account: str) -> None:
    """Raises Conflict where an account of the project looks the same."""
    row = connection.execute(
        f"SELECT 1 FROM {table} WHERE project_id = ? AND account_key = ? LIMIT 1",  # noqa: S608 - a word of ours
        (project_id, account_key(account)),
    ).fetchone()
    if row is not None:
        raise Conflict.field("account", "is taken")
