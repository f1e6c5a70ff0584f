"""Bounds of queued messages, for each client and for all clients together."""

from thingstead.config import MqttSettings
from thingstead.mqtt.budget import Budget
from thingstead.mqtt.outbound import Outbound

QUEUE_LIMIT = 1_000  # queued messages at QoS 1 and 2 for a device whose session ends with its connection
INCOMPLETE_LIMIT_BYTES = 64 << 20  # of partially received packets and frames; at least twice the largest packet


class QueueBounds:
    """Bounds of the queues and buffers of one server.

    Args:
        within: parent budget, shared with other parts of the server.

    Attributes:
        queued: budget of the messages at QoS 1 and 2 that are queued or in flight.
        in_flight_max_bytes: bound of the messages in flight to one client.
        incomplete: budget of partially received packets of all clients, and of WebSocket frames.
        unread: budget of the bytes that were written to clients and that they have not read.
    """

    def __init__(self, settings: MqttSettings, within: Budget | None = None) -> None:
        self._max_messages = settings.queue_max_messages
        self._max_bytes = settings.queue_max_bytes
        self.queued = Budget(settings.queues_max_bytes, within)
        self.in_flight_max_bytes = settings.in_flight_max_bytes
        self.incomplete = Budget(max(INCOMPLETE_LIMIT_BYTES, 2 * settings.max_packet_size_bytes), within)
        self.unread = Budget(settings.send_buffers_max_bytes, within)

    def of_session(self) -> Outbound:
        """Makes the queue of a session that may outlive its connection."""
        return Outbound(self._max_messages, self._max_bytes, self.queued)

    def of_connection(self) -> Outbound:
        """Makes the queue of a session that ends with its connection."""
        return Outbound(QUEUE_LIMIT, self._max_bytes, self.queued)
