"""Bounds of queued messages, for each client and for all clients together."""

from thingstead.config import MqttSettings
from thingstead.mqtt.budget import Budget
from thingstead.mqtt.outbound import Outbound

QUEUE_LIMIT = 1_000  # messages at QoS 1 and 2 that may wait for a device without a session that outlives its connection
INCOMPLETE_LIMIT_BYTES = 64 << 20  # of packets and frames that have begun; twice the largest packet, where that is more


class QueueBounds:
    """The bounds of one server's queues.

    Args:
        within: what all of them are within, with those of other handlers.

    Attributes:
        queued: of the messages at QoS 1 and 2 that wait for clients or are on their way.
        in_flight_max_bytes: of messages that are on their way to one client.
        incomplete: of packets that have begun, of all clients, and of frames of WebSockets.
        unread: of the bytes that were written to clients, and that they have not read.
    """

    def __init__(self, settings: MqttSettings, within: Budget | None = None) -> None:
        self._max_messages = settings.queue_max_messages
        self._max_bytes = settings.queue_max_bytes
        self.queued = Budget(settings.queues_max_bytes, within)
        self.in_flight_max_bytes = settings.in_flight_max_bytes
        self.incomplete = Budget(max(INCOMPLETE_LIMIT_BYTES, 2 * settings.max_packet_size_bytes), within)
        self.unread = Budget(settings.send_buffers_max_bytes, within)

    def of_session(self) -> Outbound:
        """The messages of a session that may outlive its connection."""
        return Outbound(self._max_messages, self._max_bytes, self.queued)

    def of_connection(self) -> Outbound:
        """Those of a session that ends with its connection."""
        return Outbound(QUEUE_LIMIT, self._max_bytes, self.queued)
