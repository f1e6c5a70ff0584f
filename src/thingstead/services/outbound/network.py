"""Network backend of the outgoing HTTP client: resolves names, connects to checked addresses, counts bytes.

httpcore processes a request in the task of its caller, so a context variable holds the state of the request: the bytes
that may still be received, and the kind of address.
"""

import asyncio
import concurrent.futures
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any
from weakref import WeakValueDictionary

import httpcore
import structlog

from thingstead.model.tenant import TENANT
from thingstead.services.outbound.addresses import is_private, may_be_reached
from thingstead.services.shared.lru import Lru

log = structlog.get_logger("thingstead.notify")

THREADS_LIMIT = 32  # concurrent look-ups …
TENANT_THREADS_LIMIT = 8  # … and those of one project
ADDRESSES_LIMIT = 8  # tried of one name
WARN_AGAIN_S = 60.0  # of the same name
WARNED_LIMIT = 1_000  # names that are remembered for this
SHORTEST_TRY_S = 0.5  # time-out of one address, at least


class Unresolved(Exception):
    """A name cannot be resolved."""


class AddressForbidden(Exception):
    """All addresses of a name are refused."""

    def __init__(self, name: str, address: str) -> None:
        super().__init__(name)
        self.name = name
        self.address = address


class AnswerTooLong(Exception):
    """The response exceeds the limit."""


class Stale(Exception):
    """A pooled connection was closed while it was idle: the request got no response."""


class Exchange:
    """State of one request."""

    __slots__ = ("inner", "left", "received")

    def __init__(self, most_bytes: int) -> None:
        self.left = most_bytes
        self.received = False
        self.inner = False  # the peer has a private address


EXCHANGE: ContextVar[Exchange] = ContextVar("EXCHANGE")


class Resolver:
    """Resolves names in threads of its own, so that a slow name server blocks nothing else, and that of one project
    blocks no other."""

    def __init__(self) -> None:
        self._threads = concurrent.futures.ThreadPoolExecutor(
            THREADS_LIMIT, "thingstead-resolve"
        )  # started when needed
        self._warned: Lru[str, float] = Lru(WARNED_LIMIT)  # instant of the last warning of a name
        self._gates: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()  # by project

    async def addresses(self, name: str, port: int) -> list[str]:
        """The addresses of a name, in the order in which to try them. Raises Unresolved."""
        try:
            found = await self._in_thread(name, port)
        except (OSError, UnicodeError) as exc:
            raise Unresolved(name) from exc
        return list(dict.fromkeys(found))

    async def _in_thread(self, name: str, port: int) -> list[str]:
        """A thread is taken until its look-up ends, also if nobody waits for it any more."""
        project_id, loop = TENANT.get(), asyncio.get_running_loop()
        gate = self._gates.setdefault(
            project_id, asyncio.Semaphore(TENANT_THREADS_LIMIT if project_id else THREADS_LIMIT)
        )
        await gate.acquire()
        try:
            looking = self._threads.submit(_look_up, name, port)
        except BaseException:
            gate.release()
            raise

        def looked(_: object) -> None:
            with suppress(RuntimeError):  # the loop was closed
                loop.call_soon_threadsafe(gate.release)

        looking.add_done_callback(looked)
        return await asyncio.wrap_future(looking)

    async def permitted(self, name: str, port: int, *, private: bool) -> list[str]:
        """The addresses of a name to which connections may be made, in the order in which to try them.

        Raises:
            Unresolved: the name has no address.
            AddressForbidden: none of its addresses is allowed.
        """
        found = await self.addresses(name, port)
        allowed = [each for each in found if may_be_reached(each, private=private)][:ADDRESSES_LIMIT]
        if not allowed:
            self._warn(name, found[0])
            raise AddressForbidden(name, found[0])
        return allowed

    def _warn(self, name: str, address: str) -> None:
        """Tells the operator, but does not let a tenant fill the log."""
        now_s, last_s = asyncio.get_running_loop().time(), self._warned.get(name)
        if last_s is None or now_s - last_s >= WARN_AGAIN_S:
            self._warned.put(name, now_s)
            log.warning("the address of a target is not allowed", host=name, address=address)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(name: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]


class NetworkBackend(httpcore.AsyncNetworkBackend):
    """Connects to the allowed addresses of a name in turn, until one accepts."""

    def __init__(self, resolver: Resolver, *, private: bool) -> None:
        self._resolver = resolver
        self._private = private
        self._tcp = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's contract
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        exchange = EXCHANGE.get()
        allowed = await self._resolver.permitted(host, port, private=self._private)
        exchange.inner = any(is_private(each) for each in allowed)
        try_s = None if timeout is None else max(SHORTEST_TRY_S, timeout / len(allowed))
        for address in allowed[:-1]:
            try:
                return _Stream(await self._tcp.connect_tcp(address, port, try_s, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return _Stream(await self._tcp.connect_tcp(allowed[-1], port, try_s, local_address, socket_options))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Stream(httpcore.AsyncNetworkStream):
    """A connection that limits the size of each response."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._exchange = EXCHANGE.get()
        self._inner = self._exchange.inner
        self._used = False  # by an earlier request

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        exchange = self._enter()
        try:
            data = await self._stream.read(max_bytes, timeout)
        except httpcore.ReadError:
            if self._used and not exchange.received:
                raise Stale from None
            raise
        if not data and self._used and not exchange.received:
            raise Stale
        exchange.received = True
        exchange.left -= len(data)
        if exchange.left < 0:
            raise AnswerTooLong
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        self._enter()
        await self._stream.write(buffer, timeout)

    def _enter(self) -> Exchange:
        exchange = EXCHANGE.get()
        if exchange is not self._exchange:
            self._exchange, self._used = exchange, True
            exchange.inner = self._inner
        return exchange

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        try:
            return _Stream(await self._stream.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:  # also if cancelled: nobody else knows the connection yet
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
