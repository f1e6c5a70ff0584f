"""MQTT sessions of devices that outlive their connections (4.1), for devices that ask for one.

A device has at most one, whatever its client identifier; one with another identifier takes its place. In it are its
subscriptions, pushes and data at QoS 1 that it has not acknowledged, pushes that came while it was away, and the packet
identifiers of its own QoS 2 messages. Commands are not: they are rows, and go again from there.
"""

from typing import NamedTuple

import structlog

from thingstead.broker.connection.handshake import NO_SESSION, SessionGrant, assigned_client_id, session_expiry_s
from thingstead.broker.connection.queue_bounds import QueueBounds
from thingstead.broker.devices.subscriptions import Grant, Subscriptions
from thingstead.broker.sessions.context import SessionContext
from thingstead.broker.sessions.queues import Queues, Target
from thingstead.broker.sessions.records import kept_subscription
from thingstead.broker.sessions.session import Holder, Options, QueueSlot, Session, Subscription
from thingstead.broker.sessions.store import SessionStore
from thingstead.bus.base import Bus
from thingstead.config import MqttSettings
from thingstead.errors import Unavailable
from thingstead.model import device_answers
from thingstead.model.messages import AttributesPushed, SessionsRevoked
from thingstead.model.mqtt_session import KeptSessions
from thingstead.mqtt.connection_packets import Connect
from thingstead.mqtt.message import Message
from thingstead.mqtt.outbound import Entry
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.mqtt.sessions import MqttSessionService
from thingstead.services.shared.commits import Commit

log = structlog.get_logger("thingstead.broker")

MAX_CLIENT_ID_CHARACTERS = 1_024  # of a stored session; with a longer identifier it ends with its connection
PUSH_QOS = 1  # of a push and of data, if the device subscribed with at least that


class DeviceMqttSession(Session):
    """MQTT session of a device. The note beside a queued message is a QueueSlot if the message is stored, and for a
    command the observer of its delivery (:class:`~thingstead.broker.connection.delivery_parties.DeliveryObserver`)."""

    __slots__ = ("device_id", "filters")

    def __init__(
        self, device_id: str, client_id: str, settings: MqttSettings, kept: MqttSessionService, bounds: QueueBounds
    ) -> None:
        super().__init__(client_id, bounds.of_session(), kept)
        self.device_id = device_id
        self.filters = Subscriptions(settings.max_device_subscriptions)

    def sent(self, entry: Entry) -> None:
        if entry.context is not None and not isinstance(entry.context, QueueSlot):
            entry.context.sent()

    def answered(self, entry: Entry, reason_code: ReasonCode) -> None:
        if isinstance(entry.context, QueueSlot):
            super().answered(entry, reason_code)
        elif entry.context is not None:
            entry.context.answered(reason_code)

    def dropped(self, entry: Entry, reason: str) -> None:
        if isinstance(entry.context, QueueSlot):
            super().dropped(entry, reason)
        elif entry.context is not None:
            entry.context.dropped(reason)

    def released(self, entry: Entry) -> Commit | None:
        return super().released(entry) if isinstance(entry.context, QueueSlot) else None

    def leave(self, reason: str) -> None:
        """Drops the messages that are not stored; called when the connection has ended."""
        if self.delivery is not None:
            self.delivery.give_up()
        self.holder = self.delivery = None
        for entry in self.outbound.entries():
            if not isinstance(entry.context, QueueSlot):
                self.outbound.withdraw(entry)
                self.dropped(entry, reason)


class DeviceSessionStart(NamedTuple):
    """Session that a connection got; None if its session ends with it."""

    session: DeviceMqttSession | None
    accepted: SessionGrant = NO_SESSION
    pending: Commit | None = None  # the commit that stores it, or removes the older session


class DeviceSessions(SessionStore[DeviceMqttSession]):
    """MQTT sessions of devices, by device."""

    def __init__(self, context: SessionContext, bus: Bus) -> None:
        super().__init__(context)
        self._queues = Queues(context)
        self._revoked = bus.subscribe(SessionsRevoked, self._revoke)

    def close(self) -> None:
        """Cancels the bus subscriptions."""
        self._revoked.cancel()

    # Connect

    def begin(self, device_id: str, connect: Connect, holder: Holder) -> DeviceSessionStart:
        """Starts or resumes the device's session, if the device asks for one and sent a client identifier."""
        client_id = connect.client_id
        if not client_id and connect.version is ProtocolVersion.V5:
            client_id = assigned_client_id()
        # Before 5.0 a client without an identifier cannot resume its session.
        keeps = 0 < len(client_id) <= MAX_CLIENT_ID_CHARACTERS
        expiry_s = session_expiry_s(connect, self._settings) if keeps else 0
        old = self.by_key.get(device_id)
        if old is not None and (held_by := old.holder) is not None:
            self.end_connection(old, held_by, "another connection of the device took over")
            held_by.taken_over()
            old = self.by_key.get(device_id)
        pending: Commit | None = None
        if old is not None and (connect.clean_start or old.client_id != client_id):
            pending = self.end(old)  # [MQTT-3.1.2-4]
            old = None
        if old is None and not expiry_s:
            return DeviceSessionStart(None, pending=pending)
        session = old or self._new(device_id, client_id)
        session.cancel_deadlines()
        session.holder = holder
        pending = self.set_expiry(session, expiry_s) or pending
        return DeviceSessionStart(session, SessionGrant(old is not None, expiry_s, client_id), pending)

    def _new(self, key: str, client_id: str) -> DeviceMqttSession:
        session = DeviceMqttSession(key, client_id, self._settings, self._kept, self._bounds)
        self.by_key[key] = session
        return session

    # Change

    def subscribe(self, session: DeviceMqttSession, topic_filters: list[str]) -> Commit | None:
        """Stores subscriptions with their present options. Returns the commit; None if the session is not stored."""
        pending: Commit | None = None
        for topic_filter in topic_filters if session.durable else ():
            found = session.filters.get(topic_filter)
            if found is not None:
                subscription = kept_subscription(Subscription(topic_filter, found.qos, identifier=found.identifier))
                pending = self._kept.subscribe(session.number, subscription)
        return pending

    def unsubscribe(self, session: DeviceMqttSession, topic_filters: list[str]) -> Commit | None:
        """Removes subscriptions. Returns the commit; None if the session is not stored."""
        pending: Commit | None = None
        for topic_filter in topic_filters if session.durable else ():
            pending = self._kept.unsubscribe(session.number, topic_filter)
        return pending

    def send(self, session: DeviceMqttSession, topic: str, payload: bytes, grant: Grant) -> bool:
        """Queues a message for the device, connected or not. Returns False if it cannot be stored."""
        message = Message(Publish(topic, payload, PUSH_QOS), self._now_s())
        identifiers = grant.properties.get(Property.SUBSCRIPTION_IDENTIFIER, ())
        try:
            self._queues.enqueue(message, [Target(session, Options(grant.qos, False, identifiers))])
        except Unavailable:
            return False
        return True

    def push(self, message: AttributesPushed) -> bool:
        """Queues ``attributes/push`` for a device that is not connected; returns False if it was not queued."""
        session = self.by_key.get(message.device_id)
        grant = None if session is None else session.filters.grant("attributes/push")
        if session is None or not session.durable or grant is None or not grant.qos:
            return False
        queued = self.send(session, "attributes/push", device_answers.pushed(message), grant)
        if not queued:
            log.warning("a push to an offline device is not queued", device=message.device_id)
        return queued

    # Disconnect

    def end_connection(self, session: DeviceMqttSession, holder: Holder, reason: str) -> None:
        """Releases the session after its connection has ended: its expiry starts, or it ends. Does nothing if another
        connection has taken over."""
        if session.holder is not holder:
            return
        session.leave(reason)
        if session.durable:
            self._await_expiry(session, self._now_s())
            self._keep(session, behind=True)
        else:
            self.end(session)

    def end(self, session: DeviceMqttSession) -> Commit | None:
        """Ends the session and drops its messages. Returns the commit that removes it; None if it was not stored."""
        session.cancel_deadlines()
        session.leave("the session is over")
        if self.by_key.get(session.device_id) is session:
            del self.by_key[session.device_id]
        session.outbound.clear()
        return self._forget(session)

    def _revoke(self, message: SessionsRevoked) -> None:
        for device_id in message.device_ids:
            session = self.by_key.get(device_id)
            if session is not None:
                self.end(session)

    # Start of the server

    def load(self, kept: KeptSessions) -> None:
        """Loads stored sessions. The expiry of a session whose connection ended with the server starts now."""
        now_s = self._now_s()
        ours = ((each.record.device_id, each) for each in kept.sessions if each.record.device_id)
        for session, restored in self._restore(kept, ours):
            for subscription in session.subscriptions.values():
                session.filters.restore(subscription.topic_filter, subscription.qos, subscription.identifier)
            session.subscriptions.clear()  # ``filters`` holds them
            self._await_expiry(session, self._since_s(restored.record, now_s))
