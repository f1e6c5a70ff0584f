"""Reads the body of a request, within bounds of size and time."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, TypeVar

from thingstead.errors import TooLarge

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

T = TypeVar("T")

DISCARD_LIMIT_BYTES = 4 * 1024 * 1024  # read past the limit, so that the peer gets to see the refusal


class PeerGone(Exception):
    """The peer hung up before the request was whole; nobody waits for an answer."""


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


async def read_body(receive: Receive, limit_bytes: int, timeout_s: float) -> bytes:
    """The whole body.

    Raises:
        TooLarge: it is longer than ``limit_bytes``; no more than that is ever held in memory.
        BodyTooSlow: it did not arrive within ``timeout_s``.
        PeerGone: the peer hung up.
    """
    try:
        async with asyncio.timeout(timeout_s):
            return await _read(receive, limit_bytes)
    except TimeoutError:
        raise BodyTooSlow from None


async def _read(receive: Receive, limit_bytes: int) -> bytes:
    body = bytearray()
    discarded_bytes = 0
    more_body = True
    while more_body and discarded_bytes <= DISCARD_LIMIT_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise PeerGone
        body += message.get("body", b"")
        more_body = message.get("more_body", False)
        if len(body) > limit_bytes:
            discarded_bytes += len(body) - limit_bytes
            del body[limit_bytes:]
    if discarded_bytes:
        raise TooLarge(f"the body is larger than {limit_bytes} bytes")
    return bytes(body)


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` returns. It is cancelled when the peer hangs up.

    Raises:
        PeerGone: it did.
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
