"""The general topic space of the open port: every message on its way from a publisher to all who subscribed.

A message is *taken* first: retained, and put into the queue of every session that outlives its connection; all of it in
one commit, which the acknowledgement to the publisher waits for. Then it is *forwarded* to the connections that are
there. What is kept for a session leaves for its client when the commit has ended, so that QoS 2 is exactly once over a
crash too: nobody has seen a message that the store does not know.
"""

from collections.abc import Iterator
from itertools import count
from math import inf
from typing import NamedTuple

import structlog

from thingstead.clock import Clock
from thingstead.config import MqttSettings
from thingstead.errors import Unavailable
from thingstead.gateway.acknowledgements import Pending
from thingstead.gateway.counters import Counters
from thingstead.gateway.delivery import Fed
from thingstead.gateway.open_routes import Group, Route, Routes
from thingstead.gateway.retained import RetainedMessages
from thingstead.gateway.session import NOTHING_NOTED, Options, Session, Subscription, Waiting
from thingstead.model.mqtt_session import KeptMessage, QueuedMessage, RetainedMessage
from thingstead.mqtt.message import Message
from thingstead.mqtt.outbound import Entry
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.mqtt_sessions import MqttSessionService

log = structlog.get_logger("thingstead.gateway")

V5 = ProtocolVersion.V5


class Taken(NamedTuple):
    """A message that was taken and must be forwarded."""

    message: Message
    route: Route
    chosen: list[tuple[Session, Options, str]]  # of each shared subscription, with its filter
    pending: Pending | None  # the commit that keeps it, if anything is kept
    reason_code: ReasonCode


class _Holding:
    """What waits for one commit: messages that may be sent then, or are forgotten where it fails."""

    def __init__(self, commit: Pending) -> None:
        self.commit = commit
        self.entries: list[tuple[Session, Entry]] = []
        commit.on_done(self._ended)

    def _ended(self, error: Exception | None) -> None:
        for session, entry in self.entries:
            if error is None:
                entry.held = False
            elif session.outbound.withdraw(entry):
                session.queued_bytes -= entry.message.size_bytes
        for session in {session for session, _ in self.entries}:
            if session.delivery is not None:
                session.delivery.pump()


class TopicSpace:
    """Subscriptions, retained messages, and the way of a message."""

    def __init__(self, kept: MqttSessionService, clock: Clock, settings: MqttSettings, counters: Counters) -> None:
        self._kept = kept
        self._now_s = clock.monotonic_s
        self._settings = settings
        self._counters = counters
        self.routes = Routes()
        self.retained = RetainedMessages(settings.retained_max_bytes)
        self._serial = count(1)
        self._holding: _Holding | None = None

    # Messages

    def take(self, publish: Publish, origin: Session | None) -> Taken:
        """Keeps a message where it must be kept.

        Raises:
            Unavailable: it cannot be; nothing was done.
        """
        message = Message(publish, self._now_s())
        pending: Pending | None = None
        if publish.retain:
            if publish.payload and not self.retained.fits(message):
                self._counters.messages_dropped += 1
                return Taken(message, Route(), [], None, ReasonCode.QUOTA_EXCEEDED)
            pending = self._retain(message)
        route = self.routes.route(message.topic)
        chosen = list(_choose(route, message.qos))
        commit = self._keep(message, route, chosen, origin)
        matched = bool(route.groups or chosen)
        reason_code = ReasonCode.SUCCESS if matched else ReasonCode.NO_MATCHING_SUBSCRIBERS
        return Taken(message, route, chosen, commit or pending, reason_code)

    def forward(self, taken: Taken, origin: Session | None) -> None:
        """Gives a message to the connections that are there."""
        message = taken.message
        for group in taken.route.groups:
            if min(message.qos, group.options.qos):
                self._offer_all(message, group, origin)
            else:
                self._put_all(message, group, origin)
        for session, options, share in taken.chosen:
            self._forward_shared(message, session, options, share)

    def _put_all(self, message: Message, group: Group, origin: Session | None) -> None:
        options = group.options
        retain = message.retain and options.retain_as_published  # [MQTT-3.3.1-12] [MQTT-3.3.1-13]
        identifiers = options.identifiers if group.with_properties else None
        data = b""
        for session in group.sessions:
            delivery = session.delivery
            # [MQTT-3.8.3-3] No Local: not to the client that published it.
            if delivery is None or (session is origin and options.no_local):
                continue
            data = data or message.encode(0, retain, identifiers, self._now_s()).head
            delivery.put(message, data, retain, options.identifiers)

    def _offer_all(self, message: Message, group: Group, origin: Session | None) -> None:
        for session in group.transient:
            if not (session is origin and group.options.no_local):
                self._offer(message, session, group.options)
                if session.delivery is not None:
                    session.delivery.pump()

    def _forward_shared(self, message: Message, session: Session, options: Options, share: str) -> None:
        if min(message.qos, options.qos):
            if not session.durable:
                self._offer(message, session, options, Waiting(0, share))
                if session.delivery is not None:
                    session.delivery.pump()
        elif session.delivery is not None:
            retain = message.retain and options.retain_as_published
            identifiers = options.identifiers if session.with_properties else None
            data = message.encode(0, retain, identifiers, self._now_s()).head
            session.delivery.put(message, data, retain, options.identifiers)

    # Queues

    def _keep(
        self, message: Message, route: Route, chosen: list[tuple[Session, Options, str]], origin: Session | None
    ) -> Pending | None:
        """Puts a message into the queues of the sessions that outlive their connections; the commit that does it."""
        targets = [
            (session, group.options, "")
            for group in route.groups
            if min(message.qos, group.options.qos)
            for session in group.durable
            if not (session is origin and group.options.no_local)
        ]
        targets += [each for each in chosen if each[0].durable and min(message.qos, each[1].qos)]
        return self.enqueue(message, targets) if targets else None

    def enqueue(
        self, message: Message, targets: list[tuple[Session, Options, str]], *, retain: bool | None = None
    ) -> Pending | None:
        """The same for some of them, each with how it gets the message and the shared subscription that it came by."""
        number = next(self._serial)
        entries: list[tuple[Session, Entry]] = []
        queued: list[QueuedMessage] = []
        for session, options, share in targets:
            waiting = Waiting(next(self._serial), share)
            entry = self._offer(message, session, options, waiting, retain)
            if entry is not None:
                entry.held = True
                entries.append((session, entry))
                queued.append(_row(session, entry, number))
        if not queued:
            return None
        kept = KeptMessage(number, message.to_publish().serialize(V5), self._instant(message))
        try:
            commit = self._kept.enqueue(kept, queued)
        except Unavailable:
            for session, entry in entries:
                session.outbound.withdraw(entry)
                session.queued_bytes -= message.size_bytes
            raise
        if self._holding is None or self._holding.commit is not commit:
            self._holding = _Holding(commit)
        self._holding.entries += entries
        return commit

    def _offer(
        self,
        message: Message,
        session: Session,
        options: Options,
        waiting: Waiting = NOTHING_NOTED,
        retain: bool | None = None,
    ) -> Entry | None:
        outbound, size_bytes = session.outbound, message.size_bytes
        while outbound.full or session.queued_bytes + size_bytes > self._settings.queue_max_bytes:
            oldest = outbound.oldest_queued()
            self._counters.messages_dropped += 1
            if oldest is None:
                return None
            # A full queue loses its oldest message: what is newest tells most.
            outbound.withdraw(oldest)
            session.dropped(oldest, "too many messages wait for the client")
        entry = outbound.offer(message, waiting, qos=min(message.qos, options.qos))
        assert entry is not None  # not full
        entry.retain = message.retain and options.retain_as_published if retain is None else retain
        entry.identifiers = options.identifiers
        entry.expires_at_s = message.expires_at_s
        session.queued_bytes += size_bytes
        return entry

    def share_again(self, entries: list[Entry], former: Session) -> None:
        """4.8.2: what a client left unanswered of shared subscriptions, when its session ended, is for another one."""
        for entry in entries:
            share = entry.context.share
            # [MQTT-4.8.2-5] Not at QoS 2, where the client may have received it.
            if not share or (entry.qos == 2 and entry.sent):
                continue
            message: Message = entry.message
            for each in self.routes.route(message.topic).shares:
                if each.topic_filter == share and (member := each.choose(message.qos, besides=former)):
                    self._give(message, *member, share)

    def _give(self, message: Message, session: Session, options: Options, share: str) -> None:
        if not session.durable:
            self._forward_shared(message, session, options, share)
            return
        try:
            self.enqueue(message, [(session, options, share)])
        except Unavailable as exc:
            self._counters.messages_dropped += 1
            log.warning("a message of a shared subscription is lost", reason=exc.message)

    # Retained messages

    def _retain(self, message: Message) -> Pending | None:
        if not message.payload:
            # [MQTT-3.3.1-6] [MQTT-3.3.1-7] An empty one removes the one before, and is not retained itself.
            return self._kept.forget_retained(message.topic) if self.retained.remove(message.topic) else None
        packet = message.to_publish().serialize(V5)
        commit = self._kept.retain(RetainedMessage(message.topic, packet, self._instant(message)))
        self.retained.put(message)
        return commit

    def send_retained(self, session: Session, subscriptions: list[Subscription]) -> None:
        """[MQTT-3.3.1-9] Sends what is retained to a session that has just subscribed, with the retain flag set."""
        now_s = self._now_s()
        fed: list[Fed] = []
        for subscription in subscriptions:
            options = Options(
                subscription.qos, False, True, (subscription.identifier,) if subscription.identifier else ()
            )
            for message in self.retained.match(subscription.topic_filter):
                if message.expires_at_s < now_s:
                    self.retained.remove(message.topic)
                    self._kept.forget_retained(message.topic)
                elif session.durable and min(message.qos, options.qos):
                    self.enqueue(message, [(session, options, "")], retain=True)
                else:
                    fed.append(Fed(message, min(message.qos, options.qos), True, options.identifiers))
        if fed and session.delivery is not None:
            session.delivery.feed(fed)

    # From and to the store

    def _instant(self, message: Message) -> int | None:
        return None if message.expires_at_s == inf else self._kept.instant(message.expires_at_s)

    def begin(self, serial: int, retained: list[Message]) -> None:
        """Goes on from what was kept.

        Args:
            serial: greater than every number that is in use.
        """
        self._serial = count(serial)
        for message in retained:
            self.retained.put(message)


def _choose(route: Route, qos: int) -> Iterator[tuple[Session, Options, str]]:
    for share in route.shares:
        member = share.choose(qos)
        if member is not None:
            yield (*member, share.topic_filter)


def _row(session: Session, entry: Entry, number: int) -> QueuedMessage:
    waiting: Waiting = entry.context
    return QueuedMessage(
        session=session.number,
        seq=waiting.seq,
        message=number,
        packet_id=entry.packet_id,
        qos=entry.qos,
        retain=entry.retain,
        identifiers=entry.identifiers,
        share=waiting.share,
    )
