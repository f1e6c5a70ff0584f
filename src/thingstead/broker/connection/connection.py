"""Protocol of an MQTT connection, as handlers, sessions and routers use it."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from thingstead.broker.net.counters import Counters
from thingstead.broker.net.upgrade import Upgrade
from thingstead.mqtt.reasons import ReasonCode

if TYPE_CHECKING:
    from thingstead.broker.connection.delivery import Delivery


class Connection(Protocol):
    """One client's connection. All of it is called on the event loop.

    Attributes:
        delivery: the downward half; there is one once the client's CONNECT was read.
    """

    delivery: "Delivery"
    counters: Counters

    @property
    def remote_address(self) -> str: ...

    @property
    def upgrade(self) -> Upgrade | None:
        """Of a WebSocket from a browser that has a session."""
        ...

    # Writing

    def write(self, data: bytes) -> None:
        """Takes an encoded packet; it leaves with the next :meth:`flush`."""
        ...

    def write_soon(self, data: bytes) -> None:
        """Takes an encoded packet; it leaves at the end of this turn of the loop at the latest."""
        ...

    def flush(self) -> None:
        """Writes what was delivered outside of a call from the connection."""
        ...

    @property
    def writable(self) -> bool:
        """Whether the peer reads what it is sent: little waits for it."""
        ...

    @property
    def behind(self) -> bool:
        """Whether so much waits to be read that what may be lost is."""
        ...

    def when_writable(self, callback: Callable[[], None]) -> None:
        """Calls back whenever it reads again after it did not."""
        ...

    # Working

    def run(self, job: Callable[[], Awaitable[None]], size_bytes: int = 0) -> None:
        """Runs what must wait for something, one job at a time, in order; dropped when the connection ends.

        Args:
            size_bytes: of the request that the job holds.
        """
        ...

    def soon(self, callback: Callable[[], None]) -> None:
        """Calls back when others have had their turn."""
        ...

    def acknowledged(self) -> None:
        """A commit has ended, and the acknowledgements that waited for it were written."""
        ...

    # Ending

    def not_kept(self, error: Exception) -> None:
        """What the client sent cannot be kept: the connection ends, and nothing of it is acknowledged."""
        ...

    def close(self, reason_code: ReasonCode, reason: str) -> None:
        """Ends the connection (5.0: with a DISCONNECT). Calling again does nothing."""
        ...
