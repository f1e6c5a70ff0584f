"""What a schedule says, in words: English and Chinese."""

from datetime import UTC, datetime
from typing import Any

from cronsim import CronSim

from thingstead.model.tasks.task import TaskSchedule
from thingstead.rules.schedule import zone
from thingstead.rules.task_schedule import local_text, plain_cron

TIMES_SHOWN = 12  # times of a day that are listed; more are told by their hours and minutes
_UNITS = ((86_400_000, "day", "天"), (3_600_000, "hour", "小时"), (60_000, "minute", "分钟"), (1_000, "second", "秒"))
_SUN = {"sunrise": ("sunrise", "日出"), "sunset": ("sunset", "日落")}
_WEEKDAYS = "日一二三四五六"


def words_of(schedule: TaskSchedule) -> tuple[str, str]:
    """A valid schedule in English and in Chinese."""
    if schedule.at is not None:
        at = local_text(schedule.at, zone("+00:00"))
        return f"Once, at {at}", f"{at} 执行一次"
    if schedule.cron is not None:
        expression = plain_cron(schedule.cron)
        return CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC)).explain(), _cron_in_chinese(expression)
    if schedule.every_ms is not None:
        english, chinese = _length(schedule.every_ms)
        return f"Every {english if english.count(' ') > 1 else english.removeprefix('1 ')}", f"每 {chinese}"
    return _sun(schedule)


def _length(length_ms: int) -> tuple[str, str]:
    parts: list[tuple[int, str, str]] = []
    for unit_ms, english, chinese in _UNITS:
        count, length_ms = divmod(length_ms, unit_ms)
        if count:
            parts.append((count, english, chinese))
    if length_ms:
        parts.append((length_ms, "millisecond", "毫秒"))
    in_english = " ".join(f"{count} {name}{'s' if count > 1 else ''}" for count, name, _ in parts)
    return in_english, " ".join(f"{count} {name}" for count, _, name in parts)


def _sun(schedule: TaskSchedule) -> tuple[str, str]:
    english, chinese = _SUN[schedule.sun or "sunrise"]
    if not schedule.offset_ms:
        return f"Every day at {english}", f"每天{chinese}时"
    length, in_chinese = _length(abs(schedule.offset_ms))
    if schedule.offset_ms < 0:
        return f"Every day {length} before {english}", f"每天{chinese}前 {in_chinese}"
    return f"Every day {length} after {english}", f"每天{chinese}后 {in_chinese}"


def _cron_in_chinese(expression: str) -> str:
    ticks = CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC))
    days = [_days_of_month(ticks.days), _days_of_week(ticks.weekdays)]
    when = ("且" if ticks.day_and else "或").join(text for text in days if text)
    if len(ticks.months) < 12:
        when = f"每年 {_listed(ticks.months)} 月" + (when.removeprefix("每月").strip() or "每天")
    time_of_day = _time_of_day(ticks)
    if not when and time_of_day[0] != "每":
        when = "每天"
    return f"{when} {time_of_day}".strip()


def _listed(numbers: Any) -> str:
    """Numbers with runs of three and more as a range: ``1-5、8``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return "、".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else "、".join(map(str, run)) for run in runs)


def _days_of_month(days: Any) -> str:
    texts = []
    plain = {day for day in days if day > 0}
    if len(plain) == 31:
        return ""
    if plain:
        texts.append(f"{_listed(plain)} 日")
    if CronSim.LAST in days:
        texts.append("最后一天")
    if CronSim.LAST_WEEKDAY in days:
        texts.append("最后一个工作日")
    return ("每月 " if plain else "每月") + "、".join(texts)


def _days_of_week(days: Any) -> str:
    plain = {day % 7 for day in days if isinstance(day, int)}
    if len(plain) == 7:
        return ""
    texts = [f"周{_WEEKDAYS[day]}" for day in sorted(plain, key=lambda day: day or 7)]
    if plain == {1, 2, 3, 4, 5}:
        texts = ["周一至周五"]
    for day, place in sorted(day for day in days if not isinstance(day, int)):
        which = "最后一个" if place == CronSim.LAST else f"第 {place} 个"
        texts.append(f"当月{which}周{_WEEKDAYS[day % 7]}")
    return "、".join(texts)


def _time_of_day(ticks: CronSim) -> str:
    minutes, hours = sorted(ticks.minutes), sorted(ticks.hours)
    if len(minutes) * len(hours) <= TIMES_SHOWN:
        return "、".join(f"{hour:02}:{minute:02}" for hour in hours for minute in minutes)
    of_hour = "每分钟" if len(minutes) == 60 else f"第 {_listed(minutes)} 分"
    if len(hours) == 24:
        return of_hour if len(minutes) == 60 else f"每小时{of_hour}"
    return f"{_listed(hours)} 时的{of_hour}"
