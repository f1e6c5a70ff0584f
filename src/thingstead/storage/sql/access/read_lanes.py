"""Read lanes: bounded queues of reads in threads. Small reads and packing never wait for large ones; projects take
turns."""

import asyncio
import concurrent.futures
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, TypeVar

from thingstead.errors import Unavailable
from thingstead.storage.sql.access.connection import Connection

T = TypeVar("T")
Connect = Callable[[], Connection]
GoOn = Callable[[], None]  # raises Abandoned if the caller of the read was cancelled
Run = Callable[[Connection, GoOn], T]
Prepare = Callable[[], Run[T]]

LARGE_READS_PER_PROJECT = 1  # concurrent reads
LARGE_READS_WAITING_COUNT = 30  # for each project; one more raises Unavailable
SMALL_READS_PER_PROJECT = 2  # concurrent reads: lists, pages of logs, single rows
SMALL_READS_WAITING_COUNT = 500  # for each project; one more raises Unavailable


class Abandoned(Exception):
    """The caller of a read was cancelled."""


class Lane:
    """Thread pool for one kind of reads; each thread has its own connection."""

    def __init__(self, name: str, threads: int, connect: Connect) -> None:
        self.threads = threads
        self._connect = connect
        self._local = threading.local()
        self._connections: list[Connection] = []
        self._executor = concurrent.futures.ThreadPoolExecutor(threads, name)

    def submit(self, run: Callable[[Connection], T]) -> "concurrent.futures.Future[T]":
        """Runs a read in a thread. If it is cancelled before it has begun, it never runs."""
        return self._executor.submit(self._run, run)

    def _run(self, run: Callable[[Connection], T]) -> T:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            self._connections.append(connection)
        return run(connection)

    def close(self, wait: bool = True) -> None:
        """Returns when all submitted reads have ended; without ``wait`` at once, and those that wait never run."""
        self._executor.shutdown(wait, cancel_futures=not wait)
        for connection in self._connections:
            connection.close()


class _Read:
    """A read from its request until it has ended or its caller was cancelled."""

    def __init__(self, project: Hashable, prepare: "Prepare[Any]", future: "asyncio.Future[Any]") -> None:
        self.project = project
        self.prepare = prepare
        self.future = future
        self.abandoned = False

    def run(self, run: "Run[Any]", connection: Connection) -> Any:
        """Runs in a thread. Raises Abandoned, or an error of the driver, soon after the caller was cancelled."""
        self._go_on()
        with connection.dialect.interrupting(connection, lambda: self.abandoned):
            return run(connection, self._go_on)

    def _go_on(self) -> None:
        if self.abandoned:
            raise Abandoned


class SharedReads:
    """Fair scheduling of reads in a lane: projects take turns, and each has a limited number of concurrent reads. A
    read whose caller was cancelled is dropped from the queue or interrupted.

    Args:
        running_limit: concurrent reads of one project.
        waiting_limit: waiting reads of one project; one more is refused.
    """

    def __init__(
        self,
        lane: Lane,
        running_limit: int = LARGE_READS_PER_PROJECT,
        waiting_limit: int = LARGE_READS_WAITING_COUNT,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._lane = lane
        self._running_limit = running_limit
        self._waiting_limit = waiting_limit
        self._free = lane.threads
        self._waiting: OrderedDict[Hashable, deque[_Read]] = OrderedDict()  # next project first
        self._running: dict[_Read, None] = {}
        self._running_of: Counter[Hashable] = Counter()

    async def read(self, project: Hashable, prepare: "Prepare[T]") -> T:
        """Runs a read when it is its turn.

        Args:
            prepare: called on the event loop at that time; returns the function that runs in a thread. That function
                must call the given ``GoOn`` every few thousand points.

        Raises:
            Unavailable: too many reads of the project wait, or the store is closing.
        """
        waiting = self._waiting.setdefault(project, deque())
        if len(waiting) >= self._waiting_limit:
            raise Unavailable("too_many_project_reads")
        read = _Read(project, prepare, self._loop.create_future())
        waiting.append(read)
        self._begin()
        try:
            result: T = await read.future
        except asyncio.CancelledError:
            read.abandoned = True
            self._forget(read)
            raise
        return result

    def close(self) -> None:
        """Refuses waiting reads and interrupts running ones."""
        for waiting in self._waiting.values():
            for read in waiting:
                if not read.future.done():
                    read.future.set_exception(Unavailable("store_closing"))
        self._waiting.clear()
        for read in self._running:
            read.abandoned = True

    def _begin(self) -> None:
        for project in list(self._waiting):
            waiting = self._waiting[project]
            while waiting and self._free and self._running_of[project] < self._running_limit:
                self._run(waiting.popleft())
                self._waiting.move_to_end(project)
            if not waiting:
                del self._waiting[project]

    def _run(self, read: _Read) -> None:
        try:
            run = read.prepare()
        except Exception as exc:  # noqa: BLE001 - it goes to the caller
            read.future.set_exception(exc)
            return
        self._free -= 1
        self._running[read] = None
        self._running_of[read.project] += 1
        self._lane.submit(lambda connection: read.run(run, connection)).add_done_callback(
            lambda outcome: self._tell(read, outcome)
        )

    def _tell(self, read: _Read, outcome: "concurrent.futures.Future[Any]") -> None:
        with suppress(RuntimeError):  # the loop is closed; no caller waits
            self._loop.call_soon_threadsafe(self._ended, read, outcome)

    def _ended(self, read: _Read, outcome: "concurrent.futures.Future[Any]") -> None:
        self._free += 1
        self._running.pop(read, None)
        self._running_of[read.project] -= 1
        if not self._running_of[read.project]:
            del self._running_of[read.project]
        error = outcome.exception()
        if not read.future.done():
            if isinstance(error, Abandoned) or (error is not None and read.abandoned):
                error = Unavailable("store_closing")
            if error is None:
                read.future.set_result(outcome.result())
            else:
                read.future.set_exception(error)
        self._begin()

    def _forget(self, read: _Read) -> None:
        waiting = self._waiting.get(read.project)
        if waiting is not None and read in waiting:
            waiting.remove(read)
            if not waiting:
                del self._waiting[read.project]
