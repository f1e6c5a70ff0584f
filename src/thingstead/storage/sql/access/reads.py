"""The reads of a database, each kind in a lane of its own: small ones, those of packing, and large ones."""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from thingstead.errors import Unavailable
from thingstead.model.tenant import TENANT
from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.read_lanes import (
    SMALL_READS_PER_PROJECT,
    SMALL_READS_WAITING_COUNT,
    Connect,
    Lane,
    Prepare,
    Run,
    SharedReads,
)

T = TypeVar("T")

READ_THREADS, PACKING_THREADS, LARGE_READ_THREADS = 3, 1, 2
READ_QUEUE_LIMIT = 1_000  # reads that wait for a thread; over it a read raises Unavailable
# The same of small indexed reads, where they need a thread: each takes a tenth of a millisecond, and when a fleet comes
# back every device waits for a few of its own.
INDEXED_QUEUE_LIMIT = 50_000


class Reading(Protocol):
    """How an engine runs a read, in a thread: it translates or notes errors, or tries again."""

    def __call__(self, run: Callable[[Connection], T], connection: Connection) -> T: ...


class Reads:
    """Lanes of threads, each thread with a connection of its own. Must be made on the event loop; :meth:`close` must be
    awaited.

    Args:
        indexed_threads: of the lane for small indexed reads; 0: these are not read in threads.
    """

    def __init__(self, connect: Connect, reading: Reading, indexed_threads: int = 0) -> None:
        self._reading = reading
        self._loop = asyncio.get_running_loop()
        self._small = Lane("thingstead-read", READ_THREADS, connect)
        self._packing = Lane("thingstead-pack", PACKING_THREADS, connect)
        self._large = Lane("thingstead-large", LARGE_READ_THREADS, connect)
        self._indexed = Lane("thingstead-indexed", indexed_threads, connect) if indexed_threads else None
        self._small_reads = SharedReads(self._small, SMALL_READS_PER_PROJECT, SMALL_READS_WAITING_COUNT)
        self._large_reads = SharedReads(self._large)
        self._waiting = self._indexed_waiting = 0

    async def indexed(self, run: Callable[[Connection], T]) -> T:
        """Runs a read of one or a few rows."""
        assert self._indexed is not None, "it has threads"
        if self._indexed_waiting >= INDEXED_QUEUE_LIMIT:
            raise Unavailable("too_many_reads")
        self._indexed_waiting += 1
        try:
            return await asyncio.wrap_future(self._indexed.submit(lambda each: self._reading(run, each)))
        finally:
            self._indexed_waiting -= 1

    async def small(self, run: Callable[[Connection], T]) -> T:
        """Runs a read of some milliseconds. Projects take turns."""
        if self._waiting >= READ_QUEUE_LIMIT:
            raise Unavailable("too_many_reads")
        self._waiting += 1
        try:
            project = TENANT.get()
            return await self._small_reads.read(project, lambda: lambda each, _: self._reading(run, each))
        finally:
            self._waiting -= 1

    async def packing(self, run: Callable[[Connection], T]) -> T:
        """Runs a read for packing."""
        return await asyncio.wrap_future(self._packing.submit(lambda each: self._reading(run, each)))

    async def large(self, project_id: str | None, prepare: Prepare[T]) -> T:
        """Runs a read that may take long, one at a time for each project (:meth:`SharedReads.read`)."""

        def prepare_reading() -> Run[T]:
            run = prepare()
            return lambda connection, go_on: self._reading(lambda connection: run(connection, go_on), connection)

        return await self._large_reads.read(project_id, prepare_reading)

    async def close(self, *, wait: bool = True) -> None:
        """Refuses waiting reads, interrupts running ones, and closes the connections. ``wait``: until they have
        ended."""
        self._small_reads.close()
        self._large_reads.close()
        for lane in (self._small, self._packing, self._large, self._indexed):
            if lane is not None:
                await self._loop.run_in_executor(None, lane.close, wait)
