"""How time is divided for aggregates: spans of equal length, or hours, days, weeks and months of a time zone."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol

from thingstead.refusals import Unusable

Unit = Literal["m", "h", "d", "w", "mo"]

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
UNIT_MS: dict[Unit, int] = {"m": 60_000, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS, "mo": 28 * DAY_MS}  # or a bit more
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_MONDAY = date(1970, 1, 5).toordinal()
CALENDAR_END_MS = 220_000_000_000_000  # in the year 8941; what lies around it can still be told
_INTERVAL = re.compile(r"([1-9]\d{0,2})(mo|[mhdw])")


# What bands are divided by where nobody says: lengths in ms, then intervals of the calendar.
LADDER_MS = (1_000, 2_000, 5_000, 10_000, 15_000, 30_000)
LADDER = ("1m", "2m", "5m", "10m", "15m", "30m", "1h", "2h", "3h", "6h", "12h", "1d", "2d", "1w", "1mo", "3mo", "12mo")


class Spans(Protocol):
    """A division of time into spans that follow each other."""

    def around(self, ts: int) -> tuple[int, int]:
        """The span that an instant (ms) lies in: where it begins, and where the next one does."""
        ...


class FixedSpans:
    """Spans of ``interval`` ms, of which one begins at ``start``."""

    def __init__(self, start: int, interval: int) -> None:
        self._start = start
        self._interval = interval

    def around(self, ts: int) -> tuple[int, int]:
        begin = self._start + (ts - self._start) // self._interval * self._interval
        return begin, begin + self._interval


class Interval(NamedTuple):
    """So many units of the calendar."""

    number: int
    unit: Unit

    @property
    def least_ms(self) -> int:
        """The length of one, or a bit less: the clocks may be set, and months are not of one length."""
        return self.number * UNIT_MS[self.unit]


def read_interval(text: str) -> Interval:
    """``15m``, ``1h``, ``1d``, ``1w``, ``1mo`` and their multiples.

    Raises:
        Unusable: it is none, or minutes or hours that do not divide a day.
    """
    match = _INTERVAL.fullmatch(text)
    if match is None:
        raise Unusable("interval_unknown")
    return divided(Interval(int(match[1]), match[2]))  # type: ignore[arg-type]


def interval_of(length_ms: int) -> Interval:
    """The interval of the calendar that a length in ms stands for: whole days, or what divides a day.

    Raises:
        Unusable: it is none of these.
    """
    if length_ms % DAY_MS == 0:
        return Interval(length_ms // DAY_MS, "d")
    if length_ms % UNIT_MS["m"]:
        raise Unusable("interval_not_minutes")
    return divided(Interval(length_ms // UNIT_MS["m"], "m"))


def divided(interval: Interval) -> Interval:
    """The interval; Unusable where it is minutes or hours that do not divide a day."""
    if interval.unit in ("m", "h") and DAY_MS % interval.least_ms:
        raise Unusable("interval_not_dividing")
    return interval


class CalendarSpans:
    """Spans of a time zone's calendar.

    Days begin at midnight, weeks on Monday, months on their first day; several of them are counted from 1 January 1970
    (weeks from the first Monday after it), so that they are the same whatever range is read. Hours and minutes are
    counted from midnight as time passes: a day of 25 hours has 25 spans of one hour.
    """

    def __init__(self, interval: Interval, zone: tzinfo) -> None:
        self._number, self._unit = interval
        self._zone = zone

    def around(self, ts: int) -> tuple[int, int]:
        day = (EPOCH + timedelta(milliseconds=ts)).astimezone(self._zone).date()
        if self._unit == "mo":
            month = (day.year * 12 + day.month - 1 - 1970 * 12) // self._number * self._number + 1970 * 12
            return self._month(month), self._month(month + self._number)
        if self._unit in ("d", "w"):
            length = self._number * (7 if self._unit == "w" else 1)
            origin = FIRST_MONDAY if self._unit == "w" else EPOCH.toordinal()
            first = (day.toordinal() - origin) // length * length + origin
            return _midnight(first, self._zone), _midnight(first + length, self._zone)
        midnight, next_midnight = _midnight(day.toordinal(), self._zone), _midnight(day.toordinal() + 1, self._zone)
        begin, end = FixedSpans(midnight, self._number * UNIT_MS[self._unit]).around(ts)
        return begin, min(end, next_midnight)

    def _month(self, number: int) -> int:
        return _midnight(date(number // 12, number % 12 + 1, 1).toordinal(), self._zone)


@lru_cache(maxsize=1024)
def _midnight(day: int, zone: tzinfo) -> int:
    """The instant at which a day begins; where the clocks pass midnight over, the one at which they do."""
    begin = datetime.combine(date.fromordinal(day), datetime.min.time(), zone)
    return (begin.astimezone(UTC) - EPOCH) // timedelta(milliseconds=1)


def ladder_step(length_ms: int, most: int) -> str:
    """The shortest step of the ladder that divides a range of so many ms into about ``most`` spans, or fewer: a number
    of ms, or an interval of the calendar."""
    for step_ms in LADDER_MS:
        if length_ms <= most * step_ms:
            return str(step_ms)
    return next((step for step in LADDER if length_ms <= most * read_interval(step).least_ms), LADDER[-1])
