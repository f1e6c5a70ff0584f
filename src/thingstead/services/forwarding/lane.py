"""A lane of a target: the messages of some of its devices, in order; one batch at a time."""

import asyncio
import random

from thingstead.model.forwarding.target import LANES, ForwardError, LaneCursor

FIRST_WAIT_S = 1.0  # the longest after the first failure; doubled by each further one


class TargetLane:
    """How far a lane is, and what waits in it.

    Attributes:
        cursor: its place in the log.
        items: messages that wait, and their bytes.
        newest: the greatest ``seq`` with a message that waits.
        turn: held while a batch is taken, sent and noted.
        wake: set when there may be something to do.
        failures: since the last success.
        next_try_s: of the monotonic clock, after a failure.
        first_s: when the first waiting message came, at the latest; None: nothing waits.
    """

    def __init__(self, number: int, cursor: LaneCursor) -> None:
        self.number = number
        self.cursor = cursor
        self.items = self.size_bytes = 0
        self.newest = 0
        self.turn = asyncio.Lock()
        self.wake = asyncio.Event()
        self.failures = 0
        self.next_try_s = 0.0
        self.next_try_at: int | None = None  # ms, for people
        self.pausing = False
        self.error: ForwardError | None = None  # of the last failure, while it fails
        self.first_s: float | None = None

    def added(self, seq: int, counts: list[int], now_s: float) -> None:
        """Counts messages of a new segment."""
        items = counts[self.number]
        if items:
            self.items += items
            self.size_bytes += counts[LANES + self.number]
            self.newest = max(self.newest, seq)
            if self.first_s is None:
                self.first_s = now_s
            self.wake.set()

    def removed(self, items: int, size_bytes: int, now_s: float) -> None:
        """Counts messages that do not wait any more."""
        self.items = max(0, self.items - items)
        self.size_bytes = max(0, self.size_bytes - size_bytes) if self.items else 0
        self.first_s = now_s if self.items else None

    def failed(self, longest_s: float, asked_s: float | None, *, pause: bool) -> float:
        """Counts a failure. Returns how long to wait, in s: at random, so that targets do not come at the same time."""
        self.failures += 1
        self.pausing = pause
        if pause:
            wait_s = random.uniform(longest_s / 2, longest_s)  # noqa: S311 - no secret
        else:
            most_s = min(longest_s, FIRST_WAIT_S * 2 ** min(self.failures - 1, 20))
            wait_s = random.uniform(0, most_s)  # noqa: S311 - no secret
        return max(wait_s, asked_s or 0.0)

    def recovered(self) -> None:
        """Ends a back-off."""
        self.failures = 0
        self.next_try_s = 0.0
        self.next_try_at = None
        self.pausing = False
        self.error = None
