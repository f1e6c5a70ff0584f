"""Attributes of devices: current values, history, and how long it is kept."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from thingstead.client.call import Call, members
from thingstead.client.http import segment
from thingstead.model.retention import RetentionRule
from thingstead.wire.common import Empty
from thingstead.wire.history import AttributeItem, BucketItem, HistoryItem, SeriesItem
from thingstead.wire.retention import RetentionChange, RetentionInfo, SeriesRetention, WouldDrop

SERIES_PAGE_RECORDS = 500


Function = Literal["avg", "min", "max", "sum", "count", "first", "last", "p50", "p95", "delta", "rate", "twa"]


def attributes(device_id: str, *, at: int | None = None) -> Call[list[AttributeItem]]:
    """Attributes with their values: the current ones, or those at an instant (ms)."""
    return Call("GET", f"/device/{segment(device_id)}/attributes", list[AttributeItem], query={"at": at})


def series(
    device_id: str,
    identifier: str,
    *,
    start_time: float | None = None,
    end_time: float | None = None,
    page: int = 1,
    page_records: int = SERIES_PAGE_RECORDS,
) -> Call[list[SeriesItem]]:
    """One page of the history of an attribute, newest first. Give both times (ms) or neither; at most 30 days apart."""
    query = {"start_time": start_time, "end_time": end_time, "page": page, "page_records": page_records}
    path = f"/device/{segment(device_id)}/attribute/{segment(identifier)}/series"
    return Call("GET", path, list[SeriesItem], query=query)


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
) -> Call[list[BucketItem]]:
    """Buckets over a range of any length, oldest first; one or several functions in one pass.

    Args:
        interval: ms, or ``1h``, ``1d``, ``1w``, ``1mo`` of the calendar of a time zone.
        timezone: default: the project's.
        gaps: whether to return empty buckets; default: only with an interval of the calendar.
    """
    query = {
        "start_time": start_time,
        "end_time": end_time,
        "interval": interval,
        "fn": fn if isinstance(fn, str) else ",".join(fn),
        "timezone": timezone,
        "gaps": None if gaps is None else str(gaps).lower(),
    }
    path = f"/device/{segment(device_id)}/attribute/{segment(identifier)}/aggregate"
    return Call("GET", path, list[BucketItem], query=query)


def history(
    device_id: str,
    identifiers: Sequence[str],
    *,
    start_time: float,
    end_time: float,
    points: int | None = None,
    method: Literal["minmax", "lttb", "band"] | None = None,
    interval: str | int | None = None,
    timezone: str | None = None,
    gaps: bool | None = None,
) -> Call[list[HistoryItem]]:
    """Points of several attributes over a range of any length, at most ``points`` for each; ``interval``, ``timezone``
    and ``gaps`` are for the method ``band``."""
    query = {
        "identifiers": ",".join(identifiers),
        "start_time": start_time,
        "end_time": end_time,
        "points": points,
        "method": method,
        "interval": interval,
        "timezone": timezone,
        "gaps": gaps,
    }
    return Call("GET", f"/device/{segment(device_id)}/history", list[HistoryItem], query=query)


def remove_attributes(device_id: str, keys: Sequence[str]) -> Call[Empty]:
    """Removes current values and history of attributes."""
    return Call("POST", f"/device/{segment(device_id)}/attributes_remove", Empty, {"keys": keys})


def retention() -> Call[RetentionInfo]:
    """Retention rules, and the size of the history."""
    return Call("GET", "/retention", RetentionInfo)


def put_retention(
    rules: Sequence[Mapping[str, Any] | RetentionRule],
    *,
    max_bytes: int = 0,
    grace_days: float | None = None,
    version: int | None = None,
) -> Call[RetentionChange]:
    """Replaces all rules. If they would drop history, they take effect after the grace period; ``grace_days`` None: the
    server's. With ``version``, the one that was read, another editor's change is not overwritten: errcode 409."""
    body = members(rules=rules, max_bytes=max_bytes, grace_days=grace_days, version=version)
    return Call("PUT", "/retention", RetentionChange, body)


def preview_retention(rules: Sequence[Mapping[str, Any] | RetentionRule], *, max_bytes: int = 0) -> Call[WouldDrop]:
    """Counts what these rules would drop now."""
    return Call("POST", "/retention_test", WouldDrop, {"rules": rules, "max_bytes": max_bytes})


def take_back_retention() -> Call[Empty]:
    """Withdraws pending rules."""
    return Call("DELETE", "/retention/pending", Empty)


def device_retention(device_id: str) -> Call[list[SeriesRetention]]:
    """Retention time and size of each attribute of a device."""
    return Call("GET", f"/device/{segment(device_id)}/retention", list[SeriesRetention])
