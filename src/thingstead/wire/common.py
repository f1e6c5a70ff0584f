"""What many calls answer."""

from typing import Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

T = TypeVar("T")


class Empty(msgspec.Struct, frozen=True):
    """The ``info`` of a call that only does something: ``{}``."""


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """What was created."""

    id: str
    name: str


class Listed(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list."""

    items: list[T]
    total: int  # items of all pages
    page_total: int  # pages; 0 where there is no item
    # Extension, where a cursor was asked for: that of the page after this one; empty after the last.
    next_cursor: str | UnsetType = UNSET
