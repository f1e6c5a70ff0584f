"""Failed log-ins are counted by kind, and runs of them are logged, in bounded memory."""

from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from thingstead.clock import ManualClock
from thingstead.errors import TooManyRequests
from thingstead.services.accounts import log_ins
from thingstead.services.accounts.log_ins import LOGGED, RUN_LEAST, Failures, LogIns


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def lines_of(failures: Failures, times: int, address: str = "192.0.2.1", subject: str = "") -> list[Any]:
    """The warnings about so many failures."""
    with capture_logs() as lines:
        for _ in range(times):
            failures.note("administrator", address, subject)
    return warnings_of(lines)


def warnings_of(lines: Sequence[Any]) -> list[Any]:
    return [line for line in lines if line["log_level"] == "warning"]


def test_a_run_of_failures_is_logged_once_in_a_while_and_single_ones_are_not(clock: ManualClock) -> None:
    failures = Failures(clock)
    assert lines_of(failures, RUN_LEAST - 1) == []
    [line] = lines_of(failures, 100)
    assert (line["log_level"], line["kind"], line["remote_address"]) == ("warning", "administrator", "192.0.2.1")
    assert line["failures"] == RUN_LEAST
    clock.advance(61_000)
    assert [line["failures"] for line in lines_of(failures, 5)] == [RUN_LEAST + 100]
    clock.advance(301_000)
    assert lines_of(failures, RUN_LEAST - 1) == []
    assert failures.failed["administrator"] == 2 * RUN_LEAST + 103


def test_a_run_against_one_account_from_many_addresses_is_logged_by_the_account(clock: ManualClock) -> None:
    failures = Failures(clock)
    with capture_logs() as lines:
        for number in range(100):
            failures.note("administrator", f"2001:db8:{number:x}::1", "p1/admin")
    assert [line["subject"] for line in warnings_of(lines)] == ["p1/admin"]


def test_no_more_lines_are_logged_than_the_ration_however_many_addresses_fail(clock: ManualClock) -> None:
    failures = Failures(clock)
    with capture_logs() as lines:
        for number in range(300):
            for _ in range(RUN_LEAST):
                failures.note("device", f"10.0.{number // 250}.{number % 250}")
    assert len(warnings_of(lines)) == LOGGED
    assert len(lines) == 2 * LOGGED  # single failures have a ration of their own


def test_memory_is_bounded(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_ins, "RUNS_LIMIT", 5)
    monkeypatch.setattr(log_ins, "KNOWN_LIMIT", 5)
    everything = LogIns(clock)
    for number in range(50):
        everything.administrators.begin(f"p\0a{number}", f"10.0.0.{number}").succeeded()
        everything.failures.note("device", f"10.0.0.{number}")
    assert len(everything.administrators.known) == 5
    assert everything.failures.remembered == 5


def test_what_was_throttled_is_counted(clock: ManualClock) -> None:
    everything = LogIns(clock)
    for _ in range(10):
        everything.administrators.begin("p\0admin", "192.0.2.1").failed()
    for _ in range(3):
        with pytest.raises(TooManyRequests):
            everything.administrators.begin("p\0admin", "192.0.2.1")
    assert everything.failures.failed["administrator"] == 10
    assert everything.failures.throttled["administrator"] == 3


def test_an_attempt_that_was_not_looked_at_counts_nothing(clock: ManualClock) -> None:
    everything = LogIns(clock)
    for _ in range(50):
        everything.administrators.begin("p\0admin", "192.0.2.1").take_back()
    everything.administrators.begin("p\0admin", "192.0.2.1").succeeded()


def test_device_keys_that_are_right_between_wrong_ones_win_nothing(clock: ManualClock) -> None:
    everything = LogIns(clock)
    everything.device_keys.begin("p1", "192.0.2.1").succeeded()
    for _ in range(100):
        everything.device_keys.begin("p1", "192.0.2.1").failed()
        if everything.failures.failed["device_key"] < 100:
            everything.device_keys.begin("p1", "192.0.2.1").succeeded()
    with pytest.raises(TooManyRequests):
        everything.device_keys.begin("p1", "192.0.2.1")
