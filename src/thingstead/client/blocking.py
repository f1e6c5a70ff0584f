"""HTTP for programs with threads: the standard library's client, with connections that are kept and shared."""

import http.client
import ssl
import threading
import time
from collections import deque

from thingstead.client.http import BODY_BYTES, IDLE_S, SAFE_TO_REPEAT, TIMEOUT_S, Origin, Request, Response
from thingstead.client.retries import RETRIES, Retries
from thingstead.errors import Unavailable

IDLE_CONNECTIONS = 16  # unused connections that are kept open


class BlockingTransport:
    """Sends requests to one server. May be shared by any number of threads; each request uses a connection of its own.

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
        retries: Retries = RETRIES,
    ) -> None:
        self.origin = Origin.parse(url)
        self._timeout_s = timeout_s
        self._tls = (tls or ssl.create_default_context()) if self.origin.secure else None
        self._retries = retries
        self._idle: deque[tuple[http.client.HTTPConnection, float]] = deque()  # with the time of last use (monotonic)
        self._lock = threading.Lock()

    def send(self, request: Request) -> Response:
        """Sends a request. If the server had closed an idle connection, a request that is safe to repeat is sent once
        more; one that is refused for now as :class:`Retries` says.

        Returns:
            The response with its whole body.

        Raises:
            Unavailable: the server cannot be reached or does not answer.
        """
        attempt = 1
        while True:
            response = self._send(request)
            pause_s = self._retries.pause_s(request, response, attempt)
            if pause_s is None:
                return response
            time.sleep(pause_s)
            attempt += 1

    def close(self) -> None:
        """Closes idle connections."""
        with self._lock:
            idle, self._idle = self._idle, deque()
        for connection, _ in idle:
            connection.close()

    def _send(self, request: Request) -> Response:
        connection = self._take()
        if connection is not None:
            try:
                return self._exchange(connection, request)
            except (http.client.RemoteDisconnected, ConnectionError) as exc:
                if request.method not in SAFE_TO_REPEAT:
                    raise Unavailable("no_answer", detail=f"{self.origin.name} closed the connection: {exc}") from exc
            except (OSError, http.client.HTTPException) as exc:
                raise Unavailable("no_answer", detail=f"{self.origin.name} does not answer: {exc}") from exc
        try:
            return self._exchange(self._connect(), request)
        except (OSError, http.client.HTTPException) as exc:
            raise Unavailable("no_answer", detail=f"{self.origin.name} does not answer: {exc}") from exc

    def _connect(self) -> http.client.HTTPConnection:
        origin = self.origin
        if self._tls is not None:
            return http.client.HTTPSConnection(origin.host, origin.port, timeout=self._timeout_s, context=self._tls)
        return http.client.HTTPConnection(origin.host, origin.port, timeout=self._timeout_s)

    def _take(self) -> http.client.HTTPConnection | None:
        with self._lock:
            while self._idle:
                connection, since = self._idle.pop()
                if time.monotonic() - since < IDLE_S:
                    return connection
                connection.close()
        return None

    def _exchange(self, connection: http.client.HTTPConnection, request: Request) -> Response:
        try:
            connection.request(request.method, self.origin.path + request.target, request.body, request.headers)
            answer = connection.getresponse()
            body = answer.read(BODY_BYTES + 1)
            if len(body) > BODY_BYTES:
                raise http.client.HTTPException(f"the response has more than {BODY_BYTES} bytes")
            if answer.length:  # read() with a size does not report an incomplete body
                raise http.client.IncompleteRead(body, answer.length)
        except BaseException:
            connection.close()
            raise
        headers = {name.lower(): value for name, value in answer.getheaders()}
        self._keep(connection, answer.will_close)
        return Response(answer.status, headers, body)

    def _keep(self, connection: http.client.HTTPConnection, will_close: bool) -> None:
        with self._lock:
            if not will_close and len(self._idle) < IDLE_CONNECTIONS:
                self._idle.append((connection, time.monotonic()))
                return
        connection.close()
