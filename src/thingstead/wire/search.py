"""Search in a project."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

FoundKind = Literal["device", "type", "group", "customer", "alarm_rule", "notify_group"]


class FoundItem(msgspec.Struct, frozen=True, kw_only=True):
    """An object that contains the text."""

    id: str
    name: str
    detail: Annotated[str | UnsetType, Meta(description="The key of a device, or the account of a customer.")] = UNSET


class FoundItems(msgspec.Struct, frozen=True, kw_only=True):
    """The first objects of one kind."""

    kind: FoundKind
    total: int  # of this kind
    items: list[FoundItem]


class SearchInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Objects that contain the text; kinds without matches are absent."""

    found: list[FoundItems]
