"""Constants of the protocol: versions, packet types, retain handling."""

from enum import IntEnum


class ProtocolVersion(IntEnum):
    """Protocol level in CONNECT (3.1.2.2)."""

    V3_1 = 3
    V3_1_1 = 4
    V5 = 5


PROTOCOL_NAMES = {
    ProtocolVersion.V3_1: "MQIsdp",
    ProtocolVersion.V3_1_1: "MQTT",
    ProtocolVersion.V5: "MQTT",
}


class PacketType(IntEnum):
    """Control packet types (2.1.2). 0 is forbidden; 15 is AUTH since 5.0 and forbidden before."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


# Packet types that a client may send, and those that a server may send (table 2.1).
FROM_CLIENT = frozenset(PacketType) - {
    PacketType.CONNACK,
    PacketType.SUBACK,
    PacketType.UNSUBACK,
    PacketType.PINGRESP,
}
FROM_SERVER = frozenset(PacketType) - {
    PacketType.CONNECT,
    PacketType.SUBSCRIBE,
    PacketType.UNSUBSCRIBE,
    PacketType.PINGREQ,
}


class RetainHandling(IntEnum):
    """When a subscription gets retained messages (3.8.3.1)."""

    AT_SUBSCRIBE = 0
    IF_NEW = 1
    NEVER = 2
