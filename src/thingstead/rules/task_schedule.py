"""The planned instants of a task, daylight saving included.

Cron expressions follow Debian's cron where clocks change: a run at a fixed time that does not exist on a day comes at
the first instant after the gap, one at a time that exists twice comes once, at the first of both; expressions with
``*`` in minutes or hours follow real time.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Protocol

from astral import Observer, SunDirection
from astral.sun import SUN_APPARENT_RADIUS, time_of_transit
from cronsim import CronSim, CronSimError

from thingstead.model.tasks.task import MISSED_COUNT, TaskSchedule
from thingstead.refusals import Unusable
from thingstead.rules.schedule import EPOCH, zone

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
SUN_DAYS = 400  # that are looked at for the next sunrise or sunset: it comes at least once a year, if it comes at all
ASIDE_DEGREES = (0, 3, -3)  # places to look from: where an event is about midnight UTC, astral may tell none
_SHORT = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class TaskInstants(Protocol):
    """The instants (ms) of a schedule, without its begin and end."""

    def after(self, instant: int) -> int | None:
        """The first instant after this one; None: there is none."""
        ...

    def newest(self, after: int, until: int, most: int) -> list[int]:
        """The last instants in (after, until], ascending."""
        ...


class PlannedInstants:
    """The planned instants of a valid schedule, between its begin and its end."""

    def __init__(self, schedule: TaskSchedule) -> None:
        self._kind = _compiled(schedule)
        self._start_at = schedule.start_at
        self._end_at = schedule.end_at

    def after(self, instant: int) -> int | None:
        """The first planned instant after this one; None: there is none."""
        found = self._kind.after(max(instant, self._start_at - 1))
        return None if found is None or (self._end_at and found > self._end_at) else found

    def newest(self, after: int, until: int, most: int = MISSED_COUNT) -> list[int]:
        """The last planned instants in (after, until], ascending, ``most`` of them at most."""
        after = max(after, self._start_at - 1)
        until = min(until, self._end_at) if self._end_at else until
        return self._kind.newest(after, until, most) if after < until else []


def _compiled(schedule: TaskSchedule) -> TaskInstants:
    if schedule.at is not None:
        return _Once(schedule.at)
    if schedule.cron is not None:
        return _Cron(plain_cron(schedule.cron), zone(schedule.timezone or "+00:00"))
    if schedule.every_ms is not None:
        return _Interval(schedule.start_at, schedule.every_ms)
    return _Sun(schedule)


class _Once:
    def __init__(self, at: int) -> None:
        self._at = at

    def after(self, instant: int) -> int | None:
        return self._at if self._at > instant else None

    def newest(self, after: int, until: int, most: int) -> list[int]:
        return [self._at] if after < self._at <= until else []


class _Interval:
    def __init__(self, start_at: int, every_ms: int) -> None:
        self._start_at = start_at
        self._every_ms = every_ms

    def after(self, instant: int) -> int | None:
        return max(self._start_at, instant + self._every_ms - (instant - self._start_at) % self._every_ms)

    def newest(self, after: int, until: int, most: int) -> list[int]:
        last = until - (until - self._start_at) % self._every_ms
        first = max(after + 1, self._start_at, last - (most - 1) * self._every_ms)
        first += (self._start_at - first) % self._every_ms
        return list(range(first, last + 1, self._every_ms))


class _Cron:
    def __init__(self, expression: str, of_zone: tzinfo) -> None:
        self._expression = expression
        self._zone = of_zone

    def after(self, instant: int) -> int | None:
        return next(self._ticks(instant), None)

    def newest(self, after: int, until: int, most: int) -> list[int]:
        begin = after
        try:
            back = CronSim(self._expression, _local(until + 60_000, self._zone), reverse=True)
            for _ in range(most + 2):  # those of a clock change may be counted twice
                begin = _instant(next(back)) - 1
                if begin <= after:
                    break
        except (StopIteration, OverflowError):
            begin = after
        found: list[int] = []
        for instant in self._ticks(max(begin, after)):
            if instant > until:
                break
            found.append(instant)
        return found[-most:]

    def _ticks(self, after: int) -> Iterator[int]:
        """Instants after this one, ascending; each is found from the one before, as it is stored."""
        while True:
            ticks = CronSim(self._expression, _local(after, self._zone))
            found = after
            try:
                while found <= after:  # the first ones may be those of an hour that comes twice
                    found = _instant(next(ticks))
            except (StopIteration, OverflowError, ValueError):  # none for 50 years, or beyond the calendar
                return
            yield found
            after = found


class _Sun:
    """Sunrises or sunsets. Each day by the sun of the place has one at most, told by its noon: astral tells an event by
    its UTC date instead, of which some have two and some none."""

    def __init__(self, schedule: TaskSchedule) -> None:
        rises = schedule.sun == "sunrise"
        self._direction = SunDirection.RISING if rises else SunDirection.SETTING
        self._latitude, self._longitude = schedule.latitude or 0.0, schedule.longitude or 0.0
        self._offset_ms = schedule.offset_ms
        # When it happens on average, after the begin of a UTC date.
        self._about_ms = round((12 - self._longitude / 15 + (-6 if rises else 6)) * HOUR_MS)

    def after(self, instant: int) -> int | None:
        return next(self._events(instant), None)

    def newest(self, after: int, until: int, most: int) -> list[int]:
        after = max(after, until - (most + SUN_DAYS) * DAY_MS)
        found: list[int] = []
        for event in self._events(after):
            if event > until:
                break
            found.append(event)
        return found[-most:]

    def _events(self, after: int) -> Iterator[int]:
        """Events after an instant, ascending, until there is none for ``SUN_DAYS``."""
        day, none = self.day_of(after) - timedelta(days=1), 0
        try:
            while none < SUN_DAYS:
                event = self.event_on(day)
                none = none + 1 if event is None else 0
                if event is not None and event > after:
                    after = event
                    yield event
                day += timedelta(days=1)
        except OverflowError:
            return

    def day_of(self, instant: int) -> date:
        """The day whose event may have this instant."""
        return (EPOCH + timedelta(milliseconds=instant - self._offset_ms - self._about_ms + DAY_MS // 2)).date()

    def event_on(self, day: date) -> int | None:
        """The instant of a day, offset included; None in the polar day and night."""
        about = _instant(datetime(day.year, day.month, day.day, tzinfo=UTC)) + self._about_ms
        for aside in ASIDE_DEGREES:
            found = self._transits(day, aside)
            for instant in found:
                if abs(instant - about) < DAY_MS // 2:
                    return instant + self._offset_ms
            if not found:
                return None
        return None

    def _transits(self, day: date, aside: float) -> list[int]:
        """Events about a day, seen from a place a few degrees further east, where it happens earlier."""
        longitude = (self._longitude + aside + 180) % 360 - 180
        observer, found = Observer(self._latitude, longitude, 0.0), []
        for utc_date in (day, day - timedelta(days=1), day + timedelta(days=1)):
            try:
                transit = time_of_transit(observer, utc_date, 90 + SUN_APPARENT_RADIUS, self._direction)
            except ValueError:
                continue
            found.append(_instant(transit.replace(microsecond=0)) + round(aside * DAY_MS / 360))
        return found


def days_without_sun(schedule: TaskSchedule, after: int, until: int) -> list[date]:
    """The days between two instants, a year at most, on which the sun of a schedule does not rise or set."""
    sun = _Sun(schedule)
    first, last = sun.day_of(after), sun.day_of(until)
    days = min((last - first).days, SUN_DAYS)
    return [day for ahead in range(days) if sun.event_on(day := first + timedelta(days=ahead)) is None]


def plain_cron(text: str) -> str:
    """A cron expression of five fields; ``@daily`` and its like, and ``?``, are translated.

    Raises:
        Unusable: the text is none, or no day of the calendar matches it.
    """
    plain = _SHORT.get(text.strip().lower(), text)
    if plain.lstrip().startswith("@"):
        raise Unusable("cron_word_unknown", allowed=sorted(_SHORT))
    fields = plain.split()
    if len(fields) == 6:
        raise Unusable("cron_seconds")
    if len(fields) != 5:
        raise Unusable("cron_fields", count=len(fields))
    for day in (2, 4):
        if fields[day] == "?":
            fields[day] = "*"
    expression = " ".join(fields)
    try:
        ticks = CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC))
    except (CronSimError, ValueError, AssertionError) as exc:
        raise Unusable("cron_unusable", detail=str(exc) or "not a cron expression") from exc
    if next(ticks, None) is None:
        raise Unusable("cron_never")
    return expression


def either_day(expression: str) -> bool:
    """Whether one of day of the month and day of the week is enough, since both are given."""
    fields = expression.split()
    return not fields[2].startswith("*") and not fields[4].startswith("*")


def _local(instant: int, of_zone: tzinfo) -> datetime:
    return (EPOCH + timedelta(milliseconds=instant)).astimezone(of_zone)


def local_text(instant: int, of_zone: tzinfo) -> str:
    """An instant as ISO 8601 in a time zone."""
    return _local(instant, of_zone).isoformat(timespec="seconds")


def _instant(local: datetime) -> int:
    return (local.astimezone(UTC) - EPOCH) // timedelta(milliseconds=1)
