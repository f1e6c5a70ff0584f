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

# Pipelined requests and partial heads of all connections; a connection with more than its part is aborted.
PIPELINES_LIMIT_BYTES = 32 << 20
UNREAD_LIMIT_BYTES = 64 << 20  # unread answers of all connections; one with more than its part is aborted

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
        head_timeout_s: time-out for the request line and headers.
        make_websocket: takes over a connection that is upgraded to a WebSocket; None: upgrades are ignored.
        proxies: proxies whose forwarding headers are trusted.
        keep_alive_s: how long a connection may be idle between two requests.
        waiting: budget of pipelined requests and partial heads.
        unread: budget of answers that the peers have not read.
        idle: idle connections and since when, longest first.
    """

    head_timeout_s: float
    make_websocket: MakeWebSocket | None
    proxies: TrustedProxies
    keep_alive_s: float
    waiting: Budget
    unread: Budget
    idle: OrderedDict[IdleConnection, float] = field(default_factory=OrderedDict)

    def close_idle(self, until_s: float, now_s: float) -> None:
        """Closes the connections that have been idle since before ``until_s`` (the loop's clock), unless the peer is
        still reading its last answer."""
        while self.idle and next(iter(self.idle.values())) < until_s:
            connection, _ = self.idle.popitem(last=False)
            if connection.reads():
                self.idle[connection] = now_s
            else:
                connection.give_up()
