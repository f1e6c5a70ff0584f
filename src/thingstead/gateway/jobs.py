"""What a connection must wait for: one job at a time, in order, in one task that ends when there is nothing to do."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from thingstead.errors import ThingsteadError
from thingstead.gateway.tasks import Tasks

log = structlog.get_logger("thingstead.gateway")

JOBS_LIMIT = 32  # jobs that wait; over it the connection is not read until they are done
JOB_TIMEOUT_S = 30.0

Job = Callable[[], Awaitable[None]]


class Jobs:
    """The jobs of one connection. Their number is bounded by what one receive can ask for, since ``crowded`` stops
    the reading.

    Args:
        done: is called after each job.
    """

    __slots__ = ("_done", "_tasks", "_waiting", "_working")

    def __init__(self, tasks: Tasks, done: Callable[[], None]) -> None:
        self._tasks = tasks
        self._done = done
        self._waiting: list[Job] = []  # few, and empty nearly always: an empty deque takes ten times as much memory
        self._working = False

    @property
    def crowded(self) -> bool:
        return len(self._waiting) > JOBS_LIMIT

    def add(self, job: Job) -> None:
        self._waiting.append(job)
        if not self._working:
            self._working = True
            self._tasks.spawn(self._work())

    async def _work(self) -> None:
        try:
            while self._waiting:
                job = self._waiting.pop(0)
                try:
                    async with asyncio.timeout(JOB_TIMEOUT_S):
                        await job()
                except (ThingsteadError, TimeoutError) as exc:
                    log.warning("a request of a device could not be answered", error=str(exc))
                except Exception:
                    # A bug: logged here, and it costs this request only.
                    log.exception("a request of a device failed")
                self._done()
        finally:
            self._working = False

    def discard(self) -> None:
        """The connection is over."""
        self._waiting.clear()
