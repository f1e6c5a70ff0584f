"""The writer thread: all writes of a database, in the order in which they were asked for, in group commits.

Every job that waits when the thread becomes free shares the next transaction, so that one durable commit serves many
callers. How jobs are kept apart within it, and how it is committed, is the engine's matter.
"""

import asyncio
import collections
import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog

from thingstead.clock import Clock, SystemClock
from thingstead.errors import Unavailable
from thingstead.metrics import COMMIT_BOUNDS_S, Histogram
from thingstead.refusals import Reason, reason
from thingstead.storage.sql.access.connection import Connection

T = TypeVar("T")
Jobs = collections.deque["WriteJob"]
log = structlog.get_logger("thingstead.storage")

WRITE_QUEUE_LIMIT = 50_000  # jobs that wait for the writer; over it a write raises Unavailable
JOBS_PER_COMMIT = 2_000


class WriteJob:
    """A write, and the callback for its outcome. ``deliver`` runs on the event loop, with the result or the error."""

    __slots__ = ("deliver", "error", "proof", "result", "run", "single_statement")

    def __init__(
        self,
        run: Callable[[Connection], Any],
        deliver: Callable[[Any, Exception | None], None],
        single_statement: bool,
        proof: "tuple[str, Sequence[Any]] | None",
    ) -> None:
        self.run = run
        self.single_statement = single_statement  # it needs no BEGIN and COMMIT
        self.proof = proof  # a read that finds a row if and only if the job was committed
        self.deliver = deliver
        self.result: Any = None
        self.error: Exception | None = None


class Writer:
    """The thread and its queue. Must be made on the event loop; :meth:`close` must be awaited.

    Args:
        commit: runs jobs in one transaction, in the thread; sets the result or the error of each. Must not raise.
    """

    def __init__(self, commit: Callable[[Jobs], None], clock: Clock | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._commit = commit
        self._jobs: queue.SimpleQueue[WriteJob | None] = queue.SimpleQueue()
        self.waiting = 0  # jobs that wait for the thread or for the delivery of their outcome
        self.refusal: Reason | None = None  # why jobs are not accepted any more
        self._monotonic_s = (clock or SystemClock()).monotonic_s
        self.commit_seconds = Histogram(COMMIT_BOUNDS_S)
        self.on_commit: Callable[[], None] | None = None  # called on the event loop after each commit; must not raise
        self._thread = threading.Thread(target=self._write_loop, name="thingstead-write", daemon=True)
        self._thread.start()

    async def write(self, run: Callable[[Connection], T]) -> T:
        """See :meth:`~thingstead.storage.sql.access.database.Database.write`."""
        future: asyncio.Future[T] = self._loop.create_future()

        def deliver(result: T, error: Exception | None) -> None:
            if future.done():  # the caller was cancelled; the change is committed all the same
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.submit(run, deliver)
        return await future

    def submit(
        self,
        run: Callable[[Connection], Any],
        deliver: Callable[[Any, Exception | None], None],
        *,
        single_statement: bool = False,
        proof: "tuple[str, Sequence[Any]] | None" = None,
    ) -> None:
        """See :meth:`~thingstead.storage.sql.access.database.Database.submit`."""
        if self.refusal is not None:
            raise Unavailable(self.refusal)
        if self.waiting >= WRITE_QUEUE_LIMIT:
            raise Unavailable("too_many_writes")
        self.waiting += 1
        self._jobs.put(WriteJob(run, deliver, single_statement, proof))

    async def close(self, timeout_s: float | None = None) -> None:
        """Commits waiting writes, then ends the thread. After ``timeout_s`` it is left alone."""
        if self.refusal is None:
            self.refusal = reason("store_closing")
        self._jobs.put(None)
        await self._loop.run_in_executor(None, self._thread.join, timeout_s)
        await asyncio.sleep(0)  # delivers the outcomes of the last commit

    # The thread. It ends only in close(): whatever a job raises is delivered to the job's caller.

    def _write_loop(self) -> None:
        running = True
        while running:
            first = self._jobs.get()
            if first is None:
                return
            jobs: Jobs = collections.deque([first])
            while len(jobs) < JOBS_PER_COMMIT:
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if job is None:
                    running = False
                    break
                jobs.append(job)
            begun_s = self._monotonic_s()
            self._commit(jobs)
            self.commit_seconds.observe(self._monotonic_s() - begun_s)
            try:
                self._loop.call_soon_threadsafe(self._deliver, jobs)
            except RuntimeError:  # the loop is closed; no caller waits
                return

    def _deliver(self, jobs: Jobs) -> None:
        self.waiting -= len(jobs)
        for job in jobs:
            try:
                job.deliver(job.result, job.error)
            except Exception:
                log.exception("a callback for the outcome of a write failed")
        if self.on_commit is not None:
            self.on_commit()
