"""Weekly hours, in zones with and without daylight saving, held against counting minutes on the local clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thingstead.model.alarms.rule import Schedule
from thingstead.rules.schedule import OpenHours, minutes_of, zone, zone_named

MINUTE = 60_000
START = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
YEAR_MINUTES = 366 * 24 * 60


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def hours(timezone: str, *spans: dict[str, Any]) -> OpenHours:
    return OpenHours(msgspec.convert({"timezone": timezone, "hours": list(spans)}, Schedule))


def open_by_counting(timezone: str, spans: list[dict[str, Any]], instant: int) -> bool:
    """The same question, answered day by day."""
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant)).astimezone(zone(timezone))
    minute, today = local.hour * 60 + local.minute, local.isoweekday()
    for span in spans:
        begin, end = minutes_of(span["from"]), minutes_of(span["to"])
        days = span.get("days") or range(1, 8)
        if begin < end:
            if today in days and begin <= minute < end:
                return True
        elif (today in days and minute >= begin) or ((today - 2) % 7 + 1 in days and minute < end):
            return True
    return False


def test_office_hours_are_open_on_their_days_alone() -> None:
    office = hours("+08:00", {"days": [1, 2, 3, 4, 5], "from": "09:00", "to": "17:30"})
    assert not office.contains(at("2024-05-06T08:59:59.999+08:00"))
    assert office.contains(at("2024-05-06T09:00:00+08:00"))
    assert not office.contains(at("2024-05-06T17:30:00+08:00"))
    assert not office.contains(at("2024-05-05T12:00:00+08:00"))  # a Sunday
    assert office.next_edge(at("2024-05-03T18:00:00+08:00")) == at("2024-05-06T09:00:00+08:00")


def test_hours_that_end_on_the_next_day_go_on_over_midnight_and_over_the_week() -> None:
    night = hours("+00:00", {"days": [7], "from": "22:00", "to": "06:00"})
    assert night.contains(at("2024-05-05T23:00:00+00:00"))
    assert night.contains(at("2024-05-06T05:59:00+00:00"))  # Monday
    assert not night.contains(at("2024-05-06T06:00:00+00:00"))
    assert not night.contains(at("2024-05-06T23:00:00+00:00"))


def test_the_whole_week_has_no_edges() -> None:
    always = hours("+00:00", {"from": "00:00", "to": "24:00"})
    assert always.contains(START)
    assert always.next_edge(START) is None


@pytest.mark.parametrize(
    ("before", "edge"),
    [
        ("2024-03-30T12:00:00+01:00", "2024-03-31T03:00:00+02:00"),  # 02:30 does not exist: the clock jumps past it
        ("2024-10-26T12:00:00+02:00", "2024-10-27T02:30:00+02:00"),
    ],
)
def test_daylight_saving_moves_the_edges(before: str, edge: str) -> None:
    early = hours("Europe/Berlin", {"days": [7], "from": "02:30", "to": "08:00"})
    assert early.next_edge(at(before)) == at(edge)


@pytest.mark.parametrize("name", ["Mars/Olympus", "8", "+8:00", "+15:00", "../etc/passwd", "Asia", "", "\0"])
def test_an_unknown_time_zone_is_a_value_error(name: str) -> None:
    with pytest.raises(ValueError, match="there is no time zone"):
        zone(name)


times = st.integers(0, 24 * 4 - 1).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
spans = st.lists(
    st.fixed_dictionaries(
        {"days": st.lists(st.integers(1, 7), max_size=7), "from": times, "to": times | st.just("24:00")}
    ),
    min_size=1,
    max_size=4,
)
zones = st.sampled_from(["+00:00", "+05:45", "-11:00", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])


@given(zones, spans, st.integers(0, YEAR_MINUTES))
@settings(max_examples=150, deadline=None)
def test_it_is_open_when_the_local_clock_says_so(timezone: str, given_spans: list[dict[str, Any]], minute: int) -> None:
    instant = START + minute * MINUTE
    assert hours(timezone, *given_spans).contains(instant) is open_by_counting(timezone, given_spans, instant)


@given(zones, spans, st.integers(0, YEAR_MINUTES))
@settings(max_examples=60, deadline=None)
def test_the_next_edge_is_the_first_quarter_hour_at_which_it_changes(
    timezone: str, given_spans: list[dict[str, Any]], minute: int
) -> None:
    schedule = hours(timezone, *given_spans)
    instant = START + minute * MINUTE
    now = schedule.contains(instant)
    quarter = 15 * MINUTE
    first = instant // quarter * quarter + quarter
    walked = next(
        (step for step in range(first, first + 8 * 96 * quarter, quarter) if schedule.contains(step) is not now), None
    )
    assert schedule.next_edge(instant) == walked


@pytest.mark.parametrize(
    "name", ["localtime", "posixrules", "LocalTime", "posix/Asia/Shanghai", "right/UTC", "Factory"]
)
def test_what_this_machine_has_beside_the_iana_names_is_no_time_zone(name: str) -> None:
    with pytest.raises(ValueError, match="there is no time zone"):
        zone_named(name)


def test_iana_names_and_offsets_are_time_zones() -> None:
    assert [str(zone_named(name)) for name in ("Asia/Shanghai", "+08:00", "UTC")] == [
        "Asia/Shanghai",
        "UTC+08:00",
        "UTC",
    ]
