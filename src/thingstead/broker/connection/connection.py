"""Protocol of an MQTT connection, as handlers, sessions and routers use it."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from thingstead.broker.net.counters import Counters
from thingstead.broker.net.upgrade import Upgrade
from thingstead.mqtt.reasons import ReasonCode

if TYPE_CHECKING:
    from thingstead.broker.connection.delivery import Delivery


class PeerConnection(Protocol):
    """One client's connection. All methods are called on the event loop.

    Attributes:
        delivery: the downlink half; set once the client's CONNECT was read.
    """

    delivery: "Delivery"
    counters: Counters

    @property
    def remote_address(self) -> str: ...

    @property
    def upgrade(self) -> Upgrade | None:
        """The HTTP upgrade of a WebSocket from a browser that has a session; None for all others."""
        ...

    # Writing

    def write(self, data: bytes) -> None:
        """Adds an encoded packet to the send buffer; it is sent with the next :meth:`flush`."""
        ...

    def write_soon(self, data: bytes) -> None:
        """Adds an encoded packet to the send buffer; it is sent at the end of this turn of the event loop at the
        latest."""
        ...

    def flush(self) -> None:
        """Sends what was written outside of a call from the connection."""
        ...

    @property
    def writable(self) -> bool:
        """Whether the peer reads: little is waiting in the send buffer."""
        ...

    @property
    def behind(self) -> bool:
        """Whether so much waits in the send buffer that messages at QoS 0 are dropped."""
        ...

    def when_writable(self, callback: Callable[[], None]) -> None:
        """Calls back each time the peer reads again after it had stopped."""
        ...

    # Jobs

    def run(self, job: Callable[[], Awaitable[None]], size_bytes: int = 0) -> None:
        """Runs an asynchronous job after the earlier ones of this connection. Jobs are dropped when the connection
        ends.

        Args:
            size_bytes: size of the request that the job keeps in memory.
        """
        ...

    def soon(self, callback: Callable[[], None]) -> None:
        """Calls back after other connections had their turn."""
        ...

    def acknowledged(self) -> None:
        """Called when a commit has ended and the acknowledgements that waited for it were written."""
        ...

    # End

    def not_kept(self, error: Exception) -> None:
        """Ends the connection because a message cannot be stored; the message is not acknowledged."""
        ...

    def close(self, reason_code: ReasonCode, reason: str) -> None:
        """Closes the connection (5.0: with a DISCONNECT). Further calls do nothing."""
        ...
