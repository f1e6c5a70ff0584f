"""The contract of a bus."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from thingstead.model.messages import BusMessage

M = TypeVar("M", bound=BusMessage)


class BusSubscription(Protocol):
    """A running subscription."""

    def cancel(self) -> None:
        """Ends it; calling twice does no harm."""
        ...


class Bus(Protocol):
    """Delivers messages to every subscriber of their class, on every node.

    Delivery is at most once and may lose; whoever missed a message reads the store. Messages of one publisher
    reach one subscriber in the order of publishing.
    """

    def publish(self, message: BusMessage) -> None:
        """Hands a message to the subscribers. Never blocks and never raises for a subscriber's failure."""
        ...

    def subscribe(self, kind: type[M], receive: Callable[[M], None]) -> BusSubscription:
        """Calls ``receive``, on the event loop, for every message of exactly this class. It must not block."""
        ...

    def listens(self, kind: type[BusMessage]) -> bool:
        """Whether anyone subscribes to this class; lets a publisher skip making a message for nobody."""
        ...

    async def close(self) -> None:
        """Ends every subscription."""
        ...
