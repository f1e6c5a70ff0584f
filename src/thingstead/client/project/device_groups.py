"""Device groups: their tree, and which devices stand in them."""

from collections.abc import Mapping, Sequence

from thingstead.client.call import Call, members
from thingstead.client.http import segment
from thingstead.wire.common import Created, Empty
from thingstead.wire.device_groups import GroupDetail, GroupTree


def tree(*, counts: bool | None = None) -> Call[GroupTree]:
    """``counts``: with the numbers of devices."""
    return Call("GET", "/device_groups_tree", GroupTree, query={"counts": counts})


def create(
    name: str, *, descr: str | None = None, tags: Mapping[str, str] | None = None, parent: str | None = None
) -> Call[Created]:
    """Creates a group; ``parent`` is the id of the parent group, None: the root."""
    return Call("POST", "/device_group", Created, members(name=name, descr=descr, tags=tags, parent=parent))


def read(group_id: str) -> Call[GroupDetail]:
    """One group."""
    return Call("GET", f"/device_group/{segment(group_id)}", GroupDetail)


def delete(group_id: str) -> Call[Empty]:
    """Removes a group without subgroups; its devices stay."""
    return Call("DELETE", f"/device_group/{segment(group_id)}", Empty)


def update_info(
    group_id: str,
    *,
    name: str | None = None,
    descr: str | None = None,
    parent: str | None = None,
    version: int | None = None,
) -> Call[Empty]:
    """Changes the given members. An empty ``parent`` moves the group to the root."""
    body = members(name=name, descr=descr, parent=parent, version=version)
    return Call("PUT", f"/device_group/{segment(group_id)}/info", Empty, body)


def put_tags(group_id: str, tags: Mapping[str, str]) -> Call[Empty]:
    """Adds or replaces tags; others stay."""
    return Call("PUT", f"/device_group/{segment(group_id)}/tags", Empty, {"tags": tags})


def remove_tags(group_id: str, keys: Sequence[str]) -> Call[Empty]:
    """Removes tags by key."""
    return Call("POST", f"/device_group/{segment(group_id)}/tags_remove", Empty, {"keys": keys})


def add_devices(group_id: str, device_ids: Sequence[str]) -> Call[Empty]:
    """Adds devices to a group, all or none."""
    return Call("POST", f"/device_group/{segment(group_id)}/devices", Empty, {"devices": device_ids})


def remove_devices(group_id: str, device_ids: Sequence[str]) -> Call[Empty]:
    """Removes devices from a group; devices that are not members are ignored."""
    return Call("POST", f"/device_group/{segment(group_id)}/devices_remove", Empty, {"devices": device_ids})
