"""History over ranges: aggregates, and fewer points that look like all of them."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from thingstead.errors import InvalidInput, NotFound
from thingstead.model import limits
from thingstead.model.device import Device
from thingstead.model.report import AggregateFunction, SampleMethod
from thingstead.services.history import iso_utc
from thingstead.storage.base import Store


class BucketItem(msgspec.Struct, frozen=True, kw_only=True):
    """A span of time in which at least one point counts."""

    ts: int  # ms; where it begins
    timestamp: str  # the same instant, ISO 8601 in UTC with milliseconds
    value: Any  # what the function gives
    count: int  # points that counted


class HistoryItem(msgspec.Struct, frozen=True, kw_only=True):
    """The history of one attribute in a range."""

    identifier: str
    timestamps: list[int]  # ms, ascending
    values: list[Any]  # those of the same points
    total: int  # how many points the range holds; where there are more than these, these are a selection


class AggregateService:
    """Reads of ranges of any length, each with a documented bound."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def aggregate(
        self,
        project_id: str,
        device_id: str,
        identifier: str,
        *,
        start_time: float,
        end_time: float,
        interval: int,
        function: AggregateFunction,
    ) -> list[BucketItem]:
        """Buckets of ``interval`` ms from ``start_time`` on, by time, without empty ones.

        Raises:
            NotFound: no such device. An attribute that never had a value has no buckets.
            InvalidInput: names the bound that is wrong, or a range with too many buckets or points.
        """
        start, end = checked_range(start_time, end_time)
        if (end - start) // interval >= limits.BUCKETS_COUNT:
            raise InvalidInput.field(
                "interval", f"is too short: it divides the range into more than {limits.BUCKETS_COUNT:,} buckets"
            )
        device = await self._device(project_id, device_id)
        if not limits.is_id(identifier):
            raise NotFound("no such attribute")
        buckets = await self._store.ranges.aggregate(
            device.number,
            identifier,
            start,
            end,
            interval=interval,
            function=function,
            points_limit=limits.RANGE_POINTS,
        )
        return [
            BucketItem(ts=bucket.start, timestamp=iso_utc(bucket.start), value=bucket.value, count=bucket.count)
            for bucket in buckets
        ]

    async def history(
        self,
        project_id: str,
        device_id: str,
        identifiers: Sequence[str],
        *,
        start_time: float,
        end_time: float,
        points: int,
        method: SampleMethod,
    ) -> list[HistoryItem]:
        """For each attribute, in the order in which they are named, at most ``points`` points of the range.

        Raises:
            NotFound: no such device. An attribute that never had a value has no points.
            InvalidInput: names what is wrong, or a range with too many points.
        """
        start, end = checked_range(start_time, end_time)
        named = list(dict.fromkeys(identifiers))
        if not 1 <= len(named) <= limits.IDENTIFIERS_COUNT:
            raise InvalidInput.field("identifiers", f"must name 1 to {limits.IDENTIFIERS_COUNT} attributes")
        for identifier in named:
            if not limits.is_id(identifier):
                raise InvalidInput.field("identifiers", f"{identifier!r} cannot be an identifier")
        device = await self._device(project_id, device_id)
        samples = await self._store.ranges.sample(
            device.number,
            named,
            start,
            end,
            points=points,
            method=method,
            points_limit=limits.RANGE_POINTS,
        )
        return [
            HistoryItem(
                identifier=one.identifier,
                timestamps=[ts for ts, _ in one.points],
                values=[value for _, value in one.points],
                total=one.count,
            )
            for one in samples
        ]

    async def _device(self, project_id: str, device_id: str) -> Device:
        if not limits.is_id(device_id):
            raise NotFound("no such device")
        return await self._store.devices.get(project_id, device_id)


def checked_range(start_time: float, end_time: float) -> tuple[int, int]:
    """The whole milliseconds within the given bounds.

    Raises:
        InvalidInput: names the bound that is wrong.
    """
    for field, bound in (("start_time", start_time), ("end_time", end_time)):
        if not 0 <= bound <= limits.INSTANT_MS:  # NaN is refused too
            raise InvalidInput.field(field, f"must be milliseconds from 0 to {limits.INSTANT_MS}")
    if start_time > end_time:
        raise InvalidInput.field("start_time", "must not be after end_time")
    return math.ceil(start_time), math.floor(end_time)
