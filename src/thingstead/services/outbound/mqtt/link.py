"""One connection to a broker: CONNECT, PUBLISH, PUBACK, PINGREQ over the codec, within bounds of time and bytes.

Nothing was subscribed, so a broker sends only answers. What it may send grows with what it was sent; a broker that
sends more, or a PUBLISH, loses the connection.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, cast

from thingstead.model.outbound.mqtt import MqttEndpoint
from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect, Pingreq, Pingresp
from thingstead.mqtt.decoder import Decoder, Packet
from thingstead.mqtt.message import OVERHEAD_BYTES
from thingstead.mqtt.outbound import Outbound, Settled
from thingstead.mqtt.properties import NO_PROPERTIES, Properties, Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback
from thingstead.mqtt.reasons import MqttError, ReasonCode
from thingstead.refusals import reason
from thingstead.services.outbound.http import SendFailed

VERSIONS = {"3.1.1": ProtocolVersion.V3_1_1, "5": ProtocolVersion.V5}
IN_FLIGHT_LIMIT = 100  # messages, if the broker's receive maximum is not smaller
IN_FLIGHT_BYTES_LIMIT = 1_048_576  # of topics and payloads; a single message may be larger
ANSWER_BYTES_LIMIT = 65_536  # of one packet of the broker, and of what it sends beyond ANSWER_BYTES_EACH
ANSWER_BYTES_EACH = 1_024  # per packet sent
WRITE_BUFFER_BYTES_LIMIT = 262_144  # over it, no further message is encoded
SESSION_EXPIRY_S = 3_600
TICK_S = 0.5

V5 = ProtocolVersion.V5
# Refusals of a connection that pass by themselves.
PASSING = frozenset({
    ReasonCode.SERVER_UNAVAILABLE, ReasonCode.SERVER_BUSY, ReasonCode.QUOTA_EXCEEDED,
    ReasonCode.CONNECTION_RATE_EXCEEDED,
})  # fmt: skip


class BrokerLimits(NamedTuple):
    """What a broker allows on a connection."""

    session_present: bool
    receive_maximum: int
    packet_bytes: int | None  # None: any size
    retain: bool


class MqttLink(asyncio.Protocol):
    """A connection. Ends by itself on any failure.

    Args:
        settle: called with each acknowledged message.
        answer_s: how long the broker may be silent while an answer is due.

    Attributes:
        connected: the result is set when the broker accepts the CONNECT; otherwise it has the failure.
        ended: the result is set at the end: the failure, or None if it was closed by us.
    """

    def __init__(
        self,
        endpoint: MqttEndpoint,
        client_id: str,
        outbound: Outbound,
        settle: Callable[[Settled], None],
        answer_s: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._endpoint = endpoint
        self._client_id = client_id
        self._outbound = outbound
        self._settle = settle
        self._answer_s = answer_s
        self.version = VERSIONS[endpoint.version]
        self._decoder = Decoder(ANSWER_BYTES_LIMIT, self.version)
        self._keep_alive_s: float = endpoint.keep_alive_s
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._resumed = False  # the session is: messages may be sent
        self._answers_left_bytes = ANSWER_BYTES_LIMIT
        self._sent_at = self._loop.time()
        self._due_since: float | None = None  # an answer is due since then
        self._pinged = False  # a PINGRESP is due
        self.connected: asyncio.Future[BrokerLimits] = self._loop.create_future()
        self.ended: asyncio.Future[SendFailed | None] = self._loop.create_future()

    # Calls of the owner

    def resume(self, receive_maximum: int) -> None:
        """Begins to send what is queued, first what was in flight on an earlier connection."""
        self._outbound.resume(min(receive_maximum, IN_FLIGHT_LIMIT), IN_FLIGHT_BYTES_LIMIT)
        self._resumed = True
        self.pump()

    def pump(self) -> None:
        """Sends queued messages, as many as may be in flight."""
        while self._resumed and not self._paused and not self.ended.done():
            sendings = self._outbound.sendings(limit=IN_FLIGHT_LIMIT, limit_bytes=WRITE_BUFFER_BYTES_LIMIT)
            if not sendings:
                return
            self._send(b"".join(sending.packet.serialize(self.version) for sending in sendings), len(sendings))

    def close(self) -> None:
        """Ends the connection in order; what is in flight stays in the session."""
        if self.ended.done():
            return
        if self._transport is not None and self._resumed:
            self._transport.write(Disconnect().serialize(self.version))
        self._end(None)

    # Calls of the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport = cast(asyncio.Transport, transport)  # also of uvloop, which has its own classes
        transport.set_write_buffer_limits(WRITE_BUFFER_BYTES_LIMIT)
        endpoint = self._endpoint
        properties: Properties = NO_PROPERTIES
        if self.version is V5:
            properties = {
                Property.SESSION_EXPIRY_INTERVAL: SESSION_EXPIRY_S,
                Property.MAXIMUM_PACKET_SIZE: ANSWER_BYTES_LIMIT,
            }
        connect = Connect(
            self.version,
            self._client_id,
            clean_start=False,
            keep_alive=endpoint.keep_alive_s,
            user_name=endpoint.user_name,
            password=None if endpoint.password is None else endpoint.password.encode(),
            properties=properties,
        )
        self._send(connect.serialize(self.version), 1)
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def data_received(self, data: bytes) -> None:
        self._answers_left_bytes -= len(data)
        if self._answers_left_bytes < 0:
            self._end(SendFailed(reason("mqtt_answers_too_long")))
            return
        for packet in self._decoder.receive_data(data):
            if self.ended.done():
                return
            try:
                self._receive(packet)
            except MqttError as exc:
                self._end(_broken(exc))
        if self._decoder.error is not None and not self.ended.done():
            self._end(_broken(self._decoder.error))
        self.pump()

    def eof_received(self) -> bool:
        return False  # the transport closes itself

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(SendFailed(reason("mqtt_closed")))

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.pump()

    def _receive(self, packet: Packet) -> None:
        if not self.connected.done():
            if type(packet) is not Connack:
                raise MqttError(ReasonCode.PROTOCOL_ERROR, "the first packet is not a CONNACK")
            self._due_since = None
            self._accepted(packet)
        elif type(packet) is Puback:
            _, settled = self._outbound.receive(packet)
            if settled is not None:
                self._due_since = self._loop.time() if self._outbound.in_flight else None
                self._settle(settled)
        elif type(packet) is Disconnect:
            self._end(SendFailed(reason("mqtt_disconnected", detail=told(packet.reason_code, packet.properties))))
        elif type(packet) is Pingresp and self._pinged:
            self._pinged = False
            if not self._outbound.in_flight:
                self._due_since = None
        else:
            raise MqttError(ReasonCode.PROTOCOL_ERROR, f"{type(packet).__name__.upper()} is not expected")

    def _accepted(self, packet: Connack) -> None:
        properties = packet.properties
        if packet.reason_code >= 0x80:
            code = "mqtt_disconnected" if packet.reason_code in PASSING else "mqtt_refused"
            self._end(SendFailed(reason(code, detail=told(packet.reason_code, properties))))
            return
        if properties.get(Property.MAXIMUM_QOS, 2) < 1:
            self._end(SendFailed(reason("mqtt_no_qos_1")))
            return
        # [MQTT-3.2.2-21] The keep alive of the server takes the place of ours.
        self._keep_alive_s = properties.get(Property.SERVER_KEEP_ALIVE, self._keep_alive_s)
        self.connected.set_result(
            BrokerLimits(
                packet.session_present,
                properties.get(Property.RECEIVE_MAXIMUM, IN_FLIGHT_LIMIT),
                properties.get(Property.MAXIMUM_PACKET_SIZE),
                bool(properties.get(Property.RETAIN_AVAILABLE, 1)),
            )
        )

    def _send(self, data: bytes, packets: int) -> None:
        assert self._transport is not None, "it is connected"
        self._sent_at = self._loop.time()
        if self._due_since is None:
            self._due_since = self._sent_at
        self._answers_left_bytes = min(
            self._answers_left_bytes + ANSWER_BYTES_EACH * packets,
            ANSWER_BYTES_LIMIT + ANSWER_BYTES_EACH * IN_FLIGHT_LIMIT,
        )
        self._transport.write(data)

    def _tick(self) -> None:
        """Notices a silent broker, and keeps the connection alive."""
        if self.ended.done():
            return
        now = self._loop.time()
        if self._due_since is not None and now - self._due_since >= self._answer_s:
            self._end(SendFailed(reason("notice_timed_out", seconds=f"{self._answer_s:g}"), slow=True))
            return
        # Earlier than needed, since a packet takes its time.
        if self._keep_alive_s and now - self._sent_at >= max(TICK_S, self._keep_alive_s * 0.75 - TICK_S):
            self._pinged = True
            self._send(Pingreq().serialize(self.version), 1)
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def _end(self, failed: SendFailed | None) -> None:
        if self.ended.done():
            return
        self.ended.set_result(failed)
        if not self.connected.done():
            self.connected.set_exception(failed or SendFailed(reason("mqtt_closed")))
            self.connected.exception()  # it may be that nobody waits for it
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            if failed is None:
                self._transport.close()
            else:
                self._transport.abort()


def message_bytes(topic: str, payload: bytes) -> int:
    """Approximate memory of a message."""
    return len(topic) * 2 + len(payload) + OVERHEAD_BYTES


def told(code: ReasonCode, properties: Properties) -> str:
    """What a broker says: its reason code, and its text if it gives one."""
    name = f"0x{code:02X} {code.name.lower().replace('_', ' ')}"
    text = properties.get(Property.REASON_STRING)
    return f"{name}: {text[:200]}" if text else name


def _broken(exc: MqttError) -> SendFailed:
    return SendFailed(reason("mqtt_not_mqtt", detail=exc.message[:200]))
