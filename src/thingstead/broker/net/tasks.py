"""Owns the tasks of the broker: awaits and cancels them, logs their exceptions, limits their concurrency."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger("thingstead.broker")

TURNS_AT_ONCE = 1_000  # enough to fill a commit; each one under way holds some kilobytes


class Tasks:
    """Tasks that end by themselves. :meth:`close` waits for them, and cancels what takes too long."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a background task failed", exc_info=error)

    async def close(self, timeout_s: float) -> None:
        """Waits for every task, those that others begin meanwhile included."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while self._tasks and (left_s := deadline - loop.time()) > 0:
            await asyncio.wait(self._tasks, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class TaskLimiter:
    """Work of one kind, some of it at once and the rest in the order in which it came: when a whole fleet connects in
    the same moment, those who wait cost next to nothing. What waits is bounded by the connections.

    Args:
        at_once: how many tasks there are at most.
    """

    def __init__(self, tasks: Tasks, at_once: int = TURNS_AT_ONCE) -> None:
        self._tasks = tasks
        self._free = at_once
        self._waiting: deque[Callable[[], Coroutine[Any, Any, None]]] = deque()

    def take(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs ``work`` as a task when its turn comes."""
        if self._free:
            self._free -= 1
            self._tasks.spawn(self._run(work))
        else:
            self._waiting.append(work)

    async def _run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        finally:
            if self._waiting:
                self._tasks.spawn(self._run(self._waiting.popleft()))
            else:
                self._free += 1
