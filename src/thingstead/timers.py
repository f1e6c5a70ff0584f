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

LONGEST_SLEEP_S = 3600.0  # a deadline may lie years ahead; a timer should not
OUTDATED_LIMIT = 64  # entries that count no more and may stay in a queue, however few others there are


class DueQueue(Generic[K, T]):
    """Keys by the instant at which each is due, in the caller's unit; the earliest one of a key counts. Keys of one
    instant come in the order in which they were put."""

    def __init__(self) -> None:
        self._due: dict[K, T] = {}
        self._heap: list[tuple[T, int, K]] = []  # holds what is in _due, and older entries that count no more
        self._serial = count()

    def __len__(self) -> int:
        return len(self._due)

    @property
    def remembered(self) -> int:
        """All that are due, and at most as many entries that count no more, or a few."""
        return len(self._heap)

    def put(self, key: K, due: T) -> None:
        """Notes an instant for a key, unless it is noted for an earlier one."""
        known = self._due.get(key)
        if known is None or due < known:
            self._due[key] = due
            heapq.heappush(self._heap, (due, next(self._serial), key))
            if len(self._heap) > 2 * len(self._due) + OUTDATED_LIMIT:
                self._clear_away()

    def cancel(self, key: K) -> None:
        """Forgets a key: one that comes and goes all the time leaves nothing behind."""
        if self._due.pop(key, None) is not None and len(self._heap) > 2 * len(self._due) + OUTDATED_LIMIT:
            self._clear_away()

    def clear(self) -> None:
        """Forgets all of them."""
        self._due.clear()
        self._heap.clear()

    def hasten(self, now: T) -> None:
        """Has every key due by ``now`` at the latest."""
        for key in list(self._due):
            self.put(key, now)

    def next_due(self) -> T | None:
        """The earliest instant; None: nothing is noted."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: T) -> K | None:
        """The key that is due first, taken out; None where none is due by ``now``."""
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
    """Something that is due at ``due_s``, unless it is cancelled."""

    __slots__ = ("_owner", "due_s", "work")

    def __init__(self, owner: "Deadlines", due_s: float, work: Callable[[], None]) -> None:
        self._owner = owner
        self.due_s = due_s
        self.work = work

    def cancel(self) -> None:
        """Calling again, or after it has run, does nothing."""
        self._owner.cancel(self)
        self.work = _nothing  # what it would have worked on may go, however long the entry stays


def _nothing() -> None: ...


class Deadlines:
    """Deadlines on the clock that never jumps, in the order in which they are due. To be made on the event loop;
    :meth:`stop` ends it.

    Args:
        clock: None: the loop's.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self.now_s = self._loop.time if clock is None else clock.monotonic_s
        self._queue: DueQueue[Deadline, float] = DueQueue()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_s = inf

    def __len__(self) -> int:
        """Those that are remembered: all that will run, and at most as many that were cancelled, or a few."""
        return self._queue.remembered

    def add(self, due_s: float, work: Callable[[], None]) -> Deadline:
        """Runs ``work`` when the clock reads ``due_s``."""
        deadline = Deadline(self, due_s, work)
        self._queue.put(deadline, due_s)
        if due_s < self._timer_due_s:
            self._set_timer()
        return deadline

    def cancel(self, deadline: Deadline) -> None:
        """Calling again, or after it has run, does nothing."""
        self._queue.cancel(deadline)

    def run_due(self) -> None:
        """Runs everything that is due."""
        while (deadline := self._queue.take(self.now_s())) is not None:
            try:
                deadline.work()
            except Exception:
                # A bug: logged here, and it keeps nothing else from being done in time.
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
        """Nothing is run any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._queue.clear()
