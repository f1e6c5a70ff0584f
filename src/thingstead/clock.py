"""The only reader of time.

Instants are int milliseconds since the Unix epoch, UTC, everywhere in this code base. Durations that must
not jump when the wall clock is set are measured with :meth:`Clock.monotonic_s`.
"""

import time
from typing import Protocol

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # the first is of Linux


class Clock(Protocol):
    """Source of time for all other code."""

    def now_ms(self) -> int:
        """The current instant: milliseconds since the Unix epoch, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary origin; never goes back."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()


class ManualClock:
    """A clock that advances only when told to; for tests and simulations."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._now_ms = now_ms
        self._monotonic_ms = 0

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_s(self) -> float:
        return self._monotonic_ms / 1000

    def advance(self, ms: int) -> None:
        """Moves both readings forward by ``ms`` milliseconds."""
        self._now_ms += ms
        self._monotonic_ms += ms


def boot_s() -> float:
    """Seconds from an arbitrary origin, which also pass while the machine sleeps; never goes back."""
    return time.clock_gettime(_BOOT_CLOCK)
