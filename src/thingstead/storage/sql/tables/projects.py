"""Projects, and the secrets of the installation, in SQLite."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from thingstead.errors import NotFound
from thingstead.model.audit.log import Edit
from thingstead.model.project import Administrator, Application, Project
from thingstead.storage.sql.access.audit import note
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout
from thingstead.storage.sql.tables.accounts import ADMINISTRATORS, APPLICATIONS
from thingstead.storage.sql.tables.browser_sessions import Ended, end_sessions, forget_sessions

SECRET_BYTES = 32

PROJECTS = Layout(
    "projects",
    Project,
    json=("tags",),
    scope="id",
    kind="project",
    secret=("project_key", "previous_project_key", "view_secret_hash"),
)


class SqlProjects:
    """See :class:`~thingstead.storage.base.ProjectStore`."""

    def __init__(self, access: Queries) -> None:
        self._access = access
        self._secrets: dict[str, bytes] = {}  # by name

    async def create(self, project: Project, application: Application, administrator: Administrator) -> None:
        def run(connection: Connection) -> None:
            PROJECTS.add(connection, project)
            APPLICATIONS.add(connection, application)
            ADMINISTRATORS.add(connection, administrator)

        await self._access.write(run)

    async def get(self, project_id: str) -> Project:
        project = self._access.caches.projects.find(project_id)
        if project is not None:
            return project
        caches = self._access.caches
        row, current = await self._access.current_one(caches.projects, PROJECTS.select_one, (project_id, project_id))
        if row is None:
            raise NotFound("no_such_project")
        project = PROJECTS.load(row)
        if current:
            caches.projects.put(project_id, project)
        return project

    async def find_by_view_key(self, view_key: str) -> Project | None:
        row = await self._access.one(f"{PROJECTS.select} WHERE view_key = ?", (view_key,))
        return PROJECTS.load(row) if row is not None else None

    async def find_by_project_key(self, project_key: str) -> Project | None:
        for column in ("project_key", "previous_project_key"):
            row = await self._access.one(f"{PROJECTS.select} WHERE {column} = ?", (project_key,))
            if row is not None:
                return PROJECTS.load(row)
        return None

    async def list_all(self) -> list[Project]:
        return [PROJECTS.load(row) for row in await self._access.all(f"{PROJECTS.select} ORDER BY create_time, id")]

    async def count(self) -> int:
        return await self._access.count("projects")

    async def update(self, project_id: str, changes: Mapping[str, Any]) -> None:
        await self._access.write(
            lambda connection: PROJECTS.update(connection, project_id, project_id, changes, "no_such_project"),
            lambda _: self._access.caches.projects.drop(project_id),
        )

    async def merge_tags(self, project_id: str, put: Mapping[str, str], remove: Sequence[str]) -> None:
        await self._access.write(
            lambda connection: PROJECTS.merge_tags(connection, project_id, project_id, put, remove, "project"),
            lambda _: self._access.caches.projects.drop(project_id),
        )

    async def server_secret(self, name: str) -> bytes:
        secret = self._secrets.get(name)
        if secret is None:
            secret = self._secrets[name] = await self._access.write(lambda connection: _secret(connection, name))
        return secret

    async def renew_token_secret(self) -> None:
        def run(connection: Connection) -> Ended:
            connection.execute("DELETE FROM server_secrets WHERE name = 'token'")
            _secret(connection, "token")
            for project_id, name in connection.execute("SELECT id, name FROM projects").fetchall():
                note(Edit(project_id, PROJECTS.kind, project_id, name, "rotate_token_secret"))
            return end_sessions(connection, "TRUE", ())

        def committed(ended: Ended) -> None:
            self._secrets.pop("token", None)
            forget_sessions(self._access, ended)

        await self._access.write(run, committed)


def _secret(connection: Connection, name: str) -> bytes:
    connection.execute(
        "INSERT INTO server_secrets (name, secret) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (name, secrets.token_bytes(SECRET_BYTES)),
    )
    secret: bytes = connection.execute("SELECT secret FROM server_secrets WHERE name = ?", (name,)).fetchone()[0]
    return secret
