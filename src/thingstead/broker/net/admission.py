"""Decides at accept which connections are admitted, by limits of the process, of a kind of port and of an address. An
admitted connection is never closed in favour of a later one."""

import resource
from collections import Counter, OrderedDict
from collections.abc import Callable
from functools import lru_cache

import structlog

from thingstead.broker.net.connections import Reason, RefusedConnections
from thingstead.broker.net.proxy_protocol import Peer
from thingstead.broker.net.upgrade import Upgrade
from thingstead.clock import Clock
from thingstead.model import addresses
from thingstead.model.addresses import TrustedProxies
from thingstead.model.health import HealthWarning, health_warning
from thingstead.services.shared.rate_limit import TokenBuckets

log = structlog.get_logger("thingstead.broker")

DESCRIPTORS_RESERVED = 128  # not for incoming connections: files and workers of the store, outgoing connections
# One address may hold this share of the connections without authentication, and at least so many.
UNPROVEN_SHARE, UNPROVEN_COUNT_LEAST = 8, 32
WARNING_S = 300.0  # how long /healthz warns that file descriptors ran out or that accept() failed

throttling_key = lru_cache(4_096)(addresses.throttling_key)
MakeRoom = Callable[[], bool]  # closes an idle connection; returns False if there is none


class Arrival:
    """One connection, from its accept to its end. It is authenticated by an answered request, a log-in or a
    registration; until then it counts in the share of its address, and may be closed to make room for a newer one.

    Attributes:
        peer: remote address if a load balancer sent it; None: ask the socket.
        close: closes the connection; None until the transport is known.
        upgrade: HTTP upgrade of a WebSocket from a browser that has a session.
        held: whether this node may answer now; None: it always may.
    """

    __slots__ = ("_entrance", "close", "held", "key", "peer", "upgrade")

    def __init__(self, entrance: "Entrance | None" = None, peer: Peer | None = None) -> None:
        self._entrance = entrance  # None once the connection has ended
        self.key: str | None = None  # of the address in whose share it counts; None: in none
        self.peer = peer
        self.close: Callable[[], object] | None = None
        self.upgrade: Upgrade | None = None
        self.held = None if entrance is None else entrance.held

    def counts_for(self, host: str) -> bool:
        """Counts the connection in the share of an address. Returns False if that share is used up."""
        return self._entrance is None or self._entrance.attribute(self, throttling_key(host))

    def asked(self) -> None:
        """Notes that a request is being answered: the connection is not closed to make room any more."""
        if self._entrance is not None:
            self._entrance.fresh.pop(self, None)

    def proved(self) -> None:
        """Notes that the connection is authenticated: it leaves the share of its address, and is not closed to make
        room."""
        if self.key is not None and self._entrance is not None:
            self._entrance.release(self)
            self._entrance.fresh.pop(self, None)

    def ended(self) -> None:
        """Notes that the connection has closed. Further calls do nothing."""
        if self._entrance is not None:
            self._entrance.end(self)
            self._entrance = None


class Arrivals:
    """Connections of all ports of a server.

    Args:
        descriptors: file descriptors that the process may have; None: ask the system.
        held: whether this node may answer now, asked each time something is sent; None: it always may.

    Attributes:
        open: number of open connections.
    """

    def __init__(
        self,
        clock: Clock,
        refused_connections: RefusedConnections | None = None,
        descriptors: int | None = None,
        held: Callable[[], bool] | None = None,
    ) -> None:
        self._clock = clock
        self.held = held
        self.refused_connections = refused_connections or RefusedConnections(clock)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if descriptors is None else descriptors
        self.max_connections = max(1, limit - DESCRIPTORS_RESERVED) if limit >= 0 else 1 << 30
        self.open = 0
        self._ran_out_at_s: float | None = None
        self._failure = ""  # why accept() failed last
        self._failed_at_s = 0.0
        self._buckets = TokenBuckets(clock, 1, WARNING_S)
        self._entrances: list[Entrance] = []

    def entrance(
        self, what: str, max_connections: int, proxies: TrustedProxies | None = None, make_room: MakeRoom | None = None
    ) -> "Entrance":
        """Makes the admission of one kind of port.

        Args:
            what: name of its connections, for messages.
            max_connections: limit of this kind.
            proxies: trusted peers that forward connections of others; they are in no share themselves.
            make_room: closes an idle connection of this kind for a new one.
        """
        most = min(max_connections, self.max_connections)
        entrance = Entrance(self, what, most, proxies or TrustedProxies(), make_room)
        self._entrances.append(entrance)
        return entrance

    def make_room(self) -> bool:
        """Closes an idle connection of any kind. Returns False if there is none."""
        return any(entrance.make_room() for entrance in self._entrances)

    def ran_out(self, detail: str, remote_address: str = "") -> None:
        """Notes that a connection was refused for want of a file descriptor."""
        self._ran_out_at_s = self._clock.monotonic_s()
        self.refused_connections.note("descriptors", detail, remote_address)

    def failed(self, detail: str) -> None:
        """Notes that accept() failed for a reason that lies in the system."""
        self._failure, self._failed_at_s = detail, self._clock.monotonic_s()
        if self._buckets.take("failed") is not None:
            log.error("a port accepts no connections", detail=detail)

    def warnings(self) -> list[HealthWarning]:
        """Warnings for ``/healthz``."""
        now_s = self._clock.monotonic_s()
        warnings = []
        if self._failure and now_s - self._failed_at_s <= WARNING_S:
            warnings.append(health_warning("port_not_accepting", detail=self._failure))
        if self._ran_out_at_s is not None and now_s - self._ran_out_at_s <= WARNING_S:
            warnings.append(health_warning("file_descriptors_ran_out", open=self.open, maximum=self.max_connections))
        return warnings


class Entrance:
    """Admission and count of the connections of one kind of port.

    Attributes:
        open: number of open connections.
        refused: connections refused since the server started.
        fresh: connections without a request so far, oldest first.
    """

    def __init__(
        self,
        arrivals: Arrivals,
        what: str,
        max_connections: int,
        proxies: TrustedProxies,
        make_room: MakeRoom | None,
    ) -> None:
        self._arrivals = arrivals
        self._what = what
        self._max_connections = max_connections
        self._proxies = proxies
        self._close_idle = make_room
        self.held = arrivals.held
        self.fresh: OrderedDict[Arrival, None] = OrderedDict()
        self._unproven: Counter[str] = Counter()
        self.share = min(max_connections, max(UNPROVEN_COUNT_LEAST, max_connections // UNPROVEN_SHARE))
        self.open = 0
        self.refused = 0

    def admit(self, host: str | None) -> Arrival | None:
        """Admits a connection.

        Args:
            host: its address; None if only its PROXY header will tell.

        Returns:
            None if the connection is refused.
        """
        arrivals = self._arrivals
        arrival = Arrival(self)
        exempt = host is None or (bool(self._proxies) and self._proxies.trusts(host))
        if host is not None and not exempt and not arrival.counts_for(host):
            return None
        if self.open >= self._max_connections and not self.make_room():
            self.release(arrival)
            self.refuse("limit", f"too many {self._what} connections are open", host)
            return None
        if arrivals.open >= arrivals.max_connections and not arrivals.make_room():
            self.release(arrival)
            self.refused += 1
            arrivals.ran_out("all file descriptors for connections are taken", host or "")
            return None
        self.open += 1
        arrivals.open += 1
        self.fresh[arrival] = None
        return arrival

    def make_room(self) -> bool:
        """Closes the oldest connection without a request, because clients send one at once; otherwise the one that has
        been idle longest. Returns False if there is none."""
        for arrival in self.fresh:
            if arrival.close is not None:
                del self.fresh[arrival]
                detail = f"it was idle and was closed for another {self._what} connection"
                self.refuse("limit", detail, arrival.key)
                arrival.close()
                return True
        return self._close_idle is not None and self._close_idle()

    def refuse(self, reason: Reason, detail: str, remote_address: str | None) -> None:
        """Counts a refused connection, and logs it within the rate limit."""
        self.refused += 1
        self._arrivals.refused_connections.note(reason, detail, remote_address or "")

    def failed(self, detail: str) -> None:
        """Notes that accept() failed."""
        self._arrivals.failed(detail)

    def ran_out(self, detail: str) -> None:
        """Notes that the system has no file descriptor for the next connection, and closes an idle one."""
        self._arrivals.make_room()
        self._arrivals.ran_out(detail)

    def attribute(self, arrival: Arrival, key: str) -> bool:
        """Moves an arrival into the share of an address. Returns False if that share is used up."""
        if arrival.key == key:
            return True
        if self._unproven[key] >= self.share:
            detail = f"{self.share} {self._what} connections of its address are not authenticated"
            self.refuse("share", detail, key)
            return False
        self.release(arrival)
        self._unproven[key] += 1
        arrival.key = key
        return True

    def release(self, arrival: Arrival) -> None:
        """Removes an arrival from the share of its address."""
        key, arrival.key = arrival.key, None
        if key is not None:
            self._unproven[key] -= 1
            if not self._unproven[key]:
                del self._unproven[key]

    def end(self, arrival: Arrival) -> None:
        """Removes a closed connection from all counts."""
        self.release(arrival)
        self.fresh.pop(arrival, None)
        self.open -= 1
        self._arrivals.open -= 1
