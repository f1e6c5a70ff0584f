"""The HTTP listener: uvicorn inside our event loop, without its signal handlers, with additional bounds."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence
from typing import Any, cast

import uvicorn

from thingstead.broker.net.admission import Arrival, Arrivals, Entrance
from thingstead.broker.net.listening import Port, listen
from thingstead.clock import SystemClock
from thingstead.config import ApiSettings
from thingstead.model.addresses import TrustedProxies
from thingstead.mqtt.budget import Budget
from thingstead.server.http_context import PIPELINES_LIMIT_BYTES, UNREAD_LIMIT_BYTES, HttpContext, MakeWebSocket
from thingstead.server.http_protocol import BoundedProtocol

GRACE_S = 5  # for requests in progress when the server stops


class _EmbeddedServer(uvicorn.Server):
    """A uvicorn server on bound sockets that leaves signals alone and reports when it listens."""

    def __init__(self, config: uvicorn.Config, ports: Sequence[Port], entrance: Entrance, context: HttpContext) -> None:
        super().__init__(config)
        self._ports = ports
        self._entrance = entrance
        self._context = context
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.servers = [cast(asyncio.Server, await listen(port, self._make, self._entrance)) for port in self._ports]
        self.started = True
        self.listening.set()

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second."""
        now_s = asyncio.get_running_loop().time()
        self._context.close_idle(now_s - self._context.keep_alive_s, now_s)
        return await super().on_tick(counter)

    def _make(self, arrival: Arrival) -> BoundedProtocol:
        return BoundedProtocol(self.config, self.server_state, self._context, arrival)


class HttpListener:
    """Serves an ASGI application on bound ports.

    Args:
        make_websocket: takes over connections that are upgraded to a WebSocket; None: upgrades are ignored.
        arrivals: the connections of the whole server; None: those of this listener only.
        buffers: parent of the budgets for pipelined requests and unread answers.
    """

    def __init__(
        self,
        app: Any,
        ports: Sequence[Port],
        settings: ApiSettings,
        make_websocket: MakeWebSocket | None = None,
        arrivals: Arrivals | None = None,
        buffers: Budget | None = None,
    ) -> None:
        self._ports = ports
        proxies = TrustedProxies(settings.trusted_proxies)
        arrivals = arrivals or Arrivals(SystemClock())
        self._context = HttpContext(
            settings.head_timeout_s,
            make_websocket,
            proxies,
            settings.keep_alive_timeout_s,
            waiting=Budget(PIPELINES_LIMIT_BYTES, buffers),
            unread=Budget(UNREAD_LIMIT_BYTES, buffers),
        )
        self.entrance = arrivals.entrance("HTTP", settings.max_connections, proxies, self._close_idle)
        self._server = _EmbeddedServer(
            uvicorn.Config(
                app,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
            ),
            ports,
            self.entrance,
            self._context,
        )
        self._serving: asyncio.Task[None] | None = None
        self.port: int = ports[0].sock.getsockname()[1]  # number of the first port

    def _close_idle(self) -> bool:
        """Closes the connection that has been idle longest. Returns False if there is none."""
        if not self._context.idle:
            return False
        connection, _ = self._context.idle.popitem(last=False)
        connection.transport.abort()
        return True

    @property
    def make_websocket(self) -> MakeWebSocket | None:
        """Takes over connections that are upgraded to a WebSocket; None: upgrades are ignored."""
        return self._context.make_websocket

    @make_websocket.setter
    def make_websocket(self, make: MakeWebSocket | None) -> None:
        self._context.make_websocket = make

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return len(self._server.server_state.connections)

    @property
    def running(self) -> bool:
        """Whether the server accepts requests."""
        return self._serving is not None and not self._serving.done()

    async def start(self) -> None:
        """Returns when connections are accepted."""
        self._serving = asyncio.get_running_loop().create_task(self._server.serve(), name="http")
        listening = asyncio.ensure_future(self._server.listening.wait())
        await asyncio.wait([self._serving, listening], return_when=asyncio.FIRST_COMPLETED)
        if not listening.done():
            listening.cancel()
            await self._serving  # raises the error of the start
            raise RuntimeError("the HTTP server ended before it listened")

    async def ended(self) -> None:
        """Returns when the server has stopped for any reason."""
        if self._serving is not None:
            await asyncio.wait([self._serving])

    async def stop(self) -> None:
        """Stops accepting, waits up to :data:`GRACE_S` for requests in progress, then closes every connection."""
        if self._serving is None:
            for port in self._ports:
                port.sock.close()
            return
        self._server.should_exit = True
        await self._serving
