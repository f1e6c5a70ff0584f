"""Retained messages of the open port (3.3.1.3): stored, sent to new subscribers, expired."""

from itertools import islice
from math import inf

from thingstead.broker.connection.delivery import Delivery
from thingstead.broker.connection.delivery_parties import RetainedBacklog
from thingstead.broker.open_port.retained import RetainedMessages
from thingstead.broker.sessions.context import SessionContext
from thingstead.broker.sessions.queues import Queues, Target
from thingstead.broker.sessions.records import read_message
from thingstead.broker.sessions.session import Options, Session, Subscription
from thingstead.errors import Unavailable
from thingstead.model.mqtt_session import RetainedMessage
from thingstead.mqtt.message import Message
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.services.shared.commits import Commit
from thingstead.timers import Deadline

V5 = ProtocolVersion.V5
FEEDS_LIMIT = 1_000  # subscriptions of a client with retained messages that have not been sent


class _Uncertain:
    """A topic whose change of the retained message is not on disk yet."""

    __slots__ = ("certain", "failed", "waiting")

    def __init__(self, certain: Message | None) -> None:
        self.certain = certain  # the message on disk
        self.waiting = 0  # pending commits
        self.failed = False  # whether the newest ended commit failed


class KeptRetained:
    """Retained messages in memory and in the store."""

    def __init__(self, context: SessionContext, queues: Queues) -> None:
        self._kept = context.kept
        self._now_s = context.clock.monotonic_s
        self._queues = queues
        self._deadlines = context.deadlines
        self._counters = context.counters
        self._expiries: dict[str, Deadline] = {}  # by topic
        self._uncertain: dict[str, _Uncertain] = {}  # by topic
        self._queue_limit = context.settings.queue_max_messages
        self.messages = RetainedMessages(context.settings.retained_max_bytes)

    def load(self, kept: tuple[RetainedMessage, ...]) -> None:
        """Loads stored messages; those that have expired are removed."""
        now_s = self._now_s()
        for each in kept:
            message = read_message(each.packet, each.expires_at, now_s, self._kept.reading_s)
            if message is None or message.expires_at_s <= now_s:
                self._kept.forget_retained(each.topic)
            else:
                self._put(message)

    def fits(self, message: Message) -> bool:
        """Whether there is room for a message."""
        return not message.payload or self.messages.fits(message)

    def retain(self, message: Message) -> Commit | None:
        """Stores a message and replaces the one of the same topic.

        Returns:
            The commit that stores it; None if nothing changes.

        Raises:
            Unavailable: it cannot be stored now; nothing was changed.
        """
        if not message.payload:
            # [MQTT-3.3.1-6] [MQTT-3.3.1-7] An empty message removes the older one, and is not retained itself.
            before = self.messages.get(message.topic)
            removed = self._remove(message.topic)
            if removed is not None:
                self._watch(message.topic, before, None, removed)
            return removed
        packet = message.to_publish().serialize(V5)
        commit = self._kept.retain(RetainedMessage(message.topic, packet, self._queues.instant(message)))
        retained = message.copy()
        self._watch(message.topic, self.messages.get(message.topic), retained, commit)
        self._put(retained)
        return commit

    def _watch(self, topic: str, before: Message | None, after: Message | None, commit: Commit) -> None:
        uncertain = self._uncertain.get(topic)
        if uncertain is None:
            uncertain = self._uncertain[topic] = _Uncertain(before)
        uncertain.waiting += 1
        commit.on_done(lambda error: self._ended(topic, uncertain, after, error))

    def _ended(self, topic: str, uncertain: _Uncertain, after: Message | None, error: Exception | None) -> None:
        uncertain.waiting -= 1
        uncertain.failed = error is not None
        if error is None:
            uncertain.certain = after
        if uncertain.waiting:
            return
        del self._uncertain[topic]
        if uncertain.failed:
            # A failed commit was not acknowledged: memory goes back to the message on disk.
            self._cancel_expiry(topic)
            self.messages.remove(topic)
            if uncertain.certain is not None:
                self._put(uncertain.certain.copy())

    def _put(self, message: Message) -> None:
        self._cancel_expiry(message.topic)
        self.messages.put(message)
        if message.expires_at_s < inf:
            self._expiries[message.topic] = self._deadlines.add(
                message.expires_at_s, lambda: self._expired(message.topic)
            )

    def _expired(self, topic: str) -> None:
        del self._expiries[topic]
        self._remove(topic)

    def _remove(self, topic: str) -> Commit | None:
        self._cancel_expiry(topic)
        return self._kept.forget_retained(topic) if self.messages.remove(topic) else None

    def _cancel_expiry(self, topic: str) -> None:
        expiry = self._expiries.pop(topic, None)
        if expiry is not None:
            expiry.cancel()

    def send(self, session: Session, subscriptions: list[Subscription]) -> None:
        """Sends retained messages to a session that has just subscribed, with the retain flag set [MQTT-3.3.1-9].

        Messages that fit into the session's queue are queued like any other; the rest is sent as the client reads,
        while it stays connected.
        """
        left = self._queue_limit  # messages that are checked for the queue, over all subscriptions
        for subscription in subscriptions:
            if session.delivery is not None:
                left -= self._send(session, session.delivery, subscription, left)

    def _send(self, session: Session, delivery: Delivery, subscription: Subscription, limit: int) -> int:
        """Sends retained messages for one subscription. Returns how many were checked for the queue, at most
        ``limit``."""
        identifiers = (subscription.identifier,) if subscription.identifier else ()
        messages, looked_at = self.messages.match(subscription.topic_filter), 0
        if session.durable and subscription.qos:
            queued, looked_at = self._queue(session, subscription, identifiers, limit)
            if queued:
                # A second search, so that no message is kept in memory while the client does not read.
                messages = (message for message in messages if message.serial not in queued)
        if delivery.feeds < FEEDS_LIMIT:
            delivery.feed(RetainedBacklog(messages, subscription.qos, identifiers))
        else:
            # The client subscribes again and again without reading.
            self._counters.messages_dropped += 1
        return looked_at

    def _queue(
        self, session: Session, subscription: Subscription, identifiers: tuple[int, ...], limit: int
    ) -> tuple[set[int], int]:
        """Queues messages while there is room. Returns the serials of the queued ones, and how many were checked."""
        target = Target(session, Options(subscription.qos, True, identifiers))
        now_s, looked_at = self._now_s(), 0
        queued: set[int] = set()
        for message in islice(self.messages.match(subscription.topic_filter), limit):
            looked_at += 1
            if message.expires_at_s <= now_s or not message.qos:
                continue
            if not self._enqueued(message, target):
                break
            queued.add(message.serial)
        return queued, looked_at

    def _enqueued(self, message: Message, target: Target) -> bool:
        if not target.session.outbound.has_room(message.size_bytes):
            return False
        try:
            self._queues.enqueue(message.copy(), [target])
        except Unavailable:
            return False
        return True
