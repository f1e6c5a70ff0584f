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
    """Sessions that outlive their connections, what waits in them, and retained messages.

    Whoever holds the sessions in memory writes here what changes; it is read once, at the start. Every change joins the
    open commit, without waiting; changes take effect in the order in which they were made. Changes of a session that is
    not there are passed over. Unavailable when nothing can be kept; what takes a session, a queued message or a
    received identifier away goes into a later commit then.
    """

    async def load(self) -> KeptSessions:
        """Everything, with what was changed before. Messages for which nobody waits are not among it."""
        ...

    def require_room(self) -> None:
        """Raises Unavailable where ``enqueue`` and ``put_retained`` would."""
        ...

    def put_session(self, record: SessionRecord, *, behind: bool = False) -> Commit:
        """A new session, or a new state of it. One of a device that is gone is not kept, and ends with its device.
        ``behind``: it goes into a later commit where this one fails."""
        ...

    def delete_session(self, number: int) -> Commit:
        """With everything that it holds."""
        ...

    def put_subscription(self, session: int, subscription: KeptSubscription) -> Commit: ...

    def delete_subscription(self, session: int, topic_filter: str) -> Commit: ...

    def enqueue(self, message: KeptMessage, queued: Sequence[QueuedMessage]) -> Commit:
        """A message that waits for sessions. It may be there already, and is kept as long as anyone waits for it."""
        ...

    def release_queued(self, session: int, seq: int) -> Commit:
        """The client has received a QoS 2 message."""
        ...

    def delete_queued(self, session: int, seq: int) -> Commit: ...

    def put_received(self, session: int, packet_id: int) -> Commit:
        """A QoS 2 message from the client, not yet released."""
        ...

    def delete_received(self, session: int, packet_id: int) -> Commit: ...

    def put_retained(self, retained: RetainedMessage) -> Commit:
        """In place of the one of the same topic."""
        ...

    def delete_retained(self, topic: str) -> Commit: ...
