"""Persistence of MQTT sessions and retained messages."""

from itertools import count

from thingstead.clock import Clock
from thingstead.model.mqtt_session import (
    KeptMessage,
    KeptSessions,
    KeptSubscription,
    QueuedMessage,
    RetainedMessage,
    SessionRecord,
)
from thingstead.storage.base import Commit, Store


class MqttSessionService:
    """Stores MQTT sessions; converts between instants and monotonic time.

    Every change is added to the open commit and returns it; send an acknowledgement only after that commit.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store.mqtt_sessions
        self._clock = clock
        self._sessions = count(1)
        self._numbers = count(1)

    async def load(self) -> KeptSessions:
        """Loads all stored sessions. Call it once, before any change; it also initializes the numbers."""
        kept = await self._store.load()
        self._sessions = count(1 + max((session.record.number for session in kept.sessions), default=0))
        seqs = (queued.seq for session in kept.sessions for queued in session.queue)
        self._numbers = count(1 + max((*seqs, *(message.number for message in kept.messages)), default=0))
        return kept

    def next_session(self) -> int:
        """A number for a new session."""
        return next(self._sessions)

    def next_number(self) -> int:
        """A number for a message, or for its place in a queue; increases."""
        return next(self._numbers)

    def instant(self, at_s: float) -> int:
        """Converts monotonic time to an instant (ms)."""
        return self._clock.now_ms() + round((at_s - self._clock.monotonic_s()) * 1000)

    def reading_s(self, instant: int) -> float:
        """Converts an instant (ms) to monotonic time."""
        return self._clock.monotonic_s() + (instant - self._clock.now_ms()) / 1000

    def require_room(self) -> None:
        """Raises Unavailable if messages cannot be stored now."""
        self._store.require_room()

    def put_session(self, record: SessionRecord, *, behind: bool = False) -> Commit:
        """``behind``: nobody waits for it, so it is stored later if the store is unavailable."""
        return self._store.put_session(record, behind=behind)

    def delete_session(self, number: int) -> Commit:
        """Removes a session with its subscriptions and queue."""
        return self._store.delete_session(number)

    def subscribe(self, session: int, subscription: KeptSubscription) -> Commit:
        """Adds or replaces a subscription."""
        return self._store.put_subscription(session, subscription)

    def unsubscribe(self, session: int, topic_filter: str) -> Commit:
        """Removes a subscription."""
        return self._store.delete_subscription(session, topic_filter)

    def enqueue(self, message: KeptMessage, queued: list[QueuedMessage]) -> Commit:
        """Raises Unavailable if messages cannot be stored now."""
        return self._store.enqueue(message, queued)

    def released(self, session: int, seq: int) -> Commit:
        """Records the PUBREC of a QoS 2 message."""
        return self._store.release_queued(session, seq)

    def answered(self, session: int, seq: int) -> Commit:
        """Removes a completely acknowledged message."""
        return self._store.delete_queued(session, seq)

    def received(self, session: int, packet_id: int) -> Commit:
        """Records a QoS 2 message received from the client."""
        return self._store.put_received(session, packet_id)

    def forget_received(self, session: int, packet_id: int) -> Commit:
        """Removes the record after the PUBREL of the client."""
        return self._store.delete_received(session, packet_id)

    def retain(self, retained: RetainedMessage) -> Commit:
        """Raises Unavailable if messages cannot be stored now."""
        return self._store.put_retained(retained)

    def forget_retained(self, topic: str) -> Commit:
        """Removes the retained message of a topic."""
        return self._store.delete_retained(topic)
