"""Search over the nouns of a project, saved views and preferences, in SQLite."""

from typing import Any, NamedTuple

from msgspec import UNSET

from thingstead.errors import Conflict, NotFound
from thingstead.model.console.saved_view import SavedView
from thingstead.model.limits import require_id
from thingstead.model.values.unicode_text import search_form
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout
from thingstead.wire.search import FoundItem, FoundItems, FoundKind, SearchInfo

VIEWS = Layout("device_views", SavedView, fixed=("id", "project_id", "admin_id", "create_time"), kind="device_view")


class _Noun(NamedTuple):
    """Table and searched columns of one kind of object."""

    kind: FoundKind
    table: str
    columns: tuple[str, ...] = ("name", "id")
    detail: str = "''"


_NOUNS = (
    _Noun("type", "device_types"),
    _Noun("group", "device_groups"),
    _Noun("customer", "customers", ("name", "account", "id"), "account"),
    _Noun("alarm_rule", "alarm_rules"),
    _Noun("notify_group", "notify_groups"),
)
# Objects are ordered by the position of the text.
_FIND_DEVICES = """
WITH found AS MATERIALIZED (
    SELECT id, instr(search_text, ?2) AS place, create_time FROM devices
    WHERE project_id = ?1 AND instr(search_text, ?2) > 0
)
SELECT t.id, t.name, coalesce(t.device_key, ''), (SELECT count(*) FROM found) FROM
    (SELECT id, place, create_time FROM found ORDER BY place, create_time, id LIMIT ?3) f JOIN devices t ON t.id = f.id
ORDER BY f.place, f.create_time, f.id
"""


class SqlDesk:
    """See :class:`~thingstead.storage.base_jobs.ConsoleStore`."""

    def __init__(self, access: Queries) -> None:
        self._access = access

    async def search(self, project_id: str, text: str, limit: int) -> SearchInfo:
        form = search_form(text)

        def run(connection: Connection) -> SearchInfo:
            found = [_find_devices(connection, project_id, form, limit)]
            found += [_find(connection, noun, project_id, form, limit) for noun in _NOUNS]
            return SearchInfo(found=[each for each in found if each.items])

        return await self._access.read(run)

    async def create_view(self, view: SavedView, most: int) -> None:
        def run(connection: Connection) -> None:
            count = connection.execute("SELECT count(*) FROM device_views WHERE admin_id = ?", (view.admin_id,))
            if count.fetchone()[0] >= most:
                raise Conflict("too_many_views", maximum=most)
            VIEWS.add(connection, view)

        await self._access.write(run)

    async def list_views(self, project_id: str, admin_id: str) -> list[SavedView]:
        sql = f"{VIEWS.select} WHERE project_id = ? AND (admin_id = ? OR shared = 1) ORDER BY create_time, id"
        return [VIEWS.load(row) for row in await self._access.all(sql, (project_id, admin_id))]

    async def update_view(self, project_id: str, admin_id: str, view_id: str, changes: dict[str, Any]) -> None:
        require_id(view_id, "no_such_view")

        def run(connection: Connection) -> None:
            _require_view(connection, project_id, admin_id, view_id)
            VIEWS.update(connection, project_id, view_id, changes, "no_such_view")

        await self._access.write(run)

    async def delete_view(self, project_id: str, admin_id: str, view_id: str, *, any_owner: bool) -> None:
        require_id(view_id, "no_such_view")

        def run(connection: Connection) -> None:
            _require_view(connection, project_id, admin_id, view_id, shared=any_owner)
            VIEWS.delete(connection, project_id, view_id, "no_such_view")

        await self._access.write(run)

    async def preferences(self, admin_id: str) -> bytes:
        row = await self._access.one("SELECT body FROM preferences WHERE admin_id = ?", (admin_id,))
        return b"{}" if row is None else row[0].encode()

    async def keep_preferences(self, admin_id: str, body: bytes) -> None:
        def run(connection: Connection) -> None:
            connection.execute(
                "INSERT INTO preferences (admin_id, body) SELECT id, ?2 FROM administrators WHERE id = ?1"
                " ON CONFLICT (admin_id) DO UPDATE SET body = excluded.body",
                (admin_id, body.decode()),
            )

        await self._access.write(run)


def _find_devices(connection: Connection, project_id: str, form: str, limit: int) -> FoundItems:
    rows = connection.execute(_FIND_DEVICES, (project_id, form, limit)).fetchall()
    items = [FoundItem(id=row_id, name=name, detail=detail or UNSET) for row_id, name, detail, _ in rows]
    return FoundItems(kind="device", total=rows[0][3] if rows else 0, items=items)


def _find(connection: Connection, noun: _Noun, project_id: str, form: str, limit: int) -> FoundItems:
    """Reads all objects of the kind: there are far fewer than devices, and no database compares texts as people do."""
    columns = ", ".join(noun.columns)
    sql = f"SELECT id, name, {noun.detail}, create_time, {columns} FROM {noun.table} WHERE project_id = ?"  # noqa: S608 - ours
    places: list[tuple[int, int, str, str, str]] = []
    for row_id, name, detail, create_time, *texts in connection.execute(sql, (project_id,)):
        place = search_form("\n".join(texts)).find(form)
        if place >= 0:
            places.append((place, create_time, row_id, name, detail))
    items = [
        FoundItem(id=row_id, name=name, detail=detail or UNSET) for *_, row_id, name, detail in sorted(places)[:limit]
    ]
    return FoundItems(kind=noun.kind, total=len(places), items=items)


def _require_view(
    connection: Connection, project_id: str, admin_id: str, view_id: str, *, shared: bool = False
) -> None:
    sql = "SELECT 1 FROM device_views WHERE id = ? AND project_id = ? AND (admin_id = ? OR shared = ?)"
    if connection.execute(sql, (view_id, project_id, admin_id, 1 if shared else None)).fetchone() is None:
        raise NotFound("no_such_view")
