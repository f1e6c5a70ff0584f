"""What is due later: one timer for any number of deadlines."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from math import inf

import structlog

from thingstead.clock import Clock

log = structlog.get_logger("thingstead.gateway")

LONGEST_SLEEP_S = 3600.0  # a deadline may lie years ahead; a timer should not


class Deadline:
    """Something that is due at ``due_s``, unless it is cancelled."""

    __slots__ = ("_work", "due_s")

    def __init__(self, due_s: float, work: Callable[[], None]) -> None:
        self.due_s = due_s
        self._work: Callable[[], None] | None = work

    def cancel(self) -> None:
        self._work = None

    def run(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work()


class Deadlines:
    """Deadlines on the clock that never jumps, in the order in which they are due."""

    def __init__(self, clock: Clock) -> None:
        self._now_s = clock.monotonic_s
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Deadline]] = []
        self._serial = count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_s = inf

    def add(self, due_s: float, work: Callable[[], None]) -> Deadline:
        """Runs ``work`` when the clock reads ``due_s``."""
        deadline = Deadline(due_s, work)
        heapq.heappush(self._heap, (due_s, next(self._serial), deadline))
        if due_s < self._timer_due_s:
            self._set_timer()
        return deadline

    def run_due(self) -> None:
        """Runs everything that is due."""
        while self._heap and self._heap[0][0] <= self._now_s():
            _, _, deadline = heapq.heappop(self._heap)
            try:
                deadline.run()
            except Exception:
                # A bug: logged here, and it keeps nothing else from being done in time.
                log.exception("something that was due failed")
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_due_s = self._heap[0][0] if self._heap else inf
        if self._heap:
            delay_s = min(max(0.0, self._timer_due_s - self._now_s()), LONGEST_SLEEP_S)
            self._timer = self._loop.call_later(delay_s, self.run_due)

    def stop(self) -> None:
        """Nothing is run any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._heap.clear()
