"""Long reads in parts, as data: points of a series, and logs without a cursor."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from thingstead.client.call import Call
from thingstead.client.project import data, info, logs
from thingstead.client.project.data import SERIES_PAGE_RECORDS
from thingstead.wire.audit import AuditItem
from thingstead.wire.diagnosis import MessageLogItem
from thingstead.wire.history import SeriesItem

T = TypeVar("T")
SPAN_MS = 30 * 24 * 3600 * 1000  # of one read of a series

# Yields calls, is sent their results, and yields lists of items between them.
Steps = Generator[Call[Any] | list[T], Any, None]


@dataclass(frozen=True, slots=True)
class Walk(Generic[T]):
    """Items of several calls, each of which depends on the result of the one before; ``items`` of a client iterates
    over them and sends a call when its items are needed."""

    steps: Callable[[], Steps[T]]


def points(device_id: str, identifier: str, *, start_time: int, end_time: int) -> Walk[SeriesItem]:
    """All points of an attribute in a range (ms, both inclusive) of any length, newest first. Points that are reported
    meanwhile cause no other point to be missed or repeated."""

    def steps() -> Steps[SeriesItem]:
        end, number = int(end_time), 1
        while end >= start_time:
            begin = max(int(start_time), end - SPAN_MS)
            page = yield data.series(device_id, identifier, start_time=begin, end_time=end, page=number)
            if len(page) < SERIES_PAGE_RECORDS:
                yield page
                end, number = begin - 1, 1
            elif later := [point for point in page if point.ts > page[-1].ts]:
                yield later  # more points of the last instant may follow: the next read begins with all of them
                end, number = page[-1].ts, 1
            else:
                yield page
                number += 1

    return Walk(steps)


def messages(device_id: str, *, kinds: Sequence[str] = ()) -> Walk[MessageLogItem]:
    """Everything that happened to a device, newest first; ``kinds`` as in :func:`logs.messages`."""

    def steps() -> Steps[MessageLogItem]:
        before = ""
        while True:
            part = yield logs.messages(device_id, before=before, kinds=kinds, limit=100)
            yield part.items
            if not (before := part.next_before or ""):
                return

    return Walk(steps)


def audit_logs(**query: Any) -> Walk[AuditItem]:
    """For administrators. All changes of the project, newest first; the arguments of :func:`info.audit_logs` except
    ``before``."""

    def steps() -> Steps[AuditItem]:
        before: str | None = None
        while True:
            part = yield info.audit_logs(**query, before=before)
            yield part.items
            if not (before := part.next_before or None):
                return

    return Walk(steps)
