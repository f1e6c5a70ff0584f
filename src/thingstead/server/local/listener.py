"""Serves the local socket: one line of JSON asks, one answers, then the connection ends."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import structlog

from thingstead.server.folder import LOCAL_SOCKET
from thingstead.server.local.calls import LocalAnswer, LocalCall
from thingstead.server.local.sockets import REQUEST_BYTES, bind_local

REQUEST_TIMEOUT_S = 10.0  # from the connection to the end of its line
ANSWER_TIMEOUT_S = 60.0
CONNECTIONS_MAX = 8  # at once; more wait
WAITING_MAX = 56  # of those; one more is closed

log = structlog.get_logger("thingstead.server.local")


class LocalListener:
    """Answers commands on this machine while the server runs.

    Args:
        answer: answers one of them; raises no error of the tree.
    """

    def __init__(self, folder: Path, answer: Callable[[LocalCall], Awaitable[LocalAnswer]]) -> None:
        self._folder = folder
        self._answer = answer
        self._turns = asyncio.Semaphore(CONNECTIONS_MAX)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listens. If the socket cannot be made, a warning is logged, and commands say that the server runs."""
        try:
            sock = bind_local(self._folder)
        except OSError as exc:
            log.warning("the local socket cannot be opened", reason=str(exc))
            return
        self._server = await asyncio.start_unix_server(self._accepted, sock=sock, limit=REQUEST_BYTES)

    async def stop(self) -> None:
        """Removes the socket and ends its connections."""
        if self._server is None:
            return
        (self._folder / LOCAL_SOCKET).unlink(missing_ok=True)
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # streams run this in a task of its own
        if len(self._tasks) >= CONNECTIONS_MAX + WAITING_MAX:
            log.warning("a command was not answered", reason="too many at once")
            writer.close()
            return
        self._tasks.add(task)
        try:
            async with self._turns:
                await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, TimeoutError) as exc:
            log.info("a command was not answered", reason=str(exc) or type(exc).__name__)
        except asyncio.CancelledError:
            pass  # the server stops; nobody awaits this task
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(REQUEST_TIMEOUT_S):
            line = await reader.readuntil(b"\n")
        try:
            call = msgspec.json.decode(line, type=LocalCall)
        except msgspec.MsgspecError as exc:
            answered = LocalAnswer(status=400, body=msgspec.Raw(msgspec.json.encode({"message": str(exc)})))
        else:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                answered = await self._answer(call)
        writer.write(msgspec.json.encode(answered) + b"\n")
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            await writer.drain()
