"""A silent peer is noticed in time, however many there are, and one that is heard is left alone."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvloop

from thingstead.broker.net.idle_timers import TICK_S, IdleTimer, IdleTimers

LATE_S = 10.0  # of a busy machine


class Listener:
    """Notes when it was told that its peer is silent."""

    def __init__(self, idle_timers: IdleTimers) -> None:
        self._now_s = idle_timers.now_s
        self.timer = IdleTimer(idle_timers, self)
        self.told = asyncio.Event()
        self.told_at_s = 0.0

    def late(self, timer: IdleTimer) -> None:
        assert timer is self.timer
        assert not self.told.is_set(), "it is told once"
        self.told_at_s = self._now_s()
        self.told.set()


class Broken(Listener):
    def late(self, timer: IdleTimer) -> None:
        assert timer is self.timer
        super().late(timer)
        raise RuntimeError("a bug")


@pytest.fixture
async def idle_timers() -> AsyncIterator[IdleTimers]:
    idle_timers = IdleTimers()
    yield idle_timers
    idle_timers.close()


async def test_silence_is_told_after_its_time_and_not_before(idle_timers: IdleTimers) -> None:
    listeners = [Listener(idle_timers) for _ in range(50)]
    begun_s = idle_timers.now_s()
    for number, listener in enumerate(listeners):
        listener.timer.start(0.1 + number / 250)
    for listener in listeners:
        async with asyncio.timeout(30):
            await listener.told.wait()
        late_s = listener.told_at_s - begun_s - listener.timer.patience_s
        assert -0.001 <= late_s <= TICK_S + LATE_S  # a loop may keep time in whole milliseconds


async def test_who_was_heard_is_told_as_long_after_that(idle_timers: IdleTimers) -> None:
    listener = Listener(idle_timers)
    listener.timer.start(0.2)
    listener.timer.heard_at_s = heard_at_s = idle_timers.now_s() + 0.1
    await listener.told.wait()
    assert listener.told_at_s - heard_at_s >= 0.2 - 0.001


async def test_a_timer_that_was_stopped_or_that_waits_for_ever_is_silent(idle_timers: IdleTimers) -> None:
    stopped, endless, other = (Listener(idle_timers) for _ in range(3))
    stopped.timer.start(0.05)
    stopped.timer.stop()
    endless.timer.start(0)
    other.timer.start(0.3)
    await other.told.wait()
    assert not stopped.told.is_set()
    assert not endless.told.is_set()


async def test_one_that_fails_keeps_no_other_from_being_told(idle_timers: IdleTimers) -> None:
    for listener in (
        listeners := [Broken(idle_timers), Listener(idle_timers), Broken(idle_timers), Listener(idle_timers)]
    ):
        listener.timer.start(0.1)
    for listener in listeners:
        async with asyncio.timeout(30):
            await listener.told.wait()


async def test_connections_that_come_and_go_leave_nothing_behind(idle_timers: IdleTimers) -> None:
    listener = Listener(idle_timers)
    for seconds in range(1, 20_000):
        listener.timer.start(seconds)
        listener.timer.stop()
    assert len(idle_timers) <= 1_000


def test_time_is_kept_on_the_loop_of_the_server_too() -> None:
    async def told() -> float:
        idle_timers = IdleTimers()
        listener = Listener(idle_timers)
        begun_s = idle_timers.now_s()
        listener.timer.start(0.1)
        await listener.told.wait()
        idle_timers.close()
        return listener.told_at_s - begun_s

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert 0.099 <= runner.run(told()) <= 0.1 + TICK_S + LATE_S
