"""The receiving half of a session: messages from the peer at QoS 1 and 2 (4.3, 4.9)."""

from collections.abc import Iterable

from thingstead.mqtt.publish_packets import Pubcomp, Publish, Pubrel
from thingstead.mqtt.reasons import MqttError, ReasonCode

MAX_RECEIVE_MAXIMUM = 65_535


class Inbound:
    """What the peer has sent and we have not yet answered for good. It lives as long as the session;
    :meth:`resume` begins each connection.

    A QoS 2 message is new until its packet identifier is released: the peer's repetitions are answered, not taken
    again [MQTT-4.3.3-10].

    Args:
        receive_maximum: how many unanswered messages the peer was allowed; 65,535 where it was told nothing.
        received: packet identifiers of QoS 2 messages that an earlier life of the session had received.

    Attributes:
        room: messages that may come before one is answered; below zero where an earlier connection, with a greater
            maximum, left more. Whoever takes QoS 1 messages in one go, or acknowledges them, counts them here.
    """

    __slots__ = ("_received", "room")

    def __init__(self, receive_maximum: int = MAX_RECEIVE_MAXIMUM, received: Iterable[int] = ()) -> None:
        # QoS 2, received and not released; None: nothing. Most peers never send at QoS 2.
        self._received: set[int] | None = set(received) or None
        self.resume(receive_maximum)

    @property
    def received(self) -> frozenset[int]:
        """Packet identifiers of QoS 2 messages that are not released."""
        return frozenset(self._received or ())

    def resume(self, receive_maximum: int) -> None:
        """A connection begins. QoS 1 messages of an earlier one are not acknowledged any more: they come again."""
        self.room = receive_maximum - len(self._received or ())

    def receive(self, publish: Publish) -> bool:
        """Takes a QoS 1 or 2 PUBLISH; False when it is a repetition that must not be delivered again."""
        received = self._received
        if publish.qos == 2 and received is not None and publish.packet_id in received:
            return False
        if self.room <= 0:
            # [MQTT-3.3.4-9] Not more than Receive Maximum messages for which no answer was sent.
            raise MqttError(ReasonCode.RECEIVE_MAXIMUM_EXCEEDED, "more messages in flight than the receive maximum")
        self.room -= 1
        if publish.qos == 2:
            if received is None:
                received = self._received = set()
            received.add(publish.packet_id)
        return True

    def refused(self, packet_id: int) -> None:
        """A PUBREC with a failure was sent, or none will be: the identifier is free again [MQTT-4.3.3-9]."""
        if self._received is not None and packet_id in self._received:
            self._received.remove(packet_id)
            self.room += 1

    def release(self, packet: Pubrel) -> Pubcomp:
        """Takes a PUBREL; the PUBCOMP that answers it [MQTT-4.3.3-11]."""
        if self._received is not None and packet.packet_id in self._received:
            self.refused(packet.packet_id)
            return Pubcomp(packet.packet_id)
        # 3.7.2.1: not an error during recovery. 3.x carries no reason code and sees a plain PUBCOMP.
        return Pubcomp(packet.packet_id, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)
