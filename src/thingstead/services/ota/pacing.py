"""The rate of all downloads together, shared fairly between projects."""

import asyncio
from collections import OrderedDict, deque

TICK_S = 0.005  # between two rounds of turns; bounds what one turn of the event loop lets go
BURST_S = 0.1  # of the rate, that may go at once after a pause


class Pacer:
    """A token bucket. Those who wait get their turns project by project, and within one in order of arrival.

    Args:
        rate: bytes per second; 0: no limit.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._burst = rate * BURST_S
        self._left = self._burst  # may be below 0: a piece that is larger than what is left goes all the same
        self._at_s = 0.0
        self._waiting: OrderedDict[str, deque[tuple[asyncio.Future[None], int]]] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return sum(map(len, self._waiting.values()))

    async def turn(self, project_id: str, size: int) -> None:
        """Returns when a piece of this size may be sent."""
        if not self._rate:
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        self._refill(loop.time())
        if not self._waiting and self._left > 0:
            self._left -= size
            await asyncio.sleep(0)  # other work between two pieces
            return
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.setdefault(project_id, deque()).append((future, size))
        self._wind(loop)
        await future

    def close(self) -> None:
        """Stops the timer; those who wait are not called any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refill(self, now_s: float) -> None:
        self._left = min(self._burst, self._left + (now_s - self._at_s) * self._rate)
        self._at_s = now_s

    def _wind(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is None:
            self._timer = loop.call_later(max(TICK_S, -self._left / self._rate), self._go)

    def _go(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        self._refill(loop.time())
        allowed = self._rate * TICK_S * 2  # in this turn of the loop; the rest follows after other work
        while self._waiting and self._left > 0 and allowed > 0:
            project_id, queue = self._waiting.popitem(last=False)
            future, size = queue.popleft()
            if queue:
                self._waiting[project_id] = queue
            if not future.done():  # else its download ended
                future.set_result(None)
                self._left -= size
                allowed -= size
        if self._waiting:
            self._wind(loop)
