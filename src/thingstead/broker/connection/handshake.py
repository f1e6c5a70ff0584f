"""CONNECT and CONNACK: negotiated limits, and how a client is refused."""

import secrets
from typing import Any, NamedTuple

from thingstead.config import MqttSettings
from thingstead.errors import Forbidden, NotAuthenticated, NotFound, ThingsteadError, TooManyRequests
from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect
from thingstead.mqtt.outbound import MAX_PACKET_ID
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Pubrec
from thingstead.mqtt.reasons import CONNACK_REASON_CODES, MqttError, ReasonCode, protocol_error

V5 = ProtocolVersion.V5
NO_LIMIT = 268_435_460  # bytes: the largest possible packet (2.1.4)
TOPIC_ALIAS_MAXIMUM = 10  # topic aliases in each direction: about as many topics as a device uses
REASON_CHARACTERS = 512  # of a reason string
NEVER = 0xFFFF_FFFF  # session expiry interval of a session that does not expire (3.1.2.11.2)


class ConnectionLimits(NamedTuple):
    """Limits that CONNECT and CONNACK agreed on."""

    keep_alive_s: int  # 0: none
    our_receive_maximum: int  # unacknowledged messages that the client may send
    their_receive_maximum: int  # unacknowledged messages that the server may send
    their_max_packet_size_bytes: int
    their_topic_alias_maximum: int
    explains: bool = False  # acknowledgements may carry a reason string [MQTT-3.1.2-29]


class SessionGrant(NamedTuple):
    """Facts about the session for CONNACK."""

    session_present: bool = False  # an existing session was resumed
    session_expiry_s: int = 0  # how long the session outlives its connection; NEVER: for ever
    client_id: str = ""  # assigned by the server if the client sent none


NO_SESSION = SessionGrant()


def check(connect: Connect) -> None:
    """Checks a CONNECT as far as that is possible without the store. Raises MqttError."""
    if Property.AUTHENTICATION_METHOD in connect.properties:
        # [MQTT-4.12.0-1] A method that is not supported is refused with 0x8C; none is supported.
        raise MqttError(ReasonCode.BAD_AUTHENTICATION_METHOD, "no authentication method is supported")


def agree(connect: Connect, settings: MqttSettings) -> ConnectionLimits:
    """Limits of a connection. Before 5.0 CONNACK cannot carry the server's limits; only those of the client apply."""
    if connect.version is not V5:
        return ConnectionLimits(connect.keep_alive, MAX_PACKET_ID, settings.in_flight_max, NO_LIMIT, 0)
    return ConnectionLimits(
        # [MQTT-3.1.2-21] If the server sends a keep alive, it replaces the client's.
        min(connect.keep_alive or settings.keep_alive_max_s, settings.keep_alive_max_s),
        settings.receive_maximum,
        min(connect.properties.get(Property.RECEIVE_MAXIMUM, MAX_PACKET_ID), settings.in_flight_max),
        connect.properties.get(Property.MAXIMUM_PACKET_SIZE, NO_LIMIT),
        # [MQTT-3.1.2-26] [MQTT-3.1.2-27] Not more aliases than the client accepts.
        min(connect.properties.get(Property.TOPIC_ALIAS_MAXIMUM, 0), TOPIC_ALIAS_MAXIMUM),
        bool(connect.properties.get(Property.REQUEST_PROBLEM_INFORMATION, 1)),
    )


def changed_expiry_s(packet: Disconnect, expiry_s: int) -> int | None:
    """Session expiry (s) that a DISCONNECT sets; None if it sets none. Raises MqttError.

    Args:
        expiry_s: present session expiry.
    """
    changed_s: int | None = packet.properties.get(Property.SESSION_EXPIRY_INTERVAL)
    if changed_s and not expiry_s:
        # 3.14.2.2.2: a session with expiry 0 cannot be given another expiry by DISCONNECT.
        raise protocol_error("DISCONNECT sets a session expiry interval, which CONNECT had not")
    return changed_s


def session_expiry_s(connect: Connect, settings: MqttSettings) -> int:
    """Seconds for which the session that a CONNECT asks for outlives its connection; 0: it ends with it."""
    if connect.version is V5:
        wanted_s = connect.properties.get(Property.SESSION_EXPIRY_INTERVAL, 0)
    else:
        wanted_s = 0 if connect.clean_start else NEVER  # 3.1.2.4 of 3.1.1
    return int(min(wanted_s, settings.session_expiry_max_s))


def accepted(connect: Connect, terms: ConnectionLimits, settings: MqttSettings, session: SessionGrant) -> bytes:
    """Encodes the CONNACK that admits a client."""
    if connect.version is not V5:
        return Connack(session.session_present).serialize(connect.version)
    properties: dict[Property, Any] = {
        Property.RECEIVE_MAXIMUM: terms.our_receive_maximum,
        Property.MAXIMUM_PACKET_SIZE: settings.max_packet_size_bytes,
        Property.TOPIC_ALIAS_MAXIMUM: TOPIC_ALIAS_MAXIMUM,
    }
    if terms.keep_alive_s != connect.keep_alive:
        properties[Property.SERVER_KEEP_ALIVE] = terms.keep_alive_s
    if not connect.client_id:
        # [MQTT-3.1.3-7] [MQTT-3.2.2-16] A client without an identifier is given one.
        properties[Property.ASSIGNED_CLIENT_IDENTIFIER] = session.client_id or assigned_client_id()
    if connect.properties.get(Property.SESSION_EXPIRY_INTERVAL, 0) != session.session_expiry_s:
        # 3.2.2.3.2: the interval in use, if it differs from the one that the client asked for.
        properties[Property.SESSION_EXPIRY_INTERVAL] = session.session_expiry_s
    return Connack(session.session_present, properties=properties).serialize(V5)


def assigned_client_id() -> str:
    """Unique client identifier for a client that sent none [MQTT-3.1.3-6]."""
    return secrets.token_hex(8)


def refusal(error: ThingsteadError | MqttError) -> ReasonCode:
    """Reason code of a CONNACK that refuses a client."""
    if isinstance(error, MqttError):
        return error.reason_code
    if isinstance(error, NotAuthenticated | NotFound):  # NotFound: removed during the log-in
        return ReasonCode.BAD_USER_NAME_OR_PASSWORD
    if isinstance(error, Forbidden):
        return ReasonCode.NOT_AUTHORIZED
    if isinstance(error, TooManyRequests):
        return ReasonCode.CONNECTION_RATE_EXCEEDED
    return ReasonCode.SERVER_UNAVAILABLE


# 3.1.1 answers these before the connection closes; any other faulty CONNECT only closes it [MQTT-3.1.4-1].
_ANSWERED_BEFORE_5_0 = frozenset(
    {
        ReasonCode.UNSUPPORTED_PROTOCOL_VERSION,
        ReasonCode.CLIENT_IDENTIFIER_NOT_VALID,
        ReasonCode.BAD_USER_NAME_OR_PASSWORD,
        ReasonCode.NOT_AUTHORIZED,
        ReasonCode.SERVER_UNAVAILABLE,
        ReasonCode.CONNECTION_RATE_EXCEEDED,
    }
)


def refused(version: ProtocolVersion | None, reason_code: ReasonCode, reason: str) -> bytes:
    """Encodes the answer to a refused CONNECT; ``version`` is None if not even that could be read."""
    if version is not V5:
        if reason_code not in _ANSWERED_BEFORE_5_0:
            return b""
        return Connack(reason_code=reason_code).serialize(version or ProtocolVersion.V3_1_1)
    if reason_code not in CONNACK_REASON_CODES:
        reason_code = ReasonCode.PROTOCOL_ERROR
    return Connack(reason_code=reason_code, properties={Property.REASON_STRING: reason}).serialize(V5)


def explained(
    kind: type[Puback] | type[Pubrec], packet_id: int, reason_code: ReasonCode, reason: str, terms: ConnectionLimits
) -> bytes:
    """Encodes a PUBACK or PUBREC of 5.0, with the reason if the client accepts it [MQTT-3.4.2-2, MQTT-3.5.2-2]."""
    if reason and terms.explains:
        text = "".join(character if character.isprintable() else "\ufffd" for character in reason[:REASON_CHARACTERS])
        packet = kind(packet_id, reason_code, {Property.REASON_STRING: text}).serialize(V5)
        if len(packet) <= terms.their_max_packet_size_bytes:
            return packet
    return kind(packet_id, reason_code).serialize(V5)


def goodbye(reason_code: ReasonCode, reason: str, terms: ConnectionLimits) -> bytes:
    """Encodes the DISCONNECT of a server (5.0 only), with the reason if the client accepts it [MQTT-3.14.2-3]."""
    explained = Disconnect(reason_code, {Property.REASON_STRING: reason}).serialize(V5)
    if len(explained) <= terms.their_max_packet_size_bytes:
        return explained
    plain = Disconnect(reason_code).serialize(V5)
    return plain if len(plain) <= terms.their_max_packet_size_bytes else b""
