"""Device groups and their members in SQLite."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from thingstead.errors import Conflict, InvalidInput, NotFound
from thingstead.model.device import DeviceGroup
from thingstead.model.limits import GROUP_DEPTH, require_id
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.queries import Queries
from thingstead.storage.sql.access.row_mapper import Layout, to_json
from thingstead.storage.sql.tables.devices import require_devices

DEVICE_GROUPS = Layout("device_groups", DeviceGroup, json=("tags",), kind="device_group")

MEMBERS_PER_STEP = 2_000  # removed in one transaction when a group is deleted

_LIES_BELOW = """
WITH RECURSIVE below (id) AS (
    SELECT id FROM device_groups WHERE id = ?1
    UNION
    SELECT device_groups.id FROM device_groups JOIN below ON device_groups.parent_id = below.id
)
SELECT 1 FROM below WHERE id = ?2
"""

_DEPTH = """
WITH RECURSIVE above (parent_id, level) AS (
    SELECT parent_id, 1 FROM device_groups WHERE id = ?1 AND project_id = ?2
    UNION ALL
    SELECT g.parent_id, level + 1 FROM device_groups g JOIN above ON g.id = above.parent_id WHERE level <= ?3
)
SELECT max(level) FROM above
"""
_HEIGHT = """
WITH RECURSIVE below (id, level) AS (
    SELECT id, 1 FROM device_groups WHERE id = ?1 AND project_id = ?2
    UNION ALL
    SELECT g.id, level + 1 FROM device_groups g JOIN below ON g.parent_id = below.id WHERE level <= ?3
)
SELECT max(level) FROM below
"""

_OF_DEVICE = """
SELECT id, name FROM device_groups WHERE id IN (SELECT group_id FROM device_group_members WHERE device_number = ?)
ORDER BY create_time, id
"""

_PARENTS = "SELECT id, parent_id FROM device_groups WHERE project_id = ?"

# The groups of a device, and how many devices are in just these.
_COUNT_MEMBERS = """
SELECT groups, count(*) FROM (
    SELECT group_concat(g.id) AS groups FROM device_groups g
    JOIN device_group_members m ON m.group_id = g.id WHERE g.project_id = ? GROUP BY m.device_number
) of_device GROUP BY groups
"""

_ADD_MEMBERS = """
INSERT INTO device_group_members (group_id, create_time, device_id, device_number)
SELECT ?1, create_time, id, number FROM devices WHERE id IN (SELECT value FROM json_each(?2))
ON CONFLICT DO NOTHING
"""

_REMOVE_MEMBERS = """
DELETE FROM device_group_members
WHERE group_id = ?1 AND device_number IN (
    SELECT number FROM devices WHERE id IN (SELECT value FROM json_each(?2))
)
"""

_REMOVE_SOME_MEMBERS = """
DELETE FROM device_group_members WHERE group_id = ?1 AND (create_time, device_id) IN (
    SELECT create_time, device_id FROM device_group_members WHERE group_id = ?1 LIMIT ?2
)
"""


class SqlDeviceGroups:
    """See :class:`~thingstead.storage.base.DeviceGroupStore`."""

    def __init__(self, access: Queries) -> None:
        self._access = access

    async def create(self, group: DeviceGroup) -> None:
        def run(connection: Connection) -> None:
            _check_parent(connection, group.project_id, group.parent_id)
            DEVICE_GROUPS.add(connection, group)

        await self._access.write(run)

    async def get(self, project_id: str, group_id: str) -> DeviceGroup:
        require_id(group_id, "no_such_device_group")
        row = await self._access.one(DEVICE_GROUPS.select_one, (group_id, project_id))
        if row is None:
            raise NotFound("no_such_device_group")
        return DEVICE_GROUPS.load(row)

    async def list_all(self, project_id: str) -> list[DeviceGroup]:
        def run(connection: Connection) -> list[DeviceGroup]:
            return [DEVICE_GROUPS.load(row) for row in connection.execute(sql, (project_id,))]

        sql = f"{DEVICE_GROUPS.select} WHERE project_id = ? ORDER BY create_time, id"
        return await self._access.read(run)

    async def count_members(self, project_id: str) -> dict[str, tuple[int, int]]:
        def run(connection: Connection) -> dict[str, tuple[int, int]]:
            parents = dict(connection.execute(_PARENTS, (project_id,)).fetchall())
            own: Counter[str] = Counter()
            below: Counter[str] = Counter()
            for group_ids, count in connection.execute(_COUNT_MEMBERS, (project_id,)):
                above: set[str] = set()
                for each in group_ids.split(","):
                    own[each] += count
                    group_id = each
                    while group_id and group_id not in above:
                        above.add(group_id)
                        group_id = parents[group_id]
                for group_id in above:
                    below[group_id] += count
            return {group_id: (own[group_id], count) for group_id, count in below.items()}

        return await self._access.read(run)

    async def count(self, project_id: str) -> int:
        [(count,)] = await self._access.all("SELECT count(*) FROM device_groups WHERE project_id = ?", (project_id,))
        return int(count)

    async def known(self, project_id: str, group_ids: Collection[str]) -> set[str]:
        sql = "SELECT id FROM device_groups WHERE project_id = ? AND id IN (SELECT value FROM json_each(?))"
        return {row[0] for row in await self._access.all(sql, (project_id, to_json(list(group_ids))))}

    async def depth(self, project_id: str, group_id: str) -> int:
        return await self._levels(_DEPTH, project_id, group_id)

    async def height(self, project_id: str, group_id: str) -> int:
        return await self._levels(_HEIGHT, project_id, group_id)

    async def _levels(self, sql: str, project_id: str, group_id: str) -> int:
        parameters = (group_id, project_id, GROUP_DEPTH)
        row = await self._access.read(lambda connection: connection.execute(sql, parameters).fetchone())
        return int(row[0] or 0)

    async def list_of_device(self, device_number: int) -> list[tuple[str, str]]:
        return [(group_id, name) for group_id, name in await self._access.all(_OF_DEVICE, (device_number,))]

    async def update(self, project_id: str, group_id: str, changes: Mapping[str, Any]) -> None:
        def run(connection: Connection) -> None:
            parent_id = changes.get("parent_id")
            _check_parent(connection, project_id, parent_id)
            if parent_id is not None and connection.execute(_LIES_BELOW, (group_id, parent_id)).fetchone():
                raise InvalidInput.field("parent", "group_below_itself")
            DEVICE_GROUPS.update(connection, project_id, group_id, changes, "no_such_device_group")

        await self._access.write(run)

    async def merge_tags(self, project_id: str, group_id: str, put: Mapping[str, str], remove: Sequence[str]) -> None:
        await self._access.write(
            lambda connection: DEVICE_GROUPS.merge_tags(
                connection, project_id, group_id, put, remove, "no_such_device_group"
            )
        )

    async def delete(self, project_id: str, group_id: str) -> None:
        def step(connection: Connection) -> bool:
            _require_group(connection, project_id, group_id)
            child = connection.execute("SELECT 1 FROM device_groups WHERE parent_id = ? LIMIT 1", (group_id,))
            if child.fetchone() is not None:
                raise Conflict("group_has_children")
            members = connection.execute(_REMOVE_SOME_MEMBERS, (group_id, MEMBERS_PER_STEP)).rowcount
            if members < MEMBERS_PER_STEP:
                DEVICE_GROUPS.delete(connection, project_id, group_id, "no_such_device_group")
            return members < MEMBERS_PER_STEP

        while not await self._access.write(step):
            pass

    async def add_devices(self, project_id: str, group_id: str, device_ids: Sequence[str]) -> None:
        await self._change_members(project_id, group_id, device_ids, "add_devices", _ADD_MEMBERS)

    async def remove_devices(self, project_id: str, group_id: str, device_ids: Sequence[str]) -> None:
        await self._change_members(project_id, group_id, device_ids, "remove_devices", _REMOVE_MEMBERS)

    async def _change_members(
        self, project_id: str, group_id: str, device_ids: Sequence[str], action: str, sql: str
    ) -> None:
        def run(connection: Connection) -> None:
            _require_group(connection, project_id, group_id)
            require_devices(connection, project_id, device_ids)
            connection.execute(sql, (group_id, to_json(device_ids)))
            DEVICE_GROUPS.note_devices(connection, project_id, group_id, action, device_ids)

        await self._access.write(run)


def _require_group(connection: Connection, project_id: str, group_id: str) -> None:
    if not DEVICE_GROUPS.exists(connection, project_id, group_id):
        raise NotFound("no_such_device_group")


def _check_parent(connection: Connection, project_id: str, parent_id: str | None) -> None:
    if parent_id is not None and not DEVICE_GROUPS.exists(connection, project_id, parent_id):
        raise InvalidInput.field("parent", "no_such_device_group")
