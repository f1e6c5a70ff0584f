"""Idle time-outs of any number of connections with one timer of the event loop."""

from math import ceil
from typing import Protocol

import structlog

from thingstead.timers import Deadline, Deadlines

log = structlog.get_logger("thingstead.broker")

GRACE = 1.5  # [MQTT-3.1.2-22] (3.1.1: -24) one and a half times the keep alive
TICK_S = 0.05  # timers that are due within one tick expire together, at its end


class IdleObserver(Protocol):
    """Object that is called when a peer was silent for too long."""

    def late(self, timer: "IdleTimer") -> None:
        """Called when ``timer`` expires."""
        ...


class IdleTimers:
    """Idle timers of all connections. Must be made on the event loop; :meth:`close` ends it.

    Timers are grouped by tick, so that a hundred thousand connections need no more callbacks of the event loop than
    one.
    """

    def __init__(self) -> None:
        self._deadlines = Deadlines()
        self.now_s = self._deadlines.now_s
        self._ticks: dict[int, tuple[set[IdleTimer], Deadline]] = {}

    def __len__(self) -> int:
        """Number of ticks with timers."""
        return len(self._deadlines)

    def add(self, timer: "IdleTimer", due_s: float) -> int:
        """Sets a timer to expire at ``due_s`` or one tick later. Returns the tick, for :meth:`remove`."""
        tick = ceil(due_s / TICK_S)
        known = self._ticks.get(tick)
        if known is None:
            self._ticks[tick] = {timer}, self._deadlines.add(tick * TICK_S, lambda: self._ring(tick))
        else:
            known[0].add(timer)
        return tick

    def remove(self, timer: "IdleTimer", tick: int) -> None:
        """Cancels a timer."""
        known = self._ticks.get(tick)
        if known is not None:
            timers, deadline = known
            timers.discard(timer)
            if not timers:
                del self._ticks[tick]
                deadline.cancel()

    def _ring(self, tick: int) -> None:
        now_s = self.now_s()
        timers, _ = self._ticks.pop(tick)
        for timer in timers:
            try:
                timer.ring(now_s)
            except Exception:
                # A bug: logged here; the other timers expire all the same.
                log.exception("an idle connection could not be closed")

    def close(self) -> None:
        """Cancels all timers."""
        self._deadlines.stop()
        self._ticks.clear()


class IdleTimer:
    """Calls ``listener`` when ``heard_at_s`` is older than ``patience_s``.

    Receiving from a peer costs one assignment to ``heard_at_s``; the timer compares it when it expires, and restarts if
    needed.
    """

    __slots__ = ("_idle_timers", "_listener", "_tick", "heard_at_s", "patience_s")

    def __init__(self, idle_timers: IdleTimers, listener: IdleObserver) -> None:
        self._idle_timers = idle_timers
        self._listener = listener
        self._tick = 0  # 0: not running
        self.patience_s = 0.0
        self.heard_at_s = 0.0

    @property
    def running(self) -> bool:
        """Whether it was started and has neither ended nor been stopped."""
        return bool(self._tick)

    def start(self, patience_s: float) -> None:
        """Starts the timer; a patience of 0 never expires."""
        self.stop()
        self.patience_s = patience_s
        self.heard_at_s = self._idle_timers.now_s()
        if patience_s:
            self._tick = self._idle_timers.add(self, self.heard_at_s + patience_s)

    def stop(self) -> None:
        """Stops the timer; no effect if it is not running."""
        if self._tick:
            self._idle_timers.remove(self, self._tick)
            self._tick = 0

    def ring(self, now_s: float) -> None:
        """Called when the tick is over: restarts the timer or calls the listener."""
        due_s = self.heard_at_s + self.patience_s
        if due_s > now_s:
            self._tick = self._idle_timers.add(self, due_s)
        else:
            self._tick = 0
            self._listener.late(self)
