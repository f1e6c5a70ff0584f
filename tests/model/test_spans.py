"""Spans of a calendar follow the clocks of their zone, and leave no instant out."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingstead.model.spans import CalendarSpans, FixedSpans, Interval, interval_of, read_interval

BERLIN, SAO_PAULO = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Sao_Paulo")
ZONES = [BERLIN, SAO_PAULO, ZoneInfo("Australia/Lord_Howe"), timezone(timedelta(hours=8))]
HOUR = 3_600_000


def instant(zone: ZoneInfo, *parts: int) -> int:
    return round(datetime(*parts, tzinfo=zone).timestamp() * 1000)  # type: ignore[misc, arg-type]


def lengths(text: str, zone: ZoneInfo, begin: int, count: int) -> list[float]:
    """Of spans from one that begins at an instant on, in hours."""
    spans, found = CalendarSpans(read_interval(text), zone), []
    for _ in range(count):
        low, high = spans.around(begin)
        assert low == begin
        found.append((high - low) / HOUR)
        begin = high
    return found


def test_days_are_as_long_as_the_clocks_make_them() -> None:
    assert lengths("1d", BERLIN, instant(BERLIN, 2026, 10, 24), 3) == [24, 25, 24]
    assert lengths("1d", BERLIN, instant(BERLIN, 2026, 3, 28), 3) == [24, 23, 24]
    # In Sao Paulo the clocks passed midnight over: the day began at one o'clock.
    assert lengths("1d", SAO_PAULO, instant(SAO_PAULO, 2018, 11, 3), 2) == [24, 23]


def test_hours_are_counted_from_midnight_as_time_passes() -> None:
    assert lengths("1h", BERLIN, instant(BERLIN, 2026, 10, 25), 25) == [1] * 25
    assert lengths("6h", BERLIN, instant(BERLIN, 2026, 10, 25), 5) == [6, 6, 6, 6, 1]
    assert lengths("6h", BERLIN, instant(BERLIN, 2026, 3, 29), 4) == [6, 6, 6, 5]


def test_weeks_begin_on_monday_and_months_on_their_first_day() -> None:
    assert lengths("1w", BERLIN, instant(BERLIN, 2026, 10, 19), 2) == [169, 168]
    assert lengths("1mo", BERLIN, instant(BERLIN, 2028, 1, 1), 3) == [31 * 24, 29 * 24, 31 * 24 - 1]
    assert lengths("3mo", BERLIN, instant(BERLIN, 2026, 10, 1), 1) == [92 * 24 + 1]
    assert lengths("12mo", BERLIN, instant(BERLIN, 2026, 1, 1), 2) == [365 * 24] * 2


@given(
    st.sampled_from(["1m", "15m", "1h", "8h", "1d", "2d", "1w", "2w", "1mo", "5mo"]),
    st.sampled_from(ZONES),
    st.integers(0, 4_000_000_000_000),
)
def test_spans_follow_each_other_without_a_gap(text: str, zone: ZoneInfo, ts: int) -> None:
    interval = read_interval(text)
    spans = CalendarSpans(interval, zone)
    begin, end = spans.around(ts)
    assert begin <= ts < end
    assert spans.around(begin) == spans.around(end - 1) == (begin, end)
    assert spans.around(end)[0] == end
    assert spans.around(begin - 1)[1] == begin
    assert FixedSpans(begin, 7).around(ts)[0] <= ts


@pytest.mark.parametrize("text", ["", "d", "0d", "1.5h", "7h", "7m", "25h", "1y", "1D", "-1d", "1000d", "1 d", "١d"])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        read_interval(text)


def test_lengths_in_ms_stand_for_parts_of_the_calendar() -> None:
    assert interval_of(24 * HOUR) == Interval(1, "d")
    assert interval_of(HOUR) == Interval(60, "m")
    for length in (1_000, 7 * HOUR, 25 * HOUR):
        with pytest.raises(ValueError, match="must"):
            interval_of(length)
