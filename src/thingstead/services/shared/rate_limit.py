"""Rate limits by key: token buckets for log lines that a peer can trigger, and back-off after failures."""

import math
from collections.abc import Hashable

from thingstead.clock import Clock
from thingstead.errors import TooManyRequests
from thingstead.services.shared.lru import Lru

FAILURES_LIMIT = 10_000  # keys with failures; the one whose last attempt is oldest is dropped
KEYS_LIMIT = 10_000  # keys of token buckets; the least recently used is dropped


class _Bucket:
    __slots__ = ("at_s", "left", "suppressed")

    def __init__(self, at_s: float, burst: int) -> None:
        self.at_s = at_s
        self.left = float(burst)
        self.suppressed = 0


class TokenBuckets:
    """One token bucket per key, such as a device.

    Args:
        burst: capacity of a bucket.
        interval_s: time until a token is added.
    """

    def __init__(self, clock: Clock, burst: int, interval_s: float) -> None:
        self._clock = clock
        self._burst = burst
        self._interval_s = interval_s
        self._buckets: Lru[Hashable, _Bucket] = Lru(KEYS_LIMIT)

    def take(self, key: Hashable) -> int | None:
        """Takes a token.

        Returns:
            The number of calls without a token since the last success; None: no token is left.
        """
        now_s = self._clock.monotonic_s()
        bucket = self._buckets.use(key)
        if bucket is None:
            bucket = _Bucket(now_s, self._burst)
            self._buckets.put(key, bucket)
        else:
            bucket.left = min(self._burst, bucket.left + (now_s - bucket.at_s) / self._interval_s)
            bucket.at_s = now_s
        if bucket.left < 1:
            bucket.suppressed += 1
            return None
        bucket.left -= 1
        suppressed, bucket.suppressed = bucket.suppressed, 0
        return suppressed

    def excuse(self, key: Hashable) -> int:
        """Call if an event was logged although :meth:`take` returned None. Returns how many others were suppressed
        since the last one."""
        bucket = self._buckets[key]
        suppressed, bucket.suppressed = bucket.suppressed - 1, 0
        return suppressed

    def give_back(self, key: Hashable, suppressed: int) -> None:
        """Call if :meth:`take` succeeded but the event could not be logged: returns the token, and counts the event as
        suppressed."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            bucket.left += 1
            bucket.suppressed += suppressed + 1


class _Attempts:
    __slots__ = ("count", "last_s")

    def __init__(self) -> None:
        self.count = 0
        self.last_s = 0.0


class Throttle:
    """Counts attempts by key (an account, an address) until one succeeds.

    The first ``attempts_max`` are free; after each further one the key must wait, twice as long every time, up to
    ``window_s``. A key without an attempt for ``window_s`` is forgotten. Attempts count when they begin, so that
    concurrent attempts gain nothing.
    """

    def __init__(self, clock: Clock, attempts_max: int, window_s: int, *, keys_limit: int = FAILURES_LIMIT) -> None:
        self._clock = clock
        self._attempts_max = attempts_max
        self._window_s = window_s
        self._attempts: Lru[str, _Attempts] = Lru(keys_limit)

    @property
    def remembered(self) -> int:
        """Number of keys in memory."""
        return len(self._attempts)

    def check(self, key: str) -> None:
        """Raises TooManyRequests if the key must wait. Counts nothing."""
        attempts = self._attempts.get(key)
        if attempts is None or attempts.count < self._attempts_max:
            return
        now_s = self._clock.monotonic_s()
        if now_s - attempts.last_s >= self._window_s:
            return
        wait_s = attempts.last_s + self._pause_s(attempts.count) - now_s
        if wait_s > 0:
            raise TooManyRequests("too_many_failed_log_ins", retry_after_s=math.ceil(wait_s))

    def admit(self, key: str) -> None:
        """Counts an attempt. Raises TooManyRequests if the key must wait; the attempt is then not counted."""
        self.check(key)
        self.count(key)

    def count(self, key: str) -> None:
        """Counts an attempt, even if the key must wait."""
        now_s = self._clock.monotonic_s()
        attempts = self._attempts.get(key)
        if attempts is None or now_s - attempts.last_s >= self._window_s:
            attempts = _Attempts()
        attempts.count += 1
        attempts.last_s = now_s
        self._attempts.put(key, attempts)

    def succeeded(self, key: str) -> None:
        """Resets the key."""
        self._attempts.pop(key, None)

    def take_back(self, key: str) -> None:
        """Uncounts one attempt that succeeded; the other attempts of this key still count."""
        attempts = self._attempts.get(key)
        if attempts is not None and attempts.count > 0:
            attempts.count -= 1

    def _pause_s(self, count: int) -> float:
        beyond = count - self._attempts_max
        return min(float(self._window_s), 2.0 ** min(beyond, 30)) if beyond >= 0 else 0.0
