"""Each kind of condition: comparisons, changes, silence, absence, and what joins them."""

import pytest

from tests.rules.making import HOUR, MINUTE, SECOND, Device, over, rule, under


def test_and_or_not_join_conditions() -> None:
    tree = {"or": [{"and": [over(80), {"not": under(5, "p")}]}, {"attribute": "door", "op": "==", "value": "open"}]}
    device = Device(rule(tree))
    assert device.report(1, t=90) == []  # p is not known: neither under 5 nor not
    assert device.report(2, p=4) == []
    assert device.report(3, p=5) == [(2, 3)]
    assert device.report(4, t=70) == [(0, 4)]
    assert device.report(5, door="open") == [(2, 5)]
    assert device.report(6, door="shut") == [(0, 6)]


@pytest.mark.parametrize(
    ("op", "value", "yes", "no"),
    [
        (">", 1, [1.5, 2], [1, 0, True, "2", None, [2]]),
        (">=", 1, [1, 1.0], [0.999, "1"]),
        ("<", 1, [0], [1, False]),
        ("<=", 1, [1], [1.001]),
        ("==", 1, [1, 1.0], [True, "1", 2]),
        ("!=", 1, [2], [1, "2", None]),
        ("==", "a", ["a"], ["A", 1]),
        ("!=", "a", ["b"], ["a", 1]),
        ("==", True, [True], [False, 1, "true"]),
        ("between", [1, 3], [1, 2, 3], [0.99, 3.01, "2"]),
        (">", 2**62, [2**62 + 1], [2**62, 1.5]),
    ],
)
def test_comparisons(op: str, value: object, yes: list[object], no: list[object]) -> None:
    compared = {"attribute": "t", "op": op, "value": value}
    for each in yes:
        assert Device(rule(compared)).report(1, t=each) == [(2, 1)], each
    for each in no:
        assert Device(rule(compared)).report(1, t=each) == [], each


def test_a_change_is_a_value_other_than_the_one_before() -> None:
    device = Device(rule({"attribute": "t", "op": "change"}))
    assert [device.report(at, t=value) for at, value in enumerate([1, 1, 2, 2, {"a": 1}, {"a": 1}])] == [
        [], [], [(2, 2)], [(0, 3)], [(2, 4)], [(0, 5)],
    ]  # fmt: skip


def test_a_change_may_have_a_least_size() -> None:
    device = Device(rule({"attribute": "t", "op": "change", "value": 5}))
    assert [device.report(at, t=value) for at, value in enumerate([1, 5, 10, 9])] == [[], [], [(2, 2)], [(0, 3)]]


def test_silence_raises_by_itself_and_any_report_ends_it() -> None:
    device = Device(rule({"no_data_ms": MINUTE}))
    assert device.report(SECOND, x=1) == []
    assert device.report(30 * SECOND, y=1) == []
    assert device.wait(89 * SECOND) == []
    assert device.wait(5 * MINUTE) == [(2, 90 * SECOND)]
    assert device.report(6 * MINUTE, x=1) == [(0, 6 * MINUTE)]
    assert device.report(9 * MINUTE, x=1) == [(2, 7 * MINUTE), (0, 9 * MINUTE)]


def test_silence_of_one_attribute_is_not_ended_by_another() -> None:
    device = Device(rule({"attribute": "t", "no_data_ms": MINUTE}))
    device.report(0, t=1)
    assert device.report(2 * MINUTE, x=1) == [(2, MINUTE)]
    assert device.report(3 * MINUTE, t=1) == [(0, 3 * MINUTE)]


def test_a_device_that_never_reported_is_silent_since_its_creation() -> None:
    assert Device(rule({"no_data_ms": MINUTE})).wait(HOUR) == [(2, MINUTE)]


def test_not_silent_raises_with_the_first_report() -> None:
    device = Device(rule({"not": {"no_data_ms": MINUTE}}))
    assert device.look(0) == [(2, 0)]
    assert device.wait(HOUR) == [(0, MINUTE)]
    assert device.report(2 * HOUR, x=1) == [(2, 2 * HOUR)]
    assert device.wait(3 * HOUR) == [(0, 2 * HOUR + MINUTE)]


def test_absence_raises_after_its_time_and_coming_back_clears() -> None:
    device = Device(rule({"offline_ms": MINUTE}))
    assert device.offline(0) == []
    assert device.online(30 * SECOND) == []
    assert device.offline(40 * SECOND) == []
    assert device.wait(HOUR) == [(2, 100 * SECOND)]
    assert device.online(2 * HOUR) == [(0, 2 * HOUR)]
