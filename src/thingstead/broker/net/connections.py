"""The connections of a server: those that are open, and those that were refused before anybody had logged in, counted
by reason and logged only once in a while, since a stranger can make any number of them."""

import asyncio
from collections.abc import Iterator
from typing import Generic, Literal, TypeVar, get_args

import structlog

from thingstead.clock import Clock
from thingstead.services.shared.rate_limit import TokenBuckets

log = structlog.get_logger("thingstead.broker")

C = TypeVar("C")

# Too many are open; too many of its address are not authenticated; no file descriptor, PROXY header, TLS handshake;
# the first packet is not a CONNECT that may be answered, or not a registration.
Reason = Literal["limit", "share", "descriptors", "proxy_header", "tls", "protocol"]
LOGGED, LOG_INTERVAL_S = 3, 60.0  # log lines for each reason, then one each minute


class Clients(Generic[C]):
    """Set of connections, with a wait until it is empty."""

    def __init__(self) -> None:
        self._clients: set[C] = set()
        self._emptied = asyncio.Event()
        self._emptied.set()

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[C]:
        """Iterates over a copy."""
        return iter(tuple(self._clients))

    def add(self, client: C) -> None:
        self._clients.add(client)
        self._emptied.clear()

    def discard(self, client: C) -> None:
        self._clients.discard(client)
        if not self._clients:
            self._emptied.set()

    async def wait_until_none(self, timeout_s: float) -> None:
        """Returns when the set is empty or the time is up."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._emptied.wait()
        except TimeoutError:
            pass


class RefusedConnections:
    """Refused connections of one server.

    Attributes:
        counts: number since the server started, by reason.
    """

    def __init__(self, clock: Clock) -> None:
        self.counts: dict[Reason, int] = dict.fromkeys(get_args(Reason), 0)
        self._buckets = TokenBuckets(clock, LOGGED, LOG_INTERVAL_S)

    def note(self, reason: Reason, detail: str, remote_address: str = "") -> None:
        """Counts a refused connection, and logs it with ``detail`` within the rate limit."""
        self.counts[reason] += 1
        suppressed = self._buckets.take(reason)
        if suppressed is not None:
            log.warning(
                "a connection was refused",
                reason=reason,
                detail=detail,
                remote_address=remote_address,
                suppressed=suppressed,
            )
