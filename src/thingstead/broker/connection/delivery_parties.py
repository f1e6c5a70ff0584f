"""Protocols around a delivery: observers of a message, and the session that owns it."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from thingstead.mqtt.message import Message
from thingstead.mqtt.outbound import Entry
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.shared.commits import Commit


class DeliveryObserver(Protocol):
    """Whoever wants to know how far a message came."""

    def sent(self) -> None:
        """It was written to the connection."""
        ...

    def answered(self, reason_code: ReasonCode) -> None:
        """The client answered it; at QoS 0 it was written, which is all there is to know."""
        ...

    def dropped(self, reason: str) -> None:
        """The connection ended without an acknowledgement; the message may or may not have been sent."""
        ...


class DeliverySession(Protocol):
    """The session that a connection's messages belong to, where it outlives the connection."""

    def offered(self, entry: Entry) -> None:
        """A message that was fed is put into the window."""
        ...

    def sent(self, entry: Entry) -> None:
        """A message was written to the connection."""
        ...

    def answered(self, entry: Entry, reason_code: ReasonCode) -> None:
        """The client answered a message for good."""
        ...

    def released(self, entry: Entry) -> Commit | None:
        """The client has received a QoS 2 message; what its PUBREL waits for."""
        ...

    def dropped(self, entry: Entry, reason: str) -> None:
        """A message is forgotten."""
        ...


class RetainedBacklog(NamedTuple):
    """Retained messages for a new subscription, which wait outside of the queue until the client reads."""

    messages: Iterator[Message]
    qos: int  # of the subscription
    identifiers: tuple[int, ...]
