"""Notices a peer that has been silent for too long, with one timer of the loop for any number of connections."""

import asyncio
import heapq
from math import ceil
from typing import Protocol

import structlog

log = structlog.get_logger("thingstead.broker")

GRACE = 1.5  # [MQTT-3.1.2-22] (3.1.1: -24) one and a half times the keep alive
TICK_S = 0.05  # connections that are due within one tick are looked at together, at its end
SPARE_TICKS = 500  # whose connections are gone; more are cleared away


class IdleObserver(Protocol):
    """Whoever waits for a peer."""

    def late(self, timer: "IdleTimer") -> None:
        """What ``timer`` waits for did not come in time."""
        ...


class IdleTimers:
    """Who is to be looked at when. To be made on the event loop; :meth:`close` ends it.

    A connection stands in the set of its tick; a hundred thousand of them cost no more timers than one.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.now_s = self._loop.time
        self._ticks: dict[int, set[IdleTimer]] = {}
        self._order: list[int] = []  # a heap: every tick that has a set, and some that had one
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """The number of ticks that are remembered."""
        return len(self._order)

    def add(self, timer: "IdleTimer", due_s: float) -> int:
        """Has the timer ring at ``due_s`` or a tick later; returns what :meth:`remove` takes."""
        tick = ceil(due_s / TICK_S)
        timers = self._ticks.get(tick)
        if timers is not None:
            timers.add(timer)
            return tick
        self._ticks[tick] = {timer}
        first = self._order[0] if self._order else tick + 1
        heapq.heappush(self._order, tick)
        if tick < first:
            self._set_timer()
        return tick

    def remove(self, timer: "IdleTimer", tick: int) -> None:
        """Forgets a timer."""
        timers = self._ticks.get(tick)
        if timers is not None:
            timers.discard(timer)
            if not timers:
                del self._ticks[tick]
                if len(self._order) > 2 * len(self._ticks) + SPARE_TICKS:
                    self._order = sorted(self._ticks)

    def _ring(self) -> None:
        now_s = self.now_s()
        while self._order and self._order[0] * TICK_S <= now_s:
            for timer in self._ticks.pop(heapq.heappop(self._order), ()):
                try:
                    timer.ring(now_s)
                except Exception:
                    # A bug: logged here, and the other connections are looked at all the same.
                    log.exception("an idle connection could not be closed")
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._order[0] * TICK_S, self._ring) if self._order else None

    def close(self) -> None:
        """Nobody is looked at any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._ticks.clear()
        self._order.clear()


class IdleTimer:
    """Tells ``listener`` when ``heard_at_s`` is older than ``patience_s``.

    Hearing a peer costs one assignment; the timer looks at it when it rings, and sets itself again.
    """

    __slots__ = ("_listener", "_silences", "_tick", "heard_at_s", "patience_s")

    def __init__(self, silences: IdleTimers, listener: IdleObserver) -> None:
        self._silences = silences
        self._listener = listener
        self._tick = 0  # 0: it does not run
        self.patience_s = 0.0
        self.heard_at_s = 0.0

    @property
    def running(self) -> bool:
        return bool(self._tick)

    def start(self, patience_s: float) -> None:
        """Begins to wait, from now; 0 waits for ever."""
        self.stop()
        self.patience_s = patience_s
        self.heard_at_s = self._silences.now_s()
        if patience_s:
            self._tick = self._silences.add(self, self.heard_at_s + patience_s)

    def stop(self) -> None:
        if self._tick:
            self._silences.remove(self, self._tick)
            self._tick = 0

    def ring(self, now_s: float) -> None:
        """Its tick has come."""
        due_s = self.heard_at_s + self.patience_s
        if due_s > now_s:
            self._tick = self._silences.add(self, due_s)
        else:
            self._tick = 0
            self._listener.late(self)
