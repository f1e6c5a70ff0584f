"""Device groups and their tree."""

import msgspec
from msgspec import UNSET, UnsetType


class GroupTreeItem(msgspec.Struct, frozen=True, kw_only=True):
    """A group with all groups below it."""

    id: str
    name: str
    descr: str
    tags: dict[str, str]
    create_time: int  # ms
    children: list["GroupTreeItem"]
    version: int = 0  # extension: counts its changes, from 1; a change may name the one that was read
    # Extension, where counts were asked for: devices in it; devices in it or in a group below, each counted once.
    device_count: int | UnsetType = UNSET
    device_count_below: int | UnsetType = UNSET


class GroupTree(msgspec.Struct, frozen=True, kw_only=True):
    """The groups at the root."""

    items: list[GroupTreeItem]


class GroupDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A group."""

    id: str
    name: str
    descr: str
    tags: dict[str, str]
    create_time: int  # ms
    parent: str  # "" at the root
    version: int = 0  # extension: counts its changes, from 1; a change may name the one that was read
