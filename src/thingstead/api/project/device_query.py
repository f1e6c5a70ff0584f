"""Which devices a list shows, in which order, and what it says of them."""

from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta

from thingstead.api.fields import PageCursor, PageNumber, PageQuery, PageRecords
from thingstead.errors import InvalidInput
from thingstead.model import limits
from thingstead.model.console.device_selection import DeviceSelection, names_of
from thingstead.model.device import DeviceSort, FacetName, FacetValue, Page
from thingstead.model.values.unicode_text import normal

FACET_NAMES: tuple[FacetName, ...] = get_args(FacetName)
_SHOWN_FACETS = ", ".join(f"`{name}`" for name in FACET_NAMES)
TAG_FACET = "tag:"  # prefix of the tag key whose values are counted


class DevicesQuery(DeviceSelection, frozen=True, kw_only=True):
    """Filters of the list; all given filters must match."""

    page: PageNumber = 1
    page_records: PageRecords = limits.PAGE_RECORDS_DEFAULT
    cursor: PageCursor | None = None
    sort: Annotated[
        DeviceSort,
        Meta(
            description="Extension: `create_time`, `name`, `active` (the newest uplink) or `alarm_level`, ties by id;"
            " a leading `-` reverses the order."
        ),
    ] = "create_time"
    attributes: (
        Annotated[
            str,
            Meta(
                description="Extension: attributes whose current values the items have as `values` (identifiers,"
                f" comma-separated, at most {limits.LISTED_ATTRIBUTES_COUNT})."
            ),
        ]
        | None
    ) = None
    facets: (
        Annotated[
            str,
            Meta(
                description="Extension: facets of the matching devices, counted by value; each ignores the filter by"
                f" itself (comma-separated, at most {limits.FACETS_COUNT}): {_SHOWN_FACETS} (its keys), `tag:KEY`"
                " (its values)."
            ),
        ]
        | None
    ) = None

    def to_page(self) -> Page:
        page = PageQuery(page=self.page, page_records=self.page_records, cursor=self.cursor).to_page()
        return msgspec.structs.replace(page, sort=self.sort)

    def to_attributes(self) -> tuple[str, ...]:
        """Identifiers of the attributes whose current values are returned."""
        names = names_of(self.attributes)
        if len(names) > limits.LISTED_ATTRIBUTES_COUNT:
            raise InvalidInput.field("attributes", "too_many_keys", maximum=limits.LISTED_ATTRIBUTES_COUNT)
        return names

    def to_facets(self) -> list[tuple[FacetName, str]]:
        """Name and, for a tag, key of each requested facet."""
        names = names_of(self.facets)
        if len(names) > limits.FACETS_COUNT:
            raise InvalidInput.field("facets", "too_many_facets", maximum=limits.FACETS_COUNT)
        wanted: list[tuple[FacetName, str]] = []
        for name in names:
            if name.startswith(TAG_FACET) and len(name) > len(TAG_FACET):
                wanted.append(("tag", normal(name.removeprefix(TAG_FACET))))
                continue
            known = next((each for each in FACET_NAMES if each == name), None)
            if known is None:
                raise InvalidInput.field("facets", "facets_expected", allowed=[*FACET_NAMES, "tag:KEY"])
            wanted.append((known, ""))
        return wanted


def facets_shown(query: DevicesQuery, found: Any) -> dict[str, list[FacetValue]]:
    """Facets by the names under which they were requested."""
    return dict(zip(names_of(query.facets), found, strict=True))
