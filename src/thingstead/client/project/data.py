"""Attributes of devices: current values, history, and how long it is kept."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from thingstead.client.call import Call, Nothing, members
from thingstead.client.http import segment

SERIES_PAGE_RECORDS = 500


class AttributeModel(msgspec.Struct, frozen=True, kw_only=True):
    """The definition of an attribute."""

    name: str
    attr_type: str
    data_type: str
    data_options: dict[str, Any] = {}


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """An attribute with its value."""

    identifier: str
    value: Any
    attr_type: str
    data_type: str
    ts: int  # ms; 0: it never had a value
    model: AttributeModel | None = None  # None where the device's type does not define it


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One point of an attribute's history."""

    ts: int  # ms
    timestamp: str  # ISO 8601
    name: str  # the identifier
    value: Any
    type: str


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """An aggregate over a span of time."""

    ts: int  # ms, where it begins
    timestamp: str
    value: Any  # of the first function
    count: int  # 0: a gap
    values: dict[str, Any] = {}  # by function, where several were asked for
    end_ts: int | None = None  # ms, where the next one begins, of those of a calendar


class Sampled(msgspec.Struct, frozen=True, kw_only=True):
    """The history of one attribute over a range, perhaps a selection of it."""

    identifier: str
    timestamps: list[int]  # ms
    values: list[Any]
    total: int


class RetentionRule(msgspec.Struct, frozen=True, kw_only=True):
    """For how many days the history of some attributes is kept."""

    device_type: str | None = None
    identifier: str | None = None
    days: float  # 0: for ever


class PendingRetention(msgspec.Struct, frozen=True, kw_only=True):
    """Rules that replace those in force at an instant, unless they are taken back."""

    rules: list[RetentionRule]
    max_bytes: int
    effective_at: int  # ms


class WouldDrop(msgspec.Struct, frozen=True, kw_only=True):
    """What rules would drop now; not complete: it is more."""

    points: int
    size_bytes: int
    devices: int
    complete: bool


class RetentionChange(msgspec.Struct, frozen=True, kw_only=True):
    """When new rules are in force (ms), and what they would drop now."""

    effective_at: int
    would_drop: WouldDrop


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a project, and how much history it has."""

    rules: list[RetentionRule]
    max_bytes: int
    default_days: float
    points: int
    size_bytes: int
    oldest_ts: int | None = None
    pending: PendingRetention | None = None


class SeriesRetention(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one attribute."""

    identifier: str
    days: float
    points: int
    size_bytes: int
    oldest_ts: int
    newest_ts: int


Function = Literal["avg", "min", "max", "sum", "count", "first", "last", "p50", "p95", "delta", "rate", "twa"]


def attributes(device_id: str, *, at: int | None = None) -> Call[list[Attribute]]:
    """The attributes with their values: the current ones, or those of an instant (ms)."""
    return Call("GET", f"/device/{segment(device_id)}/attributes", list[Attribute], query={"at": at})


def series(
    device_id: str,
    identifier: str,
    *,
    start_time: float | None = None,
    end_time: float | None = None,
    page: int = 1,
    page_records: int = SERIES_PAGE_RECORDS,
) -> Call[list[Point]]:
    """One page of the history of an attribute, newest first. Both times (ms) or neither, at most 30 days apart."""
    query = {"start_time": start_time, "end_time": end_time, "page": page, "page_records": page_records}
    path = f"/device/{segment(device_id)}/attribute/{segment(identifier)}/series"
    return Call("GET", path, list[Point], query=query)


def aggregate(
    device_id: str,
    identifier: str,
    fn: Function | Sequence[Function],
    *,
    start_time: float,
    end_time: float,
    interval: int | str,
    timezone: str | None = None,
    gaps: bool | None = None,
) -> Call[list[Bucket]]:
    """Buckets over a range of any length, oldest first: of ``interval`` ms, or ``1h``, ``1d``, ``1w``, ``1mo`` of the
    calendar of a time zone (the project's where none is named); one or several functions in one pass. ``gaps``: also
    buckets in which nothing counts, which those of a calendar are without it."""
    query = {
        "start_time": start_time,
        "end_time": end_time,
        "interval": interval,
        "fn": fn if isinstance(fn, str) else ",".join(fn),
        "timezone": timezone,
        "gaps": None if gaps is None else str(gaps).lower(),
    }
    path = f"/device/{segment(device_id)}/attribute/{segment(identifier)}/aggregate"
    return Call("GET", path, list[Bucket], query=query)


def history(
    device_id: str,
    identifiers: Sequence[str],
    *,
    start_time: float,
    end_time: float,
    points: int | None = None,
    method: Literal["minmax", "lttb"] | None = None,
) -> Call[list[Sampled]]:
    """Several attributes over a range of any length, at most ``points`` of each."""
    query = {
        "identifiers": ",".join(identifiers),
        "start_time": start_time,
        "end_time": end_time,
        "points": points,
        "method": method,
    }
    return Call("GET", f"/device/{segment(device_id)}/history", list[Sampled], query=query)


def remove_attributes(device_id: str, keys: Sequence[str]) -> Call[Nothing]:
    """Removes values and history."""
    return Call("POST", f"/device/{segment(device_id)}/attributes_remove", Nothing, {"keys": keys})


def retention() -> Call[Retention]:
    return Call("GET", "/retention", Retention)


def put_retention(
    rules: Sequence[Mapping[str, Any] | RetentionRule], *, max_bytes: int = 0, grace_days: float | None = None
) -> Call[RetentionChange]:
    """Replaces all rules, after a grace period where they would drop history; None: as long as the server says."""
    body = members(rules=rules, max_bytes=max_bytes, grace_days=grace_days)
    return Call("PUT", "/retention", RetentionChange, body)


def preview_retention(rules: Sequence[Mapping[str, Any] | RetentionRule], *, max_bytes: int = 0) -> Call[WouldDrop]:
    """What these rules would drop now."""
    return Call("POST", "/retention_test", WouldDrop, {"rules": rules, "max_bytes": max_bytes})


def take_back_retention() -> Call[Nothing]:
    """Forgets rules that wait."""
    return Call("DELETE", "/retention/pending", Nothing)


def device_retention(device_id: str) -> Call[list[SeriesRetention]]:
    return Call("GET", f"/device/{segment(device_id)}/retention", list[SeriesRetention])
