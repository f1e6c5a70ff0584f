"""An application message to many clients: encoded once for each kind of subscriber."""

from math import ceil, inf
from typing import NamedTuple

from thingstead.mqtt import wire
from thingstead.mqtt.properties import Properties, Property, serialize_properties
from thingstead.mqtt.protocol import PacketType
from thingstead.mqtt.publish_packets import Publish

DUP = 0x08
ENCODINGS_LIMIT = 64  # cached encodings of one message
OVERHEAD_BYTES = 200  # approximate memory of a message beside topic name and payload

# Subscription identifiers to send with a message; None: the client's version is before 5.0, no properties.
Identifiers = tuple[int, ...] | None


class Encoded(NamedTuple):
    """A PUBLISH without its packet identifier, which goes between the two parts if QoS is above 0."""

    head: bytes
    tail: bytes
    size: int  # bytes of the whole packet

    def with_packet_id(self, packet_id: int, *, dup: bool) -> bytes:
        """The packet at QoS 1 or 2."""
        head = self.head
        if dup:
            head = bytes((head[0] | DUP,)) + head[1:]
        return b"".join((head, packet_id.to_bytes(2, "big"), self.tail))


class TopicAlias(NamedTuple):
    """A number that replaces the topic name on one connection (3.3.2.3.4)."""

    number: int
    known: bool  # the peer already knows it, so the name is left out


class Message:
    """A published application message, independent of how it was received and is sent. Caches its encodings.

    Args:
        publish: the received PUBLISH, with its topic name resolved.
        now_s: the time of receipt, on a monotonic clock.

    Attributes:
        serial: for retained messages: increases with each of them.
    """

    __slots__ = ("_encodings", "_name", "expires_at_s", "payload", "properties", "qos", "retain", "serial", "topic")

    def __init__(self, publish: Publish, now_s: float) -> None:
        self.topic = publish.topic
        self.payload = publish.payload
        self.serial = 0
        self.qos = publish.qos
        self.retain = publish.retain
        self.properties = forwarded(publish.properties) if publish.properties else publish.properties
        interval_s = self.properties.get(Property.MESSAGE_EXPIRY_INTERVAL)
        self.expires_at_s: float = inf if interval_s is None else now_s + interval_s
        self._name: bytes = wire.utf8(publish.topic)
        self._encodings: dict[object, Encoded] = {}

    @property
    def size_bytes(self) -> int:
        """Approximate memory that it uses."""
        return len(self._name) + len(self.payload) + OVERHEAD_BYTES

    def encode(
        self, qos: int, retain: bool, identifiers: Identifiers, now_s: float, alias: TopicAlias | None = None
    ) -> Encoded:
        """Encodes the PUBLISH for one kind of subscriber. At QoS 0 ``head`` is the whole packet."""
        # [MQTT-3.3.2-6] The interval sent is the received one minus the time that the message has waited.
        left_s = None if self.expires_at_s == inf else max(0, ceil(self.expires_at_s - now_s))
        key = (qos, retain, identifiers, left_s, alias)
        encoded = self._encodings.get(key)
        if encoded is None:
            if len(self._encodings) >= ENCODINGS_LIMIT:
                self._encodings.clear()
            encoded = self._encodings[key] = self._encode(qos, retain, identifiers, left_s, alias)
        return encoded

    def _encode(
        self, qos: int, retain: bool, identifiers: Identifiers, left_s: int | None, alias: TopicAlias | None
    ) -> Encoded:
        name = b"\0\0" if alias is not None and alias.known else self._name
        tail = self.payload
        if identifiers is not None:
            properties = dict(self.properties)
            if left_s is not None:
                properties[Property.MESSAGE_EXPIRY_INTERVAL] = left_s
            if alias is not None:
                properties[Property.TOPIC_ALIAS] = alias.number
            if identifiers:
                properties[Property.SUBSCRIPTION_IDENTIFIER] = identifiers
            tail = serialize_properties(properties, PacketType.PUBLISH) + tail
        length = len(name) + len(tail) + (2 if qos else 0)
        head = bytes((0x30 | qos << 1 | retain,)) + wire.variable_byte_integer(length) + name
        if qos:
            return Encoded(head, tail, len(head) + 2 + len(tail))
        return Encoded(head + tail, b"", len(head) + len(tail))

    def copy(self) -> "Message":
        """The same message with a cache of its own."""
        copy = Message.__new__(Message)
        for name in ("topic", "payload", "qos", "retain", "properties", "expires_at_s", "_name"):
            setattr(copy, name, getattr(self, name))
        copy._encodings = {}
        copy.serial = 0
        return copy

    def forget_encodings(self) -> None:
        """Empties the cache of encodings; they are made again on demand."""
        self._encodings.clear()

    def to_publish(self) -> Publish:
        """The PUBLISH to store; its packet identifier is a placeholder."""
        return Publish(self.topic, self.payload, self.qos, 1 if self.qos else 0, self.retain, False, self.properties)


def forwarded(properties: Properties) -> Properties:
    """The properties to forward: without topic alias and will delay, which concern the server alone."""
    own = (Property.TOPIC_ALIAS, Property.WILL_DELAY_INTERVAL)
    return {prop: value for prop, value in properties.items() if prop not in own}
