"""Turns for what takes the event loop long: large bodies and large answers, of one owner after the other."""

import asyncio
from collections import OrderedDict, deque

TURN_BYTES = 65_536  # size of a body or an answer from which on it waits for its turn
HEAVY_S = 1.0  # after a large answer, how long requests of the owner for the same path wait for turns
HEAVY_COUNT = 10_000  # remembered paths with large answers


class Turns:
    """Fair scheduling of expensive requests: one starts in each turn of the event loop, and owners take turns. An owner
    with many concurrent requests delays mostly itself."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._begun = False  # one has started in this turn of the loop
        # Until when requests of an owner for a path must wait for their turns.
        self._heavy: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def begin(self, owner: str) -> None:
        """Returns when it is the caller's turn, which lasts until its next await."""
        if not self._begun:
            self._begun = True
            asyncio.get_running_loop().call_soon(self._next)
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        await turn

    def _next(self) -> None:
        while self._waiting:
            owner, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[owner] = turns  # moves the owner behind all others
            if not turn.done():  # otherwise its caller was cancelled
                turn.set_result(None)
                turn.get_loop().call_soon(self._next)
                return
        self._begun = False

    def answered(self, owner: str, path: str, size: int) -> None:
        """Notes the size of an answer to an owner."""
        if size >= TURN_BYTES:
            self._heavy[owner, path] = asyncio.get_running_loop().time() + HEAVY_S
            self._heavy.move_to_end((owner, path))
            if len(self._heavy) > HEAVY_COUNT:
                self._heavy.popitem(last=False)

    def is_heavy(self, owner: str, path: str) -> bool:
        """Whether an owner recently got a large answer from this path."""
        until_s = self._heavy.get((owner, path)) if self._heavy else None
        if until_s is None:
            return False
        if until_s > asyncio.get_running_loop().time():
            return True
        del self._heavy[owner, path]
        return False
