"""Operations on device groups: the tree of a project, and its members."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from thingstead.clock import Clock
from thingstead.errors import Conflict, InvalidInput, Unavailable
from thingstead.model import ids, limits
from thingstead.model.device import Device, DeviceGroup
from thingstead.model.limits import Problems
from thingstead.model.project import Tags
from thingstead.model.versions import of_version
from thingstead.services.registry.new_device import DRAW_ATTEMPTS
from thingstead.storage.base import Store


class NewDeviceGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group to create."""

    name: str
    descr: str = ""
    tags: Tags = {}
    parent_id: str | None = None  # None: a root group


class GroupNode(msgspec.Struct, frozen=True, kw_only=True):
    """A group with its subgroups, oldest first."""

    group: DeviceGroup
    children: list["GroupNode"]


class DeviceGroupService:
    """Operations on device groups. Changes are committed on return."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def tree(self, project_id: str) -> list[GroupNode]:
        """The tree of groups; siblings are sorted oldest first."""
        nodes = {
            group.id: GroupNode(group=group, children=[])
            for group in await self._store.device_groups.list_all(project_id)
        }
        roots: list[GroupNode] = []
        for node in nodes.values():
            parent = nodes.get(node.group.parent_id or "")
            (roots if parent is None else parent.children).append(node)
        return roots

    async def count_members(self, project_id: str) -> dict[str, tuple[int, int]]:
        """Number of devices by group id: in the group, and in it or a subgroup (each device counted once). Empty groups
        are left out."""
        return await self._store.device_groups.count_members(project_id)

    async def get(self, project_id: str, group_id: str) -> DeviceGroup:
        """Raises NotFound for an unknown group."""
        return await self._store.device_groups.get(project_id, group_id)

    async def of_device(self, device: Device) -> list[tuple[str, str]]:
        """Id and name of each group of a device, oldest first."""
        return await self._store.device_groups.list_of_device(device.number)

    async def create(self, project_id: str, new: NewDeviceGroup) -> DeviceGroup:
        """Creates a group.

        Raises:
            InvalidInput: a text is invalid, the parent does not exist, or the tree would be too deep.
            Conflict: the project has reached its limit of groups.
        """
        problems = Problems()
        problems.name(new.name)
        problems.descr(new.descr)
        problems.tags(new.tags)
        if new.parent_id is not None:
            await self._check_place(project_id, new.parent_id, 1, problems)
        problems.refuse()
        if await self._store.device_groups.count(project_id) >= limits.GROUPS_COUNT:
            raise Conflict("too_many_device_groups", maximum=limits.GROUPS_COUNT)
        for _ in range(DRAW_ATTEMPTS):
            group = DeviceGroup(
                id=ids.new_id(),
                project_id=project_id,
                create_time=self._clock.now_ms(),
                **msgspec.structs.asdict(new),
            )
            try:
                await self._store.device_groups.create(group)
            except Conflict as exc:
                if all(error.field != "id" for error in exc.errors):
                    raise
            else:
                return group
        raise Unavailable("no_free_id")

    async def update_info(
        self,
        project_id: str,
        group_id: str,
        *,
        name: str | UnsetType = UNSET,
        descr: str | UnsetType = UNSET,
        parent_id: str | UnsetType | None = UNSET,
        version: int | None = None,
    ) -> None:
        """Changes the given members; a ``parent_id`` of None makes it a root group. Its subgroups move with it.

        Raises:
            InvalidInput: nothing is given, a text is invalid, or the group cannot be moved there.
        """
        changes: dict[str, Any] = {}
        problems = Problems()
        await self.get(project_id, group_id)
        if name is not UNSET:
            problems.name(name)
            changes["name"] = name
        if descr is not UNSET:
            problems.descr(descr)
            changes["descr"] = descr
        if parent_id is not UNSET:
            changes["parent_id"] = parent_id
            if parent_id is not None:
                height = await self._store.device_groups.height(project_id, group_id)
                await self._check_place(project_id, parent_id, height, problems)
        problems.refuse()
        if not changes:
            raise InvalidInput("give_one_of", members=["name", "descr", "parent"])
        await self._store.device_groups.update(project_id, group_id, of_version(changes, version))

    async def put_tags(self, project_id: str, group_id: str, tags: Tags) -> None:
        """Adds tags, or replaces those with the same key."""
        group = await self.get(project_id, group_id)
        limits.check_merged_tags(group.tags, tags)
        await self._store.device_groups.merge_tags(project_id, group_id, tags, ())

    async def remove_tags(self, project_id: str, group_id: str, keys: Sequence[str]) -> None:
        """Removes tags; unknown keys are ignored."""
        limits.check_keys(keys)
        await self.get(project_id, group_id)
        await self._store.device_groups.merge_tags(project_id, group_id, {}, keys)

    async def delete(self, project_id: str, group_id: str) -> None:
        """Removes a group; its devices stay in the project.

        Raises:
            Conflict: it has subgroups.
        """
        await self.get(project_id, group_id)
        await self._store.device_groups.delete(project_id, group_id)

    async def add_devices(self, project_id: str, group_id: str, device_ids: Sequence[str]) -> None:
        """Adds devices to a group, in one transaction; those that are already in it stay."""
        await self._check_devices(project_id, group_id, device_ids)
        await self._store.device_groups.add_devices(project_id, group_id, device_ids)

    async def remove_devices(self, project_id: str, group_id: str, device_ids: Sequence[str]) -> None:
        """Removes devices from a group; devices that are not in it are ignored."""
        await self._check_devices(project_id, group_id, device_ids)
        await self._store.device_groups.remove_devices(project_id, group_id, device_ids)

    async def _check_devices(self, project_id: str, group_id: str, device_ids: Sequence[str]) -> None:
        problems = Problems()
        problems.count("devices", device_ids, limits.DEVICES_PER_REQUEST, least=1)
        problems.refuse()
        await self.get(project_id, group_id)
        for index, device_id in enumerate(device_ids):
            if not limits.is_id(device_id):
                problems.add(f"devices[{index}]", "no_such_device")
        problems.refuse()

    async def _check_place(self, project_id: str, parent_id: str, height: int, problems: Problems) -> None:
        """Checks whether a group of ``height`` levels, itself included, may have the parent ``parent_id``. The store
        checks that a group is not moved below itself, because only there the check is atomic."""
        depth = await self._store.device_groups.depth(project_id, parent_id) if limits.is_id(parent_id) else 0
        if not depth:
            problems.add("parent", "no_such_device_group")
        elif depth + height > limits.GROUP_DEPTH:
            problems.add("parent", "group_tree_too_deep", maximum=limits.GROUP_DEPTH)
