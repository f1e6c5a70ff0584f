"""What is due later: a queue of keys by the instant at which each is due, and one timer of the loop for any number of
deadlines."""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from math import inf
from typing import Generic, TypeVar

import structlog

from thingstead.clock import Clock

log = structlog.get_logger("thingstead.timers")

K = TypeVar("K")
T = TypeVar("T", int, float)

LONGEST_SLEEP_S = 3600.0  # cap of one sleep: a deadline may be years ahead
OUTDATED_LIMIT = 64  # cancelled entries that may stay in a queue, however few others there are


class DueQueue(Generic[K, T]):
    """Priority queue of keys by their due instant, in the caller's unit. The earliest instant of a key counts; keys
    with the same instant are returned in the order of insertion."""

    def __init__(self) -> None:
        self._due: dict[K, T] = {}
        self._heap: list[tuple[T, int, K]] = []  # the entries of _due, and outdated ones
        self._serial = count()

    def __len__(self) -> int:
        return len(self._due)

    @property
    def remembered(self) -> int:
        """Length of the heap: all due entries, and at most as many outdated ones (or OUTDATED_LIMIT)."""
        return len(self._heap)

    def put(self, key: K, due: T) -> None:
        """Schedules a key, unless it is already scheduled earlier."""
        known = self._due.get(key)
        if known is None or due < known:
            self._due[key] = due
            heapq.heappush(self._heap, (due, next(self._serial), key))
            if len(self._heap) > 2 * len(self._due) + OUTDATED_LIMIT:
                self._clear_away()

    def cancel(self, key: K) -> None:
        """Removes a key. Outdated entries are cleaned up, so keys that come and go use no more memory."""
        if self._due.pop(key, None) is not None and len(self._heap) > 2 * len(self._due) + OUTDATED_LIMIT:
            self._clear_away()

    def clear(self) -> None:
        """Removes all keys."""
        self._due.clear()
        self._heap.clear()

    def hasten(self, now: T) -> None:
        """Limits the due instant of every key to ``now``."""
        for key in list(self._due):
            self.put(key, now)

    def next_due(self) -> T | None:
        """The earliest due instant; None: the queue is empty."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: T) -> K | None:
        """Removes and returns the first key that is due by ``now``; None: none is due."""
        due = self.next_due()
        if due is None or due > now:
            return None
        key = heapq.heappop(self._heap)[2]
        del self._due[key]
        return key

    def _clear_away(self) -> None:
        self._heap = [(due, next(self._serial), key) for key, due in self._due.items()]
        heapq.heapify(self._heap)


class Deadline:
    """A callback scheduled for ``due_s``, unless it is cancelled."""

    __slots__ = ("_owner", "due_s", "work")

    def __init__(self, owner: "Deadlines", due_s: float, work: Callable[[], None]) -> None:
        self._owner = owner
        self.due_s = due_s
        self.work = work

    def cancel(self) -> None:
        """Cancels the callback; no effect if it was cancelled or has run."""
        self._owner.cancel(self)
        self.work = _nothing  # releases the objects that the callback refers to


def _nothing() -> None: ...


class Deadlines:
    """Schedules callbacks on a monotonic clock, in the order of their due times. Create it on the event loop;
    :meth:`stop` ends it.

    Args:
        clock: None: the clock of the loop.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self.now_s = self._loop.time if clock is None else clock.monotonic_s
        self._queue: DueQueue[Deadline, float] = DueQueue()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_s = inf

    def __len__(self) -> int:
        """Number of entries in memory: all scheduled ones, and at most as many cancelled ones (or a few)."""
        return self._queue.remembered

    def add(self, due_s: float, work: Callable[[], None]) -> Deadline:
        """Runs ``work`` when the clock reads ``due_s``."""
        deadline = Deadline(self, due_s, work)
        self._queue.put(deadline, due_s)
        if due_s < self._timer_due_s:
            self._set_timer()
        return deadline

    def cancel(self, deadline: Deadline) -> None:
        """Cancels a callback; no effect if it was cancelled or has run."""
        self._queue.cancel(deadline)

    def run_due(self) -> None:
        """Runs all due callbacks."""
        while (deadline := self._queue.take(self.now_s())) is not None:
            try:
                deadline.work()
            except Exception:
                # A bug: logged here, so that other callbacks run in time.
                log.exception("a scheduled callback failed")
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_s = self._queue.next_due()
        self._timer_due_s = inf if due_s is None else due_s
        if due_s is not None:
            delay_s = min(max(0.0, due_s - self.now_s()), LONGEST_SLEEP_S)
            self._timer = self._loop.call_later(delay_s, self.run_due)

    def stop(self) -> None:
        """Cancels all callbacks."""
        if self._timer is not None:
            self._timer.cancel()
        self._queue.clear()
