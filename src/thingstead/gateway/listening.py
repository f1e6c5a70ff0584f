"""Ports: plain or behind TLS, and behind a load balancer that tells whom it passes on."""

import asyncio
import socket
from collections.abc import Callable
from typing import NamedTuple, Protocol

import structlog

from thingstead.gateway.proxy_protocol import NoHeader, Peer, read_header
from thingstead.gateway.tls import HANDSHAKE_TIMEOUT_S, SHUTDOWN_TIMEOUT_S, Certificate
from thingstead.gateway.turned_away import Reason, TurnedAway

log = structlog.get_logger("thingstead.gateway")

BACKLOG = 4_096  # connections that wait to be accepted: a whole fleet may come back at once
HEADER_TIMEOUT_S = 5.0  # for a PROXY header to arrive
OPENING_LIMIT = 4_096  # connections whose header has not arrived, or that are not secured yet; one more is not accepted
ACCEPT_RETRY_S = 1.0  # after the system had no more file descriptors

MakeProtocol = Callable[[Peer | None], asyncio.Protocol]  # None: the peer is who the socket says


class Listening(Protocol):
    """An open port."""

    def close(self) -> None:
        """Accepts nothing more; connections go on."""
        ...

    async def wait_closed(self) -> None: ...


class Port(NamedTuple):
    """A bound socket, and how its connections begin."""

    sock: socket.socket
    certificate: Certificate | None = None  # for a port behind TLS
    proxied: bool = False  # every connection begins with a PROXY header, and is closed where it does not


async def listen(port: Port, make: MakeProtocol, turned_away: TurnedAway | None = None) -> Listening:
    """Accepts connections on a port, which it takes over.

    Args:
        turned_away: counts those that do not get through the door.
    """
    if port.proxied or (port.certificate is not None and turned_away is not None):
        return GuardedPort(port, make, turned_away)
    certificate = port.certificate
    return await asyncio.get_running_loop().create_server(
        lambda: make(None),
        sock=port.sock,
        backlog=BACKLOG,
        ssl=certificate.context if certificate else None,
        ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S if certificate else None,
        ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S if certificate else None,
    )


class GuardedPort:
    """A port whose connections begin with a PROXY header, with TLS, or with one behind the other."""

    def __init__(self, port: Port, make: MakeProtocol, turned_away: TurnedAway | None) -> None:
        self._socket = port.sock
        self._proxied = port.proxied
        self._turned_away = turned_away
        self._certificate = port.certificate
        self._make = make
        self._opening: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(OPENING_LIMIT)
        self._socket.setblocking(False)
        self._socket.listen(BACKLOG)
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    def close(self) -> None:
        self._accepting.cancel()
        for task in self._opening:
            task.cancel()

    async def wait_closed(self) -> None:
        await asyncio.wait([self._accepting, *self._opening])

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        with self._socket:
            while True:
                # Those that wait are held by the system meanwhile; none of them takes longer than the time-outs.
                await self._room.acquire()
                try:
                    connection, _ = await loop.sock_accept(self._socket)
                except OSError as exc:
                    self._room.release()
                    log.error("no connection can be accepted for a while", reason=exc.strerror)
                    await asyncio.sleep(ACCEPT_RETRY_S)
                    continue
                task = loop.create_task(self._open(connection))
                self._opening.add(task)
                task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        self._room.release()

    async def _open(self, connection: socket.socket) -> None:
        reason: Reason = "proxy_header"
        peer: Peer | None = None
        try:
            connection.setblocking(False)
            if self._proxied:
                async with asyncio.timeout(HEADER_TIMEOUT_S):
                    peer = await read_header(connection)
            reason = "tls"
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._make(peer),
                connection,
                ssl=self._certificate.context if self._certificate else None,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S if self._certificate else None,
                ssl_shutdown_timeout=SHUTDOWN_TIMEOUT_S if self._certificate else None,
            )
        except (NoHeader, TimeoutError, OSError) as exc:  # ssl.SSLError is an OSError
            self._note(reason, str(exc) or "it did not come in time", connection)
            connection.close()
        except BaseException:
            connection.close()
            raise

    def _note(self, reason: Reason, detail: str, connection: socket.socket) -> None:
        if self._turned_away is not None:
            self._turned_away.note(reason, detail, _remote_address(connection))


def _remote_address(connection: socket.socket) -> str:
    """For people; empty where it is gone already."""
    try:
        host, port, *_ = connection.getpeername()
    except (OSError, ValueError):
        return ""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
