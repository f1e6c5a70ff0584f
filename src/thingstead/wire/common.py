"""Answers shared by many calls."""

from typing import Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

T = TypeVar("T")


class Empty(msgspec.Struct, frozen=True):
    """The ``info`` of a call that returns no data: ``{}``."""


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """The id of the created object."""

    id: str
    name: str


class Listed(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list."""

    items: list[T]
    total: int  # items on all pages
    page_total: int  # number of pages; 0 if there are no items
    # Extension, if a cursor was requested: cursor of the next page; empty after the last.
    next_cursor: str | UnsetType = UNSET
