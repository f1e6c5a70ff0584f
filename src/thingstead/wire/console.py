"""Saved views."""

from typing import Annotated

import msgspec
from msgspec import Meta


class ViewItem(msgspec.Struct, frozen=True, kw_only=True):
    """A saved view of the list of devices."""

    id: str
    version: int
    name: str
    query: Annotated[str, Meta(description="The query of the page that shows it.")]
    shared: bool
    own: Annotated[bool, Meta(description="Whether it is the caller's.")]
    create_time: int  # ms


class ViewList(msgspec.Struct, frozen=True, kw_only=True):
    """The views that the caller can see."""

    items: list[ViewItem]
