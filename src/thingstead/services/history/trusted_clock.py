"""The instant used for retention: the server's clock, unless it jumped ahead.

If the clock is wrong by years, after a start without a battery or by a mistake, all history would be expired. Dropped
data cannot be restored, so a jump is trusted only after a while.
"""

import asyncio

import structlog

from thingstead.clock import Clock
from thingstead.model.health import HealthWarning, health_warning
from thingstead.model.retention import DAY_MS
from thingstead.services.history.history import iso_utc
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.server")

JUMP_MS = 7 * DAY_MS  # a jump ahead: more than the usual downtime of a server
HOLD_MS = DAY_MS  # how long the clock must continue after a jump before it is trusted


class TrustedClock:
    """Checks the clock for jumps ahead, across restarts. Its state is stored: the last trusted instant, and the reading
    after an untrusted jump."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = asyncio.Lock()
        self._doubted: int | None = None  # reading after an untrusted jump
        self._believed = 0

    async def now_ms(self) -> int:
        """The current instant; after an untrusted jump ahead, the last trusted instant."""
        async with self._lock:
            now, store = self._clock.now_ms(), self._store.log_retention
            seen, doubted = await store.clock() or (await self._store.history.newest_uplink() or now, None)
            if now - seen <= JUMP_MS or (doubted is not None and doubted + HOLD_MS <= now <= doubted + JUMP_MS):
                doubted, seen = None, now
            elif doubted is None or not doubted <= now <= doubted + JUMP_MS:  # the first or another jump
                doubted = now
                log.warning("the clock jumped ahead; nothing is dropped by age", now=iso_utc(now), **_held(seen, now))
            await store.put_clock(seen, doubted)
            self._believed, self._doubted = seen, doubted
            return seen

    def warnings(self) -> list[HealthWarning]:
        """The warning for ``/healthz``, while a jump is not trusted."""
        now = self._clock.now_ms()
        if self._doubted is None or now - self._believed <= JUMP_MS:
            return []
        until = iso_utc(self._doubted + HOLD_MS)
        since, to = iso_utc(self._believed), iso_utc(self._doubted)
        return [health_warning("clock_jumped_ahead", since=since, to=to, until=until)]


def _held(seen: int, now: int) -> dict[str, str]:
    return {"last_seen": iso_utc(seen), "until": iso_utc(now + HOLD_MS)}
