"""A local end of a connection to a checked address, for a client library that opens its connections itself.

The library connects to a port of this machine, once, and its bytes are passed on. So it reaches no other address than
the one that was checked, and what the peer may send is bounded in bytes: a library reads any result into memory.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import cast

from thingstead.refusals import reason
from thingstead.services.outbound.addresses import is_private
from thingstead.services.outbound.http import SendFailed, connection_failure
from thingstead.services.outbound.network import SHORTEST_TRY_S, Resolver

BUFFER_BYTES_LIMIT = 262_144  # of each direction


class Relay:
    """A relay for one connection.

    Attributes:
        port: of 127.0.0.1; closed after the first connection.
        inner: the peer has a private address.
        overrun: the peer sent more than it may, and the connection was ended.
        refused: why ``screen`` ended the connection.
    """

    def __init__(self) -> None:
        self.port = 0
        self.inner = False
        self.overrun = False
        self.refused: SendFailed | None = None
        self._screen: Callable[[bytes], bytes] | None = None
        self._left_bytes = 0
        self._outer: _RelayEnd | None = None
        self._near: _RelayEnd | None = None
        self._server: asyncio.Server | None = None

    @classmethod
    async def open(
        cls,
        resolver: Resolver,
        host: str,
        port: int,
        *,
        private: bool,
        timeout_s: float,
        tls: ssl.SSLContext | None = None,
        greet: Callable[[socket.socket], Awaitable[None]] | None = None,
        screen: Callable[[bytes], bytes] | None = None,
    ) -> "Relay":
        """Connects to the peer, and waits for the library.

        Args:
            tls: towards the peer; the library speaks without it.
            greet: called with the new connection, before TLS begins.
            screen: gets what the peer sends; returns what is passed on, or raises SendFailed.

        Raises:
            SendFailed: the address is refused, or cannot be reached.
        """
        relay = cls()
        relay._screen = screen
        try:
            async with asyncio.timeout(timeout_s):
                sock = await relay._connect(resolver, host, port, private, timeout_s)
                await relay._secure(sock, host, tls, greet)
                await relay._listen()
        except ssl.SSLError as exc:
            relay.abort()
            why = connection_failure(exc, timeout_s, inner=relay.inner).why
            raise SendFailed(why, permanent=True, inner=relay.inner) from exc
        except BaseException as exc:
            relay.abort()
            if isinstance(exc, Exception) and not isinstance(exc, SendFailed):
                raise connection_failure(exc, timeout_s, inner=relay.inner) from exc
            raise
        return relay

    def allow(self, size_bytes: int) -> None:
        """Sets how much the peer may send from now on."""
        self._left_bytes = size_bytes

    def abort(self) -> None:
        """Ends the connection at once, at both ends."""
        if self._server is not None:
            self._server.close()
        for end in (self._outer, self._near):
            if end is not None and end.transport is not None:
                end.transport.abort()

    def check(self) -> None:
        """Raises SendFailed if the peer sent more than it may, or what was refused."""
        if self.refused is not None:
            raise SendFailed(self.refused.why, permanent=self.refused.permanent, inner=self.inner)
        if self.overrun:
            raise SendFailed(reason("answers_too_long"), inner=self.inner)

    async def _connect(
        self, resolver: Resolver, host: str, port: int, private: bool, timeout_s: float
    ) -> socket.socket:
        loop = asyncio.get_running_loop()
        allowed = await resolver.permitted(host, port, private=private)
        self.inner = any(is_private(each) for each in allowed)
        try_s = max(SHORTEST_TRY_S, timeout_s / len(allowed))
        failed: OSError = TimeoutError()
        for address in allowed:
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
            sock.setblocking(False)
            try:
                async with asyncio.timeout(try_s):
                    await loop.sock_connect(sock, (address, port))
                return sock
            except OSError as exc:  # TimeoutError, too
                sock.close()
                failed = exc
            except BaseException:
                sock.close()
                raise
        raise failed

    async def _secure(
        self,
        sock: socket.socket,
        host: str,
        tls: ssl.SSLContext | None,
        greet: Callable[[socket.socket], Awaitable[None]] | None,
    ) -> None:
        try:
            if greet is not None:
                await greet(sock)
            _, self._outer = await asyncio.get_running_loop().create_connection(
                lambda: _RelayEnd(self._received, self.abort),
                sock=sock,
                ssl=tls,
                server_hostname=host if tls is not None else None,
            )
        except BaseException as exc:
            sock.close()
            if isinstance(exc, SendFailed):
                exc.inner = self.inner
            raise

    async def _listen(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        self.port = listener.getsockname()[1]
        self._server = await asyncio.get_running_loop().create_server(self._accept, sock=listener)

    def _accept(self) -> "_RelayEnd":
        near = _RelayEnd(self._send, self.abort)
        if self._near is not None:
            near.unwanted = True
            return near
        self._near = near
        assert self._server is not None, "it accepted"
        assert self._outer is not None, "it was connected first"
        asyncio.get_running_loop().call_soon(self._server.close)  # the connection is not attached to it before
        near.other, self._outer.other = self._outer, near
        return near

    def _received(self, data: bytes) -> None:
        """Passes on what the peer sends, as far as it may."""
        self._left_bytes -= len(data)
        if self._left_bytes < 0:
            self.overrun = True
            self.abort()
            return
        if self._screen is not None:
            try:
                data = self._screen(data)
            except SendFailed as exc:
                self.refused = exc
                self.abort()
                return
        if self._near is not None and self._near.transport is not None:
            self._near.transport.write(data)

    def _send(self, data: bytes) -> None:
        if self._outer is not None and self._outer.transport is not None:
            self._outer.transport.write(data)


class _RelayEnd(asyncio.Protocol):
    """One of the two connections. Stops reading while the other one does not write."""

    def __init__(self, receive: Callable[[bytes], None], end: Callable[[], None]) -> None:
        self._receive = receive
        self._end = end
        self.transport: asyncio.Transport | None = None
        self.other: _RelayEnd | None = None
        self.unwanted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # also of uvloop, which has its own classes
        if self.unwanted:
            transport.abort()
            return
        self.transport = transport
        transport.set_write_buffer_limits(BUFFER_BYTES_LIMIT)

    def data_received(self, data: bytes) -> None:
        if not self.unwanted:
            self._receive(data)

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.unwanted:
            return
        # What was received before is written before the other end closes.
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()
        else:
            self._end()
