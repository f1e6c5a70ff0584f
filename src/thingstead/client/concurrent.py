"""HTTP for asyncio: one connection, one request at a time, parsed by httptools; a bounded pool of connections."""

import asyncio
import ssl
from collections import deque

import httptools

from thingstead.client.http import BODY_BYTES, IDLE_S, SAFE_TO_REPEAT, TIMEOUT_S, Origin, Request, Response
from thingstead.client.retries import RETRIES, Retries
from thingstead.errors import Unavailable

CONNECTIONS = 64  # concurrent connections; further requests wait for one


class _Closed(Exception):
    """The connection ended before the response began."""


class _Connection(asyncio.Protocol):
    """One HTTP connection. httptools calls the ``on_`` methods."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._response: asyncio.Future[Response] | None = None
        self._begun = False
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self.idle_since = 0.0
        self.reusable = True

    async def exchange(self, request: Request, origin: Origin) -> Response:
        """Sends a request and returns the response. Raises _Closed if the peer closes before the response begins."""
        if self._transport is None or self._transport.is_closing():
            raise _Closed
        self._begun = False
        self._headers, self._body = {}, bytearray()
        self._response = asyncio.get_running_loop().create_future()
        self._transport.write(_encoded(request, origin))
        try:
            return await self._response
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a TCP connection
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self._fail(Unavailable("no_answer", detail=f"the response is not HTTP: {exc}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        if exc is None and self._begun and not self._headers.keys() & {"content-length", "transfer-encoding"}:
            self.on_message_complete()  # RFC 9112, 6.3: a body without a length ends with the connection
        self._fail(
            Unavailable("no_answer", detail="the connection ended within the response") if self._begun else _Closed()
        )

    def on_message_begin(self) -> None:
        self._begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > BODY_BYTES:
            self._fail(Unavailable("no_answer", detail=f"the response has more than {BODY_BYTES} bytes"))

    def on_message_complete(self) -> None:
        if not self._parser.should_keep_alive():
            self.reusable = False
        if self._response is not None and not self._response.done():
            status = self._parser.get_status_code()
            self._response.set_result(Response(status, self._headers, bytes(self._body)))

    def _fail(self, error: Exception) -> None:
        self.reusable = False
        if self._response is not None and not self._response.done():
            self._response.set_exception(error)


class AsyncTransport:
    """Sends requests to one server, from one event loop.

    Args:
        tls: None: trust the system's certificate authorities.
        retries: of requests that the server refuses for now.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
        connections: int = CONNECTIONS,
        retries: Retries = RETRIES,
    ) -> None:
        self.origin = Origin.parse(url)
        self._timeout_s = timeout_s
        self._tls = (tls or ssl.create_default_context()) if self.origin.secure else None
        self._retries = retries
        self._idle: deque[_Connection] = deque()
        self._places = asyncio.Semaphore(connections)

    async def send(self, request: Request) -> Response:
        """Sends a request. If the server had closed an idle connection, a request that is safe to repeat is sent once
        more; one that is refused for now as :class:`Retries` says.

        Returns:
            The response with its whole body.

        Raises:
            Unavailable: no response within the time-out, which includes waiting for a connection and is that of one
                attempt.
        """
        attempt = 1
        while True:
            response = await self._send_once(request)
            pause_s = self._retries.pause_s(request, response, attempt)
            if pause_s is None:
                return response
            await asyncio.sleep(pause_s)
            attempt += 1

    async def _send_once(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(self._timeout_s), self._places:
                return await self._send(request)
        except TimeoutError as exc:
            raise Unavailable(
                "no_answer", detail=f"{self.origin.name} did not answer within {self._timeout_s:g} s"
            ) from exc
        except (OSError, _Closed) as exc:
            raise Unavailable(
                "no_answer", detail=f"{self.origin.name} does not answer: {exc or 'the connection was closed'}"
            ) from exc

    async def close(self) -> None:
        """Closes idle connections."""
        while self._idle:
            self._idle.pop().close()

    async def _send(self, request: Request) -> Response:
        connection = self._take()
        if connection is not None:
            try:
                return await self._exchange(connection, request)
            except _Closed:
                if request.method not in SAFE_TO_REPEAT:
                    raise
        origin = self.origin
        _, connection = await asyncio.get_running_loop().create_connection(
            _Connection, origin.host, origin.port, ssl=self._tls
        )
        return await self._exchange(connection, request)

    def _take(self) -> _Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable and now - connection.idle_since < IDLE_S:
                return connection
            connection.close()
        return None

    async def _exchange(self, connection: _Connection, request: Request) -> Response:
        response = await connection.exchange(request, self.origin)
        if connection.reusable:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.close()
        return response


def _encoded(request: Request, origin: Origin) -> bytes:
    headers = {"Host": origin.name, **request.headers}
    if request.body is not None or request.method in ("POST", "PUT"):
        headers["Content-Length"] = str(len(request.body or b""))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    line = f"{request.method} {origin.path}{request.target} HTTP/1.1\r\n"
    return f"{line}{head}\r\n".encode("latin-1") + (request.body or b"")
