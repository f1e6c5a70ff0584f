"""How many bytes of batches may be under way at once, so that targets that hang take no memory from others.

A target always has a place for one small batch, so that it never waits for others.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

ROOM_BYTES = 128 << 20  # of all projects …
PROJECT_BYTES = 32 << 20  # … and of one


class SendingRoom:
    """Room for batches under way. Those of a project that wait come in their order; projects do not wait for each other
    before all of the room is taken."""

    def __init__(self) -> None:
        self.used_bytes = 0
        self._of_project: dict[str, int] = defaultdict(int)
        self._waiting: deque[tuple[str, int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taken(self, project_id: str, size_bytes: int, *, at_once: bool = False) -> AsyncIterator[None]:
        """Waits for room, and takes it inside the block. ``at_once``: takes it without waiting, where there is none."""
        if not at_once and (self._waiting or not self.fits(project_id, size_bytes)):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((project_id, size_bytes, turn))
            self._admit()
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._give_back(project_id, size_bytes)
                raise
        else:
            self._take(project_id, size_bytes)
        try:
            yield
        finally:
            self._give_back(project_id, size_bytes)

    def fits(self, project_id: str, size_bytes: int) -> bool:
        """Whether there is room for a batch now."""
        used = self._of_project.get(project_id, 0)
        in_project = not used or used + size_bytes <= PROJECT_BYTES
        return in_project and (not self.used_bytes or self.used_bytes + size_bytes <= ROOM_BYTES)

    def _take(self, project_id: str, size_bytes: int) -> None:
        self.used_bytes += size_bytes
        self._of_project[project_id] += size_bytes

    def _give_back(self, project_id: str, size_bytes: int) -> None:
        self.used_bytes -= size_bytes
        self._of_project[project_id] -= size_bytes
        if not self._of_project[project_id]:
            del self._of_project[project_id]
        self._admit()

    def _admit(self) -> None:
        """Lets those in who fit, in the order in which they came."""
        for _ in range(len(self._waiting)):
            project_id, size_bytes, turn = self._waiting.popleft()
            if turn.cancelled():
                continue
            if self.fits(project_id, size_bytes):
                self._take(project_id, size_bytes)
                turn.set_result(None)
            else:
                self._waiting.append((project_id, size_bytes, turn))
