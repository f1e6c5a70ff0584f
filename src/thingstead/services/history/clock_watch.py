"""Detects when the server's clock is set back, by an operator, or by NTP after a start with a wrong clock.

Data received before has timestamps in the future. Current values recover with the next report; services that wait for
an instant are notified here.
"""

from collections.abc import Callable

import structlog

from thingstead.clock import Clock
from thingstead.model.health import HealthWarning, health_warning
from thingstead.repeating import Repeating
from thingstead.services.history.history import iso_utc

log = structlog.get_logger("thingstead.server")

LOOK_INTERVAL_S = 1.0
TOLERANCE_MS = 1_000  # smaller steps come from clock synchronization and are harmless


class ClockWatch:
    """Checks regularly whether the clock was set back.

    Args:
        set_back: callbacks; called with the current instant (ms), and how far (ms) the clock was set back.

    Attributes:
        steps_back: how often the clock was set back.
    """

    def __init__(self, clock: Clock, *set_back: Callable[[int, int], None]) -> None:
        self._clock = clock
        self._set_back = set_back
        self._reading = clock.now_ms(), clock.monotonic_s()
        self._ahead_until = 0  # ms: reading of the clock before it was set back
        self._looking = Repeating("the clock", self.look, LOOK_INTERVAL_S)
        self.steps_back = 0

    def start(self, newest_ms: int) -> None:
        """Starts the checks. ``newest_ms``: the newest instant that an earlier run has recorded."""
        now = self._clock.now_ms()
        if newest_ms > now + TOLERANCE_MS:
            self._noticed(now, newest_ms)
        self._looking.start()

    async def look(self) -> None:
        """Checks the clock once."""
        self._look()

    def _look(self) -> None:
        before, then_s = self._reading
        now, now_s = self._reading = self._clock.now_ms(), self._clock.monotonic_s()
        expected = before + round((now_s - then_s) * 1000)
        if now < expected - TOLERANCE_MS:
            self._noticed(now, expected)

    def _noticed(self, now: int, before: int) -> None:
        self.steps_back += 1
        self._ahead_until = max(self._ahead_until, before)
        log.warning("the server's clock was set back", by_s=round((before - now) / 1000), now=iso_utc(now))
        for told in self._set_back:
            told(now, before - now)

    def warnings(self) -> list[HealthWarning]:
        """The warning for ``/healthz``, until the clock reaches its earlier reading."""
        self._look()
        if self._clock.now_ms() >= self._ahead_until:
            return []
        until = iso_utc(self._ahead_until)
        return [health_warning("clock_set_back", until=until)]

    async def close(self) -> None:
        """Ends the checks."""
        await self._looking.close()
