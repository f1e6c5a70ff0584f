"""Work of each project at a bounded pace."""

from thingstead.clock import ManualClock
from thingstead.services.shared.pace import Pace


def test_a_project_waits_for_as_long_as_its_work_takes_at_its_pace_and_others_do_not() -> None:
    clock = ManualClock()
    pace = Pace(clock, per_second=100)
    assert pace.wait_s("ours") == 0

    pace.spent("ours", 50)
    pace.spent("ours", 25)

    assert pace.wait_s("ours") == 0.75
    assert pace.wait_s("theirs") == 0
    clock.advance(750)
    assert pace.wait_s("ours") == 0


def test_time_without_work_is_not_saved_up() -> None:
    clock = ManualClock()
    pace = Pace(clock, per_second=10)
    pace.spent("ours", 10)
    clock.advance(60_000)

    pace.spent("ours", 20)

    assert pace.wait_s("ours") == 2
