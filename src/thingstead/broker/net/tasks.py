"""Tasks that have an owner: none is forgotten, none fails unseen; some of a kind at a time, or one after the other."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from thingstead.errors import ThingsteadError
from thingstead.model.tenant import TENANT

log = structlog.get_logger("thingstead.broker")

JOBS_LIMIT = 32  # waiting jobs; over it the connection is not read until they are done
JOBS_LIMIT_BYTES = 65_536  # the same for the requests that they hold
JOB_TIMEOUT_S = 30.0
TURNS_AT_ONCE = 1_000  # concurrent tasks: enough to fill a commit; each takes some kilobytes

Job = Callable[[], Awaitable[None]]


class Tasks:
    """Background tasks. :meth:`close` waits for them, and cancels those that take too long."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs a coroutine in a task of its own; an exception is logged."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a background task failed", exc_info=error)

    async def close(self, timeout_s: float) -> None:
        """Waits for every task, including those that others start meanwhile."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while self._tasks and (left_s := deadline - loop.time()) > 0:
            await asyncio.wait(self._tasks, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class TaskLimiter:
    """Limits how many tasks of one kind run concurrently. The others wait first-in, first-out; their number is bounded
    by that of the connections.

    Args:
        at_once: maximum number of concurrent tasks.
    """

    def __init__(self, tasks: Tasks, at_once: int = TURNS_AT_ONCE) -> None:
        self._tasks = tasks
        self._free = at_once
        self._waiting: deque[Callable[[], Coroutine[Any, Any, None]]] = deque()

    def take(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs ``work`` as a task as soon as the limit allows."""
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


class JobQueue:
    """Jobs of one connection, run one at a time. Their number is bounded by what one read can ask for, because
    ``crowded`` pauses reading.

    Args:
        done: called after each job.
        writable: whether the peer reads its answers; otherwise no further job is started.
        project_id: project of the client, for fair sharing of reads.
    """

    __slots__ = ("_bytes", "_done", "_project_id", "_tasks", "_waiting", "_working", "_writable")

    def __init__(
        self, tasks: Tasks, done: Callable[[], None], writable: Callable[[], bool], project_id: str = ""
    ) -> None:
        self._project_id = project_id
        self._tasks = tasks
        self._done = done
        self._writable = writable
        self._bytes = 0  # size of the waiting requests
        self._waiting: list[
            tuple[Job, int]
        ] = []  # short and usually empty: an empty deque takes ten times as much memory
        self._working = False

    @property
    def crowded(self) -> bool:
        return len(self._waiting) > JOBS_LIMIT or self._bytes > JOBS_LIMIT_BYTES

    def add(self, job: Job, size_bytes: int = 0) -> None:
        """Adds a job; ``size_bytes`` is the size of the request that it holds."""
        self._waiting.append((job, size_bytes))
        self._bytes += size_bytes
        if self._writable():
            self.go_on()

    def go_on(self) -> None:
        """Continues with the jobs; called when the peer reads again."""
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
                await asyncio.sleep(0)  # a job may contain no real await: others have their turn
        finally:
            self._working = False

    def discard(self) -> None:
        """Drops all jobs; called when the connection has ended."""
        self._waiting.clear()
        self._bytes = 0
