"""The contract of a store, MQTT sessions and retained messages."""

from collections.abc import Sequence
from typing import Protocol

from thingstead.model.mqtt_session import (
    KeptMessage,
    KeptSessions,
    KeptSubscription,
    QueuedMessage,
    RetainedMessage,
    SessionRecord,
)
from thingstead.storage.commit import Commit


class MqttSessionStore(Protocol):
    """Stored MQTT sessions with their queued messages, and retained messages.

    Whoever holds the sessions in memory writes changes here; everything is read once, at the start. Every change joins
    the open commit, without waiting; changes take effect in the order of the calls. Changes of an unknown session are
    ignored. Methods raise Unavailable if nothing can be stored; removals go into a later commit then.
    """

    async def load(self) -> KeptSessions:
        """Reads everything, including earlier changes. Messages that no session waits for are left out."""
        ...

    def require_room(self) -> None:
        """Raises Unavailable if ``enqueue`` and ``put_retained`` would."""
        ...

    def put_session(self, record: SessionRecord, *, behind: bool = False) -> Commit:
        """Adds a session or replaces its state. A session of a removed device is not stored; sessions are deleted with
        their device.

        Args:
            behind: retry in a later commit if this one fails.
        """
        ...

    def delete_session(self, number: int) -> Commit:
        """Deletes a session with its messages and subscriptions."""
        ...

    def put_subscription(self, session: int, subscription: KeptSubscription) -> Commit:
        """Adds a subscription or replaces its options."""
        ...

    def delete_subscription(self, session: int, topic_filter: str) -> Commit:
        """Deletes a subscription."""
        ...

    def enqueue(self, message: KeptMessage, queued: Sequence[QueuedMessage]) -> Commit:
        """Adds a message to the queues of sessions. The message may be stored already; it is deleted when no queue
        holds it."""
        ...

    def release_queued(self, session: int, seq: int) -> Commit:
        """Records that the client has received a QoS 2 message (PUBREC)."""
        ...

    def delete_queued(self, session: int, seq: int) -> Commit:
        """Deletes a message from the queue of a session."""
        ...

    def put_received(self, session: int, packet_id: int) -> Commit:
        """Records the packet identifier of a QoS 2 message from the client until its PUBREL."""
        ...

    def delete_received(self, session: int, packet_id: int) -> Commit:
        """Forgets the packet identifier of a QoS 2 message after its PUBREL."""
        ...

    def put_retained(self, retained: RetainedMessage) -> Commit:
        """Stores a retained message and replaces the one of the same topic."""
        ...

    def delete_retained(self, topic: str) -> Commit:
        """Deletes the retained message of a topic."""
        ...
