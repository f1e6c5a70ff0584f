"""Runs the asynchronous work of a connection one job at a time, in order, in a task that exits when idle."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from thingstead.broker.net.tasks import Tasks
from thingstead.errors import ThingsteadError
from thingstead.model.tenant import TENANT

log = structlog.get_logger("thingstead.broker")

JOBS_LIMIT = 32  # jobs that wait; over it the connection is not read until they are done
JOBS_LIMIT_BYTES = 65_536  # the same, of what they were asked
JOB_TIMEOUT_S = 30.0

Job = Callable[[], Awaitable[None]]


class JobQueue:
    """The jobs of one connection. Their number is bounded by what one receive can ask for, since ``crowded`` stops
    the reading.

    Args:
        done: is called after each job.
        writable: whether the peer reads its answers; while it does not, no further job is done.
        project_id: on whose behalf they run.
    """

    __slots__ = ("_bytes", "_done", "_project_id", "_tasks", "_waiting", "_working", "_writable")

    def __init__(
        self, tasks: Tasks, done: Callable[[], None], writable: Callable[[], bool], project_id: str = ""
    ) -> None:
        self._project_id = project_id
        self._tasks = tasks
        self._done = done
        self._writable = writable
        self._bytes = 0  # of the requests that wait
        self._waiting: list[
            tuple[Job, int]
        ] = []  # few, and empty nearly always: an empty deque takes ten times as much memory
        self._working = False

    @property
    def crowded(self) -> bool:
        return len(self._waiting) > JOBS_LIMIT or self._bytes > JOBS_LIMIT_BYTES

    def add(self, job: Job, size_bytes: int = 0) -> None:
        """Takes a job; ``size_bytes`` of the request that it holds."""
        self._waiting.append((job, size_bytes))
        self._bytes += size_bytes
        if self._writable():
            self.go_on()

    def go_on(self) -> None:
        """The peer reads."""
        if self._waiting and not self._working:
            self._working = True
            self._tasks.spawn(self._work())

    async def _work(self) -> None:
        TENANT.set(self._project_id)
        try:
            while self._waiting:
                job, size_bytes = self._waiting.pop(0)
                self._bytes -= size_bytes
                try:
                    async with asyncio.timeout(JOB_TIMEOUT_S):
                        await job()
                except (ThingsteadError, TimeoutError) as exc:
                    log.warning("a request of a device could not be answered", error=str(exc))
                except Exception:
                    # A bug: logged here, and it costs this request only.
                    log.exception("a request of a device failed")
                self._done()
                if not self._writable():
                    return  # until the peer has read
                await asyncio.sleep(0)  # a job may not have waited for anything: others have their turn
        finally:
            self._working = False

    def discard(self) -> None:
        """The connection is over."""
        self._waiting.clear()
        self._bytes = 0
