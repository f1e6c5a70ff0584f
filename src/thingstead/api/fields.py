"""Members that bodies, queries and answers of many endpoints share, with their documented bounds."""

from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta

from thingstead.model import limits
from thingstead.model.device import Page

T = TypeVar("T")

Name = Annotated[str, Meta(min_length=1, max_length=limits.NAME_LENGTH)]
Descr = Annotated[str, Meta(max_length=limits.DESCR_LENGTH)]
TagsMember = Annotated[
    dict[str, Annotated[str, Meta(max_length=limits.TAG_VALUE_LENGTH)]],
    Meta(max_length=limits.TAGS_COUNT, description="Keys of 1 to 64 characters and their values."),
]
Account = Annotated[
    str, Meta(min_length=1, max_length=limits.ACCOUNT_LENGTH, description="Letters, digits and `. _ @ + -`.")
]
Password = Annotated[str, Meta(min_length=limits.PASSWORD_LENGTH_LEAST, max_length=limits.PASSWORD_LENGTH)]
Email = Annotated[str, Meta(max_length=limits.EMAIL_LENGTH, description="An e-mail address; empty: none.")]
Mobile = Annotated[str, Meta(max_length=limits.MOBILE_LENGTH, description="A phone number; empty: none.")]
Identifier = Annotated[str, Meta(min_length=1, max_length=64, pattern=limits.ID_PATTERN)]
PageNumber = Annotated[int, Meta(ge=1, le=limits.PAGE_NUMBER, description="Which page, from 1.")]
PageRecords = Annotated[int, Meta(ge=1, le=limits.PAGE_RECORDS, description="How many items a page has.")]


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is wanted."""

    page: PageNumber = 1
    page_records: PageRecords = limits.PAGE_RECORDS_DEFAULT

    def to_page(self) -> Page:
        return Page(number=self.page, records=self.page_records)


class TagsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Tags to add or replace; others stay."""

    tags: TagsMember


class KeysBody(msgspec.Struct, frozen=True, kw_only=True):
    """What to remove, by key."""

    keys: Annotated[list[str], Meta(min_length=1, max_length=limits.KEYS_COUNT)]


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """What was created."""

    id: str
    name: str


class Listed(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list."""

    items: list[T]
    total: int  # items of all pages
    page_total: int  # pages; 0 where there is no item


def listed(items: Sequence[Any], total: int, page: Page) -> Listed[Any]:
    """The page as it is shown."""
    return Listed(items=list(items), total=total, page_total=-(-total // page.records))
