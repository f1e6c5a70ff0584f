"""Division of time for aggregates: spans of equal length, or hours, days, weeks and months of a time zone."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Literal, NamedTuple, Protocol

from thingstead.refusals import Unusable

Unit = Literal["m", "h", "d", "w", "mo"]

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
UNIT_MS: dict[Unit, int] = {"m": 60_000, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS, "mo": 28 * DAY_MS}  # at least
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_MONDAY = date(1970, 1, 5).toordinal()
CALENDAR_END_MS = 220_000_000_000_000  # in the year 8941; dates near it are still representable
_INTERVAL = re.compile(r"([1-9]\d{0,2})(mo|[mhdw])")


# Steps for dividing a range when none is given: lengths in ms, then calendar intervals.
LADDER_MS = (1_000, 2_000, 5_000, 10_000, 15_000, 30_000)
LADDER = ("1m", "2m", "5m", "10m", "15m", "30m", "1h", "2h", "3h", "6h", "12h", "1d", "2d", "1w", "1mo", "3mo", "12mo")


class Spans(Protocol):
    """A division of time into consecutive spans."""

    def around(self, ts: int) -> tuple[int, int]:
        """The span that contains an instant (ms): its begin, and the begin of the next one."""
        ...


class FixedSpans:
    """Spans of ``interval`` ms, aligned to ``start``."""

    def __init__(self, start: int, interval: int) -> None:
        self._start = start
        self._interval = interval

    def around(self, ts: int) -> tuple[int, int]:
        begin = self._start + (ts - self._start) // self._interval * self._interval
        return begin, begin + self._interval


class Interval(NamedTuple):
    """A number of calendar units."""

    number: int
    unit: Unit

    @property
    def least_ms(self) -> int:
        """A lower bound of its length: days may be shorter when clocks change, and months differ in length."""
        return self.number * UNIT_MS[self.unit]


def read_interval(text: str) -> Interval:
    """Parses ``15m``, ``1h``, ``1d``, ``1w``, ``1mo`` and their multiples.

    Raises:
        Unusable: the text is not an interval, or is minutes or hours that do not divide a day.
    """
    match = _INTERVAL.fullmatch(text)
    if match is None:
        raise Unusable("interval_unknown")
    return divided(Interval(int(match[1]), match[2]))  # type: ignore[arg-type]


def interval_of(length_ms: int) -> Interval:
    """The calendar interval of a length in ms: whole days, or a divisor of a day.

    Raises:
        Unusable: the length is neither.
    """
    if length_ms % DAY_MS == 0:
        return Interval(length_ms // DAY_MS, "d")
    if length_ms % UNIT_MS["m"]:
        raise Unusable("interval_not_minutes")
    return divided(Interval(length_ms // UNIT_MS["m"], "m"))


def divided(interval: Interval) -> Interval:
    """Returns the interval unchanged.

    Raises:
        Unusable: it is minutes or hours that do not divide a day.
    """
    if interval.unit in ("m", "h") and DAY_MS % interval.least_ms:
        raise Unusable("interval_not_dividing")
    return interval


class CalendarSpans:
    """Spans of a calendar in a time zone.

    Days begin at midnight, weeks on Monday, months on the first; multiples are counted from 1 January 1970 (weeks from
    the first Monday after it), so that they do not depend on the range that is read. Hours and minutes are counted in
    elapsed time from midnight: a day of 25 hours has 25 spans of one hour.
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
    """The instant at which a day begins; if clocks skip midnight, the instant of that change."""
    begin = datetime.combine(date.fromordinal(day), datetime.min.time(), zone)
    return (begin.astimezone(UTC) - EPOCH) // timedelta(milliseconds=1)


def ladder_step(length_ms: int, most: int) -> str:
    """The shortest step that divides a range of ``length_ms`` into at most about ``most`` spans: a number of ms, or a
    calendar interval."""
    for step_ms in LADDER_MS:
        if length_ms <= most * step_ms:
            return str(step_ms)
    return next((step for step in LADDER if length_ms <= most * read_interval(step).least_ms), LADDER[-1])
