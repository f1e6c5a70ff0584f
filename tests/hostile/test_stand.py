"""What the stand is there to find, it finds."""

import os
import signal
import threading

import pytest

from tests.hostile.attacker import Target
from tests.hostile.stand import Outcome, Stand

STALL_S = 1.0
HARMLESS = Outcome([], 5.0, 5.0, 80_000_000, [], [])


def stop(target: Target) -> int:
    """Stops the server's process for as long as the attack lasts."""
    os.kill(target.server_pid, signal.SIGSTOP)
    threading.Event().wait(target.seconds)
    os.kill(target.server_pid, signal.SIGCONT)
    return 0


def test_a_server_that_answers_nobody_for_a_second_is_found(stand: Stand) -> None:
    outcome = stand.withstand(stop, seconds=STALL_S)
    assert outcome.attack == [0]
    assert min(outcome.device_p99_ms, outcome.reader_p99_ms) > STALL_S * 500
    with pytest.raises(AssertionError):
        outcome.check(p99_limit_ms=STALL_S * 500)


@pytest.mark.parametrize(
    "outcome",
    [
        HARMLESS._replace(device_p99_ms=9_000.0),
        HARMLESS._replace(reader_p99_ms=9_000.0),
        HARMLESS._replace(peak_rss_bytes=401_000_000),
        HARMLESS._replace(failures=["refused"]),
        HARMLESS._replace(lost=[7]),
    ],
)
def test_each_harm_to_others_fails_the_check(outcome: Outcome) -> None:
    HARMLESS.check()
    with pytest.raises(AssertionError):
        outcome.check()
