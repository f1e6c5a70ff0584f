"""The HTTP port: uvicorn inside our event loop, without its signal handlers, and with the bounds that it lacks."""

import asyncio
import contextlib
import socket
from asyncio.events import TimerHandle
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from thingstead.clock import SystemClock
from thingstead.config import ApiSettings
from thingstead.gateway.arrivals import Arrival, Arrivals, Entrance
from thingstead.gateway.listening import Port, listen
from thingstead.gateway.proxy_protocol import Peer
from thingstead.gateway.websocket import Registry
from thingstead.model.addresses import TrustedProxies

log = structlog.get_logger("thingstead.server")

HEAD_LIMIT_BYTES = 65_536  # request line and headers of one request
FRAMING_PER_BODY_BYTE = 8  # a body in chunks of one byte has six bytes of framing for each
DRAIN_TIMEOUT_S = 10  # how long the rest of a body may come after its request was answered
GRACE_S = 5  # how long requests under way may take when the server stops

HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-type: application/json\r\n"
    b'content-length: 29\r\n\r\n{"message":"Request invalid"}'
)


MakeWebSocket = Callable[[Registry, Arrival], asyncio.Protocol]
Idle = OrderedDict["BoundedProtocol", None]  # connections between two requests, the one that is so the longest first


class BoundedProtocol(HttpToolsProtocol):
    """One HTTP connection whose headers, trailers and chunk framing are bounded in size and time.

    Args:
        head_timeout_s: within which request line and headers must be complete.
        arrival: where it comes from; it is told what the connection proved, and of its end.
        make_websocket: takes over a connection that becomes a WebSocket; None takes none.
        proxies: the proxies whose forwarding headers say who sent a request.
        idle: it is among these between two requests.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        head_timeout_s: float,
        arrival: Arrival,
        make_websocket: MakeWebSocket | None,
        proxies: TrustedProxies,
        idle: Idle,
    ) -> None:
        super().__init__(config, server_state, {})
        self._head_timeout_s = head_timeout_s
        self._arrival = arrival
        self._idle = idle
        self._make_websocket = make_websocket
        self._proxies = proxies

    _overhead = 0  # bytes of the current request that are not body
    _limit = HEAD_LIMIT_BYTES
    _deadline: TimerHandle | None = None
    _in_head = True
    _message_complete = True
    _welcome = True  # False: whoever sent the request through a proxy has too many already

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        if self._arrival.peer is not None:
            self.client = self._arrival.peer
        self._close_after(self._head_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_deadline()
        self._idle.pop(self, None)
        self._arrival.ended()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._idle.pop(self, None)
        self._overhead += len(data)
        if self._in_head and self._deadline is None:
            self._close_after(self._head_timeout_s)
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
        if self._proxies:
            self._believe_proxy()
            self.app = self.config.loaded_app if self._welcome else too_many_connections
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
        self._arrival.proved()
        if self._message_complete and not self.pipeline:
            self._idle[self] = None
        if not self._message_complete and not self.transport.is_closing():
            self._close_after(DRAIN_TIMEOUT_S)

    def _should_upgrade(self) -> bool:
        return self._make_websocket is not None and self._welcome and self._get_upgrade() == b"websocket"

    def handle_websocket_upgrade(self) -> None:
        """Hands the connection over, with its request."""
        assert self._make_websocket is not None  # _should_upgrade
        self._cancel_deadline()
        self.connections.discard(self)
        request = [b"%s %s HTTP/1.1\r\n" % (self.scope["method"].encode(), self.url)]
        request += [b"%s: %s\r\n" % header for header in self.scope["headers"]]
        if self._proxies:
            self._arrival.peer = cast(Peer | None, self.scope["client"])
        websocket = self._make_websocket(cast(Registry, self.connections), self._arrival)
        websocket.connection_made(self.transport)
        self.transport.set_protocol(websocket)
        websocket.data_received(b"".join([*request, b"\r\n"]))

    def _believe_proxy(self) -> None:
        """The request is from whom a trusted proxy says, if one brought it."""
        if self.client is None:
            return
        client = self._proxies.client(self.client, self.headers)
        self.scope["client"] = Peer(client.host, client.port)
        self._welcome = self._arrival.counts_for(client.host)
        if client.secure is not None:
            self.scope["scheme"] = "https" if client.secure else "http"

    def _close_after(self, seconds: float) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


async def too_many_connections(scope: Any, receive: Any, send: Any) -> None:
    """Answers 429 to a request through a proxy whose sender has its share of connections."""
    body = b'{"message":"Too many connections of your address are waiting"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": 429, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})


class _EmbeddedServer(uvicorn.Server):
    """A uvicorn server on our own ports, that leaves the signals alone and tells when it listens."""

    def __init__(
        self,
        config: uvicorn.Config,
        head_timeout_s: float,
        ports: Sequence[Port],
        make_websocket: MakeWebSocket | None,
        proxies: TrustedProxies,
        idle: Idle,
        entrance: Entrance,
    ) -> None:
        super().__init__(config)
        self._idle = idle
        self._entrance = entrance
        self._proxies = proxies
        self._head_timeout_s = head_timeout_s
        self._ports = ports
        self._make_websocket = make_websocket
        self.listening = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.servers = [cast(asyncio.Server, await listen(port, self._make, self._entrance)) for port in self._ports]
        self.started = True
        self.listening.set()

    def _make(self, arrival: Arrival) -> BoundedProtocol:
        return BoundedProtocol(
            self.config,
            self.server_state,
            self._head_timeout_s,
            arrival,
            self._make_websocket,
            self._proxies,
            self._idle,
        )


class HttpListener:
    """Serves an ASGI application on bound ports.

    Args:
        make_websocket: takes over connections that become a WebSocket; without it none does.
        arrivals: the connections of the whole server; those of this listener alone where None is given.
    """

    def __init__(
        self,
        app: Any,
        ports: Sequence[Port],
        settings: ApiSettings,
        make_websocket: MakeWebSocket | None = None,
        arrivals: Arrivals | None = None,
    ) -> None:
        self._ports = ports
        self._idle: Idle = OrderedDict()
        proxies = TrustedProxies(settings.trusted_proxies)
        arrivals = arrivals or Arrivals(SystemClock())
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
                timeout_keep_alive=settings.keep_alive_timeout_s,
                timeout_graceful_shutdown=GRACE_S,
            ),
            settings.head_timeout_s,
            ports,
            make_websocket,
            proxies,
            self._idle,
            self.entrance,
        )
        self._serving: asyncio.Task[None] | None = None
        self.port: int = ports[0].sock.getsockname()[1]  # the first one

    def _close_idle(self) -> bool:
        """Closes the connection over which nothing was asked for the longest."""
        if not self._idle:
            return False
        connection, _ = self._idle.popitem(last=False)
        connection.transport.abort()
        return True

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._server.server_state.connections)

    @property
    def running(self) -> bool:
        return self._serving is not None and not self._serving.done()

    async def start(self) -> None:
        """Returns when connections are accepted."""
        self._serving = asyncio.get_running_loop().create_task(self._server.serve(), name="http")
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
            for port in self._ports:
                port.sock.close()
            return
        self._server.should_exit = True
        await self._serving
