"""What is found in a project by a text."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

FoundKind = Literal["device", "type", "group", "customer", "alarm_rule", "notify_group"]


class FoundItem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that contains the text."""

    id: str
    name: str
    detail: Annotated[str | UnsetType, Meta(description="Of a device its key, of a customer its account.")] = UNSET


class FoundItems(msgspec.Struct, frozen=True, kw_only=True):
    """The first of one kind."""

    kind: FoundKind
    total: int  # of this kind
    items: list[FoundItem]


class SearchInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What contains the text; kinds without any are left out."""

    found: list[FoundItems]
