"""The receiving half of a session: messages from the peer at QoS 1 and 2 (4.3, 4.9)."""

from collections.abc import Iterable

from thingstead.mqtt.publish_packets import Pubcomp, Publish, Pubrel
from thingstead.mqtt.reasons import MqttError, ReasonCode

MAX_RECEIVE_MAXIMUM = 65_535


class Inbound:
    """QoS state of received messages that are not yet completely acknowledged. One object per session; :meth:`resume`
    starts each connection.

    A QoS 2 message is new until its packet identifier is released: repetitions are acknowledged but not delivered again
    [MQTT-4.3.3-10].

    Args:
        receive_maximum: the Receive Maximum sent to the peer; 65,535 if none was sent.
        received: packet identifiers of unreleased QoS 2 messages of a restored session.

    Attributes:
        room: messages that may still arrive before one is acknowledged; negative after an earlier connection with a
            greater maximum. A caller that handles QoS 1 messages in batches, or acknowledges them, updates it.
    """

    __slots__ = ("_received", "room")

    def __init__(self, receive_maximum: int = MAX_RECEIVE_MAXIMUM, received: Iterable[int] = ()) -> None:
        # QoS 2, received and not released; None: none. Most peers never use QoS 2.
        self._received: set[int] | None = set(received) or None
        self.resume(receive_maximum)

    @property
    def received(self) -> frozenset[int]:
        """Packet identifiers of received QoS 2 messages that are not released."""
        return frozenset(self._received or ())

    def resume(self, receive_maximum: int) -> None:
        """Starts a connection. Unacknowledged QoS 1 messages of an earlier one no longer count: the client sends them
        again."""
        self.room = receive_maximum - len(self._received or ())

    def receive(self, publish: Publish) -> bool:
        """Records a received QoS 1 or 2 PUBLISH.

        Returns:
            False for a repetition that must not be delivered again.

        Raises:
            MqttError: more messages than the Receive Maximum are unacknowledged.
        """
        received = self._received
        if publish.qos == 2 and received is not None and publish.packet_id in received:
            return False
        if self.room <= 0:
            # [MQTT-3.3.4-9] At most Receive Maximum unacknowledged messages.
            raise MqttError(ReasonCode.RECEIVE_MAXIMUM_EXCEEDED, "more messages in flight than the receive maximum")
        self.room -= 1
        if publish.qos == 2:
            if received is None:
                received = self._received = set()
            received.add(publish.packet_id)
        return True

    def refused(self, packet_id: int) -> None:
        """Frees a packet identifier after a PUBREC with a failure, or without any answer [MQTT-4.3.3-9]."""
        if self._received is not None and packet_id in self._received:
            self._received.remove(packet_id)
            self.room += 1

    def release(self, packet: Pubrel) -> Pubcomp:
        """Handles a PUBREL; returns the PUBCOMP to send [MQTT-4.3.3-11]."""
        if self._received is not None and packet.packet_id in self._received:
            self.refused(packet.packet_id)
            return Pubcomp(packet.packet_id)
        # 3.7.2.1: not an error during recovery. 3.x has no reason codes and gets a plain PUBCOMP.
        return Pubcomp(packet.packet_id, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND)
