"""Protocols around a delivery: observers of a message, and the session that owns it."""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from thingstead.mqtt.message import Message
from thingstead.mqtt.outbound import Entry
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.shared.commits import Commit


class DeliveryObserver(Protocol):
    """Callbacks that report how far one message was delivered."""

    def sent(self) -> None:
        """The message was written to the connection."""
        ...

    def answered(self, reason_code: ReasonCode) -> None:
        """The client acknowledged the message; at QoS 0: the message was written."""
        ...

    def dropped(self, reason: str) -> None:
        """The connection ended without an acknowledgement; the message may or may not have been sent."""
        ...


class DeliverySession(Protocol):
    """Session that owns the messages of a connection and outlives it."""

    def offered(self, entry: Entry) -> None:
        """A retained message was put into the in-flight window."""
        ...

    def sent(self, entry: Entry) -> None:
        """A message was written to the connection."""
        ...

    def answered(self, entry: Entry, reason_code: ReasonCode) -> None:
        """The client acknowledged a message (PUBACK or PUBCOMP, or a PUBREC with an error)."""
        ...

    def released(self, entry: Entry) -> Commit | None:
        """The client sent PUBREC for a QoS 2 message. Returns the commit that PUBREL must wait for."""
        ...

    def dropped(self, entry: Entry, reason: str) -> None:
        """A message was removed without delivery."""
        ...


class RetainedBacklog(NamedTuple):
    """Retained messages for a new subscription. They wait outside of the queue until the client reads."""

    messages: Iterator[Message]
    qos: int  # granted to the subscription
    identifiers: tuple[int, ...]
