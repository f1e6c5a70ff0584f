"""Leases without I/O: how long a node may count itself active, and when another may take its place.

Both sides measure with their own monotonic clock; wall clocks, also that of the database, decide nothing. The owner
counts from *before* it sent a renewal, an observer from *after* it has seen its effect, so the lease of the owner has
always ended when an observer's time is up. This holds while clocks run equally fast.
"""

from collections.abc import Callable
from typing import NamedTuple

RENEWALS = 4  # in the time of a lease: three may fail


class Lease:
    """The lease of this node on being the active one.

    Args:
        lease_s: how long a renewal lasts.
        reading_s: reads a monotonic clock that also runs while the machine sleeps.
    """

    def __init__(self, lease_s: float, reading_s: Callable[[], float]) -> None:
        self.lease_s = lease_s
        self.reading_s = reading_s
        self._until_s: float | None = None  # None: not active

    def begin(self, sent_s: float) -> None:
        """Notes that this node became active by a transaction that was begun at this reading."""
        self._until_s = sent_s + self.lease_s

    def renew(self, sent_s: float) -> None:
        """Notes a renewal that was sent at this reading. No effect after the end: a lease that was not held for an
        instant may have passed to another node, and comes back only by :meth:`begin`."""
        if self.held():
            self._until_s = sent_s + self.lease_s
        else:
            self._until_s = None

    def end(self) -> None:
        """Gives the lease up."""
        self._until_s = None

    def held(self) -> bool:
        """Whether this node may answer from what it has in memory."""
        return self._until_s is not None and self.reading_s() < self._until_s

    @property
    def left_s(self) -> float:
        """Seconds until it ends without a renewal; 0: it is not held."""
        return 0.0 if self._until_s is None else max(0.0, self._until_s - self.reading_s())

    @property
    def renewal_s(self) -> float:
        """Interval between two renewals."""
        return self.lease_s / RENEWALS


class Activity(NamedTuple):
    """The active node as the database shows it."""

    node: int
    renewed: int  # number of its renewals


class Observation:
    """What this node sees of the active one.

    Args:
        lease_s: how long the active node may be silent.
    """

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._activity: Activity | None = None
        self._server = ""  # the start of the database server
        self._since_s: float | None = None  # when `_activity` was first seen; None: not seen since a failure

    def see(self, activity: Activity | None, server: str, received_s: float) -> bool:
        """Takes what a query returned at this reading. Returns whether the place of the active node is free: nobody has
        it, or its owner was silent for a lease in which the database answered all the time and was not restarted."""
        if activity is None:
            self._activity, self._since_s = None, None
            return True
        if self._since_s is None or activity != self._activity or server != self._server:
            self._activity, self._server, self._since_s = activity, server, received_s
        return received_s - self._since_s >= self._lease_s

    def fail(self) -> None:
        """Notes that a query failed: the active node may have been unable to renew for the same reason."""
        self._since_s = None
