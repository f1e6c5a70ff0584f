"""An MQTT session that keeps itself connected, over the codec in :mod:`thingstead.mqtt`. For asyncio; QoS 0 and 1.

What was published and not acknowledged is sent again, in order, when the connection is back. Between two connections
the peer forgets the subscriptions; they are made again."""

import asyncio
import random
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from thingstead.errors import Conflict, NotAuthenticated, ThingsteadError, Unavailable
from thingstead.mqtt.connection_packets import Connack, Connect, Disconnect, Pingreq
from thingstead.mqtt.decoder import Decoder, Packet
from thingstead.mqtt.outbound import Outbound
from thingstead.mqtt.properties import Property
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Suback, Subscribe, SubscriptionRequest

V5 = ProtocolVersion.V5
PACKET_BYTES = 1024 * 1024  # largest accepted packet
QUEUE_LIMIT = 10_000  # messages without an acknowledgement; one more is refused
OPEN_TIMEOUT_S = 15.0  # for connecting and subscribing
CLOSE_TIMEOUT_S = 5.0  # for sending what was written
PAUSE_MIN_S, PAUSE_MAX_S = 0.25, 60.0  # between attempts to connect: exponential back-off with jitter
STABLE_S = 10.0  # connections that lasted longer reset the back-off
REFUSED = frozenset(
    {
        ReasonCode.BAD_USER_NAME_OR_PASSWORD,
        ReasonCode.NOT_AUTHORIZED,
        ReasonCode.CLIENT_IDENTIFIER_NOT_VALID,
        ReasonCode.BANNED,
    }
)

# Called once with the reason code of a message's acknowledgement (0x80 and up: failure) and its reason string.
OnAcknowledged = Callable[[ReasonCode, str], None]


@dataclass(frozen=True, slots=True)
class Broker:
    """Address of an MQTT server. ``tls``: None: plain TCP."""

    host: str = "localhost"
    port: int = 1883
    tls: ssl.SSLContext | None = None


class _Link(asyncio.Protocol):
    """One network connection of a session."""

    def __init__(self, received: Callable[[Packet], None]) -> None:
        self._received = received
        self._decoder = Decoder(PACKET_BYTES, V5)
        self._transport: asyncio.Transport | None = None
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard = False  # bytes were received since this was last set to False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a TCP connection
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.heard = True
        for packet in self._decoder.receive_data(data):
            self._received(packet)
        if self._decoder.error is not None:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def hold(self, held: bool) -> None:
        """Pauses or resumes reading."""
        if self._transport is not None and not self._transport.is_closing():
            if held:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class MqttSession:
    """MQTT client session that reconnects automatically. Call :meth:`start` first and :meth:`close` at the end.

    Args:
        filters: topic filters to subscribe to.
        qos: QoS of the subscriptions, 0 or 1.
        message: called with topic and payload of each message, in order, on the event loop, after ``opened``.
        opened: called after each connect, including the first.
        lost: called after each lost connection.
    """

    def __init__(
        self,
        broker: Broker,
        user_name: str,
        password: str,
        filters: Sequence[str],
        message: Callable[[str, bytes], None],
        opened: Callable[[], None],
        lost: Callable[[], None],
        *,
        qos: int = 1,
        client_id: str = "",
        keep_alive_s: int = 60,
    ) -> None:
        self._broker = broker
        self._connect = Connect(
            V5,
            client_id=client_id,
            clean_start=True,
            keep_alive=keep_alive_s,
            user_name=user_name,
            password=password.encode(),
        )
        self._requests = [SubscriptionRequest(topic_filter, qos) for topic_filter in filters]
        self._message = message
        self._opened = opened
        self._lost = lost
        self._keep_alive_s = keep_alive_s
        self._outbound = Outbound(QUEUE_LIMIT)
        self._link: _Link | None = None
        self._answer: asyncio.Future[Packet] | None = None  # CONNACK, then SUBACK
        self._early: list[Publish] = []  # received with the SUBACK
        self._running: asyncio.Task[None] | None = None
        self._held = False
        self._error: ThingsteadError | None = None  # why the session was given up
        self.connected = asyncio.Event()

    async def start(self) -> None:
        """Returns when the session is connected and subscribed.

        Raises:
            NotAuthenticated: the server refuses the credentials.
            Unavailable: the server cannot be reached.
        """
        await self._open()
        self._running = asyncio.create_task(self._keep_connected(), name="mqtt session")

    async def close(self) -> None:
        """Disconnects. Unacknowledged messages fail."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        link = self._link
        if link is not None:
            link.write(Disconnect().serialize(V5))
            link.close()
            await asyncio.wait([link.lost], timeout=CLOSE_TIMEOUT_S)
            link.abort()
        self._end(Unavailable("no_answer", detail="the session was closed"))

    async def ended(self) -> None:
        """Waits until the session is given up, and raises the reason. Never returns.

        Raises:
            NotAuthenticated: the certificate is not valid any more.
            Conflict: another client with the same certificate has taken over the session.
        """
        assert self._running is not None, "start() comes first"
        await asyncio.wait([self._running])
        raise self._error or Unavailable("no_answer", detail="the session was closed")

    def publish(self, topic: str, payload: bytes, on_acknowledged: OnAcknowledged) -> None:
        """Sends a message at QoS 1, now or after a reconnect.

        Raises:
            Unavailable: too many messages wait.
            ThingsteadError: the error for which the session was given up.
        """
        if self._error is not None:
            raise self._error
        if not self._outbound.offer(Publish(topic, payload, 1), on_acknowledged):
            raise Unavailable("no_answer", detail=f"{QUEUE_LIMIT} messages wait already")
        if self.connected.is_set():
            self._flush()

    def hold(self, held: bool) -> None:
        """Pauses or resumes receiving; the server then waits."""
        self._held = held
        if self._link is not None and self.connected.is_set():
            self._link.hold(held)

    # Connection

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await self._open_link()
        except TimeoutError as exc:
            raise Unavailable("no_answer", detail="the MQTT server does not answer") from exc
        except OSError as exc:
            raise Unavailable("no_answer", detail=f"the MQTT server cannot be reached: {exc}") from exc
        finally:
            if not self.connected.is_set() and self._link is not None:
                self._link.abort()
                self._link = None

    async def _open_link(self) -> None:
        loop = asyncio.get_running_loop()
        broker = self._broker
        _, link = await loop.create_connection(lambda: _Link(self._received), broker.host, broker.port, ssl=broker.tls)
        self._link, self._early = link, []
        connack = await self._ask(link, self._connect.serialize(V5))
        assert isinstance(connack, Connack)
        if connack.reason_code in REFUSED:
            raise NotAuthenticated(
                "no_answer", detail=f"the MQTT server refused the connection: {connack.reason_code.name}"
            )
        if connack.reason_code >= ReasonCode.UNSPECIFIED_ERROR:
            raise Unavailable("no_answer", detail=f"the MQTT server said {connack.reason_code.name}")
        suback = await self._ask(link, Subscribe(1, self._requests).serialize(V5))
        assert isinstance(suback, Suback)
        if any(code >= ReasonCode.UNSPECIFIED_ERROR for code in suback.reason_codes):
            raise Unavailable("no_answer", detail="the MQTT server refused a subscription")
        self._outbound.resume(connack.properties.get(Property.RECEIVE_MAXIMUM, 65_535))
        self.connected.set()
        self._flush()
        self._opened()
        early, self._early = self._early, []
        for publish in early:
            self._message(publish.topic, publish.payload)
        if self._held:
            link.hold(True)

    async def _ask(self, link: _Link, request: bytes) -> Packet:
        """Sends CONNECT or SUBSCRIBE, and returns the CONNACK or SUBACK."""
        self._answer = asyncio.get_running_loop().create_future()
        link.write(request)
        waited: list[asyncio.Future[Any]] = [self._answer, link.lost]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not self._answer.done():
            raise Unavailable("no_answer", detail="the MQTT server closed the connection")
        return self._answer.result()

    def _received(self, packet: Packet) -> None:
        if isinstance(packet, Publish):
            if self.connected.is_set():
                self._message(packet.topic, packet.payload)
            elif len(self._early) < QUEUE_LIMIT:
                self._early.append(packet)
            elif self._link is not None:
                self._link.abort()
            if packet.qos and self._link is not None:
                self._link.write(Puback(packet.packet_id).serialize(V5))
        elif isinstance(packet, Puback):
            _, acknowledged = self._outbound.receive(packet)
            if acknowledged is not None:
                acknowledged.context(acknowledged.reason_code, packet.properties.get(Property.REASON_STRING, ""))
            self._flush()
        elif isinstance(packet, Connack | Suback):
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(packet)
        elif isinstance(packet, Disconnect) and packet.reason_code is ReasonCode.SESSION_TAKEN_OVER:
            self._error = Conflict("no_answer", detail="another client with the same certificate took over the session")

    def _flush(self) -> None:
        if self._link is not None:
            for sending in self._outbound.sendings():
                self._link.write(sending.packet.serialize(V5))

    # Reconnects

    async def _keep_connected(self) -> None:
        pause_s = PAUSE_MIN_S
        loop = asyncio.get_running_loop()
        while True:
            begun_s = loop.time()
            if self._link is not None:
                await self._serve(self._link)
            if self._error is not None:
                return self._end(self._error)
            if loop.time() - begun_s >= STABLE_S:
                pause_s = PAUSE_MIN_S
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - spreads many clients in time
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
            try:
                await self._open()
            except NotAuthenticated as exc:
                return self._end(exc)
            except Unavailable:
                continue

    async def _serve(self, link: _Link) -> None:
        """Returns when the connection has ended. Closes it if the server does not answer a PINGREQ."""
        silent = 0
        while not link.lost.done():
            link.heard = False
            link.write(Pingreq().serialize(V5))
            # 3.1.2.10: a client sends a packet within the keep alive; half of it allows for network delays.
            await asyncio.wait([link.lost], timeout=self._keep_alive_s / 2)
            silent = 0 if link.heard or self._held else silent + 1
            if silent == 2:
                link.abort()
                await link.lost
        self.connected.clear()
        self._link = None
        self._lost()

    def _end(self, error: ThingsteadError) -> None:
        self.connected.clear()
        self._error = self._error or error
        for unacknowledged in self._outbound.clear():
            unacknowledged.context(unacknowledged.reason_code, "")
