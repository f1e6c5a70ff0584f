"""The program of a worker process: ``python -I -m thingstead.services.functions.worker SOCKET BOARD PARENT``.

SOCKET and BOARD are inherited file descriptors. The board is a shared page whose first 16 bytes say which item runs
(its number and the complement of it, 0 if none does), so that the server knows the guilty one of a worker that hangs.
The process has no environment, no file but these, and may not gain privileges; it ends with its parent.
"""

import ctypes
import mmap
import os
import resource
import signal
import socket
import sys
import time

from thingstead.services.functions.contexts import FunctionContexts
from thingstead.services.functions.frames import CallAnswer, CallFrames, decode_batch, framed
from thingstead.services.functions.limits import (
    ADDRESS_SPACE_LIMIT_BYTES,
    DESCRIPTORS_LIMIT,
    HELD_MAX_LENGTH,
    HELD_MAX_NS,
)

BOARD_BYTES = 16
RECEIVED_BYTES = 1 << 18

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def confine(parent: int) -> None:
    """Gives up what the process does not need, and ends it with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the server
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS_LIMIT, DESCRIPTORS_LIMIT))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_LIMIT_BYTES, ADDRESS_SPACE_LIMIT_BYTES))
        prctl = ctypes.CDLL(None).prctl
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit()  # the parent ended before that


class FunctionWorker:
    """Takes batches, runs their items, and answers."""

    def __init__(self, connection: socket.socket, board: mmap.mmap) -> None:
        self._connection = connection
        self._board = memoryview(board)[:BOARD_BYTES].cast("Q")
        self._contexts = FunctionContexts()
        self._ready: list[CallAnswer] = []
        self._ready_length = 0
        self._sent_ns = 0

    def serve(self) -> None:
        """Until the server closes the connection."""
        frames = CallFrames()
        while data := self._connection.recv(RECEIVED_BYTES):
            for frame in frames.feed(data):
                self._serve(frame)

    def _serve(self, frame: bytes) -> None:
        batch = decode_batch(frame)
        self._contexts.learn(batch.sources)
        now_ns = self._sent_ns = time.perf_counter_ns()
        for item in batch.items:
            late = now_ns - self._sent_ns > HELD_MAX_NS or self._ready_length > HELD_MAX_LENGTH
            if self._ready and (late or self._contexts.slow(item.function)):
                self._send()
                self._sent_ns = now_ns
            self._board[0], self._board[1] = item.number, ~item.number & 0xFFFFFFFFFFFFFFFF
            outcome = self._contexts.run(item)
            self._board[0], self._board[1] = 0, 0xFFFFFFFFFFFFFFFF
            begun_ns, now_ns = now_ns, time.perf_counter_ns()
            took_us = (now_ns - begun_ns) // 1000
            self._contexts.took(item.function, took_us)
            self._ready.append(CallAnswer(item.number, outcome.status, outcome.text, outcome.lines, took_us))
            self._ready_length += len(outcome.text)
        self._contexts.trim()
        self._send()

    def _send(self) -> None:
        self._connection.sendall(framed(self._ready))
        self._ready.clear()
        self._ready_length = 0


def main() -> None:
    """Serves the connection that was inherited."""
    descriptor, board, parent = map(int, sys.argv[1:4])
    confine(parent)
    shared = mmap.mmap(board, mmap.PAGESIZE)
    os.close(board)
    with socket.socket(fileno=descriptor) as connection:
        FunctionWorker(connection, shared).serve()


if __name__ == "__main__":
    main()
