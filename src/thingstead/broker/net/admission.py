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
from thingstead.model.health import HealthWarning
from thingstead.services.shared.rate_limit import TokenBuckets

log = structlog.get_logger("thingstead.broker")

DESCRIPTORS_RESERVED = 128  # not for connections: files of the store, its workers, what the server itself connects to
# An address may hold this part of the connections that prove nothing, and so many in any case.
UNPROVEN_SHARE, UNPROVEN_COUNT_LEAST = 8, 32
WARNING_S = 300.0  # how long /healthz says that file descriptors ran out, or that nothing could be accepted

throttling_key = lru_cache(4_096)(addresses.throttling_key)
MakeRoom = Callable[[], bool]  # closes a connection that nobody needs now; False where there is none


class Arrival:
    """One connection, from its accept to its end. It proves something by a request that was answered, by a log-in or by
    a registration; until then it counts in the share of its address, and may be closed for one that comes later.

    Attributes:
        peer: where it comes from, where a load balancer tells; None asks the socket.
        close: closes it; None while nobody could.
        upgrade: of a WebSocket from a browser that has a session.
    """

    __slots__ = ("_entrance", "close", "key", "peer", "upgrade")

    def __init__(self, entrance: "Entrance | None" = None, peer: Peer | None = None) -> None:
        self._entrance = entrance  # None once it ended
        self.key: str | None = None  # of the address that it counts for, while it does
        self.peer = peer
        self.close: Callable[[], object] | None = None
        self.upgrade: Upgrade | None = None

    def counts_for(self, host: str) -> bool:
        """From now on it counts for this address; False where that has its share already."""
        return self._entrance is None or self._entrance.attribute(self, throttling_key(host))

    def asked(self) -> None:
        """It waits for an answer: it is not closed for others any more."""
        if self._entrance is not None:
            self._entrance.fresh.pop(self, None)

    def proved(self) -> None:
        """It is somebody: it counts for no address any more, and is not closed for others."""
        if self.key is not None and self._entrance is not None:
            self._entrance.release(self)
            self._entrance.fresh.pop(self, None)

    def ended(self) -> None:
        """It is closed. Calling again does nothing."""
        if self._entrance is not None:
            self._entrance.end(self)
            self._entrance = None


class Arrivals:
    """The connections of all ports of a server.

    Args:
        descriptors: file descriptors that the process may have; None asks the system.

    Attributes:
        open: connections now.
    """

    def __init__(
        self, clock: Clock, refused_connections: RefusedConnections | None = None, descriptors: int | None = None
    ) -> None:
        self._clock = clock
        self.refused_connections = refused_connections or RefusedConnections(clock)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if descriptors is None else descriptors
        self.max_connections = max(1, limit - DESCRIPTORS_RESERVED) if limit >= 0 else 1 << 30
        self.open = 0
        self._ran_out_at_s: float | None = None
        self._failure = ""  # what kept a port from accepting
        self._failed_at_s = 0.0
        self._buckets = TokenBuckets(clock, 1, WARNING_S)
        self._entrances: list[Entrance] = []

    def entrance(
        self, what: str, max_connections: int, proxies: TrustedProxies | None = None, make_room: MakeRoom | None = None
    ) -> "Entrance":
        """For one kind of port.

        Args:
            what: names its connections, for people.
            max_connections: of this kind.
            proxies: peers that speak for others, and count for no address themselves.
            make_room: gives up a connection of this kind for one that comes.
        """
        most = min(max_connections, self.max_connections)
        entrance = Entrance(self, what, most, proxies or TrustedProxies(), make_room)
        self._entrances.append(entrance)
        return entrance

    def make_room(self) -> bool:
        """Gives up a connection of any kind that nobody needs now."""
        return any(entrance.make_room() for entrance in self._entrances)

    def ran_out(self, detail: str, remote_address: str = "") -> None:
        """There is no file descriptor for a connection."""
        self._ran_out_at_s = self._clock.monotonic_s()
        self.refused_connections.note("descriptors", detail, remote_address)

    def failed(self, detail: str) -> None:
        """A port cannot accept connections, for a reason that is none of theirs."""
        self._failure, self._failed_at_s = detail, self._clock.monotonic_s()
        if self._buckets.take("failed") is not None:
            log.error("a port accepts no connections", detail=detail)

    def warnings(self) -> list[HealthWarning]:
        """What somebody should look at."""
        now_s = self._clock.monotonic_s()
        warnings = []
        if self._failure and now_s - self._failed_at_s <= WARNING_S:
            warnings.append(HealthWarning("port_not_accepting", self._failure))
        if self._ran_out_at_s is not None and now_s - self._ran_out_at_s <= WARNING_S:
            text = f"file descriptors ran out: {self.open:,} connections are open, of {self.max_connections:,} possible"
            warnings.append(HealthWarning("file_descriptors_ran_out", text))
        return warnings


class Entrance:
    """The connections of one kind of port.

    Attributes:
        open: connections now.
        refused: since the server started.
        fresh: connections that have not asked for anything yet, the oldest first.
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
        self.fresh: OrderedDict[Arrival, None] = OrderedDict()
        self._unproven: Counter[str] = Counter()
        self.share = min(max_connections, max(UNPROVEN_COUNT_LEAST, max_connections // UNPROVEN_SHARE))
        self.open = 0
        self.refused = 0

    def admit(self, host: str | None) -> Arrival | None:
        """Lets a connection in, or says no.

        Args:
            host: its address; None where only its first bytes will tell whom it is from.
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
        """Gives up the oldest connection that has asked for nothing yet, since whoever comes to ask does so at once; or
        the one that is idle the longest."""
        for arrival in self.fresh:
            if arrival.close is not None:
                del self.fresh[arrival]
                detail = f"it was idle and was closed for another {self._what} connection"
                self.refuse("limit", detail, arrival.key)
                arrival.close()
                return True
        return self._close_idle is not None and self._close_idle()

    def refuse(self, reason: Reason, detail: str, remote_address: str | None) -> None:
        """Counts a connection that is not let in, and logs it once in a while."""
        self.refused += 1
        self._arrivals.refused_connections.note(reason, detail, remote_address or "")

    def failed(self, detail: str) -> None:
        """No connection can be accepted now."""
        self._arrivals.failed(detail)

    def ran_out(self, detail: str) -> None:
        """The system has no file descriptor for the next connection."""
        self._arrivals.make_room()
        self._arrivals.ran_out(detail)

    def attribute(self, arrival: Arrival, key: str) -> bool:
        """Counts an arrival for an address, or says that its share is used up."""
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
        """Counts an arrival for no address any more."""
        key, arrival.key = arrival.key, None
        if key is not None:
            self._unproven[key] -= 1
            if not self._unproven[key]:
                del self._unproven[key]

    def end(self, arrival: Arrival) -> None:
        """It is closed."""
        self.release(arrival)
        self.fresh.pop(arrival, None)
        self.open -= 1
        self._arrivals.open -= 1
