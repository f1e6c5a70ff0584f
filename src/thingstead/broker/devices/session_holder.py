"""One connection's hold on the session of its device."""

from thingstead.broker.connection.connection import Connection
from thingstead.broker.connection.delivery import Delivery
from thingstead.broker.connection.handshake import SessionGrant
from thingstead.broker.devices.sessions import DeviceMqttSession, DeviceSessions, Occupied
from thingstead.broker.devices.subscriptions import Grant, Subscriptions
from thingstead.mqtt.connection_packets import Connect, Disconnect
from thingstead.mqtt.inbound import Inbound
from thingstead.mqtt.properties import Property
from thingstead.mqtt.reasons import ReasonCode, protocol_error
from thingstead.services.shared.commits import Commit, both


class SessionHolder:
    """What a device's connection does with a session that may outlive it."""

    __slots__ = ("_connection", "_session", "_sessions", "accepted")

    def __init__(self, connection: Connection, sessions: DeviceSessions) -> None:
        self._connection = connection
        self._sessions = sessions
        self._session: DeviceMqttSession
        self.accepted: SessionGrant

    def begin(self, device_id: str, connect: Connect) -> Occupied:
        """Takes the session that a CONNECT asks for; where there is none, this hold is of no use."""
        occupied = self._sessions.begin(device_id, connect, self)
        if occupied.session is not None:
            self._session, self.accepted = occupied.session, occupied.accepted
        return occupied

    def refuse(self, occupied: Occupied) -> None:
        """It could not be kept."""
        self._sessions.refuse(occupied, self)

    @property
    def inbound(self) -> Inbound:
        return self._session.inbound

    @property
    def filters(self) -> Subscriptions:
        return self._session.filters

    def deliver(self, delivery: Delivery) -> bool:
        """CONNACK was written: what waits is sent. False where another connection has the session."""
        session = self._session
        if session.occupant is not self:
            return False
        session.delivery = delivery
        delivery.adopt(session.outbound, session)
        delivery.pump()
        return True

    def subscribed(self, topic_filters: list[str]) -> Commit | None:
        """The device has subscribed; the commit that keeps it."""
        return self._sessions.subscribe(self._session, topic_filters)

    def unsubscribed(self, topic_filters: list[str]) -> Commit | None:
        return self._sessions.unsubscribe(self._session, topic_filters)

    def received(self, packet_id: int, pending: Commit | None) -> Commit | None:
        """A QoS 2 message was taken, when ``pending`` is done; what its PUBREC waits for."""
        inbound = self._session.inbound
        whole = both(pending, self._sessions.received(self._session, packet_id))
        if whole is not None:
            whole.on_done(lambda error: None if error is None else inbound.refused(packet_id))
        return whole

    def release(self, packet_id: int) -> Commit | None:
        return self._sessions.release(self._session, packet_id)

    def send(self, topic: str, payload: bytes, grant: Grant) -> bool:
        """Sends a message at QoS 1 that outlives the connection; False where it would not."""
        session = self._session
        return session.durable and session.occupant is self and self._sessions.send(session, topic, payload, grant)

    def disconnected(self, packet: Disconnect) -> None:
        """The device takes its leave, and may say how long the session lasts. Raises MqttError."""
        expiry_s = packet.properties.get(Property.SESSION_EXPIRY_INTERVAL)
        if expiry_s and not self._session.expiry_s:
            # 3.14.2.2.2: a session that ends with its connection cannot be made to wait.
            raise protocol_error("DISCONNECT sets a Session Expiry Interval although CONNECT had none")
        if expiry_s is not None and self._session.occupant is self:
            self._sessions.set_expiry(self._session, expiry_s)

    def taken_over(self) -> None:
        """Another connection has the session."""
        self._connection.close(ReasonCode.SESSION_TAKEN_OVER, "another connection of the device took over")

    def end(self, reason: str) -> None:
        """The connection is gone."""
        self._sessions.end_connection(self._session, self, reason)
