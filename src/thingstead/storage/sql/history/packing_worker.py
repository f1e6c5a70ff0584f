"""Compaction in a separate process, so that it does not hold the interpreter lock of the server.

The process is a program of the engine, which calls :func:`answer` with a connection of its own to the same database. It
answers over its standard streams. It lives from a flood until there is nothing to do, and ends by itself when its
standard input does, however its parent came to an end. Whatever goes wrong with it, the caller builds the blocks
itself.

A frame is a length (4 bytes, big-endian) and msgpack: numbers of devices to the process, a ``Compacted`` back.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import closing

import msgspec
import structlog

from thingstead.storage.sql.access.connection import Connection
from thingstead.storage.sql.access.database import Program
from thingstead.storage.sql.history.compaction import Compacted, build

log = structlog.get_logger("thingstead.history")

ANSWER_TIMEOUT_S = 30.0
EXIT_TIMEOUT_S = 2.0
LENGTH_BYTES = 4
NICENESS = 5  # storing reports has priority

_encode = msgspec.msgpack.Encoder().encode
_decode_numbers = msgspec.msgpack.Decoder(list[int]).decode
_decode_compacted = msgspec.msgpack.Decoder(Compacted).decode


class PackingWorker:
    """Handle of the compaction process, in the server."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._process: asyncio.subprocess.Process | None = None

    async def build(self, numbers: Sequence[int]) -> Compacted | None:
        """Runs :func:`~.compaction.build` in the process, which is started on first use. Returns None if the process
        failed."""
        try:
            process = self._process or await self._start()
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return _decode_compacted(await _ask(process, _encode(numbers)))
        except asyncio.CancelledError:
            await self.close()  # a late answer would be taken for the next one
            raise
        except (OSError, EOFError, TimeoutError, msgspec.MsgspecError) as exc:
            log.warning("the packing process failed; packing continues without it", error=repr(exc))
            await self.close()
            return None

    async def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None  # it was started with pipes
        process.stdin.close()
        try:
            async with asyncio.timeout(EXIT_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # no imports from the current folder
            "-m",
            self._program.module,
            *self._program.arguments,
            env={**os.environ, **self._program.environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return self._process


async def _ask(process: asyncio.subprocess.Process, request: bytes) -> bytes:
    assert process.stdin is not None  # it was started with pipes
    assert process.stdout is not None  # the same
    process.stdin.write(len(request).to_bytes(LENGTH_BYTES, "big") + request)
    await process.stdin.drain()
    length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
    return await process.stdout.readexactly(length)


def answer(connect: Callable[[], Connection]) -> None:
    """What the process does: answers until standard input ends."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # standard output carries the answers
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the server, which then closes standard input
    os.nice(NICENESS)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    with closing(connect()) as connection:
        while len(prefix := requests.read(LENGTH_BYTES)) == LENGTH_BYTES:
            numbers = _decode_numbers(requests.read(int.from_bytes(prefix, "big")))
            compacted = _encode(build(connection, numbers))
            answers.write(len(compacted).to_bytes(LENGTH_BYTES, "big") + compacted)
            answers.flush()
