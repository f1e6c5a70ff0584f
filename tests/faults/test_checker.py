"""The checker finds what is wrong with a run, and nothing in a run that is right."""

from typing import Any

import pytest

from tests.faults.checker import MEMORY_GROWTH_BYTES, check
from tests.faults.nemesis import KINDS, draw
from tests.faults.records import Alarm, CommandSeen, Gap, Memory, Presence, Reported, Run, Seen


def reported(value: int, begun_s: float, ended_s: float, outcome: Any = "ok") -> Reported:
    return Reported("d", value, 1_000 + value, begun_s, ended_s, outcome)


def right() -> Run:
    """Seven reports, of which the sixth raises an alarm; everything else fits."""
    reports = [reported(value, value, value + 0.5) for value in range(1, 8)]
    return Run(
        reports=reports,
        reads=[Seen("d", "r", 3, 3.6, 3.7), Seen("d", "r", 5, 4.9, 5.2), Seen("d", "r", 7, 8, 8.1)],
        commands=[CommandSeen("c", "queued", 1, 2), CommandSeen("c", "sent", 3, 4), CommandSeen("c", "replied", 5, 6)],
        news=[Presence("d", True), Presence("d", False), Presence("d", True), Gap(), Presence("d", True)],
        memory=[Memory("n", 1, 100 << 20, False), Memory("n", 2, 120 << 20, True)],
        stored={"d": [(report.ts, report.value) for report in reports]},
        alarms=[Alarm("d", 1_006, None)],
        online={"d": True},
        connected={"d": True},
    )


def test_a_run_that_is_right_passes() -> None:
    assert check(right()) == []


def test_a_report_without_an_acknowledgement_may_be_stored_or_not() -> None:
    run = right()
    run.reports.append(reported(8, 8, 9, "unknown"))
    assert check(run) == []
    run.stored["d"].append((1_008, 8))
    assert check(run) == []


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "lost": ("acknowledged reports are not stored", {"stored": {"d": [(1_000 + n, n) for n in range(1, 7)]}}),
    "doubled": ("stored more than once", {"stored": {"d": [(1_000 + n, n) for n in (1, 2, 3, 4, 5, 6, 6, 7)]}}),
    "invented": ("never reported", {"stored": {"d": [(1_000 + n, n) for n in (1, 2, 3, 4, 5, 6, 7, 99)]}}),
    "stale": ("should see 3", {"reads": [Seen("d", "r", 2, 3.6, 3.7)]}),
    "future": ("should see 3", {"reads": [Seen("d", "r", 4, 3.6, 3.7)]}),
    "back": ("after 5 had been seen", {"reads": [Seen("d", "r", 5, 4.9, 5.2), Seen("d", "s", 4, 5.3, 5.4)]}),
    "state back": ("sent at", {"commands": [CommandSeen("c", "delivered", 1, 2), CommandSeen("c", "sent", 3, 4)]}),
    "two ends": ("ended as", {"commands": [CommandSeen("c", "replied", 1, 2), CommandSeen("c", "expired", 3, 4)]}),
    "online twice": ("online twice", {"news": [Presence("d", True), Presence("d", True)]}),
    "shown offline": ("shown as the opposite", {"online": {"d": False}}),
    "no alarm": ("1 alarms missing", {"alarms": []}),
    "two alarms": ("1 too many", {"alarms": [Alarm("d", 1_006, None), Alarm("d", 1_006, None)]}),
    "memory": ("grew", {"memory": [Memory("n", 1, 1, False), Memory("n", 2, MEMORY_GROWTH_BYTES + 2, True)]}),
}


@pytest.mark.parametrize(("problem", "change"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_found(problem: str, change: dict[str, Any]) -> None:
    found = check(right()._replace(**change))
    assert any(problem in each for each in found), found


def test_news_after_a_gap_need_not_alternate_with_those_before() -> None:
    assert check(right()._replace(news=[Presence("d", True), Gap(), Presence("d", True)])) == []


def test_a_seed_draws_the_same_schedule_again() -> None:
    assert draw(7, 60) == draw(7, 60)
    assert draw(7, 60) != draw(8, 60)
    drawn = {fault.kind for seed in range(50) for fault in draw(seed, 60)}
    assert drawn == set(KINDS)
