"""Calls that wait for a worker: bounded in number and bytes, and fair between projects by the time they use."""

import asyncio
import heapq
from collections import deque
from typing import Final

from thingstead.services.functions.results import FunctionResult
from thingstead.services.functions.strikes import FunctionState
from thingstead.services.shared.lru import Lru

BATCH_LIMIT: Final = 200
BATCH_LIMIT_BYTES: Final = 1 << 20
BATCH_LIMIT_US: Final = 10_000
PROJECT_SHARE: Final = 2  # one project may fill one in so many of the queue
CLOCKS_LIMIT: Final = 10_000

_CALL_BYTES = 500  # of a call in memory, beside its texts


class FunctionCall:
    """One call that somebody waits for."""

    __slots__ = (
        "argument", "cost_us", "crashes", "current", "device", "done", "identifier", "kind", "project", "size_bytes",
        "source", "state", "time_limit_ms", "zone",
    )  # fmt: skip

    def __init__(
        self, state: FunctionState, source: str, project: str, zone: str, done: "asyncio.Future[FunctionResult]"
    ) -> None:
        self.state = state
        self.source = source
        self.project = project
        self.zone = zone
        self.done = done
        self.kind: int = 0
        self.argument = ""
        self.device: str | None = None
        self.current: str | None = None
        self.identifier = ""
        self.time_limit_ms = 0
        self.size_bytes = 0
        self.cost_us = 0  # expected when it was taken
        self.crashes = 0  # worker processes that ended while they ran it

    def weigh(self) -> None:
        """Counts the bytes of the texts."""
        texts = (self.argument, self.device or "", self.current or "", self.identifier)
        self.size_bytes = _CALL_BYTES + sum(map(len, texts))


class CallQueue:
    """Calls by project. The project that used the least time of the workers is served first."""

    def __init__(self, limit: int, limit_bytes: int) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._projects: dict[str, deque[FunctionCall]] = {}
        self._sizes: dict[str, int] = {}
        self._turns: list[tuple[int, str]] = []  # a heap; one entry for each project with calls
        self._clocks: Lru[str, int] = Lru(CLOCKS_LIMIT)  # time used, µs; those without calls go on with the others
        self._now_us = 0
        self.length = 0
        self.size_bytes = 0

    def put(self, call: FunctionCall) -> bool:
        """Appends a call; False if the queue, or the project's share of it, is full."""
        calls = self._projects.get(call.project, ())
        size_bytes = self._sizes.get(call.project, 0) + call.size_bytes
        if (
            self.length >= self._limit
            or self.size_bytes + call.size_bytes > self._limit_bytes
            or len(calls) * PROJECT_SHARE >= self._limit
            or size_bytes * PROJECT_SHARE > self._limit_bytes
        ):
            return False
        self._enter(call).append(call)
        return True

    def put_back(self, call: FunctionCall) -> None:
        """Puts a call that was taken in front again."""
        self._enter(call).appendleft(call)

    def take(self) -> list[FunctionCall]:
        """The calls of the next batch. Those that nobody waits for any more are dropped."""
        batch: list[FunctionCall] = []
        size_bytes = cost_us = 0
        while self._turns and len(batch) < BATCH_LIMIT and size_bytes < BATCH_LIMIT_BYTES and cost_us < BATCH_LIMIT_US:
            turn_us, project = heapq.heappop(self._turns)
            clock_us = self._clocks.get(project, turn_us)
            if clock_us > turn_us:  # its calls took longer than expected
                heapq.heappush(self._turns, (clock_us, project))
                continue
            self._now_us = max(self._now_us, turn_us)
            call = self._leave(project)
            if call.done.done():
                call.cost_us = 0
            else:
                call.cost_us = call.state.cost_us
                batch.append(call)
                size_bytes += call.size_bytes
                cost_us += call.cost_us
            self._clocks.put(project, turn_us + call.cost_us)
            if project in self._projects:
                heapq.heappush(self._turns, (turn_us + call.cost_us, project))
        return batch

    def charge(self, call: FunctionCall, took_us: int) -> None:
        """Corrects what a project was charged for a call by the time that it took."""
        clock_us = self._clocks.get(call.project)
        if clock_us is not None:
            self._clocks.put(call.project, max(0, clock_us + took_us - call.cost_us))

    def _enter(self, call: FunctionCall) -> deque[FunctionCall]:
        calls = self._projects.get(call.project)
        if calls is None:
            calls = self._projects[call.project] = deque()
            clock_us = max(self._now_us, self._clocks.get(call.project, 0))
            self._clocks.put(call.project, clock_us)
            heapq.heappush(self._turns, (clock_us, call.project))
        self._sizes[call.project] = self._sizes.get(call.project, 0) + call.size_bytes
        self.length += 1
        self.size_bytes += call.size_bytes
        return calls

    def _leave(self, project: str) -> FunctionCall:
        calls = self._projects[project]
        call = calls.popleft()
        self._sizes[project] -= call.size_bytes
        self.length -= 1
        self.size_bytes -= call.size_bytes
        if not calls:
            del self._projects[project], self._sizes[project]
        return call
