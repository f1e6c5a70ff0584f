"""Reports of benchmarks: tables people can paste, targets that cannot be met by not measuring."""

import pytest

from bench.case import all_cases
from bench.report import Report, Table, Target, figure, spread


def test_a_table_is_markdown() -> None:
    text = Table(["server", "msg/s"], [["Thingstead", "200,000"]]).markdown()
    assert text.splitlines() == ["| server | msg/s |", "| --- | --: |", "| Thingstead | 200,000 |"]


@pytest.mark.parametrize(
    ("limit", "measured", "at_most", "reached"),
    [
        (0.25, 0.25, False, True),
        (0.25, 0.24, False, False),
        (100, 99.0, True, True),
        (100, 101.0, True, False),
        (4, None, False, None),
    ],
)
def test_a_target_is_reached_missed_or_not_measured(
    limit: float, measured: float | None, at_most: bool, reached: bool | None
) -> None:
    assert Target("what", limit, measured, at_most).reached is reached


def test_a_report_shows_tables_targets_and_notes() -> None:
    report = Report("Idle", notes=["without devices"])
    report.targets.append(Target("RSS, MB", 100, None, at_most=True))
    assert report.markdown().splitlines()[-3:] == ["| RSS, MB | ≤ 100 | – | not measured |", "", "- without devices"]


def test_figures_keep_three_digits() -> None:
    assert [figure(value) for value in (123_456.7, 12.345, 0.012345)] == ["123,457", "12.3", "0.0123"]
    assert spread([3.0, 1.0, 2.0]) == "2 (1–3)"


def test_every_case_states_its_question() -> None:
    cases = all_cases()
    assert {"ingest", "http_attributes", "idle"} <= cases.keys()
    assert all(case.question for case in cases.values())
