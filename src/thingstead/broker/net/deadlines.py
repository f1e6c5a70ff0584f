"""What is due later: one timer for any number of deadlines."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from math import inf

import structlog

from thingstead.clock import Clock

log = structlog.get_logger("thingstead.broker")

LONGEST_SLEEP_S = 3600.0  # a deadline may lie years ahead; a timer should not
CANCELLED_LIMIT = 64  # cancelled deadlines that may stay until they would have been due, however few others there are


class Deadline:
    """Something that is due at ``due_s``, unless it is cancelled."""

    __slots__ = ("_owner", "_work", "due_s")

    def __init__(self, owner: "Deadlines", due_s: float, work: Callable[[], None]) -> None:
        self._owner = owner
        self.due_s = due_s
        self._work: Callable[[], None] | None = work

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled, or has run."""
        return self._work is None

    def cancel(self) -> None:
        """Calling again, or after it has run, does nothing."""
        if self._work is not None:
            self._work = None
            self._owner.one_cancelled()

    def run(self) -> None:
        """Once."""
        work, self._work = self._work, None
        if work is not None:
            work()


class Deadlines:
    """Deadlines on the clock that never jumps, in the order in which they are due."""

    def __init__(self, clock: Clock) -> None:
        self._now_s = clock.monotonic_s
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Deadline]] = []
        self._cancelled = 0  # of these
        self._serial = count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_s = inf

    def __len__(self) -> int:
        """Those that are remembered: all that will run, and at most as many that were cancelled, or a few."""
        return len(self._heap)

    def add(self, due_s: float, work: Callable[[], None]) -> Deadline:
        """Runs ``work`` when the clock reads ``due_s``."""
        deadline = Deadline(self, due_s, work)
        heapq.heappush(self._heap, (due_s, next(self._serial), deadline))
        if due_s < self._timer_due_s:
            self._set_timer()
        return deadline

    def one_cancelled(self) -> None:
        """Forgets the cancelled ones when they are more than the others: a client that comes and goes all the time
        leaves one behind each time, which may lie days ahead."""
        self._cancelled += 1
        if self._cancelled > max(CANCELLED_LIMIT, len(self._heap) // 2):
            self._heap = [each for each in self._heap if not each[2].cancelled]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def run_due(self) -> None:
        """Runs everything that is due."""
        while self._heap and self._heap[0][0] <= self._now_s():
            _, _, deadline = heapq.heappop(self._heap)
            self._cancelled -= deadline.cancelled
            try:
                deadline.run()
            except Exception:
                # A bug: logged here, and it keeps nothing else from being done in time.
                log.exception("a scheduled callback failed")
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
        self._cancelled = 0
