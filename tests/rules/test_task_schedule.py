"""Planned instants, by law; and schedules in words."""

from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from thingstead.model.tasks.task import TaskSchedule
from thingstead.refusals import Unusable
from thingstead.rules.task_schedule import PlannedInstants, local_text, plain_cron
from thingstead.rules.task_words import words_of

DAY = 86_400_000
YEAR_2026 = 1_767_225_600_000
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
CHANGES = [1_774_746_000_000, 1_792_890_000_000, 1_772_953_200_000, 1_793_509_200_000]  # of both zones in 2026
SCHEDULES = [
    TaskSchedule(cron="30 2 * * *", timezone=BERLIN),
    TaskSchedule(cron="15,45 1,2,3 * * *", timezone=NEW_YORK),
    TaskSchedule(cron="*/30 * * * *", timezone=BERLIN),
    TaskSchedule(cron="0 */2 * * *", timezone=NEW_YORK),
    TaskSchedule(cron="0 0 29 2 *"),
    TaskSchedule(cron="17 4 L * *", timezone="Australia/Lord_Howe"),
    TaskSchedule(every_ms=3_600_000, start_at=YEAR_2026 + 12_345),
    TaskSchedule(sun="sunset", latitude=69.65, longitude=18.96, offset_ms=-3_600_000),
    TaskSchedule(sun="sunrise", latitude=-54.8, longitude=-68.3),
    TaskSchedule(at=CHANGES[0]),
    TaskSchedule(cron="5 1-3 * * 0", timezone=BERLIN, start_at=CHANGES[0] - 2 * DAY, end_at=CHANGES[0] + 9 * DAY),
]


@given(
    st.sampled_from(SCHEDULES),
    st.one_of(
        st.integers(YEAR_2026, YEAR_2026 + 364 * DAY),
        st.builds(lambda at, by: at + by, st.sampled_from(CHANGES), st.integers(-3 * 3_600_000, 3 * 3_600_000)),
    ),
    st.integers(1, 3 * DAY),
    st.integers(1, 100),
)
@example(SCHEDULES[0], CHANGES[1], 2 * DAY, 3)
def test_the_newest_instants_of_a_span_are_the_last_of_those_that_follow_each_other(
    schedule: TaskSchedule, after: int, length: int, most: int
) -> None:
    planned, found = PlannedInstants(schedule), list[int]()
    at = after
    while (due := planned.after(at)) is not None and due <= after + length:
        assert due > at
        found.append(at := due)
    assert planned.newest(after, after + length, most) == found[-most:]


def test_a_run_at_a_time_that_exists_twice_is_over_in_the_second_hour() -> None:
    second_2_46 = CHANGES[1] + 46 * 60_000
    due = PlannedInstants(TaskSchedule(cron="50 2 * * *", timezone=BERLIN)).after(second_2_46)
    assert due is not None
    assert local_text(due, ZoneInfo(BERLIN)) == "2026-10-26T02:50:00+01:00"


@given(st.sampled_from(["sunrise", "sunset"]), st.floats(-62, 62), st.floats(-180, 180), st.integers(0, 300))
@example("sunset", 60.0, -120.0, 0)
@example("sunrise", 60.0, 120.0, 0)
@example("sunrise", -60.431216005465345, 109.06331963638974, 0)
@example("sunrise", 29.626216766468303, 87.2148053758794, 200)
def test_the_sun_rises_and_sets_once_a_day_wherever_it_does(
    sun: Any, latitude: float, longitude: float, day: int
) -> None:
    planned = PlannedInstants(TaskSchedule(sun=sun, latitude=latitude, longitude=longitude))
    found = planned.newest(YEAR_2026 + day * DAY, YEAR_2026 + (day + 60) * DAY)
    assert 59 <= len(found) <= 61
    assert all(0.97 * DAY < later - earlier < 1.03 * DAY for earlier, later in pairwise(found))


@pytest.mark.parametrize(
    ("text", "plain"),
    [("@daily", "0 0 * * *"), (" @Hourly ", "0 * * * *"), ("0 8 ? * 1", "0 8 * * 1"), ("0 8 1 * ?", "0 8 1 * *")],
)
def test_words_and_question_marks_are_translated(text: str, plain: str) -> None:
    assert plain_cron(text) == plain


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "cron_fields"),
        ("* * * *", "cron_fields"),
        ("0 0 8 * * 1", "cron_seconds"),
        ("@reboot", "cron_word_unknown"),
        ("61 * * * *", "cron_unusable"),
        ("٣ 8 * * *", "cron_unusable"),
        ("L/L * * * *", "cron_unusable"),
        ("*/0 * * * *", "cron_unusable"),
        ("0 0 L/2 * 5L/2", "cron_unusable"),
        ("0 0 30 2 *", "cron_unusable"),
        ("0 0 */31 2 1#5", "cron_never"),
    ],
)
def test_what_no_day_matches_is_refused_with_a_text_of_its_own(text: str, code: str) -> None:
    with pytest.raises(Unusable) as caught:
        plain_cron(text)
    assert caught.value.reason.code == code


@given(st.text(alphabet="0123456789*/,-#LW?@ MONJA", max_size=40))
def test_a_text_is_either_an_expression_or_refused(text: str) -> None:
    try:
        expression = plain_cron(text)
    except Unusable:
        return
    schedule = TaskSchedule(cron=expression, timezone=BERLIN)
    assert PlannedInstants(schedule).after(YEAR_2026) is not None
    assert all(words_of(schedule))


@pytest.mark.parametrize(
    ("schedule", "english", "chinese"),
    [
        ({"at": YEAR_2026}, "Once, at 2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00 执行一次"),
        ({"cron": "0 8 * * 1-5"}, "At 08:00 on Monday through Friday", "周一至周五 08:00"),
        ({"cron": "*/10 * * * *"}, "Every 10th minute of every hour", "每小时第 0、10、20、30、40、50 分"),
        ({"cron": "* * * * *"}, "Every minute", "每分钟"),
        (
            {"cron": "0 18 L 6,7 *"},
            "At 18:00 on the last day of June and July",
            "每年 6、7 月最后一天 18:00",
        ),
        ({"cron": "0 8 * * 5#2"}, "At 08:00 on the second Friday of the month", "当月第 2 个周五 08:00"),
        ({"every_ms": 60_000}, "Every minute", "每 1 分钟"),
        ({"sun": "sunset", "offset_ms": -900_000}, "Every day 15 minutes before sunset", "每天日落前 15 分钟"),
        ({"sun": "sunrise"}, "Every day at sunrise", "每天日出时"),
    ],
)
def test_a_schedule_is_told_in_words(schedule: dict[str, Any], english: str, chinese: str) -> None:
    assert words_of(TaskSchedule(**schedule)) == (english, chinese)
