"""Messages down to one client: encoded, within its limits, at QoS 0 at once and at QoS 1 and 2 as its window allows."""

from collections.abc import Callable
from typing import Protocol

from thingstead.gateway.counters import Counters
from thingstead.gateway.handshake import Terms
from thingstead.mqtt.outbound import Outbound
from thingstead.mqtt.properties import Properties
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec
from thingstead.mqtt.reasons import ReasonCode

QUEUE_LIMIT = 1_000  # messages at QoS 1 and 2 that may wait for one client; over it a message is dropped


class Traced(Protocol):
    """Whoever wants to know how far a message came."""

    def sent(self) -> None:
        """It was written to the connection."""
        ...

    def settled(self, reason_code: ReasonCode) -> None:
        """The client answered it; at QoS 0 it was written, which is all there is to know."""
        ...

    def dropped(self, reason: str) -> None:
        """This connection will bring no answer to it; it may never have been written."""
        ...


class Delivery:
    """The downward half of a connection.

    Args:
        write: takes an encoded packet.
        terms: what the client said in CONNECT that it can take.
    """

    __slots__ = ("_counters", "_max_packet_size_bytes", "_outbound", "_receive_maximum", "_version", "_write")

    def __init__(
        self,
        write: Callable[[bytes], None],
        counters: Counters,
        version: ProtocolVersion,
        terms: Terms,
    ) -> None:
        self._write = write
        self._counters = counters
        self._version = version
        self._receive_maximum = terms.their_receive_maximum
        self._max_packet_size_bytes = terms.their_max_packet_size_bytes
        self._outbound: Outbound | None = None  # made for the first message above QoS 0: most clients see none

    def send(self, message: Publish, traced: Traced | None = None) -> None:
        """Sends a message now or when its turn comes, or drops it."""
        data = message.serialize(self._version)
        if len(data) > self._max_packet_size_bytes:
            # [MQTT-3.1.2-24] [MQTT-3.1.2-25] Never larger than the client's maximum packet size; as if it were sent.
            self._drop(traced, "it is larger than the device's maximum packet size")
        elif not message.qos:
            self._write(data)
            self._counters.messages_sent += 1
            if traced is not None:
                traced.sent()
                traced.settled(ReasonCode.SUCCESS)
        elif self._outbound_now().offer(message, traced):
            self.pump()
        else:
            self._drop(traced, "too many messages wait for the device")

    def encode(self, topic: str, payload: bytes, properties: Properties) -> bytes | None:
        """An encoded message at QoS 0, for the caller to write; None where it is too large for the client."""
        data = Publish(topic, payload, properties=properties).serialize(self._version)
        if len(data) > self._max_packet_size_bytes:
            self._counters.messages_dropped += 1
            return None
        return data

    def _outbound_now(self) -> Outbound:
        if self._outbound is None:
            self._outbound = Outbound(QUEUE_LIMIT)
            self._outbound.resume(self._receive_maximum)
        return self._outbound

    def _drop(self, traced: Traced | None, reason: str) -> None:
        self._counters.messages_dropped += 1
        if traced is not None:
            traced.dropped(reason)

    def pump(self) -> None:
        """Writes what the window allows."""
        if self._outbound is None:
            return
        for sending in self._outbound.sendings():
            self._write(sending.packet.serialize(self._version))
            self._counters.messages_sent += 1
            if sending.context is not None:
                sending.context.sent()

    def receive(self, packet: Puback | Pubrec | Pubcomp) -> None:
        """Takes the client's answer. Raises MqttError where it is out of place."""
        reply, settled = self._outbound_now().receive(packet)
        if reply is not None:
            self._write(reply.serialize(self._version))
        if settled is not None:
            if settled.context is not None:
                settled.context.settled(settled.reason_code)
            self.pump()

    def end(self, reason: str) -> None:
        """The connection is gone."""
        if self._outbound is None:
            return
        for left in self._outbound.clear():
            if left.context is not None:
                left.context.dropped(reason)
