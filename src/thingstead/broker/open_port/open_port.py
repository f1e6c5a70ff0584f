"""The open port: a general MQTT server without authentication, for tests and local tools, separate from devices.

It is off by default, and listens on this machine only.
"""

import re

from thingstead.broker.connection.connection import PeerConnection
from thingstead.broker.connection.handshake import SessionGrant, assigned_client_id, session_expiry_s
from thingstead.broker.open_port.open_handler import OpenHandler
from thingstead.broker.open_port.router import MessageRouter
from thingstead.broker.open_port.sessions import SessionRequest, Sessions
from thingstead.broker.sessions.context import SessionContext
from thingstead.broker.sessions.records import require_kept
from thingstead.broker.sessions.session import DelayedWill
from thingstead.model.mqtt_session import KeptSessions
from thingstead.mqtt.connection_packets import Connect
from thingstead.mqtt.message import forwarded
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import MqttError, ReasonCode

V3_1, V5 = ProtocolVersion.V3_1, ProtocolVersion.V5
MAX_CLIENT_ID_CHARACTERS = 1_024
# 1.5.4: a server may treat these as malformed. They are refused because they would garble logs.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


class OpenPort:
    """Admits everyone to the open port. :meth:`load` must be called first."""

    def __init__(self, context: SessionContext) -> None:
        self._kept = context.kept
        self._settings = context.settings
        self.counters = context.counters
        self.router = MessageRouter(context)
        self.sessions = Sessions(context, self.router)

    def load(self, kept: KeptSessions) -> None:
        """Loads sessions and retained messages of an earlier run."""
        self.router.retained.load(kept.retained)
        self.sessions.load(kept)

    async def admit(self, connect: Connect, connection: PeerConnection) -> OpenHandler:
        """Starts or resumes the client's session.

        Raises:
            MqttError: the CONNECT is not valid here.
            Unavailable: the session cannot be stored now.
        """
        if _CONTROL.search(connect.user_name or ""):
            raise MqttError(ReasonCode.MALFORMED_PACKET, "the user name has control characters")
        client_id = _client_id(connect)
        expiry_s = session_expiry_s(connect, self._settings)
        handler = OpenHandler(
            connection,
            self.sessions,
            self.router,
            self._settings.max_subscriptions,
        )
        claim = SessionRequest(client_id, connect.clean_start, expiry_s, _will(connect))
        session, present, pending = self.sessions.begin(claim, handler)
        handler.hold(session, SessionGrant(present, expiry_s, "" if connect.client_id else client_id))
        if pending is not None:
            try:
                await require_kept(pending)
            except BaseException:
                self.sessions.refuse(session, handler, present=present)
                raise
        return handler


def _client_id(connect: Connect) -> str:
    """The client identifier, or a new one if there is none. Raises MqttError."""
    client_id = connect.client_id
    if client_id:
        if len(client_id) > MAX_CLIENT_ID_CHARACTERS or _CONTROL.search(client_id):
            raise MqttError(ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, "the client identifier is too long, or not a text")
        return client_id
    if connect.version is V3_1 or (connect.version is not V5 and not connect.clean_start):
        # 3.1.1 [MQTT-3.1.3-7] [MQTT-3.1.3-8] A session without a client identifier cannot be resumed; 3.1 (3.1,
        # "Client Identifier") requires 1 to 23 characters.
        raise MqttError(ReasonCode.CLIENT_IDENTIFIER_NOT_VALID, "a client identifier is required")
    return assigned_client_id()


def _will(connect: Connect) -> DelayedWill | None:
    will = connect.will
    if will is None:
        return None
    if will.topic.startswith("$"):
        # 4.7.2, as for any PUBLISH.
        raise MqttError(ReasonCode.TOPIC_NAME_INVALID, "a will may not go to a topic that begins with '$'")
    delay_s = will.properties.get(Property.WILL_DELAY_INTERVAL, 0)
    publish = Publish(will.topic, will.payload, will.qos, 0, will.retain, False, forwarded(will.properties))
    return DelayedWill(publish, delay_s)
