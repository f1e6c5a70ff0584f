"""Device types in SQLite."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from thingstead.errors import Conflict, NotFound
from thingstead.model.device import Page
from thingstead.model.device_type import DeviceType
from thingstead.model.limits import require_id
from thingstead.model.modbus.tables import ModbusTables
from thingstead.model.values.unicode_text import search_form
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout, to_json
from thingstead.storage.sql.tables.paging import Order, in_project, read_page


def search_text(device_type: DeviceType) -> str:
    """What a keyword is looked for in: a line for each text."""
    return search_form(f"{device_type.name}\n{device_type.id}\n{device_type.descr}")


DEVICE_TYPES = Layout(
    "device_types",
    DeviceType,
    json=("tags", "functions", "modbus"),
    counted=("device_count",),
    kind="device_type",
    secret=("type_key",),
    derived={"search_text": search_text},
)
_LISTED = DEVICE_TYPES.select.replace("functions, modbus", "'{}', '{}'")  # large, and not shown in lists
_WITHOUT_MODBUS = ("{}", to_json(ModbusTables()))  # of a type that is older, and of others


class SqlDeviceTypes:
    """See :class:`~thingstead.storage.base.DeviceTypeStore`."""

    def __init__(self, access: Queries) -> None:
        self._access = access

    async def create(self, device_type: DeviceType) -> None:
        await self._access.write(lambda connection: DEVICE_TYPES.add(connection, device_type))

    async def get(self, project_id: str, type_id: str) -> DeviceType:
        device_type = self._access.caches.device_types.find(type_id)
        if device_type is None:
            require_id(type_id, "no_such_device_type")
            caches = self._access.caches
            row, current = await self._access.current_one(
                caches.device_types, DEVICE_TYPES.select_one, (type_id, project_id)
            )
            if row is None:
                raise NotFound("no_such_device_type")
            device_type = DEVICE_TYPES.load(row)
            if current:
                caches.device_types.put(type_id, device_type)
        if device_type.project_id != project_id:
            raise NotFound("no_such_device_type")
        return device_type

    async def find_by_type_key(self, project_id: str, type_key: str) -> DeviceType | None:
        row = await self._access.one(
            f"{DEVICE_TYPES.select} WHERE project_id = ? AND type_key = ?", (project_id, type_key)
        )
        return DEVICE_TYPES.load(row) if row is not None else None

    async def count_self_created(self, project_id: str) -> int:
        sql = "SELECT coalesce(sum(device_count), 0) FROM device_types WHERE project_id = ? AND auto_create = 1"
        [(count,)] = await self._access.all(sql, (project_id,))
        return int(count)

    async def list_page(self, project_id: str, page: Page, keyword: str | None = None) -> tuple[list[DeviceType], int]:
        where, parameters = in_project(project_id, keyword)

        def run(connection: Connection) -> tuple[list[DeviceType], int]:
            order = Order(("name" if page.by_name else "create_time", "id"), page.descending)
            rows, total = read_page(connection, _LISTED, "device_types", where, parameters, order, page)
            return [DEVICE_TYPES.load(row) for row in rows], total

        return await self._access.read(run)

    async def count(self, project_id: str) -> int:
        [(count,)] = await self._access.all("SELECT count(*) FROM device_types WHERE project_id = ?", (project_id,))
        return int(count)

    async def conn_types(self, project_id: str, type_ids: Collection[str]) -> dict[str, str]:
        sql = "SELECT id, conn_type FROM device_types WHERE project_id = ? AND id IN (SELECT value FROM json_each(?))"
        return dict(await self._access.all(sql, (project_id, to_json(list(type_ids)))))

    async def with_modbus(self) -> list[tuple[str, str]]:
        sql = "SELECT project_id, id FROM device_types WHERE modbus NOT IN (?, ?)"
        return [(project_id, type_id) for project_id, type_id in await self._access.all(sql, _WITHOUT_MODBUS)]

    async def update(self, project_id: str, type_id: str, changes: Mapping[str, Any]) -> None:
        def run(connection: Connection) -> None:
            DEVICE_TYPES.update(connection, project_id, type_id, changes, "no_such_device_type")
            DEVICE_TYPES.derive(connection, project_id, type_id)

        await self._access.write(run, lambda _: self._access.caches.device_types.drop(type_id))

    async def merge_tags(self, project_id: str, type_id: str, put: Mapping[str, str], remove: Sequence[str]) -> None:
        await self._access.write(
            lambda connection: DEVICE_TYPES.merge_tags(
                connection, project_id, type_id, put, remove, "no_such_device_type"
            ),
            lambda _: self._access.caches.device_types.drop(type_id),
        )

    async def delete(self, project_id: str, type_id: str) -> None:
        def run(connection: Connection) -> None:
            row = connection.execute(DEVICE_TYPES.select_one, (type_id, project_id)).fetchone()
            if row is not None and DEVICE_TYPES.load(row).device_count:
                raise Conflict("type_has_devices")
            DEVICE_TYPES.delete(connection, project_id, type_id, "no_such_device_type")

        await self._access.write(run, lambda _: self._access.caches.device_types.drop(type_id))
