"""State that the connections of the HTTP port share."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from thingstead.broker.net.admission import Arrival
from thingstead.broker.net.websocket import Registry
from thingstead.model.addresses import TrustedProxies
from thingstead.mqtt.budget import Budget

# Behind requests under way, and of heads that have begun, of all connections; one with more than its part is cut.
PIPELINES_LIMIT_BYTES = 32 << 20
UNREAD_LIMIT_BYTES = 64 << 20  # of the answers of all connections; one with more than its part of it is cut

MakeWebSocket = Callable[[Registry, Arrival], asyncio.Protocol]


class IdleConnection(Protocol):
    """A connection between two requests."""

    transport: asyncio.Transport

    def reads(self) -> bool: ...

    def give_up(self) -> None: ...


@dataclass(slots=True)
class HttpContext:
    """What the connections of one listener share.

    Attributes:
        head_timeout_s: within which request line and headers must be complete.
        make_websocket: takes over a connection that becomes a WebSocket; None takes none.
        proxies: the proxies whose forwarding headers say who sent a request.
        keep_alive_s: how long a connection may stay open between two requests.
        waiting: behind requests under way, and of heads that have begun.
        unread: what was answered and is not read by the peers.
        idle: connections between two requests and since when, the one that is so the longest first.
    """

    head_timeout_s: float
    make_websocket: MakeWebSocket | None
    proxies: TrustedProxies
    keep_alive_s: float
    waiting: Budget
    unread: Budget
    idle: OrderedDict[IdleConnection, float] = field(default_factory=OrderedDict)

    def close_idle(self, until_s: float, now_s: float) -> None:
        """Closes the connections that have been idle since before then, by the loop's clock, or have read nothing of
        their last answer."""
        while self.idle and next(iter(self.idle.values())) < until_s:
            connection, _ = self.idle.popitem(last=False)
            if connection.reads():
                self.idle[connection] = now_s
            else:
                connection.give_up()
