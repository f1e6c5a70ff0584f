"""Reads the body of a request, within bounds of size and time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
from types import TracebackType
from typing import Any, Self, TypeVar

from thingstead.api.turns import TURN_BYTES, Turns
from thingstead.errors import TooLarge, Unavailable
from thingstead.mqtt.budget import Budget

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

T = TypeVar("T")

DISCARD_LIMIT_BYTES = 4 * 1024 * 1024  # read and discarded beyond the limit, so that the peer can read the error
BODIES_LIMIT_BYTES = 64 << 20  # bodies of all unanswered requests; at least twice the largest body


class PeerGone(Exception):
    """The peer closed the connection before the request was complete."""


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


class Bodies:
    """Memory used by request bodies until the requests are answered. The fuller it is, the less each owner (a device,
    the applications of a project, an address without credentials) may use."""

    def __init__(self, body_limit_bytes: int, within: Budget | None = None) -> None:
        self._budget = Budget(max(BODIES_LIMIT_BYTES, 2 * body_limit_bytes), within)
        self._held_bytes: dict[str, int] = {}  # by owner
        self.turns = Turns()

    @property
    def held_bytes(self) -> int:
        """Bytes of all owners."""
        return self._budget.used_bytes

    def held(self, owner: str) -> "HeldBody":
        """Makes the share of one request of an owner."""
        return HeldBody(self, owner)

    async def turn(self, owner: str, size: int) -> None:
        """Returns when a body of this size may be processed. Large complete bodies are processed one after the other,
        and other work runs between them."""
        if size >= TURN_BYTES:
            await self.turns.begin(owner)

    def take(self, owner: str, size: int) -> None:
        """Adds bytes of an owner. Raises Unavailable if the owner would exceed its part."""
        held = self._held_bytes.get(owner, 0)
        if not self._budget.room(held, size):
            raise Unavailable("requests_full")
        self._budget.moved(0, size)
        self._held_bytes[owner] = held + size

    def give_back(self, owner: str, size: int) -> None:
        self._budget.moved(size, 0)
        self._held_bytes[owner] -= size
        if not self._held_bytes[owner]:
            del self._held_bytes[owner]


class HeldBody:
    """Memory used by the body of one request, until the end of a ``with`` block."""

    __slots__ = ("_bodies", "_owner", "_size")

    def __init__(self, bodies: Bodies, owner: str) -> None:
        self._bodies = bodies
        self._owner = owner
        self._size = 0

    def take(self, size: int) -> None:
        """Adds bytes. Raises Unavailable if there is no room."""
        if size:
            self._bodies.take(self._owner, size)
            self._size += size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._size:
            self._bodies.give_back(self._owner, self._size)


async def read_body(receive: Receive, limit_bytes: int, timeout_s: float, held: HeldBody) -> bytes:
    """Reads the whole body.

    Raises:
        TooLarge: it is longer than ``limit_bytes``; never more than that is kept in memory.
        Unavailable: the bodies of other requests leave no room for it.
        BodyTooSlow: it did not arrive within ``timeout_s``.
        PeerGone: the peer closed the connection.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(receive, limit_bytes, held)
    except TimeoutError:
        raise BodyTooSlow from None


async def _read(receive: Receive, limit_bytes: int, held: HeldBody) -> bytes:
    body = bytearray()
    discarded_bytes = 0
    more_body = True
    while more_body and discarded_bytes <= DISCARD_LIMIT_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise PeerGone
        piece = message.get("body", b"")
        held.take(min(len(piece), limit_bytes - len(body)))
        body += piece
        more_body = message.get("more_body", False)
        if len(body) > limit_bytes:
            discarded_bytes += len(body) - limit_bytes
            del body[limit_bytes:]
    if discarded_bytes:
        raise TooLarge("body_too_large", maximum=limit_bytes)
    return bytes(body)


async def body_pieces(receive: Receive, timeout_s: float) -> AsyncIterator[bytes]:
    """The body in pieces, as they arrive; the peer is not read while a piece is handled.

    Raises:
        BodyTooSlow: a piece did not arrive within ``timeout_s``.
        PeerGone: the peer closed the connection.
    """
    more_body = True
    while more_body:
        try:
            async with asyncio.timeout(timeout_s):
                message = await receive()
        except TimeoutError:
            raise BodyTooSlow from None
        if message["type"] == "http.disconnect":
            raise PeerGone
        if piece := message.get("body", b""):
            yield piece
        more_body = message.get("more_body", False)


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Returns the result of ``work``, which is cancelled if the peer closes the connection.

    Raises:
        PeerGone: the peer closed the connection.
    """
    working = asyncio.ensure_future(work)
    hanging_up = asyncio.ensure_future(_hang_up(receive))
    try:
        await asyncio.wait((working, hanging_up), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise PeerGone
        return working.result()
    finally:
        for task in (working, hanging_up):
            task.cancel()
        await asyncio.wait((working, hanging_up))


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
