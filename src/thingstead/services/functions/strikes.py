"""When a function that fails is switched off."""

from collections import deque
from collections.abc import Callable
from typing import Final

FAILURES_IN_A_ROW_LIMIT: Final = 3
FAILURES_LIMIT: Final = 5
WINDOW_S: Final = 600.0
KILL_COUNT: Final = 3  # failures that a call counts as if it took its worker process with it

_FIRST_COST_US = 1_000  # of a function that was never called


class FunctionState:
    """What is known of one function, from its first call until its text changes."""

    __slots__ = ("_failed_s", "_in_a_row", "cost_us", "number", "off", "on_off", "text_hash")

    def __init__(self, number: int, source: str) -> None:
        self.number = number
        self.text_hash = hash(source)
        self.cost_us = _FIRST_COST_US  # of a call, about
        self.off = ""  # why it is switched off
        self.on_off: Callable[[str], None] | None = None  # told why, when it is switched off
        self._in_a_row = 0
        self._failed_s: deque[float] = deque(maxlen=FAILURES_LIMIT)

    def succeeded(self, took_us: int) -> None:
        """Notes a call that returned a result."""
        self.cost_us += (took_us - self.cost_us) >> 3
        self._in_a_row = 0

    def failed(self, detail: str, now_s: float, took_us: int, count: int = 1) -> None:
        """Notes a failure, which may switch the function off."""
        self.cost_us = max(self.cost_us, took_us)
        if self.off:
            return
        self._in_a_row += count
        self._failed_s.append(now_s)
        if self._in_a_row >= FAILURES_IN_A_ROW_LIMIT:
            self.off = f"{self._in_a_row} failures in a row; the last: {detail}"
        elif len(self._failed_s) == FAILURES_LIMIT and now_s - self._failed_s[0] < WINDOW_S:
            self.off = f"{FAILURES_LIMIT} failures within {WINDOW_S / 60:.0f} minutes; the last: {detail}"
        if self.off and self.on_off is not None:
            self.on_off(self.off)
