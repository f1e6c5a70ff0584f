"""The sending half of a session: messages on their way to the peer at QoS 1 and 2 (4.3, 4.4, 4.6, 4.9).

A message waits in the queue, is sent when the peer's receive maximum leaves room, and stays in flight until the
peer has answered. The states of a message in flight, and what answers move it:

    QoS 1:  PUBLISHED ──PUBACK──▶ done
    QoS 2:  UNRECEIVED ──PUBREC──▶ RELEASED ──PUBCOMP──▶ done
                 └──PUBREC with a failure──▶ done

Messages leave in the order in which they were offered, also when they are sent again after a reconnect
[MQTT-4.6.0-1] [MQTT-4.6.0-5].
"""

from collections import deque
from enum import Enum, auto
from typing import Any, NamedTuple

from thingstead.mqtt.protocol import PacketType
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel
from thingstead.mqtt.reasons import ReasonCode, protocol_error

MAX_PACKET_ID = 65_535


class State(Enum):
    """Where a message in flight stands."""

    PUBLISHED = auto()  # QoS 1: waits for PUBACK
    UNRECEIVED = auto()  # QoS 2: waits for PUBREC
    RELEASED = auto()  # QoS 2: PUBREL sent, waits for PUBCOMP


_DONE = None
# Everything that is not here is a protocol error. A PUBREC may come again after a reconnect (4.4).
TRANSITIONS: dict[tuple[State, PacketType], State | None] = {
    (State.PUBLISHED, PacketType.PUBACK): _DONE,
    (State.UNRECEIVED, PacketType.PUBREC): State.RELEASED,
    (State.RELEASED, PacketType.PUBREC): State.RELEASED,
    (State.RELEASED, PacketType.PUBCOMP): _DONE,
}


class Settled(NamedTuple):
    """The peer has answered for good: success, or the failure that it named (5.0)."""

    message: Publish
    context: Any  # what :meth:`Outbound.offer` was given beside the message
    reason_code: ReasonCode


class Sending(NamedTuple):
    """A packet to send now. ``first`` is False when it was sent before on another connection."""

    packet: Publish | Pubrel
    context: Any
    first: bool


class _InFlight:
    __slots__ = ("context", "message", "state")

    def __init__(self, message: Publish, context: Any) -> None:
        self.message = message
        self.context = context
        self.state = State.PUBLISHED if message.qos == 1 else State.UNRECEIVED


class Outbound:
    """Messages to one peer. It lives as long as the session; :meth:`resume` begins each connection.

    Args:
        queue_limit: how many messages may wait behind those in flight. More are refused.
    """

    __slots__ = ("_in_flight", "_last_packet_id", "_queue", "_queue_limit", "_quota", "_receive_maximum", "_resend")

    def __init__(self, queue_limit: int) -> None:
        self._queue_limit = queue_limit
        self._queue: deque[tuple[Publish, Any]] = deque()
        self._in_flight: dict[int, _InFlight] = {}  # in the order of first sending
        self._resend: deque[int] = deque()  # in flight, but not yet sent on this connection
        self._last_packet_id = 0
        self._receive_maximum = MAX_PACKET_ID
        self._quota = MAX_PACKET_ID

    @property
    def in_flight(self) -> int:
        return len(self._in_flight)

    @property
    def queued(self) -> int:
        return len(self._queue)

    def resume(self, receive_maximum: int = MAX_PACKET_ID) -> None:
        """A connection begins. What is in flight will be sent again, before anything new [MQTT-4.4.0-1]."""
        self._receive_maximum = self._quota = receive_maximum
        self._resend = deque(self._in_flight)

    def offer(self, message: Publish, context: Any = None) -> bool:
        """Queues a QoS 1 or 2 message; False, and nothing happens, when the queue is full."""
        if len(self._queue) >= self._queue_limit:
            return False
        self._queue.append((message, context))
        return True

    def sendings(self) -> list[Sending]:
        """What may be sent now, in order. The caller sends it: each is given once per connection."""
        result: list[Sending] = []
        while self._resend:
            entry = self._in_flight.get(self._resend[0])
            if entry is not None and entry.state is not State.RELEASED and not self._take_quota():
                return result
            packet_id = self._resend.popleft()
            if entry is not None:
                result.append(self._again(packet_id, entry))
        while self._queue and len(self._in_flight) < MAX_PACKET_ID and self._take_quota():
            message, context = self._queue.popleft()
            message.packet_id = self._next_packet_id()
            self._in_flight[message.packet_id] = _InFlight(message, context)
            result.append(Sending(message, context, first=True))
        return result

    def _take_quota(self) -> bool:
        # [MQTT-3.3.4-7] [MQTT-4.9.0-2] Not more than receive maximum unanswered PUBLISH packets.
        if self._quota <= 0:
            return False
        self._quota -= 1
        return True

    @staticmethod
    def _again(packet_id: int, entry: _InFlight) -> Sending:
        if entry.state is State.RELEASED:
            return Sending(Pubrel(packet_id), entry.context, first=False)
        entry.message.dup = True  # [MQTT-3.3.1-1] DUP on re-delivery
        return Sending(entry.message, entry.context, first=False)

    def _next_packet_id(self) -> int:
        # [MQTT-2.2.1-3] [MQTT-2.2.1-4] A packet identifier that is not in use.
        packet_id = self._last_packet_id
        while True:
            packet_id = packet_id % MAX_PACKET_ID + 1
            if packet_id not in self._in_flight:
                self._last_packet_id = packet_id
                return packet_id

    def receive(self, packet: Puback | Pubrec | Pubcomp) -> tuple[Pubrel | None, Settled | None]:
        """Takes an answer: what must be sent back, and the message that is now settled, if any.

        Raises MqttError when the answer does not belong to the message's QoS or state. Answers to what is not in
        flight are taken as left over from an earlier connection.
        """
        packet_id, reason_code = packet.packet_id, packet.reason_code
        entry = self._in_flight.get(packet_id)
        if entry is None:
            if type(packet) is Pubrec and reason_code < 0x80:
                # 3.6.2.1: a PUBREL tells that the identifier is not known.
                return Pubrel(packet_id, ReasonCode.PACKET_IDENTIFIER_NOT_FOUND), None
            return None, None
        try:
            following = TRANSITIONS[entry.state, packet.packet_type]
        except KeyError:
            raise protocol_error(f"{packet.packet_type.name} answers a message that is {entry.state.name}") from None
        if following is not _DONE and reason_code < 0x80:
            entry.state = following
            return Pubrel(packet_id), None  # [MQTT-4.3.3-4] (3.1.1: -1)
        del self._in_flight[packet_id]
        # [MQTT-4.9.0-1] The send quota grows by one, never over the receive maximum.
        self._quota = min(self._quota + 1, self._receive_maximum)
        return None, Settled(entry.message, entry.context, reason_code)

    def clear(self) -> list[Settled]:
        """The session ends: forgets everything; what had not been answered, oldest first."""
        left = [(entry.message, entry.context) for entry in self._in_flight.values()]
        left += self._queue
        self._in_flight.clear()
        self._queue.clear()
        self._resend.clear()
        return [Settled(message, context, ReasonCode.UNSPECIFIED_ERROR) for message, context in left]
