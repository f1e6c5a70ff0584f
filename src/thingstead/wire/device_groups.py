"""Device groups and their tree."""

import msgspec
from msgspec import UNSET, UnsetType


class GroupTreeItem(msgspec.Struct, frozen=True, kw_only=True):
    """A group with its subgroups."""

    id: str
    name: str
    descr: str
    tags: dict[str, str]
    create_time: int  # ms
    children: list["GroupTreeItem"]
    version: int = 0  # extension: incremented by each change, from 1; send it with a change to detect conflicts
    # Extension, if counts were requested: devices in the group; devices in it or a subgroup, each counted once.
    device_count: int | UnsetType = UNSET
    device_count_below: int | UnsetType = UNSET


class GroupTree(msgspec.Struct, frozen=True, kw_only=True):
    """The root groups."""

    items: list[GroupTreeItem]


class GroupDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A group."""

    id: str
    name: str
    descr: str
    tags: dict[str, str]
    create_time: int  # ms
    parent: str  # "" at the root
    version: int = 0  # extension: incremented by each change, from 1; send it with a change to detect conflicts
