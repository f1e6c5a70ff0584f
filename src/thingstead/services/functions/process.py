"""A worker process, seen from the server: started, fed with batches, watched, and killed if it hangs."""

import asyncio
import mmap
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Final

from thingstead.services.functions.frames import CallAnswer, CallBatch, CallFrames, decode_answers, framed

WORKER = "thingstead.services.functions.worker"
LOOK_S: Final = 0.025  # between two looks at what runs
IDLE_TIMEOUT_S: Final = 30.0
READS_COUNT: Final = 100  # of the board, while it is being written
STARVED_FACTOR: Final = 10  # of the limit, for a process that gets no CPU time
_MASK = 0xFFFFFFFFFFFFFFFF


class WorkerEnded(Exception):
    """The process ended before it answered everything.

    Attributes:
        item: the number of the item that ran; 0: none.
        killed: whether the server killed it, because that item did not end.
    """

    def __init__(self, item: int, *, killed: bool) -> None:
        super().__init__(f"the worker process ended; item {item}")
        self.item = item
        self.killed = killed


class WorkerProcess(asyncio.Protocol):
    """One worker process. It has one batch at a time.

    Args:
        hang_limit_s: how long one item may run by the clock on the wall.
        answered: called with each answer.
    """

    def __init__(self, hang_limit_s: float, answered: Callable[[CallAnswer], None]) -> None:
        self._hang_limit_s = hang_limit_s
        self._answered = answered
        self._frames = CallFrames()
        self._left = 0
        self._done: asyncio.Future[None] | None = None
        self._look_timer: asyncio.TimerHandle | None = None
        self._seen, self._seen_s, self._seen_cpu_s = 0, 0.0, 0.0
        self._killed = False
        self.known: set[int] = set()  # functions whose source it got
        self.answers = 0

    async def start(self) -> None:
        """Starts the process. Raises OSError if it cannot be started."""
        self._loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                descriptor = _shared_memory()
                try:
                    self._page = mmap.mmap(descriptor, mmap.PAGESIZE)
                    self._board = memoryview(self._page)[:16].cast("Q")
                    self._process = _started(theirs.fileno(), descriptor)
                finally:
                    os.close(descriptor)
            ours.setblocking(False)
            self._transport, _ = await self._loop.create_connection(lambda: self, sock=ours)
        except BaseException:
            ours.close()
            raise

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def run(self, batch: CallBatch) -> None:
        """Sends a batch, and returns when each of its items is answered. Raises WorkerEnded."""
        self._left = len(batch.items)
        self._done = self._loop.create_future()
        if self._transport.is_closing():
            raise WorkerEnded(0, killed=False)
        self._seen, self._seen_s = -1, self._loop.time()
        self._look_timer = self._loop.call_later(LOOK_S, self._look)
        self._transport.write(framed(batch))
        self.known.update(batch.sources)
        try:
            await self._done
        finally:
            self._look_timer.cancel()
            self._done = None

    async def close(self) -> None:
        """Ends the process at once; a function has nothing to lose."""
        self._process.kill()
        self._transport.abort()
        await asyncio.to_thread(self._process.wait)
        self._board.release()
        self._page.close()

    @property
    def running(self) -> int:
        """The number of the item that runs; 0: none."""
        for _ in range(READS_COUNT):
            number, complement = self._board[0], self._board[1]
            if number == ~complement & _MASK:
                return number
        return 0  # nothing ran yet, or it stopped between the two

    def data_received(self, data: bytes) -> None:
        """Hands on what was answered."""
        for frame in self._frames.feed(data):
            answers = decode_answers(frame)
            self.answers += len(answers)
            self._left -= len(answers)
            for answer in answers:
                self._answered(answer)
        if self._left == 0 and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The process ended, or was closed."""
        if self._done is not None and not self._done.done():
            self._done.set_exception(WorkerEnded(self.running, killed=self._killed))

    def _look(self) -> None:
        running, now_s = self.running, self._loop.time()
        if running != self._seen:
            self._seen, self._seen_s, self._seen_cpu_s = running, now_s, _cpu_s(self.pid)
        elif self._hangs(running, now_s - self._seen_s):
            self._killed = bool(running)
            self._process.kill()
            return
        self._look_timer = self._loop.call_later(LOOK_S, self._look)

    def _hangs(self, running: int, wall_s: float) -> bool:
        """An item is not to blame for a machine that gives its process no time, unless that lasts."""
        if not running:
            return wall_s >= IDLE_TIMEOUT_S
        if wall_s < self._hang_limit_s:
            return False
        computed_s = _cpu_s(self.pid) - self._seen_cpu_s
        return computed_s >= self._hang_limit_s / 2 or wall_s >= self._hang_limit_s * STARVED_FACTOR


def _cpu_s(pid: int) -> float:
    """CPU time of a process; where it cannot be known, the time on the wall."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # the process clock of Linux: clock_getcpuclockid(3)
    except OSError:
        return time.monotonic()


def _shared_memory() -> int:
    if sys.platform == "linux":
        descriptor = os.memfd_create("functions", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, mmap.PAGESIZE)
    return descriptor


def _started(connection: int, board: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-I", "-m", WORKER, str(connection), str(board), str(os.getpid())],
        env={"TZ": "UTC"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(connection, board),
    )
