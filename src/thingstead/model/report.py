"""What is appended to history, and what a series shows."""

from typing import Any, Literal

import msgspec

from thingstead.model.device_type import DataType

# From the device, as it is now; pushed to it; set in the cloud only; past points that were brought in; from the device,
# with timestamps of its own. The first three are received: their timestamp is the time of receipt.
Source = Literal["report", "push", "cloud", "import", "series"]
RECEIVED: frozenset[Source] = frozenset({"report", "push", "cloud"})
AggregateFunction = Literal["avg", "min", "max", "sum", "count", "first", "last", "p50", "p95", "delta", "rate", "twa"]
SampleMethod = Literal["minmax", "lttb"]
BAND_FUNCTIONS: tuple[AggregateFunction, ...] = ("count", "min", "avg", "max")


class Report(msgspec.Struct, gc=False, array_like=True):
    """Attribute values of one device at one device timestamp, already checked against its type.

    Not frozen, since one is made for every message; nothing may change it once it is appended.
    """

    device_number: int
    ts: int  # ms, device time where the device gave one, else when it was received
    received_at: int  # ms, server time
    attributes: dict[str, Any]
    source: Source = "series"


class EventRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An event as reported: ``method`` and ``params`` as on the wire."""

    id: str
    device_id: str
    method: str
    params: dict[str, Any] = {}
    ts: int  # ms


class SeriesPoint(msgspec.Struct, frozen=True, array_like=True):
    """One point of the history of one attribute."""

    ts: int  # ms
    value: Any


class Bucket(msgspec.Struct, frozen=True, array_like=True):
    """A span of time, and what the points in it come to."""

    start: int  # ms
    value: Any
    count: int  # points that counted


class SpanBucket(msgspec.Struct, frozen=True, array_like=True):
    """A span of time, and what several functions make of the points in it."""

    start: int  # ms
    end: int  # ms; not a part of it
    values: dict[AggregateFunction, Any]  # None where there is nothing of which a function could make something
    count: int  # points that counted for the first function


class Band(msgspec.Struct, frozen=True, array_like=True):
    """An attribute in a range: all of its points, or spans of time with what the points of each come to."""

    identifier: str
    points: list[tuple[int, Any]]  # ts and value, by time; empty where there are spans
    spans: list[SpanBucket]  # with count, min, avg and max
    count: int  # points in the range


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """Some points of an attribute that stand for all in a range."""

    identifier: str
    points: list[tuple[int, Any]]  # ts and value, by time
    count: int  # how many there are in the range


def json_type(value: Any) -> DataType:
    """The ``type`` of a series item and the inferred ``data_type`` of an undefined attribute.

    Booleans are ``switch``, objects with exactly ``lat`` and ``lng`` are ``map_point`` (wire reference §9.3, §15.39).
    """
    if isinstance(value, bool):
        return "switch"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str) or value is None:
        return "text"
    if isinstance(value, list):
        return "list"
    return "map_point" if value.keys() == {"lat", "lng"} else "object"
