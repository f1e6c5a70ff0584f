"""Between a connection and the platform: what a connection may do once it is admitted, and what it offers."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from thingstead.gateway.acknowledgements import Pending
from thingstead.gateway.counters import Counters
from thingstead.gateway.delivery import Delivery
from thingstead.mqtt.connection_packets import Connect
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Subscribe, Unsubscribe

# What became of a PUBLISH: the commit to wait for before it is acknowledged (None: nothing to wait for), the reason
# code of the acknowledgement, and the encoded answer to be written behind it. A plain tuple: one is made a message.
Receipt = tuple[Pending | None, ReasonCode, bytes | None]


class Connection(Protocol):
    """One client, as a plane sees it."""

    @property
    def remote_address(self) -> str: ...

    @property
    def delivery(self) -> Delivery: ...

    @property
    def counters(self) -> Counters: ...

    def write(self, data: bytes) -> None:
        """Takes an encoded packet; it leaves with the next :meth:`flush`."""
        ...

    def flush(self) -> None:
        """Writes what was delivered outside of a call from the connection."""
        ...

    @property
    def writable(self) -> bool:
        """Whether the peer reads what it is sent: little waits for it."""
        ...

    def when_writable(self, callback: Callable[[], None]) -> None:
        """Calls back whenever it reads again after it did not."""
        ...

    def run(self, job: Callable[[], Awaitable[None]]) -> None:
        """Runs what must wait for something, one job at a time, in order; dropped when the connection ends."""
        ...

    def close(self, reason_code: ReasonCode, reason: str) -> None:
        """Ends the connection (5.0: with a DISCONNECT). Calling again does nothing."""
        ...


class Plane(Protocol):
    """One admitted connection's view of the platform. Called on the event loop; nothing here may block."""

    def publish(self, packet: Publish) -> Receipt:
        """Takes a message. Raises Unavailable where it cannot be kept: the connection then ends, unacknowledged."""
        ...

    def subscribe(self, packet: Subscribe) -> Sequence[ReasonCode]:
        """One reason code for each topic filter, in order. What follows from it is sent after the SUBACK."""
        ...

    def unsubscribe(self, packet: Unsubscribe) -> Sequence[ReasonCode]:
        """One reason code for each topic filter, in order."""
        ...

    async def closed(self, reason: str) -> None:
        """The connection is gone."""
        ...


class Access(Protocol):
    """Who may connect to a listener, and as what."""

    async def admit(self, connect: Connect, connection: Connection) -> Plane:
        """Raises NotAuthenticated, Forbidden or Unavailable where the client is not admitted.

        Where it raises, nothing of the connection stays behind.
        """
        ...


class Relief(Protocol):
    """Who says when reports must be held back: the ingest service."""

    @property
    def congested(self) -> bool: ...

    def on_relief(self, callback: Callable[[], None]) -> None: ...
