"""The sending half of a session: QoS 1 and 2 messages to the peer (4.3, 4.4, 4.6, 4.9).

A message is queued, is sent when the peer's Receive Maximum and the window in bytes permit, and stays in flight until
the exchange is complete. Its packet identifier is assigned when it is queued, so that a stored session needs only one
write per message. States of a message, and the acknowledgements that change them:

    QoS 1:  PUBLISHED ──PUBACK──▶ done
    QoS 2:  UNRECEIVED ──PUBREC──▶ RELEASED ──PUBCOMP──▶ done
                 └──PUBREC with a failure──▶ done

Messages are sent in the order of :meth:`Outbound.offer`, also after a reconnect [MQTT-4.6.0-1] [MQTT-4.6.0-5].
"""

from collections import deque
from enum import Enum, auto
from math import inf
from typing import Any, NamedTuple

from thingstead.mqtt.budget import Budget
from thingstead.mqtt.message import OVERHEAD_BYTES
from thingstead.mqtt.protocol import PacketType
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel
from thingstead.mqtt.reasons import ReasonCode, protocol_error

MAX_PACKET_ID = 65_535
_NO_LIMIT = 1 << 62


class State(Enum):
    """State of a message in flight."""

    PUBLISHED = auto()  # QoS 1: PUBACK expected
    UNRECEIVED = auto()  # QoS 2: PUBREC expected
    RELEASED = auto()  # QoS 2: PUBREL sent, PUBCOMP expected


_DONE = None
# All valid transitions; anything else is a protocol error. A PUBREC may be repeated after a reconnect (4.4).
TRANSITIONS: dict[tuple[State, PacketType], State | None] = {
    (State.PUBLISHED, PacketType.PUBACK): _DONE,
    (State.UNRECEIVED, PacketType.PUBREC): State.RELEASED,
    (State.RELEASED, PacketType.PUBREC): State.RELEASED,
    (State.RELEASED, PacketType.PUBCOMP): _DONE,
}


class Entry:
    """A message that is queued or in flight.

    Attributes:
        message: a Publish, or any object that the caller can encode.
        context: an object of the caller.
        retain: the RETAIN flag to send.
        identifiers: the subscription identifiers to send.
        held: not to be sent, nor any message after it, until the caller clears the flag.
        sent: it was sent on this or an earlier connection.
        counted: it counts against the Receive Maximum of this connection.
        expires_at_s: when it expires, on the caller's clock.
        size_bytes: approximate memory that it uses.
    """

    __slots__ = (
        "context",
        "counted",
        "expires_at_s",
        "held",
        "identifiers",
        "message",
        "packet_id",
        "qos",
        "retain",
        "sent",
        "size_bytes",
        "state",
    )

    def __init__(self, message: Any, qos: int, packet_id: int, context: Any, size_bytes: int = 0) -> None:
        self.size_bytes = size_bytes
        self.message = message
        self.qos = qos
        self.packet_id = packet_id
        self.context = context
        self.state = State.PUBLISHED if qos == 1 else State.UNRECEIVED
        self.held = False
        self.sent = False
        self.counted = False
        self.expires_at_s = inf
        self.retain = False
        self.identifiers: tuple[int, ...] = ()


class Settled(NamedTuple):
    """A message whose exchange is complete: with success, or with the failure code of the peer (5.0)."""

    entry: Entry
    reason_code: ReasonCode

    @property
    def context(self) -> Any:
        """What the message was queued with."""
        return self.entry.context


class Sending(NamedTuple):
    """A message to send now, or its PUBREL. ``first`` is False if it was sent before."""

    entry: Entry
    first: bool

    @property
    def released(self) -> bool:
        """Whether to send the PUBREL."""
        return self.entry.state is State.RELEASED

    @property
    def context(self) -> Any:
        """What the message was queued with."""
        return self.entry.context

    @property
    def packet(self) -> Publish | Pubrel:
        """The packet, if the message is a Publish."""
        entry = self.entry
        if entry.state is State.RELEASED:
            return Pubrel(entry.packet_id)
        publish: Publish = entry.message
        publish.packet_id = entry.packet_id
        publish.dup = not self.first  # [MQTT-3.3.1-1] DUP on re-delivery
        return publish


class Outbound:
    """Queue and QoS state of messages to one peer. One object per session; :meth:`resume` starts each connection.

    Args:
        queue_limit: most messages queued behind those in flight. More are refused.
        max_bytes: limit of all messages queued or in flight. More are refused.
        budget: byte limit shared with the queues of other peers; None: not shared.

    Attributes:
        size_bytes: of all messages queued or in flight.
    """

    __slots__ = (
        "_budget",
        "_entries",
        "_in_flight_bytes",
        "_last_packet_id",
        "_max_bytes",
        "_queue",
        "_queue_limit",
        "_quota",
        "_resend",
        "_window_bytes",
        "size_bytes",
    )

    def __init__(self, queue_limit: int, max_bytes: int = _NO_LIMIT, budget: Budget | None = None) -> None:
        self._queue_limit = queue_limit
        self._max_bytes = max_bytes
        self._budget = budget
        self.size_bytes = 0
        self._window_bytes = _NO_LIMIT
        self._in_flight_bytes = 0  # of messages that count against the window of this connection
        self._entries: dict[int, Entry] = {}  # all messages, by packet identifier, in the order of offer()
        self._queue: deque[Entry] = deque()  # messages that were never sent
        self._resend: deque[Entry] = deque()  # in flight, but not yet sent on this connection
        self._last_packet_id = 0
        self._quota = MAX_PACKET_ID

    @property
    def in_flight(self) -> int:
        """Number of messages in flight."""
        return len(self._entries) - len(self._queue)

    @property
    def queued(self) -> int:
        """Number of messages that were never sent."""
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether the queue has reached its limit of messages, so that any message is refused."""
        return len(self._queue) >= self._queue_limit or len(self._entries) >= MAX_PACKET_ID

    def has_room(self, size_bytes: int) -> bool:
        """Whether a message of this size would be accepted."""
        held_bytes = self.size_bytes
        if self.full or held_bytes + size_bytes > self._max_bytes:
            return False
        return self._budget is None or self._budget.room(held_bytes, size_bytes)

    def fits(self, size_bytes: int) -> bool:
        """Whether a message of this size would be accepted by an empty queue."""
        if size_bytes > self._max_bytes:
            return False
        return self._budget is None or self._budget.room(0, size_bytes, freed_bytes=self.size_bytes)

    def resume(self, receive_maximum: int = MAX_PACKET_ID, window_bytes: int = _NO_LIMIT) -> None:
        """Starts a connection. Messages in flight are sent again, before new ones [MQTT-4.4.0-1].

        Args:
            receive_maximum: most messages in flight.
            window_bytes: most bytes of topic names and payloads in flight; a single message may be larger.
        """
        self._quota = receive_maximum
        self._window_bytes = window_bytes
        self._in_flight_bytes = 0
        self._resend = deque(entry for entry in self._entries.values() if entry.sent)
        for entry in self._resend:
            entry.counted = False

    def offer(self, message: Any, context: Any = None, *, qos: int = 0, size_bytes: int = 0) -> Entry | None:
        """Queues a message at QoS 1 or 2.

        Args:
            qos: 0: the QoS of the message.
            size_bytes: approximate memory that it uses.

        Returns:
            None if there is no room; nothing is changed then.
        """
        if not self.has_room(size_bytes):
            return None
        entry = Entry(message, qos or message.qos, self._next_packet_id(), context, size_bytes)
        self._entries[entry.packet_id] = entry
        self._queue.append(entry)
        self._grow(size_bytes)
        return entry

    def _grow(self, size_bytes: int) -> None:
        before_bytes = self.size_bytes
        self.size_bytes = before_bytes + size_bytes
        if self._budget is not None:
            self._budget.moved(before_bytes, self.size_bytes)

    def restore(self, entry: Entry) -> None:
        """Appends a message of a stored session; call in order, oldest first."""
        self._entries[entry.packet_id] = entry
        self._grow(entry.size_bytes)
        self._last_packet_id = entry.packet_id
        if not entry.sent:
            self._queue.append(entry)

    def find(self, packet_id: int) -> Entry | None:
        """The message with this packet identifier."""
        return self._entries.get(packet_id)

    def __len__(self) -> int:
        """Number of messages queued or in flight."""
        return len(self._entries)

    def entries(self) -> list[Entry]:
        """Every message, oldest first."""
        return list(self._entries.values())

    def oldest_queued(self) -> Entry | None:
        """The oldest message that was never sent."""
        return self._queue[0] if self._queue else None

    def withdraw(self, entry: Entry) -> bool:
        """Removes a message; False if it is not in the queue."""
        if self._entries.get(entry.packet_id) is not entry:
            return False
        del self._entries[entry.packet_id]
        self._grow(-entry.size_bytes)
        if not entry.sent:
            if self._queue[0] is entry:
                self._queue.popleft()
            else:
                self._queue.remove(entry)
        else:
            self._give_quota(entry)
        return True

    def sendings(self, limit: int = MAX_PACKET_ID, limit_bytes: int = _NO_LIMIT) -> list[Sending]:
        """The messages to send now, in order: at most ``limit``, and none after their sum has reached ``limit_bytes``.
        Each is returned once per connection; the caller must send it."""
        result: list[Sending] = []
        left_bytes = limit_bytes
        while self._resend and len(result) < limit and left_bytes > 0:
            entry = self._resend[0]
            if self._entries.get(entry.packet_id) is entry:
                if entry.state is not State.RELEASED and not self._take_quota(entry):
                    return result
                left_bytes -= _packet_bytes(entry)
                result.append(Sending(entry, first=False))
            self._resend.popleft()
        queue = self._queue
        while queue and len(result) < limit and left_bytes > 0 and not queue[0].held and self._take_quota(queue[0]):
            entry = queue.popleft()
            entry.sent = True
            left_bytes -= _packet_bytes(entry)
            result.append(Sending(entry, first=True))
        return result

    def _take_quota(self, entry: Entry) -> bool:
        # [MQTT-3.3.4-7] [MQTT-4.9.0-2] At most Receive Maximum unacknowledged PUBLISH packets.
        if self._quota <= 0:
            return False
        in_flight_bytes = self._in_flight_bytes + _packet_bytes(entry)
        if in_flight_bytes > self._window_bytes and self._in_flight_bytes:
            return False
        self._in_flight_bytes = in_flight_bytes
        self._quota -= 1
        entry.counted = True
        return True

    def _give_quota(self, entry: Entry) -> None:
        # [MQTT-4.9.0-1] The send quota is incremented, but never above the Receive Maximum: not for messages sent on an
        # earlier connection (4.9 mentions the repeated PUBREL).
        if entry.counted:
            self._quota += 1
            self._in_flight_bytes -= _packet_bytes(entry)

    def _next_packet_id(self) -> int:
        # [MQTT-2.2.1-3] [MQTT-2.2.1-4] A packet identifier that is not in use.
        packet_id = self._last_packet_id
        while True:
            packet_id = packet_id % MAX_PACKET_ID + 1
            if packet_id not in self._entries:
                self._last_packet_id = packet_id
                return packet_id

    def receive(self, packet: Puback | Pubrec | Pubcomp) -> tuple[Pubrel | None, Settled | None]:
        """Handles an acknowledgement. One for an unknown packet identifier is a leftover of an earlier connection.

        Returns:
            The PUBREL to send, if any, and the message that is now complete, if any.

        Raises:
            MqttError: the acknowledgement does not match the QoS or state of the message.
        """
        packet_id, reason_code = packet.packet_id, packet.reason_code
        entry = self._entries.get(packet_id)
        if entry is None or not entry.sent:
            if type(packet) is Pubrec and reason_code < 0x80:
                # 3.6.2.1: a PUBREL says that the packet identifier is unknown.
                return Pubrel(packet_id, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND), None
            return None, None
        try:
            following = TRANSITIONS[entry.state, packet.packet_type]
        except KeyError:
            raise protocol_error(f"{packet.packet_type.name} answers a message that is {entry.state.name}") from None
        if following is not _DONE and reason_code < 0x80:
            entry.state = following
            return Pubrel(packet_id), None  # [MQTT-4.3.3-4] (3.1.1: -1)
        del self._entries[packet_id]
        self._grow(-entry.size_bytes)
        self._give_quota(entry)
        return None, Settled(entry, reason_code)

    def clear(self) -> list[Settled]:
        """Ends the session: removes all messages; returns those that were not acknowledged, oldest first."""
        left = [Settled(entry, ReasonCode.UNSPECIFIED_ERROR) for entry in self._entries.values()]
        self._entries.clear()
        self._grow(-self.size_bytes)
        self._queue.clear()
        self._resend.clear()
        return left


def _packet_bytes(entry: Entry) -> int:
    """Approximate size of its packet."""
    return max(0, entry.size_bytes - OVERHEAD_BYTES)
