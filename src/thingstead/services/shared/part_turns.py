"""Turns of the parts of changes of many devices."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from thingstead.clock import Clock

PAUSE_MAX_S = 1.0


class PartTurns:
    """Applies one part at a time, however many calls and jobs there are; projects take turns. A pause after each part,
    relative to its duration, leaves time for other work."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()  # by project id
        self._taken = False

    @asynccontextmanager
    async def turn(self, project_id: str, pause_share: float) -> AsyncIterator[None]:
        """A turn for one part, pause included."""
        await self._begin(project_id)
        try:
            async with self.paused(pause_share):
                yield
        finally:
            self._end()

    @asynccontextmanager
    async def paused(self, pause_share: float) -> AsyncIterator[None]:
        """A part that waits for devices and therefore takes no turn; with the pause."""
        begun_s = self._clock.monotonic_s()
        yield
        took_s = self._clock.monotonic_s() - begun_s
        await asyncio.sleep(min(took_s * pause_share, PAUSE_MAX_S))

    async def _begin(self, project_id: str) -> None:
        if not self._taken:
            self._taken = True
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(project_id, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was granted together with the cancellation
                self._end()
            raise

    def _end(self) -> None:
        while self._waiting:
            project_id, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[project_id] = turns  # behind all other projects
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False
