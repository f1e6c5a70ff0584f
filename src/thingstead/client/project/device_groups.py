"""Device groups: their tree, and which devices stand in them."""

from collections.abc import Mapping, Sequence

import msgspec

from thingstead.client.call import Call, Created, Nothing, members
from thingstead.client.http import segment


class GroupNode(msgspec.Struct, frozen=True, kw_only=True):
    """A group with all groups below it."""

    id: str
    name: str
    descr: str = ""
    tags: dict[str, str] = {}
    create_time: int = 0  # ms
    children: list["GroupNode"] = []


class GroupTree(msgspec.Struct, frozen=True, kw_only=True):
    """The groups at the root."""

    items: list[GroupNode]


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A group."""

    id: str
    name: str
    descr: str = ""
    tags: dict[str, str] = {}
    create_time: int  # ms
    parent: str  # "" at the root


def tree() -> Call[GroupTree]:
    return Call("GET", "/device_groups_tree", GroupTree)


def create(
    name: str, *, descr: str | None = None, tags: Mapping[str, str] | None = None, parent: str | None = None
) -> Call[Created]:
    """``parent``: the id of the group above; None: the root."""
    return Call("POST", "/device_group", Created, members(name=name, descr=descr, tags=tags, parent=parent))


def read(group_id: str) -> Call[Group]:
    return Call("GET", f"/device_group/{segment(group_id)}", Group)


def delete(group_id: str) -> Call[Nothing]:
    return Call("DELETE", f"/device_group/{segment(group_id)}", Nothing)


def update_info(
    group_id: str, *, name: str | None = None, descr: str | None = None, parent: str | None = None
) -> Call[Nothing]:
    """Changes what is given. An empty ``parent`` moves the group to the root."""
    body = members(name=name, descr=descr, parent=parent)
    return Call("PUT", f"/device_group/{segment(group_id)}/info", Nothing, body)


def put_tags(group_id: str, tags: Mapping[str, str]) -> Call[Nothing]:
    return Call("PUT", f"/device_group/{segment(group_id)}/tags", Nothing, {"tags": tags})


def remove_tags(group_id: str, keys: Sequence[str]) -> Call[Nothing]:
    return Call("POST", f"/device_group/{segment(group_id)}/tags_remove", Nothing, {"keys": keys})


def add_devices(group_id: str, device_ids: Sequence[str]) -> Call[Nothing]:
    return Call("POST", f"/device_group/{segment(group_id)}/devices", Nothing, {"devices": device_ids})


def remove_devices(group_id: str, device_ids: Sequence[str]) -> Call[Nothing]:
    return Call("POST", f"/device_group/{segment(group_id)}/devices_remove", Nothing, {"devices": device_ids})
