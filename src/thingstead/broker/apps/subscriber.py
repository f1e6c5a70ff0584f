"""Send queue of one subscribed application, with its overflow policy: the oldest message is dropped."""

from collections import deque

from thingstead.broker.connection.connection import PeerConnection
from thingstead.broker.net.counters import AppCounters
from thingstead.model.token_scope import TokenScope
from thingstead.mqtt.budget import Budget
from thingstead.mqtt.protocol import ProtocolVersion

WRITE_BYTES = 65_536  # passed to the connection at a time


class AppSubscriber:
    """Bounded queue in front of a connection. It never blocks its producer: over the bound the oldest messages are
    dropped.

    Args:
        max_packet_size_bytes: largest packet that the client accepts; larger messages are dropped [MQTT-3.1.2-25].
        queue_max_bytes: bound of this queue.
        budget: bound of the queues of all slow subscribers together.
        scope: of the scoped token that the application uses; None: it gets messages of every device.
    """

    __slots__ = (
        "_budget",
        "_bytes",
        "_connection",
        "_counters",
        "_max_packet_size_bytes",
        "_queue",
        "_queue_max_bytes",
        "_shared_bytes",
        "scope",
        "with_properties",
    )

    def __init__(
        self,
        connection: PeerConnection,
        counters: AppCounters,
        version: ProtocolVersion,
        max_packet_size_bytes: int,
        queue_max_bytes: int,
        budget: Budget,
        scope: TokenScope | None = None,
    ) -> None:
        self._budget = budget
        self.scope = scope
        self._shared_bytes = 0  # size of the queue as last told to the budget
        self._connection = connection
        self._counters = counters
        self._max_packet_size_bytes = max_packet_size_bytes
        self._queue_max_bytes = queue_max_bytes
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self.with_properties = version is ProtocolVersion.V5
        connection.when_writable(self.drain)

    def offer(self, data: bytes) -> bool:
        """Queues an encoded message. Returns True if the queue was empty, so that :meth:`drain` must follow."""
        size = len(data)
        if size > self._max_packet_size_bytes:
            self._counters.messages_dropped += 1
            return False
        queue = self._queue
        queue.append(data)
        waiting = self._bytes = self._bytes + size
        if waiting > WRITE_BYTES:
            self.drain()
            while queue and (self._bytes > self._queue_max_bytes or not self._budget.room(self._bytes, 0)):
                self._bytes -= len(queue.popleft())
                self._counters.messages_dropped += 1
                self._share()
        return len(queue) == 1

    def _share(self) -> None:
        """Updates the budget; a queue counts only while it is larger than WRITE_BYTES."""
        waiting = self._bytes if self._bytes > WRITE_BYTES else 0
        if waiting != self._shared_bytes:
            self._budget.moved(self._shared_bytes, waiting)
            self._shared_bytes = waiting

    def drain(self) -> None:
        """Writes as many messages as the peer can take."""
        queue, connection = self._queue, self._connection
        while queue and connection.writable:
            if self._bytes <= WRITE_BYTES:
                batch = list(queue)
                queue.clear()
                self._bytes = 0
            else:
                batch = self._beginning()
            self._counters.messages_sent += len(batch)
            connection.write(b"".join(batch))
            connection.flush()
        if self._shared_bytes or self._bytes > WRITE_BYTES:
            self._share()

    def _beginning(self) -> list[bytes]:
        batch = [self._queue.popleft()]
        size = len(batch[0])
        while self._queue and size + len(self._queue[0]) <= WRITE_BYTES:
            batch.append(self._queue.popleft())
            size += len(batch[-1])
        self._bytes -= size
        return batch

    def end(self) -> None:
        """Drops the queue after the connection has closed."""
        self._queue.clear()
        self._bytes = 0
        self._share()
