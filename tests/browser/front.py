"""A way to a server that can be made slow, failing or dead, as a bad network or a proxy in trouble is."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

HEAD_BYTES = 65_536
FAILURE = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 11\r\nConnection: close\r\n\r\nBad Gateway"
)


class Front:
    """Passes every connection on, and looks at the first line of each request.

    Attributes:
        failing: whether a request for this path is answered with 502.
        dead: whether one is answered by the end of its connection.
        held: whether one waits until ``release`` is set.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self.failing: Callable[[str], bool] = lambda _: False
        self.dead: Callable[[str], bool] = lambda _: False
        self.held: Callable[[str], bool] = lambda _: False
        self.release = asyncio.Event()
        self.url = ""
        self._connections: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def before(cls, port: int) -> AsyncIterator["Front"]:
        """Before the HTTP port of a server on this machine."""
        front = cls(port)
        server = await asyncio.start_server(front._accept, "127.0.0.1", 0, limit=HEAD_BYTES)
        front.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield front
        finally:
            server.close()
            for connection in list(front._connections):
                connection.cancel()
            await asyncio.gather(*front._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # somebody hung up
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode()
        if self.held(path):
            await self.release.wait()
        if self.failing(path):
            writer.write(FAILURE)
        elif not self.dead(path):
            # One request a connection, so that each is looked at; a WebSocket keeps its own.
            head = head.replace(b"Connection: keep-alive", b"Connection: close")
            await self._pass_on(head, reader, writer)

    async def _pass_on(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection("127.0.0.1", self._upstream)
        requests.write(head)
        up = asyncio.create_task(_copy(reader, requests))
        try:
            await _copy(answers, writer)
        finally:
            up.cancel()
            requests.close()
            with suppress(OSError):
                await requests.wait_closed()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(HEAD_BYTES):
            target.write(data)
            await target.drain()
