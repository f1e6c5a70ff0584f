"""Listeners: plain or TLS, with or without the PROXY protocol."""

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from thingstead.broker.net.admission import Arrival, Entrance
from thingstead.broker.net.connections import Reason
from thingstead.broker.net.proxy_protocol import NoHeader, Peer, read_header
from thingstead.broker.net.tls import SHUTDOWN_TIMEOUT_S, HandshakeFailed, TlsCertificate
from thingstead.errors import Conflict

BACKLOG = 4_096  # connections that wait to be accepted: a whole fleet may reconnect at once
HEADER_TIMEOUT_S = 5.0  # for a PROXY header to arrive
OPENING_LIMIT = 4_096  # connections before the end of PROXY header and TLS handshake; over it none is accepted
ACCEPT_RETRY_S = 1.0  # after accept() failed, such as for want of file descriptors

ACCEPT_COUNT = 64  # connections accepted on one port before others have their turn
HANDSHAKES_COUNT = OPENING_LIMIT // 8  # incomplete handshakes of one address; one more is closed
ALERT_TIMEOUT_S = 2.0  # for the peer to read the alert and to close
ALERT_DRAIN_READS = 16  # reads of 4 KiB that are discarded meanwhile
_GONE = frozenset({errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.EINTR, errno.ENETDOWN, errno.EHOSTUNREACH})
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

MakeProtocol = Callable[[Arrival], asyncio.Protocol]


class Listening(Protocol):
    """An open port."""

    def close(self) -> None:
        """Stops accepting; open connections stay."""
        ...

    async def wait_closed(self) -> None:
        """Returns when the port is closed."""
        ...


class Port(NamedTuple):
    """A bound socket, and what its connections begin with."""

    sock: socket.socket
    certificate: TlsCertificate | None = None  # for a port behind TLS
    proxied: bool = False  # connections must begin with a PROXY header
    handshake_timeout_s: float = 30  # for the TLS handshake of a new connection


async def listen(port: Port, make: MakeProtocol, entrance: Entrance) -> Listening:
    """Accepts connections on a port, and takes ownership of its socket.

    Args:
        make: makes the protocol of a connection, which reports authentication and end to its arrival.
        entrance: decides which connections are admitted.
    """
    return ListeningPort(port, make, entrance)


class ListeningPort:
    """A port whose connections may begin with a PROXY header, TLS, or both."""

    def __init__(self, port: Port, make: MakeProtocol, entrance: Entrance) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = port.sock
        self._proxied = port.proxied
        self._certificate = port.certificate
        self._handshake_timeout_s = port.handshake_timeout_s
        self._make = make
        self._entrance = entrance
        self._opening: set[asyncio.Task[None]] = set()
        self._handshakes: Counter[str] = Counter()  # by address
        self._resting: asyncio.TimerHandle | None = None
        self._accepting = self._closed = False
        self._socket.setblocking(False)
        self._listen()
        self._accept_again()

    def _listen(self) -> None:
        try:
            self._socket.listen(BACKLOG)
        except OSError as exc:  # two programs may bind it at the same time: the first that listens gets it
            raise Conflict(
                "not_done", detail=f"cannot listen on port {self._socket.getsockname()[1]}: {exc.strerror}"
            ) from exc

    def close(self) -> None:
        self._accept_no_more()
        self._closed = True
        if self._resting is not None:
            self._resting.cancel()
        self._socket.close()
        for task in self._opening:
            task.cancel()

    async def wait_closed(self) -> None:
        if self._opening:
            await asyncio.wait(self._opening)

    def _accept_again(self) -> None:
        if not self._accepting and not self._closed:
            self._accepting = True
            self._loop.add_reader(self._socket, self._accept)

    def _accept_no_more(self) -> None:
        if self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._socket)

    def _accept(self) -> None:
        """Accepts waiting connections. If the system has no file descriptors, they wait for the retry."""
        for _ in range(ACCEPT_COUNT):
            try:
                connection, address = self._socket.accept()
            except BlockingIOError:
                return
            except OSError as exc:
                if exc.errno in _GONE:
                    continue  # the peer closed it before the accept
                self._rest(exc)
                return
            self._take(connection, address)
            if len(self._opening) >= OPENING_LIMIT:
                # Waiting connections stay in the system's backlog; the time-outs bound how long.
                self._accept_no_more()
                return

    def _rest(self, exc: OSError) -> None:
        detail = f"accept() failed; retrying in 1 s: {exc.strerror}"
        if exc.errno in _EXHAUSTED:
            self._entrance.ran_out(detail)
        else:
            self._entrance.failed(detail)
        self._accept_no_more()
        self._resting = self._loop.call_later(ACCEPT_RETRY_S, self._rested)

    def _rested(self) -> None:
        self._resting = None
        self._accept_again()

    def _take(self, connection: socket.socket, address: Any) -> None:
        arrival = self._entrance.admit(None if self._proxied else address[0])
        if arrival is None:
            connection.close()
            return
        task = self._loop.create_task(self._open(connection, arrival, Peer(*address[:2])))
        self._opening.add(task)
        task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if self._resting is None and len(self._opening) < OPENING_LIMIT:
            self._accept_again()

    async def _open(self, connection: socket.socket, arrival: Arrival, peer: Peer) -> None:
        reason: Reason = "proxy_header"
        try:
            connection.setblocking(False)
            if self._proxied:
                async with asyncio.timeout(HEADER_TIMEOUT_S):
                    arrival.peer = await read_header(connection)
                if arrival.peer is not None and not arrival.counts_for(arrival.peer.host):
                    arrival.ended()
                    connection.close()
                    return
            reason = "tls"
            if self._certificate is None:
                await self._loop.connect_accepted_socket(lambda: self._make(arrival), connection)
            else:
                await self._secure(connection, arrival, self._certificate)
        except (NoHeader, TimeoutError, OSError) as exc:  # ssl.SSLError is an OSError
            arrival.ended()
            detail = str(exc) or "it did not arrive in time"
            self._entrance.refuse(reason, detail, _text(arrival.peer or peer))
            connection.close()
        except BaseException:
            arrival.ended()
            connection.close()
            raise

    async def _secure(self, connection: socket.socket, arrival: Arrival, certificate: TlsCertificate) -> None:
        key = arrival.key
        if key is not None and self._handshakes[key] >= HANDSHAKES_COUNT:
            raise OSError(f"{HANDSHAKES_COUNT} TLS handshakes of its address are not complete")
        if key is not None:
            self._handshakes[key] += 1
        try:
            # The event loop closes its descriptor when the handshake fails; the duplicate is for the alert.
            with connection.dup() as spare:
                try:
                    await self._loop.connect_accepted_socket(
                        lambda: self._make(arrival),
                        connection,
                        ssl=certificate.context,
                        ssl_handshake_timeout=self._handshake_timeout_s,
                        ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S,
                    )
                except HandshakeFailed as exc:
                    await self._send_alert(spare, exc.alert)
                    raise
        finally:
            if key is not None:
                self._handshakes[key] -= 1
                if not self._handshakes[key]:
                    del self._handshakes[key]

    async def _send_alert(self, connection: socket.socket, alert: bytes) -> None:
        """Sends a TLS alert, and discards what the peer still sends: closing with unread bytes would reset the
        connection and lose the alert."""
        try:
            async with asyncio.timeout(ALERT_TIMEOUT_S):
                await self._loop.sock_sendall(connection, alert)
                connection.shutdown(socket.SHUT_WR)
                for _ in range(ALERT_DRAIN_READS):
                    if not await self._loop.sock_recv(connection, 4_096):
                        return
        except OSError:  # TimeoutError is one: the alert is lost
            return


def _text(peer: Peer) -> str:
    """A peer's address for log lines."""
    return f"[{peer.host}]:{peer.port}" if ":" in peer.host else f"{peer.host}:{peer.port}"
