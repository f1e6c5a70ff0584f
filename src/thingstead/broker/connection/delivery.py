"""Delivers messages to one client: encodes them within its limits, QoS 0 at once, QoS 1 and 2 as its in-flight window
allows."""

from collections import deque
from collections.abc import Callable
from math import inf

import structlog

from thingstead.broker.connection.connection import PeerConnection
from thingstead.broker.connection.delivery_parties import DeliveryObserver, DeliverySession, RetainedBacklog
from thingstead.broker.connection.handshake import ConnectionLimits
from thingstead.broker.connection.queue_bounds import QueueBounds
from thingstead.broker.net.counters import Counters
from thingstead.errors import Unavailable
from thingstead.mqtt.aliases import OutboundAliases
from thingstead.mqtt.message import Encoded, Message
from thingstead.mqtt.outbound import Entry, Outbound, Sending, State
from thingstead.mqtt.properties import Properties
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel
from thingstead.mqtt.reasons import ReasonCode

log = structlog.get_logger("thingstead.broker")

# Messages and bytes that are written before checking whether the peer still reads.
BATCH, BATCH_BYTES = 100, 65_536
FED_AT_ONCE = 1_000  # retained messages that are checked for one client before others have their turn
TOO_LARGE = "it is larger than the client's maximum packet size"


class Delivery:
    """Downlink half of a connection.

    Args:
        connection: the connection that the messages are written to.
        terms: limits of the client from its CONNECT.
        now_s: clock for the message expiry.
    """

    __slots__ = (
        "_aliases",
        "_bounds",
        "_connection",
        "_counters",
        "_feed",
        "_max_size_bytes",
        "_now_s",
        "_outbound",
        "_receive_maximum",
        "_session",
        "version",
        "with_properties",
    )

    def __init__(
        self,
        connection: PeerConnection,
        counters: Counters,
        version: ProtocolVersion,
        terms: ConnectionLimits,
        now_s: Callable[[], float],
        bounds: QueueBounds,
    ) -> None:
        self._connection = connection
        self._bounds = bounds
        self._counters = counters
        self.version = version
        self.with_properties = version is ProtocolVersion.V5
        self._receive_maximum = terms.their_receive_maximum
        self._max_size_bytes = terms.their_max_packet_size_bytes
        aliases = terms.their_topic_alias_maximum
        self._aliases = OutboundAliases(aliases) if aliases else None
        self._now_s = now_s
        self._outbound: Outbound | None = None  # made for the first message above QoS 0: most clients get none
        self._session: DeliverySession | None = None
        self._feed: deque[RetainedBacklog] | None = None  # made when first needed

    @property
    def keeps_up(self) -> bool:
        """Whether the client reads what it is sent."""
        return self._connection.writable

    # A message to one client

    def send(self, publish: Publish, traced: DeliveryObserver | None = None) -> None:
        """Sends a message now or when its turn comes, or drops it."""
        if publish.qos:
            self._offer(publish, traced)
            return
        data = publish.serialize(self.version)
        if len(data) > self._max_size_bytes:
            self._drop(traced, TOO_LARGE)
            return
        if self._connection.behind:
            self._drop(traced, "the device reads too slowly")
            return
        self._connection.write_soon(data)
        self._counters.messages_sent += 1
        if traced is not None:
            traced.sent()
            traced.answered(ReasonCode.SUCCESS)

    def _offer(self, publish: Publish, traced: DeliveryObserver | None) -> None:
        message = Message(publish, self._now_s())
        if message.encode(publish.qos, False, () if self.with_properties else None, 0.0).size > self._max_size_bytes:
            self._drop(traced, TOO_LARGE)
        elif self._outbound_now().offer(message, traced, size_bytes=message.size_bytes) is None:
            self._drop(traced, "too many bytes wait for the device")
        else:
            self.pump()

    def encode(self, topic: str, payload: bytes, properties: Properties) -> bytes | None:
        """Encodes a message at QoS 0, for the caller to write. Returns None if it is larger than the client accepts."""
        data = Publish(topic, payload, properties=properties).serialize(self.version)
        if len(data) > self._max_size_bytes:
            self._counters.messages_dropped += 1
            return None
        return data

    def _drop(self, traced: DeliveryObserver | None, reason: str) -> None:
        self._counters.messages_dropped += 1
        if traced is not None:
            traced.dropped(reason)

    # A message to many clients

    def put(self, message: Message, data: bytes, retain: bool, identifiers: tuple[int, ...]) -> None:
        """Writes a message at QoS 0, or drops it if the client is too far behind.

        Args:
            data: the encoded message, shared with other clients.
        """
        connection = self._connection
        if connection.behind:
            self._counters.messages_dropped += 1
            return
        if self._aliases is not None:
            encoded = self._encode(message, 0, retain, identifiers)
            data = b"" if encoded is None else encoded.head
        if not data or len(data) > self._max_size_bytes:
            self._counters.messages_dropped += 1
            return
        connection.write_soon(data)
        self._counters.messages_sent += 1

    @property
    def feeds(self) -> int:
        """Number of subscriptions whose retained messages have not all been sent."""
        return len(self._feed or ())

    def feed(self, feed: RetainedBacklog) -> None:
        """Sends retained messages behind the queued ones, as fast as the client reads."""
        if self._feed is None:
            self._feed = deque()
        self._feed.append(feed)
        self.pump()

    # In-flight window

    def adopt(self, outbound: Outbound, session: DeliverySession | None) -> None:
        """Takes over the queue of a session; the next :meth:`pump` sends from it."""
        self._outbound = outbound
        self._session = session
        outbound.resume(self._receive_maximum, self._bounds.in_flight_max_bytes)
        self._connection.when_writable(self.pump)

    def give_up(self) -> None:
        """Releases the queue of the session: another connection has it now."""
        self._outbound = self._session = None

    def _outbound_now(self) -> Outbound:
        if self._outbound is None:
            self.adopt(self._bounds.of_connection(), None)
            assert self._outbound is not None  # adopted
        return self._outbound

    def pump(self) -> None:
        """Writes as many queued messages as the window allows and the client reads. Raises nothing, so that a message
        for many clients reaches all others."""
        if self._outbound is None and not self._feed:
            return
        try:
            self._pump()
        except Exception:
            # A bug: logged here, and it costs this connection only.
            log.exception("queued messages of a client cannot be sent")
            self._connection.not_kept(Unavailable("not_sent"))

    def _pump(self) -> None:
        outbound, connection = self._outbound_now(), self._connection
        left = FED_AT_ONCE
        while connection.writable:
            sendings = outbound.sendings(BATCH, BATCH_BYTES)
            if sendings:
                for sending in sendings:
                    self._send(sending)
                if len(sendings) == BATCH:
                    connection.flush()
            elif not self._feed or outbound.queued or outbound.full:
                return
            elif left > 0:
                left -= self._take_fed(self._feed)
            else:
                connection.soon(self.pump)
                return

    def _take_fed(self, feeds: deque[RetainedBacklog]) -> int:
        """Queues retained messages up to the first that does not fit into the window, or one batch. Returns how many
        were checked."""
        written_bytes = 0
        for looked_at in range(1, BATCH + 1):
            retained = next(feeds[0].messages, None)
            if retained is None:
                feeds.popleft()
                if not feeds:
                    break
                continue
            if retained.expires_at_s < self._now_s():
                continue
            _, granted, identifiers = feeds[0]
            qos, retain = min(retained.qos, granted), True
            message = retained.copy()  # cached encodings are for this client and are freed with the copy
            if qos:
                entry = self._outbound_now().offer(message, qos=qos, size_bytes=message.size_bytes)
                if entry is None:  # the budget of all queues is used up
                    self._counters.messages_dropped += 1
                    continue
                entry.retain, entry.identifiers = retain, identifiers
                entry.expires_at_s = message.expires_at_s
                if self._session is not None:
                    self._session.offered(entry)
                return looked_at
            encoded = self._encode(message, 0, retain, identifiers)
            if encoded is None:
                self._counters.messages_dropped += 1
            else:
                self._connection.write_soon(encoded.head)
                self._counters.messages_sent += 1
                written_bytes += encoded.size
                if written_bytes > BATCH_BYTES:
                    break
        self._connection.flush()
        return BATCH

    def _send(self, sending: Sending) -> None:
        entry = sending.entry
        if sending.released:
            self._connection.write_soon(Pubrel(entry.packet_id).serialize(self.version))
            return
        if sending.first and entry.expires_at_s < inf and entry.expires_at_s < self._now_s():
            # [MQTT-3.3.2-5] A message that expired before it was sent is deleted.
            self._forget(entry, "it has expired")
            return
        encoded = self._encode(entry.message, entry.qos, entry.retain, entry.identifiers)
        if encoded is None:
            self._forget(entry, TOO_LARGE)
            return
        # [MQTT-3.3.1-1] DUP is set on re-delivery.
        self._connection.write_soon(encoded.with_packet_id(entry.packet_id, dup=not sending.first))
        self._counters.messages_sent += 1
        if self._session is not None:
            self._session.sent(entry)
        elif entry.context is not None:
            entry.context.sent()

    def _encode(self, message: Message, qos: int, retain: bool, identifiers: tuple[int, ...]) -> Encoded | None:
        """Encodes a message. Returns None if it is larger than the client accepts."""
        given = identifiers if self.with_properties else None
        alias = None if self._aliases is None else self._aliases.next(message.topic)
        encoded = message.encode(qos, retain, given, self._now_s(), alias)
        # [MQTT-3.1.2-24] [MQTT-3.1.2-25] Larger than the client's maximum packet size: dropped as if it had been sent.
        if encoded.size > self._max_size_bytes:
            if self._aliases is not None and alias is not None and not alias.known:
                self._aliases.forget(message.topic)
            return None
        return encoded

    def _forget(self, entry: Entry, reason: str) -> None:
        self._outbound_now().withdraw(entry)
        self._counters.messages_dropped += 1
        if self._session is not None:
            self._session.dropped(entry, reason)
        elif entry.context is not None:
            entry.context.dropped(reason)

    def receive(self, packet: Puback | Pubrec | Pubcomp) -> None:
        """Handles a PUBACK, PUBREC or PUBCOMP. Raises MqttError if no message waits for it."""
        reply, answered = self._outbound_now().receive(packet)
        if reply is not None:
            self._reply(reply)
        if answered is not None:
            entry = answered.entry
            if self._session is not None:
                self._session.answered(entry, answered.reason_code)
            elif entry.context is not None:
                entry.context.answered(answered.reason_code)
            self.pump()

    def _reply(self, pubrel: Pubrel) -> None:
        data = pubrel.serialize(self.version)
        entry = self._outbound_now().find(pubrel.packet_id)
        pending = self._session.released(entry) if self._session is not None and entry is not None else None
        if entry is None or pending is None or pending.done:
            self._connection.write_soon(data)
        else:
            pending.on_done(lambda error: self._released(entry, data, error))

    def _released(self, entry: Entry, data: bytes, error: Exception | None) -> None:
        if error is None:
            self._connection.write_soon(data)
        else:
            # Handled as if no PUBREC had arrived: the client still holds the identifier and gets the PUBLISH again.
            entry.state = State.UNRECEIVED
            self._connection.not_kept(error)

    def end(self, reason: str) -> None:
        """Drops what is queued after the connection has closed; messages of a session stay in the session."""
        self._feed = None
        if self._outbound is None or self._session is not None:
            return
        for left in self._outbound.clear():
            if left.context is not None:
                left.context.dropped(reason)
