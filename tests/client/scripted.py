"""A server that answers what a test tells it to."""

import asyncio
import re
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Some: Thing\r\n\r\nok"


class Scripted:
    """Answers each request with the next bytes of a script; None closes without an answer."""

    def __init__(self) -> None:
        self.script: list[bytes | None] = []
        self.requests: list[bytes] = []
        self.connections = 0
        self._closing = False

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/base/"
        self._tasks: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while data := await _request(reader):
                self.requests.append(data)
                answer = self.script.pop(0) if self.script else OK
                if answer is None:
                    break
                writer.write(answer)
                if b"close" in answer or (b"Content-Length" not in answer and b"chunked" not in answer):
                    await writer.drain()
                    break
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> bytes:
    """One whole request; empty at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        return head + (await reader.readexactly(int(length[1])) if length else b"")
    except asyncio.IncompleteReadError:
        return b""
