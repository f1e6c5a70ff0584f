"""Turns for what takes the event loop long: large bodies and large answers, of one owner after the other."""

import asyncio
from collections import OrderedDict, deque

TURN_BYTES = 65_536  # of a body or an answer, from which on it is worked on in its turn
HEAVY_S = 1.0  # after a large answer to an owner, so long its requests for the same wait for their turns
HEAVY_COUNT = 10_000  # paths with large answers that are remembered


class Turns:
    """One begins in each turn of the event loop, and owners take turns among each other: whoever asks for much over
    many connections waits for himself, and those who ask for little hardly wait."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._begun = False  # one has begun in this turn of the loop
        # Until when requests of an owner for a path wait for their turns.
        self._heavy: OrderedDict[tuple[str, str], float] = OrderedDict()

    async def begin(self, owner: str) -> None:
        """Returns when it is the caller's turn, which lasts until it waits for something."""
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
                self._waiting[owner] = turns  # behind all others
            if not turn.done():  # else nobody waits for it any more
                turn.set_result(None)
                turn.get_loop().call_soon(self._next)
                return
        self._begun = False

    def answered(self, owner: str, path: str, size: int) -> None:
        """An owner was given an answer of this size."""
        if size >= TURN_BYTES:
            self._heavy[owner, path] = asyncio.get_running_loop().time() + HEAVY_S
            self._heavy.move_to_end((owner, path))
            if len(self._heavy) > HEAVY_COUNT:
                self._heavy.popitem(last=False)

    def is_heavy(self, owner: str, path: str) -> bool:
        """Whether an owner was given a large answer from this path a moment ago."""
        until_s = self._heavy.get((owner, path)) if self._heavy else None
        if until_s is None:
            return False
        if until_s > asyncio.get_running_loop().time():
            return True
        del self._heavy[owner, path]
        return False
