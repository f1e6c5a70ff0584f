"""Aggregates and samples over ranges of history."""

import math
from collections.abc import Sequence
from datetime import tzinfo

from thingstead.clock import Clock
from thingstead.errors import InvalidInput
from thingstead.model import limits
from thingstead.model.report import AggregateFunction, Band, SampleMethod
from thingstead.model.spans import (
    CALENDAR_END_MS,
    CalendarSpans,
    FixedSpans,
    Spans,
    interval_of,
    ladder_step,
    read_interval,
)
from thingstead.refusals import Unusable
from thingstead.rules.schedule import zone, zone_named
from thingstead.services.history.history import iso_utc
from thingstead.storage.base import Store
from thingstead.wire.history import BucketItem, HistoryItem

INTERVAL_DIGITS = 16


class AggregateService:
    """Aggregated reads of ranges of any length, each with a documented limit."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def aggregate(
        self,
        project_id: str,
        device_id: str,
        identifier: str,
        *,
        start_time: float,
        end_time: float,
        interval: str | int,
        functions: Sequence[AggregateFunction],
        timezone: str | None = None,
        gaps: bool | None = None,
    ) -> list[BucketItem]:
        """Aggregates an attribute in buckets of time: of ``interval`` ms from ``start_time`` on, or of a calendar
        interval.

        Args:
            interval: ms, or ``1h``, ``1d``, ``1w``, ``1mo`` and similar (:func:`read_interval`).
            timezone: of the calendar; None: no calendar if ``interval`` is in ms, otherwise the zone of the project.
            gaps: whether to include empty buckets; None: only for calendar intervals.

        Returns:
            Buckets in order of time. For an attribute without a value none, or only empty ones.

        Raises:
            NotFound: no such device.
            InvalidInput: names what is invalid, or the range has too many buckets or points.
        """
        start, end = checked_range(start_time, end_time)
        project = await self._store.projects.get(project_id)
        spans, least_ms = _spans(start, interval, timezone, project.timezone)
        if (end - start) // least_ms >= limits.BUCKETS_COUNT:
            raise InvalidInput.field("interval", "interval_too_short", maximum=limits.BUCKETS_COUNT)
        of_calendar = isinstance(spans, CalendarSpans)
        if of_calendar and end > CALENDAR_END_MS:
            raise InvalidInput.field("end_time", "calendar_end", maximum=CALENDAR_END_MS)
        device = await self._store.devices.get(project_id, device_id)
        limits.require_id(identifier, "no_such_attribute")
        buckets = await self._store.ranges.spans(
            device.number,
            identifier,
            start,
            end,
            spans=spans,
            functions=functions,
            gaps=of_calendar if gaps is None else gaps,
            until=min(end + 1, max(start, self._clock.now_ms())),
            points_limit=limits.RANGE_POINTS,
        )
        return [
            BucketItem(
                ts=bucket.start,
                timestamp=iso_utc(bucket.start),
                value=bucket.values[functions[0]],
                count=bucket.count,
                values={str(name): value for name, value in bucket.values.items()} if len(functions) > 1 else None,
                end_ts=bucket.end if of_calendar else None,
            )
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
        """Downsamples attributes, each to at most ``points`` points of the range; in the order of ``identifiers``.

        Raises:
            NotFound: no such device. An attribute without a value has no points.
            InvalidInput: names what is invalid, or the range has too many points.
        """
        start, end = checked_range(start_time, end_time)
        named = _checked_identifiers(identifiers)
        device = await self._store.devices.get(project_id, device_id)
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

    async def bands(
        self,
        project_id: str,
        device_id: str,
        identifiers: Sequence[str],
        *,
        start_time: float,
        end_time: float,
        points: int,
        interval: str | None = None,
        timezone: str | None = None,
        gaps: bool = False,
    ) -> list[HistoryItem]:
        """For each attribute, in the order of ``identifiers``: its points if there are at most ``points``; otherwise
        about that many spans, each with mean, minimum, maximum and number of points.

        Args:
            interval: length of the spans, as in :meth:`aggregate`; spans are then returned however few points there
                are. None: a standard length.
            timezone: of the calendar; None: the zone of the project.
            gaps: whether to include empty spans.

        Raises:
            NotFound: no such device.
            InvalidInput: names what is invalid, or the range has too many points or spans.
        """
        start, end = checked_range(start_time, end_time)
        named = _checked_identifiers(identifiers)
        step = interval or ladder_step(end - start + 1, points)
        project = await self._store.projects.get(project_id)
        spans, least_ms = _band_spans(start, step, timezone, project.timezone)
        if (end - start) // least_ms >= limits.BUCKETS_COUNT:
            raise InvalidInput.field("interval", "interval_too_short", maximum=limits.BUCKETS_COUNT)
        if isinstance(spans, CalendarSpans) and end > CALENDAR_END_MS:
            raise InvalidInput.field("end_time", "calendar_end", maximum=CALENDAR_END_MS)
        device = await self._store.devices.get(project_id, device_id)
        found = await self._store.ranges.bands(
            device.number,
            named,
            start,
            end,
            spans=spans,
            raw_limit=points if interval is None else 0,
            gaps=gaps,
            points_limit=limits.RANGE_POINTS,
        )
        return [_band_item(one, step) for one in found]


def _checked_identifiers(identifiers: Sequence[str]) -> list[str]:
    """The identifiers without duplicates."""
    named = list(dict.fromkeys(identifiers))
    if not 1 <= len(named) <= limits.IDENTIFIERS_COUNT:
        raise InvalidInput.field("identifiers", "keys_count", maximum=limits.IDENTIFIERS_COUNT)
    for identifier in named:
        if not limits.is_id(identifier):
            raise InvalidInput.field("identifiers", "cannot_be_identifier", identifier=repr(identifier))
    return named


def _band_item(band: Band, interval: str) -> HistoryItem:
    if not band.spans:
        return HistoryItem(
            identifier=band.identifier,
            timestamps=[ts for ts, _ in band.points],
            values=[value for _, value in band.points],
            total=band.count,
        )
    return HistoryItem(
        identifier=band.identifier,
        timestamps=[span.start for span in band.spans],
        values=[span.values["avg"] for span in band.spans],
        total=band.count,
        interval=interval,
        min=[span.values["min"] for span in band.spans],
        max=[span.values["max"] for span in band.spans],
        count=[span.count for span in band.spans],
    )


def _band_spans(start: int, interval: str, timezone: str | None, of_project: str) -> tuple[Spans, int]:
    """Spans that do not depend on the begin of the range, so that a redrawn chart does not flicker: aligned to the
    calendar, or, under a minute, to 1970."""
    if interval.isascii() and interval.isdecimal() and len(interval) <= INTERVAL_DIGITS:
        length = int(interval)
        if 0 < length <= limits.INSTANT_MS:
            _zone(timezone, of_project)
            return FixedSpans(0, length), length
    return _spans(start, interval, timezone, of_project)


def _spans(start: int, interval: str | int, timezone: str | None, of_project: str) -> tuple[Spans, int]:
    """The requested division of time, and a lower bound of the length of its spans (ms)."""
    text = str(interval)
    try:
        if not text.isascii() or not text.isdecimal():
            calendar = read_interval(text)
        elif not 1 <= int(text[:INTERVAL_DIGITS]) <= limits.INSTANT_MS or len(text) > INTERVAL_DIGITS:
            raise Unusable("interval_out_of_range", maximum=limits.INSTANT_MS)
        elif timezone is None:
            return FixedSpans(start, int(text)), int(text)
        else:
            calendar = interval_of(int(text))
    except Unusable as exc:
        raise InvalidInput.field("interval", exc.reason) from None
    return CalendarSpans(calendar, _zone(timezone, of_project)), calendar.least_ms


def _zone(timezone: str | None, of_project: str) -> tzinfo:
    """The requested time zone, or the zone of the project."""
    try:
        return zone(of_project) if timezone is None else zone_named(timezone)
    except Unusable as exc:
        raise InvalidInput.field("timezone", exc.reason) from None


def checked_range(start_time: float, end_time: float) -> tuple[int, int]:
    """Converts bounds to whole milliseconds, inside the range.

    Raises:
        InvalidInput: names the invalid bound.
    """
    for field, bound in (("start_time", start_time), ("end_time", end_time)):
        if not 0 <= bound <= limits.INSTANT_MS:  # also refuses NaN
            raise InvalidInput.field(field, "bad_instant", maximum=limits.INSTANT_MS)
    if start_time > end_time:
        raise InvalidInput.field("start_time", "start_after_end")
    return math.ceil(start_time), math.floor(end_time)
