"""A call of the Project API, as data: made by the functions of :mod:`thingstead.client.project`, carried out by
:class:`~thingstead.client.projects.ProjectClient` or :class:`~thingstead.client.projects.AsyncProjectClient`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import msgspec

from thingstead.client.http import Request, target
from thingstead.wire.common import Listed

T = TypeVar("T")
PAGE_RECORDS = 100
START = "start"  # cursor of the first page


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call of the Project API with a result of type ``T``."""

    method: str
    path: str  # after /api/v1
    kind: Any  # type of ``info``
    body: Any = None
    query: Mapping[str, Any] = field(default_factory=dict)  # None values are omitted

    def request(self, access_token: str) -> Request:
        """The HTTP request with this AccessToken."""
        headers = {"Accept": "application/json"}
        if access_token:
            headers["Authorization"] = f"Bearer {access_token}"
        body = None
        if isinstance(self.body, bytes):
            headers["Content-Type"] = "application/octet-stream"
            body = self.body
        elif self.body is not None:
            headers["Content-Type"] = "application/json"
            body = msgspec.json.encode(self.body)
        return Request(self.method, target(f"/api/v1{self.path}", dict(self.query)), headers, body)


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A list of ``T`` in pages; ``items`` of a client iterates over all pages, by cursor."""

    call: Call[Listed[T]]
    page_records: int = PAGE_RECORDS

    def page(self, number: int) -> Call[Listed[T]]:
        """The call for one page; the first is 1."""
        query = {**self.call.query, "page": number, "page_records": self.page_records}
        return replace(self.call, query=query)

    def at(self, cursor: str) -> Call[Listed[T]]:
        """The call for the page at a cursor: :data:`START`, then ``next_cursor`` of the previous page."""
        query = {**self.call.query, "cursor": cursor, "page_records": self.page_records}
        return replace(self.call, query=query)


def members(**given: Any) -> dict[str, Any]:
    """A request body without members that are None."""
    return {name: value for name, value in given.items() if value is not None}
