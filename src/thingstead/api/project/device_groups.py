"""Device groups (设备组): their tree, and which devices stand in them."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.api.endpoint import ApiCall, Endpoint
from thingstead.api.fields import Descr, ExpectedVersion, KeysBody, Name, TagsBody, TagsMember
from thingstead.errors import Conflict, NotFound
from thingstead.model import limits
from thingstead.model.device import DeviceGroup
from thingstead.model.roles import ADMIN, OPERATOR, VIEWER
from thingstead.services.registry.device_groups import GroupNode, NewDeviceGroup
from thingstead.wire.common import Created
from thingstead.wire.device_groups import GroupDetail, GroupTree, GroupTreeItem

TAG = "Device groups"
Counts = Mapping[str, tuple[int, int]]
ParentMember = Annotated[str, Meta(description="The id of the parent group; empty or null: the root.")]


class NewGroupBody(msgspec.Struct, frozen=True, kw_only=True):
    """The new group."""

    name: Name
    descr: Descr = ""
    tags: TagsMember = {}
    parent: ParentMember | None = None


class GroupInfoBody(msgspec.Struct, frozen=True, kw_only=True):
    """The members to change; at least one."""

    name: Name | UnsetType = UNSET
    descr: Descr | UnsetType = UNSET
    parent: ParentMember | UnsetType | None = UNSET
    version: ExpectedVersion | None = None


class DevicesBody(msgspec.Struct, frozen=True, kw_only=True):
    """Devices, by id."""

    devices: Annotated[list[str], Meta(min_length=1, max_length=limits.DEVICES_PER_REQUEST)]


class TreeQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Whether to count devices."""

    counts: Annotated[
        bool, Meta(description="Extension: 1: the items have `device_count` and `device_count_below`.")
    ] = False


def _tree_item(node: GroupNode, counts: Counts | None) -> GroupTreeItem:
    own, below = (UNSET, UNSET) if counts is None else counts.get(node.group.id, (0, 0))
    return GroupTreeItem(
        id=node.group.id,
        version=node.group.version,
        name=node.group.name,
        descr=node.group.descr,
        tags=node.group.tags,
        create_time=node.group.create_time,
        children=[_tree_item(child, counts) for child in node.children],
        device_count=own,
        device_count_below=below,
    )


async def device_groups_tree(call: ApiCall) -> GroupTree:
    """Siblings are ordered by creation, oldest first. With `counts=1` each group has the number of its devices, and the
    number of devices in it and its subgroups, each counted once (as `GET
    /api/v1/devices?group=<id>&include_sub_groups=1` lists them)."""
    groups, project_id = call.platform.device_groups, call.caller.project_id
    roots = await groups.tree(project_id)
    counts = await groups.count_members(project_id) if call.query.counts else None
    return GroupTree(items=[_tree_item(node, counts) for node in roots])


async def create_group(call: ApiCall) -> Created:
    """A tree has at most 16 levels."""
    body: NewGroupBody = call.body
    new = NewDeviceGroup(name=body.name, descr=body.descr, tags=body.tags, parent_id=body.parent or None)
    group = await call.platform.device_groups.create(call.caller.project_id, new)
    return Created(id=group.id, name=group.name)


async def device_group(call: ApiCall) -> GroupDetail:
    """The devices of the group are listed by `GET /api/v1/devices?group=<id>`."""
    group: DeviceGroup = await call.platform.device_groups.get(call.caller.project_id, call.path["group_id"])
    return GroupDetail(
        id=group.id,
        version=group.version,
        name=group.name,
        descr=group.descr,
        tags=group.tags,
        create_time=group.create_time,
        parent=group.parent_id or "",
    )


async def delete_group(call: ApiCall) -> None:
    """Its devices stay in the project. A group with subgroups cannot be removed."""
    await call.platform.device_groups.delete(call.caller.project_id, call.path["group_id"])


async def update_info(call: ApiCall) -> None:
    """Changes only the members that are given. A new `parent` moves the group with its subgroups."""
    body: GroupInfoBody = call.body
    await call.platform.device_groups.update_info(
        call.caller.project_id,
        call.path["group_id"],
        name=body.name,
        descr=body.descr,
        parent_id=UNSET if body.parent is UNSET else body.parent or None,
        version=body.version,
    )


async def put_tags(call: ApiCall) -> None:
    """Adds or replaces tags; others stay unchanged."""
    await call.platform.device_groups.put_tags(call.caller.project_id, call.path["group_id"], call.body.tags)


async def remove_tags(call: ApiCall) -> None:
    """Unknown keys are ignored."""
    await call.platform.device_groups.remove_tags(call.caller.project_id, call.path["group_id"], call.body.keys)


async def add_devices(call: ApiCall) -> None:
    """All or nothing: if a device does not exist, none is added. Devices in the group stay in it. A device may be in
    any number of groups."""
    await call.platform.device_groups.add_devices(call.caller.project_id, call.path["group_id"], call.body.devices)


async def remove_devices(call: ApiCall) -> None:
    """Devices that are not in the group are ignored."""
    await call.platform.device_groups.remove_devices(call.caller.project_id, call.path["group_id"], call.body.devices)


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/api/v1/device_groups_tree",
        summary="Read the tree of device groups",
        handler=device_groups_tree,
        role=VIEWER,
        tag=TAG,
        query=TreeQuery,
        info=GroupTree,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/device_group",
        summary="Create a device group",
        handler=create_group,
        role=ADMIN,
        tag=TAG,
        body=NewGroupBody,
        info=Created,
        refusals=(Conflict,),
        extension=True,
    ),
    Endpoint(
        method="GET",
        path="/api/v1/device_group/{group_id}",
        summary="Read a device group",
        handler=device_group,
        role=VIEWER,
        tag=TAG,
        info=GroupDetail,
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="DELETE",
        path="/api/v1/device_group/{group_id}",
        summary="Remove a device group",
        handler=delete_group,
        role=ADMIN,
        tag=TAG,
        refusals=(NotFound, Conflict),
        extension=True,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/device_group/{group_id}/info",
        summary="Change or move a device group",
        handler=update_info,
        role=ADMIN,
        tag=TAG,
        body=GroupInfoBody,
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="PUT",
        path="/api/v1/device_group/{group_id}/tags",
        summary="Add or change tags of a device group",
        handler=put_tags,
        role=ADMIN,
        tag=TAG,
        body=TagsBody,
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/device_group/{group_id}/tags_remove",
        summary="Remove tags from a device group",
        handler=remove_tags,
        role=ADMIN,
        tag=TAG,
        body=KeysBody,
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/device_group/{group_id}/devices",
        summary="Add devices to a group",
        handler=add_devices,
        role=OPERATOR,
        tag=TAG,
        body=DevicesBody,
        refusals=(NotFound,),
        extension=True,
    ),
    Endpoint(
        method="POST",
        path="/api/v1/device_group/{group_id}/devices_remove",
        summary="Remove devices from a group",
        handler=remove_devices,
        role=OPERATOR,
        tag=TAG,
        body=DevicesBody,
        refusals=(NotFound,),
        extension=True,
    ),
)
