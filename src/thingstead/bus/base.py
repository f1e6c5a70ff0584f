"""The interface of a bus."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from thingstead.model.messages import BusMessage

M = TypeVar("M", bound=BusMessage)


class BusSubscription(Protocol):
    """A running subscription."""

    def cancel(self) -> None:
        """Ends the subscription; safe to call twice."""
        ...


class Bus(Protocol):
    """Publishes messages to all subscribers of their class, on every node.

    Delivery is at most once: messages may be lost, and a subscriber that missed one reads the store. Messages of one
    publisher reach a subscriber in the order of publishing.
    """

    def publish(self, message: BusMessage) -> None:
        """Delivers a message to the subscribers. Never blocks, and never raises because of a subscriber."""
        ...

    def subscribe(self, kind: type[M], receive: Callable[[M], None]) -> BusSubscription:
        """Calls ``receive`` on the event loop for every message of exactly this class. ``receive`` must not block."""
        ...

    def listens(self, kind: type[BusMessage]) -> bool:
        """Whether this class has a subscriber; lets a publisher skip creating a message that nobody receives."""
        ...

    async def close(self) -> None:
        """Ends every subscription."""
        ...
