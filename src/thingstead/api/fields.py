"""Members that bodies, queries and answers of many endpoints share, with their documented bounds."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from thingstead.errors import InvalidInput
from thingstead.model import limits
from thingstead.model.cursor import ListCursor
from thingstead.model.device import Page, Sort
from thingstead.model.roles import Role
from thingstead.wire.common import Listed

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
ExpectedVersion = Annotated[
    int,
    Meta(ge=1, description="Extension: the `version` that was read; errcode 409 if it has changed."),
]
PageNumber = Annotated[int, Meta(ge=1, le=limits.PAGE_NUMBER, description="Which page, from 1.")]
PageRecords = Annotated[int, Meta(ge=1, le=limits.PAGE_RECORDS, description="Items per page.")]
PageCursor = Annotated[
    str,
    Meta(
        max_length=limits.CURSOR_LENGTH,
        description="Extension, in place of `page`: `start` for the first page, then the `next_cursor` "
        "of the previous page. Items that are added or removed meanwhile do not shift the others.",
    ),
]

FIRST = "start"  # cursor of the first page


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The page of a list."""

    page: PageNumber = 1
    page_records: PageRecords = limits.PAGE_RECORDS_DEFAULT
    cursor: PageCursor | None = None

    def to_page(self) -> Page:
        """The page that is asked for. Raises InvalidInput if a cursor comes with a page number, or the cursor is
        invalid."""
        if self.cursor is not None and self.page != 1:
            raise InvalidInput.field("page", "page_with_cursor")
        cursor = None if self.cursor is None else ListCursor("" if self.cursor == FIRST else self.cursor)
        return Page(number=self.page, records=self.page_records, cursor=cursor)


SortMember = Annotated[
    Sort, Meta(description="Extension: `create_time` or `name`, ties by id; a leading `-` reverses the order.")
]


class SortedPageQuery(PageQuery, frozen=True, kw_only=True):
    """The page of a list, and its order."""

    sort: SortMember = "create_time"

    def to_page(self) -> Page:
        return msgspec.structs.replace(super().to_page(), sort=self.sort)


class ShortListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The page of a list that fits on one page; default: the whole list."""

    page: PageNumber = 1
    page_records: PageRecords = limits.PAGE_RECORDS

    def listed(self, items: Sequence[Any]) -> "Listed[Any]":
        """Selects the page from the whole list."""
        begin = (self.page - 1) * self.page_records
        part = list(items[begin : begin + self.page_records])
        return Listed(items=part, total=len(items), page_total=-(-len(items) // self.page_records))


class WholeListQuery(PageQuery, frozen=True, kw_only=True):
    """The page of a list that has no pages in the reference; default: the whole list."""

    page: PageNumber | None = None  # type: ignore[assignment]
    page_records: PageRecords | None = None  # type: ignore[assignment]

    def to_page(self) -> Page:
        """The page that is asked for; all entries if neither page nor cursor is given."""
        if self.page is None and self.page_records is None and self.cursor is None:
            return Page(records=limits.TYPES_COUNT)
        records = limits.PAGE_RECORDS_DEFAULT if self.page_records is None else self.page_records
        return PageQuery(page=self.page or 1, page_records=records, cursor=self.cursor).to_page()


class TagsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Tags to add or replace; others stay."""

    tags: TagsMember


class RoleBody(msgspec.Struct, frozen=True, kw_only=True):
    """A role: `viewer`, `operator` or `admin`."""

    role: Role


class KeysBody(msgspec.Struct, frozen=True, kw_only=True):
    """Keys to remove."""

    keys: Annotated[list[str], Meta(min_length=1, max_length=limits.KEYS_COUNT)]


def listed(items: Sequence[Any], total: int, page: Page) -> Listed[Any]:
    """Makes the answer for a page of a list."""
    cursor = page.cursor
    next_cursor: str | UnsetType = UNSET
    if cursor is not None:
        next_cursor = "" if cursor.ended else str(cursor)
    return Listed(items=list(items), total=total, page_total=-(-total // page.records), next_cursor=next_cursor)
