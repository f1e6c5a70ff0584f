"""A TCP proxy whose connections can be cut: data is held back in one direction or in both, as on a broken network."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Literal

Direction = Literal["up", "down"]  # to the server, from the server
CHUNK_BYTES = 65_536


class Proxy:
    """Forwards connections to a port of 127.0.0.1. Whoever connects while it is cut is accepted and hears nothing."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self._flows: dict[Direction, asyncio.Event] = {"up": asyncio.Event(), "down": asyncio.Event()}
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.heal()

    async def start(self) -> "Proxy":
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def cut(self, *directions: Direction) -> None:
        """Forwards nothing in these directions."""
        for direction in directions:
            self._flows[direction].clear()

    def heal(self) -> None:
        """Forwards everything, also what was held back."""
        for flow in self._flows.values():
            flow.set()

    def reset(self) -> None:
        """Breaks every connection."""
        for task in self._tasks:
            task.cancel()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.reset()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._flows["up"].wait()
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
            try:
                await _first_of(
                    self._pump(reader, server_writer, self._flows["up"]),
                    self._pump(server_reader, writer, self._flows["down"]),
                )
            finally:
                server_writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flow: asyncio.Event) -> None:
        while data := await reader.read(CHUNK_BYTES):
            await flow.wait()
            writer.write(data)
            await writer.drain()
        await flow.wait()


class Balancer:
    """What a load balancer in front of the nodes does: sends connections to the node whose ``/readyz`` answers 200, and
    breaks those to a node that no longer does.

    Args:
        nodes: HTTP port of each node, and the port to forward to.
    """

    CHECK_S, ANSWER_S = 0.2, 0.8

    def __init__(self, nodes: list[tuple[int, int]]) -> None:
        self._nodes = nodes
        self._ready: int | None = None  # index of a node
        self._first_ready = asyncio.Event()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: dict[asyncio.Task[None], int] = {}
        self._checking: asyncio.Task[None] | None = None

    async def start(self) -> "Balancer":
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        self._checking = asyncio.create_task(self._check())
        return self

    async def wait_ready(self) -> None:
        """Returns when connections are forwarded."""
        await self._first_ready.wait()

    async def close(self) -> None:
        assert self._server is not None
        assert self._checking is not None
        self._checking.cancel()
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(self._checking, *self._tasks, return_exceptions=True)

    async def _check(self) -> None:
        while True:
            states = await asyncio.gather(*(is_ready(http_port, self.ANSWER_S) for http_port, _ in self._nodes))
            self._ready = next((index for index, ready in enumerate(states) if ready), None)
            if self._ready is not None:
                self._first_ready.set()
            for task, index in list(self._tasks.items()):
                if not states[index]:
                    task.cancel()
            await asyncio.sleep(self.CHECK_S)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            if self._ready is None:
                return
            self._tasks[task] = self._ready
            other_reader, other_writer = await asyncio.open_connection("127.0.0.1", self._nodes[self._ready][1])
            try:
                await _first_of(_copy(reader, other_writer), _copy(other_reader, writer))
            finally:
                other_writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.pop(task, None)


async def is_ready(http_port: int, timeout_s: float) -> bool:
    """Whether ``GET /readyz`` answers 200 in time."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", http_port)
            try:
                writer.write(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.transport.abort()
    return False


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK_BYTES):
        writer.write(data)
        await writer.drain()


async def _first_of(*works: Coroutine[Any, Any, None]) -> None:
    """Returns when one has ended, and ends the others."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
