"""Slows down whoever fails to log in, so that guessing does not pay."""

import math
from collections import OrderedDict

from thingstead.clock import Clock
from thingstead.errors import TooManyRequests

KEYS_LIMIT = 10_000  # remembered; over it the key whose last attempt is oldest is forgotten


class _Attempts:
    __slots__ = ("count", "last_s")

    def __init__(self) -> None:
        self.count = 0
        self.last_s = 0.0


class Throttle:
    """Counts attempts by key (an account, an address) until one succeeds.

    The first ``attempts_max`` are free; after each further one the key must wait, twice as long every time, up to
    ``window_s``. A key without an attempt for ``window_s`` starts afresh. Attempts count when they begin, so that
    many at the same time gain nothing.
    """

    def __init__(self, clock: Clock, attempts_max: int, window_s: int, *, keys_limit: int = KEYS_LIMIT) -> None:
        self._clock = clock
        self._attempts_max = attempts_max
        self._window_s = window_s
        self._keys_limit = keys_limit
        self._attempts: OrderedDict[str, _Attempts] = OrderedDict()

    @property
    def remembered(self) -> int:
        """How many keys are remembered."""
        return len(self._attempts)

    def check(self, key: str) -> None:
        """Raises TooManyRequests where the key must wait. Counts nothing."""
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
        """Counts an attempt; raises TooManyRequests, which is not counted, where the key must wait."""
        self.check(key)
        self.count(key)

    def count(self, key: str) -> None:
        """Counts an attempt, whether or not the key must wait."""
        now_s = self._clock.monotonic_s()
        attempts = self._attempts.get(key)
        if attempts is None or now_s - attempts.last_s >= self._window_s:
            attempts = self._attempts[key] = _Attempts()
        attempts.count += 1
        attempts.last_s = now_s
        self._attempts.move_to_end(key)
        while len(self._attempts) > self._keys_limit:
            self._attempts.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forgets the key's attempts."""
        self._attempts.pop(key, None)

    def take_back(self, key: str) -> None:
        """Uncounts one attempt: it succeeded, which says nothing of the others of this key."""
        attempts = self._attempts.get(key)
        if attempts is not None and attempts.count > 0:
            attempts.count -= 1

    def _pause_s(self, count: int) -> float:
        beyond = count - self._attempts_max
        return min(float(self._window_s), 2.0 ** min(beyond, 30)) if beyond >= 0 else 0.0
