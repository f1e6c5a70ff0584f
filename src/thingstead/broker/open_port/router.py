"""Routes messages of the open port from publishers to the matching sessions.

A message is *taken* first: retained, and put into the queue of every session that outlives its connection; all of it in
one commit, which the acknowledgement to the publisher waits for. Then it is *forwarded* to the connections that are
there.
"""

from collections.abc import Iterator
from typing import NamedTuple

import structlog

from thingstead.broker.open_port.retained_messages import KeptRetained
from thingstead.broker.open_port.routes import Route, Routes, SessionGroup
from thingstead.broker.sessions.context import SessionContext
from thingstead.broker.sessions.queues import Queues, Target
from thingstead.broker.sessions.session import QueueSlot, Session
from thingstead.errors import Unavailable
from thingstead.mqtt.message import Message
from thingstead.mqtt.outbound import Entry
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.shared.commits import Commit

log = structlog.get_logger("thingstead.broker")


class StoredMessage(NamedTuple):
    """A message that was stored and must be forwarded."""

    message: Message
    route: Route
    chosen: list[Target]  # one member of each shared subscription
    pending: Commit | None  # the commit that stores it; None: nothing is stored
    reason_code: ReasonCode


class MessageRouter:
    """Routes messages: subscriptions, retained messages and queues."""

    def __init__(self, context: SessionContext) -> None:
        self._kept = context.kept
        self._now_s = context.clock.monotonic_s
        self._counters = context.counters
        self.routes = Routes()
        self.queues = Queues(context)
        self.retained = KeptRetained(context, self.queues)

    def take(self, publish: Publish, origin: Session | None) -> StoredMessage:
        """Stores a message for durable sessions and as retained message.

        Raises:
            Unavailable: it cannot be stored now; nothing was changed.
        """
        message = Message(publish, self._now_s())
        if publish.retain and not self.retained.fits(message):
            self._counters.messages_dropped += 1
            return StoredMessage(message, Route(), [], None, ReasonCode.QUOTA_EXCEEDED)
        route = self.routes.route(message.topic, message.retain)
        chosen = list(_choose(route, message.qos))
        targets = _durable(message, route, chosen, origin)
        pending: Commit | None = None
        if targets:
            pending = self.queues.enqueue(message, targets)
        if publish.retain:
            pending = self.retained.retain(message) or pending
        matched = bool(route.groups or chosen)
        reason_code = ReasonCode.SUCCESS if matched else ReasonCode.NO_MATCHING_SUBSCRIBERS
        return StoredMessage(message, route, chosen, pending, reason_code)

    def forward(self, taken: StoredMessage, origin: Session | None) -> None:
        """Sends a message to the connected subscribers."""
        message = taken.message
        for group in taken.route.groups_for(origin):
            if min(message.qos, group.options.qos):
                self._offer_all(message, group)
            else:
                self._put_all(message, group)
        for target in taken.chosen:
            self._forward_shared(message, target)
        message.forget_encodings()  # it may stay in queues for long

    def _put_all(self, message: Message, group: SessionGroup) -> None:
        options = group.options
        retain = options.retain
        identifiers = options.identifiers if group.with_properties else None
        data = b""
        for session in group.sessions:
            delivery = session.delivery
            if delivery is None:
                continue
            data = data or message.encode(0, retain, identifiers, self._now_s()).head
            delivery.put(message, data, retain, options.identifiers)

    def _offer_all(self, message: Message, group: SessionGroup) -> None:
        for session in group.transient:
            self.queues.offer(message, Target(session, group.options))
            if session.delivery is not None:
                session.delivery.pump()

    def _forward_shared(self, message: Message, target: Target) -> None:
        session, options, share = target
        if min(message.qos, options.qos):
            if not session.durable:
                self.queues.offer(message, target, QueueSlot(0, share))
                if session.delivery is not None:
                    session.delivery.pump()
        elif session.delivery is not None:
            identifiers = options.identifiers if session.with_properties else None
            data = message.encode(0, options.retain, identifiers, self._now_s()).head
            session.delivery.put(message, data, options.retain, options.identifiers)

    def share_again(self, entries: list[Entry], former: Session) -> None:
        """Gives the unacknowledged messages of an ended session's shared subscriptions to other members (4.8.2)."""
        for entry in entries:
            share = entry.context.share
            # [MQTT-4.8.2-5] Not at QoS 2: the client may have received it.
            if not share or (entry.qos == 2 and entry.sent):
                continue
            message: Message = entry.message
            for each in self.routes.route(message.topic, message.retain).shares:
                if each.topic_filter == share and (member := each.choose(message.qos, besides=former)):
                    self._give(message, Target(*member, share))

    def _give(self, message: Message, target: Target) -> None:
        if not (target.session.durable and min(message.qos, target.options.qos)):
            self._forward_shared(message, target)
            return
        try:
            self.queues.enqueue(message, [target])
        except Unavailable as exc:
            self._counters.messages_dropped += 1
            log.warning("a message of a shared subscription was dropped", reason=exc.message)


def _durable(message: Message, route: Route, chosen: list[Target], origin: Session | None) -> list[Target]:
    """Durable sessions that get the message at QoS 1 or 2."""
    targets = [
        Target(session, group.options)
        for group in route.groups_for(origin)
        if min(message.qos, group.options.qos)
        for session in group.durable
    ]
    targets += [each for each in chosen if each.session.durable and min(message.qos, each.options.qos)]
    return targets


def _choose(route: Route, qos: int) -> Iterator[Target]:
    for share in route.shares:
        member = share.choose(qos)
        if member is not None:
            yield Target(*member, share.topic_filter)
