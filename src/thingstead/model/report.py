"""Reports, events, and the points and aggregates of history."""

from typing import Any, Literal

import msgspec

from thingstead.model.device_type import DataType

# From the device without a timestamp; pushed to it; set in the cloud only; imported history; from the device with its
# own timestamps. The first three are timestamped at receipt.
Source = Literal["report", "push", "cloud", "import", "series"]
RECEIVED: frozenset[Source] = frozenset({"report", "push", "cloud"})
AggregateFunction = Literal["avg", "min", "max", "sum", "count", "first", "last", "p50", "p95", "delta", "rate", "twa"]
SampleMethod = Literal["minmax", "lttb"]
BAND_FUNCTIONS: tuple[AggregateFunction, ...] = ("count", "min", "avg", "max")


class Report(msgspec.Struct, gc=False, array_like=True):
    """Attribute values of one device at one timestamp, already checked against its type.

    Not frozen, since one is created for every message; must not be changed after it is appended.
    """

    device_number: int
    ts: int  # ms, device time if the device gave one, else received_at
    received_at: int  # ms, server time
    attributes: dict[str, Any]
    source: Source = "series"


class EventRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A stored event: ``method`` and ``params`` as on the wire."""

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
    """A span of time, and an aggregate of the points in it."""

    start: int  # ms
    value: Any
    count: int  # points that were aggregated


class SpanBucket(msgspec.Struct, frozen=True, array_like=True):
    """A span of time, and several aggregates of the points in it."""

    start: int  # ms
    end: int  # ms, exclusive
    values: dict[AggregateFunction, Any]  # None if a function has no result
    count: int  # points that the first function aggregated


class Band(msgspec.Struct, frozen=True, array_like=True):
    """An attribute in a range: all its points, or spans of time with the aggregates of each."""

    identifier: str
    points: list[tuple[int, Any]]  # ts and value, by time; empty if there are spans
    spans: list[SpanBucket]  # with count, min, avg and max
    count: int  # points in the range


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """Downsampled points of an attribute in a range."""

    identifier: str
    points: list[tuple[int, Any]]  # ts and value, by time
    count: int  # of all points in the range


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
