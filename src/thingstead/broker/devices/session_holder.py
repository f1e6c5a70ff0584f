"""Holds the session of a device for one connection."""

from thingstead.broker.connection.connection import PeerConnection
from thingstead.broker.connection.delivery import Delivery
from thingstead.broker.connection.handshake import SessionGrant, changed_expiry_s
from thingstead.broker.devices.sessions import DeviceMqttSession, DeviceSessions, DeviceSessionStart
from thingstead.broker.devices.subscriptions import Grant, Subscriptions
from thingstead.mqtt.connection_packets import Connect, Disconnect
from thingstead.mqtt.inbound import Inbound
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.shared.commits import Commit


class SessionHolder:
    """A connection's hold on a device session that may outlive it."""

    __slots__ = ("_connection", "_session", "_sessions", "accepted")

    def __init__(self, connection: PeerConnection, sessions: DeviceSessions) -> None:
        self._connection = connection
        self._sessions = sessions
        self._session: DeviceMqttSession
        self.accepted: SessionGrant

    def begin(self, device_id: str, connect: Connect) -> DeviceSessionStart:
        """Opens the session that a CONNECT asks for. Returns none if it asks for none; this object is then unused."""
        start = self._sessions.begin(device_id, connect, self)
        if start.session is not None:
            self._session, self.accepted = start.session, start.accepted
        return start

    def refuse(self, start: DeviceSessionStart) -> None:
        """Gives up a session that could not be stored."""
        if start.session is not None:
            self._sessions.refuse(start.session, self, present=start.accepted.session_present)

    @property
    def inbound(self) -> Inbound:
        return self._session.inbound

    @property
    def filters(self) -> Subscriptions:
        return self._session.filters

    def deliver(self, delivery: Delivery) -> bool:
        """Starts sending queued messages; called when CONNACK was written. Returns False if another connection has
        taken over."""
        session = self._session
        if session.holder is not self:
            return False
        session.delivery = delivery
        delivery.adopt(session.outbound, session)
        delivery.pump()
        return True

    def subscribed(self, topic_filters: list[str]) -> Commit | None:
        """Stores new subscriptions. Returns the commit to wait for; None if the session is not stored."""
        return self._sessions.subscribe(self._session, topic_filters)

    def unsubscribed(self, topic_filters: list[str]) -> Commit | None:
        """Removes subscriptions. Returns as :meth:`subscribed`."""
        return self._sessions.unsubscribe(self._session, topic_filters)

    def received(self, packet_id: int, pending: Commit | None) -> Commit | None:
        """Records a QoS 2 message that is stored by ``pending``. Returns the commit that PUBREC must wait for."""
        return self._sessions.received(self._session, packet_id, pending)

    def release(self, packet_id: int) -> Commit | None:
        return self._sessions.release(self._session, packet_id)

    def send(self, topic: str, payload: bytes, grant: Grant) -> bool:
        """Queues a message at QoS 1 in the session. Returns False if the message would not outlive the connection."""
        session = self._session
        return session.durable and session.holder is self and self._sessions.send(session, topic, payload, grant)

    def disconnected(self, packet: Disconnect) -> None:
        """Handles a DISCONNECT, which may change the session expiry. Raises MqttError."""
        expiry_s = changed_expiry_s(packet, self._session.expiry_s)
        if expiry_s is not None and self._session.holder is self:
            self._sessions.set_expiry(self._session, expiry_s)

    def taken_over(self) -> None:
        """Closes the connection: another one has taken over the session."""
        self._connection.close(ReasonCode.SESSION_TAKEN_OVER, "another connection of the device took over")

    def end(self, reason: str) -> None:
        """Releases the session after the connection has ended."""
        self._sessions.end_connection(self._session, self, reason)
