"""The HTTP port: uvicorn inside our event loop, without its signal handlers, and with the bounds that it lacks."""

import asyncio
import contextlib
import socket
from asyncio.events import TimerHandle
from collections.abc import Iterator
from typing import Any

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from thingstead.config import ApiSettings

log = structlog.get_logger("thingstead.server")

HEAD_LIMIT_BYTES = 65_536  # request line and headers of one request
FRAMING_PER_BODY_BYTE = 8  # a body in chunks of one byte has six bytes of framing for each
HEAD_TIMEOUT_S = 20  # within which request line and headers must be complete
DRAIN_TIMEOUT_S = 10  # how long the rest of a body may come after its request was answered
GRACE_S = 5  # how long requests under way may take when the server stops

HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-type: application/json\r\n"
    b'content-length: 29\r\n\r\n{"message":"Request invalid"}'
)


class BoundedProtocol(HttpToolsProtocol):
    """One HTTP connection whose headers, trailers and chunk framing are bounded in size and time."""

    _overhead = 0  # bytes of the current request that are not body
    _limit = HEAD_LIMIT_BYTES
    _deadline: TimerHandle | None = None
    _in_head = True
    _message_complete = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._close_after(HEAD_TIMEOUT_S)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._overhead += len(data)
        if self._in_head and self._deadline is None:
            self._close_after(HEAD_TIMEOUT_S)
        super().data_received(data)
        if self._overhead > self._limit and not self.transport.is_closing():
            if self._in_head and (self.cycle is None or self.cycle.response_complete):
                self.transport.write(HEAD_TOO_LARGE)
                self.transport.close()
            else:
                self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._message_complete = False

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._cancel_deadline()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._overhead -= len(body)
        self._limit += FRAMING_PER_BODY_BYTE * len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._message_complete = True
        self._in_head = True
        self._overhead = 0
        self._limit = HEAD_LIMIT_BYTES
        self._cancel_deadline()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._message_complete and not self.transport.is_closing():
            self._close_after(DRAIN_TIMEOUT_S)

    def _close_after(self, seconds: float) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _EmbeddedServer(uvicorn.Server):
    """A uvicorn server that leaves the signals alone and tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class HttpListener:
    """Serves an ASGI application on a bound socket."""

    def __init__(self, app: Any, sock: socket.socket, settings: ApiSettings) -> None:
        self._socket = sock
        self._server = _EmbeddedServer(
            uvicorn.Config(
                app,
                http=BoundedProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=settings.max_connections,
                timeout_keep_alive=settings.keep_alive_timeout_s,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self._serving: asyncio.Task[None] | None = None
        self.port: int = sock.getsockname()[1]

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._server.server_state.connections)

    @property
    def running(self) -> bool:
        return self._serving is not None and not self._serving.done()

    async def start(self) -> None:
        """Returns when connections are accepted."""
        self._serving = asyncio.get_running_loop().create_task(self._server.serve([self._socket]), name="http")
        listening = asyncio.ensure_future(self._server.listening.wait())
        await asyncio.wait([self._serving, listening], return_when=asyncio.FIRST_COMPLETED)
        if not listening.done():
            listening.cancel()
            await self._serving  # raises what kept it from listening
            raise RuntimeError("the HTTP server ended before it listened")

    async def ended(self) -> None:
        """Returns when nothing is served any more, for whatever reason."""
        if self._serving is not None:
            await asyncio.wait([self._serving])

    async def stop(self) -> None:
        """Stops accepting, lets requests under way end within :data:`GRACE_S`, closes every connection."""
        if self._serving is None:
            self._socket.close()
            return
        self._server.should_exit = True
        await self._serving
