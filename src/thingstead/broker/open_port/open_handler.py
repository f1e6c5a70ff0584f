"""Handles one client of the open port: it publishes and subscribes to any topic."""

from collections.abc import Sequence

from thingstead.broker.connection.connection import PeerConnection
from thingstead.broker.connection.handler import Granted, Receipt, Run
from thingstead.broker.connection.handshake import SessionGrant, changed_expiry_s
from thingstead.broker.open_port.router import MessageRouter, StoredMessage
from thingstead.broker.open_port.sessions import Sessions, levels_of
from thingstead.broker.sessions.session import Session, Subscription
from thingstead.mqtt.connection_packets import Disconnect
from thingstead.mqtt.inbound import Inbound
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import RetainHandling
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Subscribe, SubscriptionRequest, Unsubscribe
from thingstead.services.shared.commits import Commit

LEVELS_LIMIT = 1_000_000  # levels of the topic filters of all clients
LEVELS_OF_A_SUBSCRIPTION = 20  # average over a client's maximum number of subscriptions


class OpenHandler:
    """Handler of a connection to the open port."""

    __slots__ = (
        "_connection",
        "_max_subscriptions",
        "_router",
        "_session",
        "_sessions",
        "_taken",
        "accepted",
    )

    def __init__(
        self,
        connection: PeerConnection,
        sessions: Sessions,
        router: MessageRouter,
        max_subscriptions: int,
    ) -> None:
        self._connection = connection
        self._sessions = sessions
        self._router = router
        self._max_subscriptions = max_subscriptions
        self._taken: StoredMessage | None = None  # a QoS 2 message, forwarded when its PUBREC was written
        self._session: Session
        self.accepted: SessionGrant

    project_id = ""

    @property
    def crowded(self) -> int | None:
        """None: what is published here is not stored in the history."""
        return None

    def hold(self, session: Session, accepted: SessionGrant) -> None:
        """Sets the session of this connection."""
        self._session = session
        self.accepted = accepted

    @property
    def inbound(self) -> Inbound:
        return self._session.inbound

    def begin(self) -> None:
        if self._session.holder is self:
            self._sessions.deliver(self._session, self._connection.delivery)

    # Messages

    def publish_run(self, topic: str, payloads: Sequence[bytes]) -> Run:
        """Handles no message: all go through :meth:`publish`, one by one."""
        return 0, None, None

    def publish(self, packet: Publish) -> Receipt:
        session = self._session
        if packet.topic.startswith("$"):
            # 4.7.2: "The Server SHOULD prevent Clients from using such Topic Names to exchange messages".
            # [MQTT-3.3.5-2] (3.1.1) Before 5.0 it is acknowledged all the same.
            self._connection.counters.messages_ignored += 1
            return None, ReasonCode.NOT_AUTHORIZED, None, "topics that begin with $ are reserved for the server"
        taken = self._router.take(packet, session)
        if taken.reason_code >= ReasonCode.UNSPECIFIED_ERROR:
            return None, taken.reason_code, None, ""
        if packet.qos == 2:
            self._taken = taken
        else:
            self._router.forward(taken, session)
        return taken.pending, taken.reason_code, None, ""

    def received(self, packet_id: int, pending: Commit | None) -> Commit | None:
        return self._sessions.received(self._session, packet_id, pending)

    def forward(self) -> None:
        taken, self._taken = self._taken, None
        if taken is not None:
            self._router.forward(taken, self._session)

    def release(self, packet_id: int) -> Commit | None:
        return self._sessions.release(self._session, packet_id)

    # Subscriptions

    def subscribe(self, packet: Subscribe) -> Granted:
        [identifier] = packet.properties.get(Property.SUBSCRIPTION_IDENTIFIER, (0,))
        reason_codes: list[ReasonCode] = []
        pending: Commit | None = None
        retained: list[Subscription] = []
        for request in packet.subscriptions:
            subscriptions = self._session.subscriptions
            # [MQTT-3.8.4-3] A SUBSCRIBE with the same filter replaces the subscription.
            new = request.topic_filter not in subscriptions
            if new and self._too_many(request.topic_filter):
                reason_codes.append(ReasonCode.QUOTA_EXCEEDED)
                continue
            subscription = _subscription(request, identifier)
            pending = self._sessions.subscribe(self._session, subscription) or pending
            reason_codes.append(ReasonCode(request.qos))
            # [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]
            handling = request.retain_handling
            if handling is RetainHandling.AT_SUBSCRIBE or (new and handling is RetainHandling.IF_NEW):
                retained.append(subscription)
        return Granted(pending, reason_codes, lambda: self._send_retained(retained))

    def _too_many(self, topic_filter: str) -> bool:
        """Whether another filter would exceed the limit of filters or of their levels."""
        session, limit = self._session, self._max_subscriptions
        return (
            len(session.subscriptions) >= limit
            or session.levels + levels_of(topic_filter) > limit * LEVELS_OF_A_SUBSCRIPTION
            or self._sessions.levels + levels_of(topic_filter) > LEVELS_LIMIT
        )

    def _send_retained(self, subscriptions: list[Subscription]) -> None:
        if self._session.holder is self:
            self._router.retained.send(self._session, subscriptions)

    def unsubscribe(self, packet: Unsubscribe) -> Granted:
        reason_codes: list[ReasonCode] = []
        pending: Commit | None = None
        for topic_filter in packet.topic_filters:
            if topic_filter in self._session.subscriptions:
                pending = self._sessions.unsubscribe(self._session, topic_filter) or pending
                reason_codes.append(ReasonCode.SUCCESS)
            else:
                reason_codes.append(ReasonCode.NO_SUBSCRIPTION_EXISTED)
        return Granted(pending, reason_codes, None)

    # End

    def disconnected(self, packet: Disconnect) -> None:
        session = self._session
        expiry_s = changed_expiry_s(packet, session.expiry_s)
        if packet.reason_code is ReasonCode.SUCCESS:
            session.will = None  # [MQTT-3.14.4-3] (3.1.1: [MQTT-3.14.4-3])
        if expiry_s is not None and session.holder is self:
            self._sessions.set_expiry(session, expiry_s)

    def taken_over(self) -> None:
        self._connection.close(ReasonCode.SESSION_TAKEN_OVER, "another connection has the client identifier")

    async def closed(self, reason: str) -> None:
        self._sessions.end_connection(self._session, self, reason)


def _subscription(request: SubscriptionRequest, identifier: int) -> Subscription:
    return Subscription(
        request.topic_filter,
        request.qos,
        request.no_local,
        request.retain_as_published,
        request.retain_handling,
        identifier,
    )
