"""Counts connections refused before any protocol exchange, by reason; logs a few per minute, because anyone can cause
them."""

from typing import Literal, get_args

import structlog

from thingstead.clock import Clock
from thingstead.services.shared.rate_limit import TokenBuckets

log = structlog.get_logger("thingstead.broker")

# Too many are open; too many of its address have proved nothing; no file descriptor, no PROXY header, no TLS handshake;
# what was sent first is no CONNECT that may be answered, or no registration.
Reason = Literal["limit", "share", "descriptors", "proxy_header", "tls", "protocol"]
LOGGED, LOG_INTERVAL_S = 3, 60.0  # of each reason, and then one a minute


class RefusedConnections:
    """The count of one server.

    Attributes:
        counts: since the server started, by reason.
    """

    def __init__(self, clock: Clock) -> None:
        self.counts: dict[Reason, int] = dict.fromkeys(get_args(Reason), 0)
        self._buckets = TokenBuckets(clock, LOGGED, LOG_INTERVAL_S)

    def note(self, reason: Reason, detail: str, remote_address: str = "") -> None:
        """One more; ``detail`` is for people."""
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
