"""Notices a client that has been silent for too long, with one timer a connection."""

import asyncio
from collections.abc import Callable

GRACE = 1.5  # [MQTT-3.1.2-22] (3.1.1: -24) one and a half times the keep alive


class SilenceTimer:
    """Calls ``expired`` when ``heard_at`` is older than ``patience_s``.

    Hearing a client costs one assignment; the timer looks at it when it rings, and sets itself again.
    """

    __slots__ = ("_expired", "_loop", "_timer", "heard_at", "patience_s")

    def __init__(self, loop: asyncio.AbstractEventLoop, expired: Callable[[], None]) -> None:
        self._loop = loop
        self._expired = expired
        self.patience_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.heard_at = loop.time()

    def start(self, patience_s: float) -> None:
        """Begins to wait, from now; 0 waits for ever."""
        self.stop()
        self.patience_s = patience_s
        self.heard_at = self._loop.time()
        if patience_s:
            self._timer = self._loop.call_later(patience_s, self._ring)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        left_s = self.heard_at + self.patience_s - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._ring)
        else:
            self._timer = None
            self._expired()
