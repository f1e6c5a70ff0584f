"""When a rule raises and clears; time is an argument."""

import random

import pytest

from tests.rules.making import HOUR, MINUTE, NOW, SECOND, Device, over, rule, under
from thingstead.model.alarms.alarm import Phase
from thingstead.rules.evaluation import phase_of


def test_a_value_over_the_limit_raises_and_one_under_it_clears() -> None:
    device = Device(rule(over(80), clear=under(75)))
    assert device.report(1, t=80) == []
    assert device.report(2, t=81) == [(2, 2)]
    assert device.report(3, t=90) == []
    assert device.report(4, t=75) == []
    assert device.report(5, t=74) == [(0, 5)]
    assert device.report(6, t=74) == []


def test_an_alarm_goes_through_its_phases() -> None:
    slow = rule(over(80), clear=under(75), raise_delay_ms=MINUTE, clear_count=2)
    device = Device(slow)

    def phase() -> Phase:
        return phase_of(device.evaluator.state_of(slow))

    seen = [phase()]
    for at, value in ((0, 81), (SECOND, 80), (2 * SECOND, 81)):
        device.report(at, t=value)
        seen.append(phase())
    device.wait(2 * MINUTE)
    seen.append(phase())
    for at, value in ((1, 74), (2, 76), (3, 74), (4, 74)):
        device.report(2 * MINUTE + at, t=value)
        seen.append(phase())
    names = "idle pending idle pending raised clearing raised clearing idle"
    assert seen == [Phase(name) for name in names.split()]


def test_an_alarm_that_a_person_cleared_is_pending_until_the_next_value() -> None:
    hot = rule(over(80))
    device = Device(hot)
    device.report(0, t=81)
    device.clear(1)
    assert phase_of(device.evaluator.state_of(hot)) is Phase.PENDING
    device.report(2, t=70)
    assert phase_of(device.evaluator.state_of(hot)) is Phase.IDLE


def test_the_phase_of_an_alarm_with_levels_is_that_of_the_one_which_is_furthest() -> None:
    two = rule(levels=[{"level": 1, "raise": over(80)}, {"level": 2, "raise": over(90)}], clear_count=2)
    device = Device(two)
    device.report(0, t=91)
    device.report(1, t=85)
    state = device.evaluator.state_of(two)
    assert sorted(level.phase for level in state.levels) == [Phase.CLEARING, Phase.RAISED]
    assert phase_of(state) is Phase.RAISED


def test_without_a_clear_condition_the_opposite_clears() -> None:
    device = Device(rule(over(80)))
    assert [device.report(at, t=value) for at, value in enumerate([81, 80, 81])] == [[(2, 0)], [(0, 1)], [(2, 2)]]


@pytest.mark.parametrize(
    ("raises", "up", "still", "back"),
    [
        ({"attribute": "t", "op": ">", "value": 80, "deadband": 5}, 81, 75.5, 75),
        ({"attribute": "t", "op": ">=", "value": 80, "deadband": 5}, 80, 75, 74.5),
        ({"attribute": "t", "op": "<", "value": 10, "deadband": 2}, 9, 11.5, 12),
        ({"attribute": "t", "op": "<=", "value": 10, "deadband": 2}, 10, 12, 12.5),
        ({"attribute": "t", "op": "between", "value": [10, 20], "deadband": 2}, 15, 22, 22.5),
        ({"not": {"attribute": "t", "op": "between", "value": [10, 20], "deadband": 2}}, 21, 19, 18),
        ({"not": {"attribute": "t", "op": "<", "value": 80, "deadband": 5}}, 80, 75, 74.5),
    ],
)
def test_a_deadband_keeps_an_alarm_open(raises: object, up: float, still: float, back: float) -> None:
    device = Device(rule(raises))
    assert device.report(1, t=up) == [(2, 1)]
    assert device.report(2, t=still) == []
    assert device.report(3, t=back) == [(0, 3)]


def test_where_both_conditions_hold_the_alarm_stays() -> None:
    device = Device(rule(over(80), clear=over(1, "door")))
    assert device.report(1, t=81) == [(2, 1)]
    assert device.report(2, door=2) == []
    assert device.report(3, t=70) == [(0, 3)]


def test_an_on_delay_counts_from_the_first_value_and_needs_no_further_one() -> None:
    device = Device(rule(over(80), raise_delay_ms=MINUTE))
    assert device.report(0, t=81) == []
    assert device.wait(MINUTE - 1) == []
    assert device.wait(MINUTE + 500) == [(2, MINUTE)]


def test_an_on_delay_starts_anew_when_the_value_was_back_in_between() -> None:
    device = Device(rule(over(80), raise_delay_ms=MINUTE))
    device.report(0, t=81)
    device.report(30 * SECOND, t=80)
    device.report(40 * SECOND, t=81)
    assert device.wait(99 * SECOND) == []
    assert device.wait(100 * SECOND) == [(2, 100 * SECOND)]


def test_a_report_after_the_end_of_a_hold_raises_at_the_end_of_the_hold() -> None:
    device = Device(rule(over(80), raise_delay_ms=MINUTE))
    device.report(0, t=81)
    assert device.report(2 * MINUTE, t=70) == [(2, MINUTE), (0, 2 * MINUTE)]


def test_an_off_delay_keeps_the_alarm_open_while_the_value_flaps() -> None:
    device = Device(rule(over(80), clear_delay_ms=MINUTE))
    device.report(0, t=81)
    assert device.report(10 * SECOND, t=70) == []
    assert device.report(20 * SECOND, t=81) == []
    assert device.report(30 * SECOND, t=70) == []
    assert device.wait(80 * SECOND) == []
    assert device.wait(2 * MINUTE) == [(0, 90 * SECOND)]


def test_a_consecutive_count_counts_values_and_not_looks() -> None:
    device = Device(rule(over(80), raise_count=3, clear_count=2))
    assert device.report(1, t=81) == []
    assert device.report(2, t=79) == []
    assert [device.report(at, t=81) for at in (3, 4)] == [[], []]
    assert device.wait(HOUR) == []
    assert device.report(HOUR + 1, t=81) == [(2, HOUR + 1)]
    assert device.report(HOUR + 2, t=79) == []
    assert device.wait(2 * HOUR) == []
    assert device.report(2 * HOUR + 1, other=1) == []
    assert device.report(2 * HOUR + 2, t=79) == [(0, 2 * HOUR + 2)]


def test_count_and_delay_must_both_be_full() -> None:
    device = Device(rule(over(80), raise_count=2, raise_delay_ms=MINUTE))
    device.report(0, t=81)
    assert device.wait(2 * MINUTE) == []
    assert device.report(3 * MINUTE, t=81) == [(2, 3 * MINUTE)]


def test_a_cool_down_puts_the_next_alarm_off() -> None:
    device = Device(rule(over(80), cool_down_ms=MINUTE))
    device.report(0, t=81)
    assert device.report(SECOND, t=70) == [(0, SECOND)]
    assert device.report(2 * SECOND, t=81) == []
    assert device.wait(2 * MINUTE) == [(2, SECOND + MINUTE)]


def test_a_cool_down_that_is_over_leaves_no_trace() -> None:
    device = Device(rule(over(80), cool_down_ms=MINUTE))
    device.report(0, t=81)
    device.report(SECOND, t=70)
    assert device.report(2 * MINUTE, t=81) == [(2, 2 * MINUTE)]


def test_several_levels_make_one_alarm_that_goes_up_and_down() -> None:
    levels = [{"level": 1, "raise": over(80)}, {"level": 3, "raise": over(90), "clear": under(85)}]
    device = Device(rule(levels=levels))
    assert device.report(1, t=95) == [(3, 1)]
    assert device.report(2, t=87) == []
    assert device.report(3, t=84) == [(1, 3)]
    assert device.report(4, t=91) == [(3, 4)]
    assert device.report(5, t=10) == [(0, 5)]


def test_late_data_neither_raises_nor_clears() -> None:
    device = Device(rule(over(80)))
    device.report(10, t=70)
    assert device.report(9, t=90) == []
    device.report(20, t=90)
    assert device.report(19, t=70) == []
    assert device.told == [("r1", 2, 20)]


def test_late_data_of_which_no_rule_takes_notice_does_not_become_what_is_known() -> None:
    device = Device(rule(over(30)))
    device.report(10, t=20)
    assert device.report(5, t=21) == []
    assert device.report(7, t=31) == []  # later than the one before, and still not the newest
    device.evaluator.facts.catch_up()
    assert device.evaluator.facts.values == {"t": 20}
    assert device.evaluator.facts.newest == NOW + 10


def test_a_value_that_is_new_for_its_attribute_counts_though_another_attribute_is_newer() -> None:
    device = Device(rule({"and": [over(80), over(1, "p")]}))
    device.report(100, t=90)
    assert device.report(50, p=2) == [(2, 100)]


def test_of_equal_timestamps_the_last_value_counts() -> None:
    device = Device(rule(over(80)))
    device.report(1, t=70)
    assert device.report(1, t=90) == [(2, 1)]


def test_a_delay_ends_sooner_by_the_servers_clock_when_a_backlog_catches_up() -> None:
    device = Device(rule(over(80), raise_delay_ms=MINUTE))
    device.report(HOUR, other=1)
    assert device.hand_in(0, HOUR, t=81) == []
    assert device.evaluator.due == NOW + HOUR + MINUTE
    assert device.hand_in(30 * SECOND, HOUR + 1, t=82) == []
    assert device.evaluator.due == NOW + HOUR + 1 + 30 * SECOND
    assert device.wait(HOUR + 30 * SECOND) == []
    assert device.wait(HOUR + 31 * SECOND) == [(2, MINUTE)]


def test_an_alarm_that_began_and_ended_within_a_backlog_is_told() -> None:
    device = Device(rule(over(80), raise_delay_ms=MINUTE))
    device.hand_in(0, HOUR, t=81)
    assert device.hand_in(2 * MINUTE, HOUR + 1, t=70) == [(2, MINUTE), (0, 2 * MINUTE)]


def test_hours_that_opened_within_a_backlog_raise_at_their_beginning() -> None:
    device = Device(rule(over(80), schedule={"hours": [{"from": "22:30", "to": "23:00"}]}))  # opens after 16 min 40 s
    device.hand_in(0, HOUR, t=81)
    opens = 16 * MINUTE + 40 * SECOND
    assert device.hand_in(20 * MINUTE, HOUR + 1, t=70) == [(2, opens), (0, 20 * MINUTE)]


def test_what_is_pending_does_not_go_back_in_time() -> None:
    device = Device(rule({"and": [over(80), over(1, "p")]}, raise_delay_ms=MINUTE))
    device.report(HOUR, t=81, p=2)
    assert device.hand_in(0, HOUR + 1, t=90) == []
    assert device.wait(HOUR + MINUTE) == [(2, HOUR + MINUTE)]


def test_silence_counts_from_what_arrives_however_old_it_is() -> None:
    device = Device(rule({"no_data_ms": MINUTE}), rule({"attribute": "t", "no_data_ms": MINUTE}, rule_id="r2"))
    device.report(0, t=1)
    for number in range(1, 10):
        assert device.hand_in(number - HOUR, number * 30 * SECOND, t=number) == []
    assert device.wait(330 * SECOND) == [(2, 330 * SECOND), (2, 330 * SECOND)]
    assert device.hand_in(-MINUTE, 340 * SECOND, t=1) == [(0, 340 * SECOND), (0, 340 * SECOND)]


def test_after_a_manual_clear_the_next_value_is_judged_anew() -> None:
    device = Device(rule(over(80), raise_delay_ms=MINUTE))
    device.report(0, t=81)
    device.wait(MINUTE)
    assert device.clear(2 * MINUTE) == []
    assert device.wait(HOUR) == []
    assert device.report(HOUR + 1, t=81) == []
    assert device.wait(2 * HOUR) == [(2, HOUR + 1 + MINUTE)]


def test_after_a_manual_clear_silence_that_goes_on_is_judged_at_once() -> None:
    device = Device(rule({"no_data_ms": MINUTE}, cool_down_ms=MINUTE))
    device.wait(2 * MINUTE)
    assert device.clear(3 * MINUTE) == []
    assert device.wait(HOUR) == [(2, 4 * MINUTE)]


def test_a_manual_clear_is_at_the_time_of_the_device(chance: random.Random) -> None:
    offset = chance.choice((HOUR, -HOUR))  # its clock is wrong
    device = Device(rule(over(80), cool_down_ms=MINUTE))
    device.hand_in(offset, 0, t=81)
    assert device.clear(10 * SECOND) == []
    assert device.hand_in(offset + 20 * SECOND, 20 * SECOND, t=82) == []
    assert device.wait(HOUR) == [(2, offset + 10 * SECOND + MINUTE)]


def test_a_manual_clear_of_silence_says_when_to_look_again() -> None:
    device = Device(rule({"no_data_ms": MINUTE}, cool_down_ms=MINUTE))
    device.wait(2 * MINUTE)
    device.clear(3 * MINUTE)
    assert device.evaluator.due == NOW + 4 * MINUTE


def test_a_delay_goes_on_though_the_server_clock_was_set_back_after_the_last_report() -> None:
    device = Device(rule(over(80), raise_delay_ms=10 * HOUR))
    device.hand_in(-HOUR, 0, t=81)
    device.evaluator.set_back(NOW + HOUR, 8 * HOUR)  # nine hours later
    assert device.evaluator.due == NOW + 2 * HOUR
    assert device.wait(2 * HOUR) == [(2, 9 * HOUR)]


def test_a_schedule_limits_raising_and_not_clearing() -> None:
    # NOW is a Tuesday, 22:13:20 UTC.
    hours = [{"days": [3], "from": "08:00", "to": "09:00"}]
    device = Device(rule(over(80), schedule={"timezone": "+00:00", "hours": hours}))
    device.report(-1, t=70)
    assert device.report(0, t=81) == []
    opens = 9 * HOUR + 46 * MINUTE + 40 * SECOND
    assert device.evaluator.due == NOW + opens
    assert device.wait(opens - 1) == []
    assert device.wait(opens + 2 * HOUR) == [(2, opens)]
    assert device.report(opens + 3 * HOUR, t=70) == [(0, opens + 3 * HOUR)]
    assert device.report(opens + 4 * HOUR, t=81) == []


def test_a_hold_does_not_go_on_outside_the_hours() -> None:
    hours = [{"from": "22:00", "to": "22:30"}]
    device = Device(rule(over(80), raise_delay_ms=20 * MINUTE, schedule={"hours": hours}))
    device.report(0, t=81)  # closes after 16 min 40 s
    assert device.wait(23 * HOUR) == []
    opens = 23 * HOUR + 46 * MINUTE + 40 * SECOND
    assert device.wait(25 * HOUR) == [(2, opens + 20 * MINUTE)]


def test_a_value_of_another_type_makes_the_rule_fail_and_changes_nothing() -> None:
    device = Device(rule(over(80)))
    device.report(1, t=81)
    record = device.evaluator.rules.records["r1"]
    assert device.report(2, t="hot") == []
    assert record.failing == {"d1": "t is compared as number, and the device reports text"}
    assert device.report(3, t=82) == []
    assert record.failing == {}
    assert device.report(4, t=10) == [(0, 4)]
    assert device.report(5, t="cold") == []
    assert record.failing
    assert device.report(6, t=20) == []
    assert record.failing == {}


def test_an_occurrence_tells_which_conditions_held_and_with_which_values() -> None:
    device = Device(rule({"or": [over(80), under(1, "p"), {"not": under(3, "q")}]}))
    device.report(1, t=81, p=5, q=3, other=1)
    occurrence = device.decisions[-1].occurrences[0]
    assert occurrence.conditions == [over(80), {"not": under(3, "q")}]
    assert occurrence.attributes == {"t": 81, "p": 5, "q": 3}


def test_a_decision_says_when_to_look_again() -> None:
    device = Device(rule(over(80), raise_delay_ms=MINUTE))
    device.report(0, t=81)
    assert device.decisions[-1].due == device.evaluator.due
    assert device.evaluator.due == NOW + MINUTE


@pytest.mark.parametrize(("then", "raised"), [({"unread": 1}, [(2, MINUTE)]), ({"t": 20}, [])])
def test_what_is_pending_at_a_restart_is_looked_at_though_no_value_of_it_comes(
    then: dict[str, int], raised: list[tuple[int, int]]
) -> None:
    device = Device(rule(over(30), raise_delay_ms=MINUTE))
    device.report(0, t=31)
    evaluator = device.evaluator
    evaluator.take_over(
        evaluator.rules, evaluator.states, {"r1": evaluator.moment_of(evaluator.rules.records["r1"].rule)}
    )
    device.report(SECOND, **then)
    assert device.wait(2 * MINUTE) == raised


def test_of_equal_timestamps_a_value_that_raises_nothing_supersedes_one_that_did() -> None:
    device = Device(rule(over(30), raise_delay_ms=MINUTE))
    device.report(0, t=31)
    device.report(0, t=20)
    assert device.wait(2 * MINUTE) == []
