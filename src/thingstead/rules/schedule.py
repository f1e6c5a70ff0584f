"""Opening instants of a weekly schedule in a time zone, daylight saving included."""

import re
from bisect import bisect_right
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from thingstead.model.alarms.rule import Hours, Schedule
from thingstead.refusals import Unusable

DAY = 24 * 60  # minutes
WEEK = 7 * DAY
MINUTE_MS = 60_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOOK_AHEAD_DAYS = 9  # more than a week, even if a time zone skips or repeats days
_NOT_IANA = frozenset({"factory", "localtime", "posix", "posixrules", "right"})  # other files in the folder
_OFFSET = re.compile(r"([+-])(0\d|1[0-4]):([0-5]\d)\Z")


def zone(name: str) -> tzinfo:
    """The time zone of a UTC offset (``+08:00``) or an IANA name (``Asia/Shanghai``).

    Raises:
        Unusable: the text is neither.
    """
    match = _OFFSET.match(name)
    if match is not None:
        minutes = int(match[2]) * 60 + int(match[3])
        return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:  # OSError: the name is a folder of the database
        raise Unusable("no_such_time_zone", name=repr(name)) from exc


def zone_named(name: str) -> tzinfo:
    """:func:`zone` for a name from outside. Refuses other files of the time zone database, such as the local zone or
    those with leap seconds, because they differ between machines.

    Raises:
        Unusable: the text is neither an offset nor an IANA name.
    """
    if name.partition("/")[0].lower() in _NOT_IANA:
        raise Unusable("no_such_time_zone", name=repr(name))
    return zone(name)


def minutes_of(time_of_day: str) -> int:
    """Minutes since midnight of ``HH:MM``."""
    hours, _, minutes = time_of_day.partition(":")
    return int(hours) * 60 + int(minutes)


def _spans(hours: Hours) -> list[tuple[int, int]]:
    """A schedule entry as half-open spans in minutes since Monday 00:00, split at the end of the week."""
    begin, end = minutes_of(hours.from_), minutes_of(hours.to)
    if end <= begin:
        end += DAY
    found = []
    for day in hours.days or range(1, 8):
        low, high = (day - 1) * DAY + begin, (day - 1) * DAY + end
        found.append((low, min(high, WEEK)))
        if high > WEEK:
            found.append((0, high - WEEK))
    return [span for span in found if span[0] < span[1]]


class OpenHours:
    """A compiled schedule."""

    def __init__(self, schedule: Schedule) -> None:
        self._zone = zone(schedule.timezone)
        self._edges: list[int] = []  # ascending minutes of the week: opens, closes, opens, closes…
        for low, high in sorted(span for hours in schedule.hours for span in _spans(hours)):
            if self._edges and low <= self._edges[-1]:
                self._edges[-1] = max(self._edges[-1], high)
            else:
                self._edges += [low, high]

    def contains(self, instant: int) -> bool:
        """Whether the schedule is open at an instant."""
        local = self._local(instant)
        return bisect_right(self._edges, local.weekday() * DAY + local.hour * 60 + local.minute) % 2 == 1

    def next_edge(self, instant: int) -> int | None:
        """The first instant after this one at which :meth:`contains` changes; None: never."""
        if self._edges == [0, WEEK] or not self._edges:
            return None
        now = self.contains(instant)
        return next((edge for edge in self._candidates(instant) if self.contains(edge) is not now), None)

    def _candidates(self, instant: int) -> list[int]:
        """All instants of the next days at which the schedule may open or close, sorted: where local time reaches an
        edge, and where clocks change."""
        midnight = self._local(instant).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        found: set[int] = set()
        for ahead in range(LOOK_AHEAD_DAYS):
            day = midnight + timedelta(days=ahead)
            for edge in self._edges:
                if edge // DAY % 7 == day.weekday():
                    wall = day + timedelta(minutes=edge % DAY)
                    found.update(self._instant(wall.replace(tzinfo=self._zone, fold=fold)) for fold in (0, 1))
        horizon = instant + LOOK_AHEAD_DAYS * DAY * MINUTE_MS
        found.update(self._jumps(instant, horizon))
        return sorted(edge for edge in found if edge > instant)

    def _jumps(self, low: int, high: int) -> list[int]:
        """When the UTC offset of the zone changes between two instants, by bisection; finds one change at most."""
        if self._offset(low) == self._offset(high):
            return []
        before = self._offset(low)
        while high - low > MINUTE_MS:
            middle = (low + high) // 2 // MINUTE_MS * MINUTE_MS
            if middle <= low:
                break
            low, high = (middle, high) if self._offset(middle) == before else (low, middle)
        return [high // MINUTE_MS * MINUTE_MS]

    def _offset(self, instant: int) -> timedelta | None:
        return self._local(instant).utcoffset()

    def _local(self, instant: int) -> datetime:
        return (EPOCH + timedelta(milliseconds=instant)).astimezone(self._zone)

    @staticmethod
    def _instant(local: datetime) -> int:
        return (local.astimezone(UTC) - EPOCH) // timedelta(milliseconds=1)
