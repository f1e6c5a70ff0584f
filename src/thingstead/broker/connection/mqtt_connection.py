"""One MQTT connection: from its first byte to its end."""

from collections.abc import Callable, Sequence
from typing import Any

import structlog

from thingstead.broker.connection import handshake
from thingstead.broker.connection.delivery import Delivery
from thingstead.broker.connection.handler import ConnectionHandler, Granted
from thingstead.broker.connection.listener_context import ListenerContext
from thingstead.broker.connection.turn_connection import TurnConnection
from thingstead.broker.connection.uplink import Uplink
from thingstead.broker.net.admission import Arrival
from thingstead.broker.net.idle_timers import GRACE, IdleTimer
from thingstead.broker.net.reachability import give_up_after
from thingstead.broker.net.stream import Stream
from thingstead.broker.net.tasks import Job, JobQueue
from thingstead.errors import ThingsteadError, Unavailable
from thingstead.mqtt.budget import Part
from thingstead.mqtt.connection_packets import PINGRESP, Auth, Connect, Disconnect, Pingreq
from thingstead.mqtt.decoder import Decoder, Packet
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.mqtt.publish_packets import Puback, Pubcomp, Publish, Pubrec, Pubrel
from thingstead.mqtt.reasons import MqttError, ReasonCode, protocol_error
from thingstead.mqtt.subscription_packets import Suback, Subscribe, Unsuback, Unsubscribe

log = structlog.get_logger("thingstead.broker")

V5 = ProtocolVersion.V5
WAITING_MAX = 256  # messages of a client that wait for a commit; over it the client is not read

# Reasons for not reading a connection, beside those of every client.
_CROWDED, _UNACKNOWLEDGED, _GRANTING = 8, 16, 32


class MqttConnection(TurnConnection):
    """MQTT connection over an asyncio transport, or anything with the same interface.

    Its states: *waiting* for CONNECT; *admitting*, while a task logs the client in and nothing is read; *admitted*,
    with a handler; *closing*. Whatever was received is parsed and passed to the handler at once, without a coroutine.
    Acknowledgements are sent when their commits end, many in one write.
    """

    __slots__ = (
        "_connect", "_context", "_decoder", "_handler", "_incomplete", "_jobs", "_packet_timer", "_terms", "_uplink",
        "_waiting_max", "counters", "delivery",
    )  # fmt: skip

    OURS = TurnConnection.OURS | _CROWDED | _UNACKNOWLEDGED | _GRANTING

    _handler: ConnectionHandler
    _terms: handshake.ConnectionLimits
    delivery: Delivery

    def __init__(self, context: ListenerContext, arrival: Arrival | None = None) -> None:
        settings = context.settings
        super().__init__(
            settings.send_buffer_max_bytes, arrival, context.bounds.unread, context.back_pressure, context.idle_timers
        )
        self._context = context
        self._waiting_max = min(settings.receive_maximum, WAITING_MAX)
        self._decoder = Decoder(settings.max_packet_size_bytes, max_connect_size_bytes=settings.max_connect_size_bytes)
        self._incomplete = Part(context.bounds.incomplete)  # bytes of a partially received packet
        self._packet_timer: IdleTimer | None = None  # made for the first packet that arrives in pieces
        self._connect: Connect | None = None  # set while the client is admitted
        self._uplink: Uplink | None = None  # None until admitted
        self._jobs: JobQueue | None = None
        self.counters = context.counters

    # Called by the transport

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.counters.connections += 1
        self._context.clients.add(self)
        if len(self._context.clients) > self._context.settings.max_connections:
            self.counters.connections_refused += 1
            self._context.refused_connections.note("limit", "too many MQTT connections are open", self.remote_address)
            self.abort()
        else:
            self.counters.connections_accepted += 1
            self._timer.start(self._context.settings.connect_timeout_s)

    def received(self, data: bytes) -> None:
        if self.closing:
            return
        if self._held_packets:  # received although reading is paused
            self.keep_for_later(data)
            return
        if self._uplink is not None:  # until then the CONNECT time-out runs
            self._timer.heard_at_s = self._loop.time()
        try:
            begun = not self._decoder.incomplete
            packets = self._decoder.receive_data(data)
            self._take(packets)
            if self._decoder.incomplete:
                self._await_rest(begun=begun or bool(packets))
            if self._decoder.incomplete or self._incomplete.held_bytes:
                self._note_incomplete()
        except Exception:
            # A bug: logged here, and it costs this connection only.
            log.exception("a connection failed", remote_address=self.remote_address)
            self.abort("it failed")

    def _note_incomplete(self) -> None:
        if not self._incomplete.hold(self._decoder.buffered_bytes) and not self.closing:
            self._broken(MqttError(ReasonCode.QUOTA_EXCEEDED, "too many bytes of other packets are in memory"))

    def _await_rest(self, *, begun: bool) -> None:
        """Starts the time-out of a partially received packet; trickling bytes do not extend it. Does nothing before the
        client is admitted: the CONNECT time-out applies until then."""
        if self._uplink is None or self.closing:
            return
        if self._packet_timer is None:
            self._packet_timer = IdleTimer(self._context.idle_timers, self)
        if not self._packet_timer.running:
            self._packet_timer.start(self._context.settings.packet_timeout_s)
        elif begun:
            self._packet_timer.heard_at_s = self._loop.time()

    def _rest_is_late(self, timer: IdleTimer) -> None:
        if self._decoder.incomplete and self.paused_for(self.OURS):
            timer.start(timer.patience_s)
        elif self._decoder.incomplete:
            self.close(ReasonCode.UNSPECIFIED_ERROR, "a packet did not arrive in time")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_timers()
        self._incomplete.hold(0)
        self._decoder.discard()
        self._context.clients.discard(self)
        self.counters.connections -= 1
        if self._jobs is not None:
            self._jobs.discard()
        if self._uplink is not None:
            self._uplink.end()
            self.delivery.end(self.reason)
            self._context.ends.take(self._ended)

    def resumed(self) -> None:
        self._timer.heard_at_s = self._loop.time()
        if self._packet_timer is not None:
            self._packet_timer.heard_at_s = self._timer.heard_at_s

    # Packets

    def _take(self, packets: Sequence[Packet]) -> None:
        uplink = self._uplink
        try:
            if uplink is None:
                self._take_before_admission(packets)
                return
            turns = self._context.turns
            spent = turns.charged and turns.spent(self._handler.project_id)
            handled = 0 if spent else uplink.publish_run(packets)
            for packet in packets[handled:]:
                if turns.charged and turns.spent(self._handler.project_id):
                    self.hold(turns, self._handler.project_id, packets[handled:])
                    break
                handled += 1
                if type(packet) is Publish:
                    uplink.publish(packet)
                else:
                    _HANDLERS[type(packet)](self, packet)
                if self.closing:
                    return
            if self._decoder.error is not None and not self._held_packets:
                raise self._decoder.error
        except MqttError as exc:
            self._broken(exc)
        except Unavailable as exc:
            self.not_kept(exc)
        if self._out:
            self.flush()
        self._hold_back()

    def _broken(self, error: MqttError) -> None:
        self.counters.protocol_errors += 1
        log.debug("a client violated the protocol", remote_address=self.remote_address, error=error.message)
        if self._uplink is None:
            self._context.refused_connections.note("protocol", error.message, self.remote_address)
            self._turn_away(error)
        else:
            self.close(error.reason_code, error.message)

    def _hold_back(self) -> None:
        """Pauses reading while answers, commits or jobs of this client pile up, or the history has no room."""
        if self._answered_bytes:
            self.hold_back_answers()
        uplink = self._uplink
        self.pause_until_room(None if uplink is None else self._handler.crowded)
        if uplink is not None and uplink.acknowledgements.waiting > self._waiting_max:
            self.pause(_UNACKNOWLEDGED)
        if self._jobs is not None and self._jobs.crowded:
            self.pause(_CROWDED)

    def _on_answer(self, packet: Any) -> None:
        self.delivery.receive(packet)

    def _on_pubrel(self, packet: Any) -> None:
        assert self._uplink is not None  # packets are handled only after admission
        self._uplink.release(packet)

    def _on_subscribe(self, packet: Any) -> None:
        self._grant(self._handler.subscribe(packet), lambda codes: Suback(packet.packet_id, codes))

    def _on_unsubscribe(self, packet: Any) -> None:
        self._grant(self._handler.unsubscribe(packet), lambda codes: Unsuback(packet.packet_id, codes))

    def _grant(self, granted: Granted, acknowledge: Callable[[Sequence[ReasonCode]], Suback | Unsuback]) -> None:
        assert self._uplink is not None  # packets are handled only after admission
        pending, reason_codes, then = granted
        self._uplink.answer(pending, acknowledge(reason_codes).serialize(self._version))
        if pending is not None and not pending.done:
            # One packet may contain a thousand changes: the next is read when these are stored.
            self.pause(_GRANTING)
            pending.on_done(lambda _: self.resume(_GRANTING))
        if then is None:
            return
        if pending is None or pending.done:
            then()
        else:
            pending.on_done(lambda error: then() if error is None and not self.closing else None)

    def _on_pingreq(self, packet: Any) -> None:
        self.write(PINGRESP)  # [MQTT-3.12.4-1]

    def _on_disconnect(self, packet: Any) -> None:
        self._handler.disconnected(packet)
        # [MQTT-3.14.4-3] The server closes the connection if the client has not done so.
        self._end("the device disconnected")

    def _on_auth(self, packet: Any) -> None:
        # [MQTT-4.12.0-6] AUTH is an error if CONNECT named no authentication method; none is supported.
        raise protocol_error("AUTH without an authentication method")

    # Admission

    def _take_before_admission(self, packets: Sequence[Packet]) -> None:
        if self._connect is None and packets:
            connect = packets[0]
            assert isinstance(connect, Connect)  # [MQTT-3.1.0-1] the decoder guarantees it
            self._connect = connect
            self.pause(self.ADMITTING)
            self._timer.stop()  # reads of the store have time-outs of their own
            self._context.log_ins.take(self._log_in)
        if self._connect is None and self._decoder.error is not None:
            raise self._decoder.error

    async def _log_in(self) -> None:
        if self._connect is not None and not self.closing:  # otherwise it closed while the log-in was queued
            await self._admit(self._connect)

    async def _admit(self, connect: Connect) -> None:
        try:
            handshake.check(connect)
            terms = handshake.agree(connect, self._context.settings)
            self._terms = terms
            clock_s = self._context.clock.monotonic_s
            self.delivery = Delivery(self, self.counters, connect.version, terms, clock_s, self._context.bounds)
            handler = await self._context.access.admit(connect, self)
            if self.closing:
                await handler.closed(self.reason)
            else:
                self._begin(connect, handler, terms)
        except (ThingsteadError, MqttError) as exc:
            self._turn_away(exc)
        except Exception:
            # A bug: logged here, and it costs this connection only.
            log.exception("a log-in failed", remote_address=self.remote_address)
            self.abort("it failed")

    async def _ended(self) -> None:
        await self._handler.closed(self.reason)

    def _begin(self, connect: Connect, handler: ConnectionHandler, terms: handshake.ConnectionLimits) -> None:
        self._handler = handler
        self._arrival.proved()
        self._uplink = Uplink(handler, connect.version, terms, self)
        self._connect = None
        connack = handshake.accepted(connect, terms, self._context.settings, handler.accepted)
        if len(connack) > terms.their_max_packet_size_bytes:
            # [MQTT-3.1.2-24] Not even CONNACK may be larger.
            self._end("the client's maximum packet size leaves no room for CONNACK")
            return
        self.write(connack)
        silence_s = terms.keep_alive_s * GRACE
        self._timer.start(silence_s)
        settings = self._context.settings
        give_up_after(self._transport, settings.unreachable_timeout_s or silence_s or settings.keep_alive_max_s * GRACE)
        handler.begin()
        self._take(self._decoder.admit())  # packets received behind CONNECT
        if self._decoder.incomplete:
            self._await_rest(begun=True)
        self.resume(self.ADMITTING)

    def _turn_away(self, error: ThingsteadError | MqttError) -> None:
        self.counters.connections_refused += 1
        log.debug("a client was not admitted", remote_address=self.remote_address, error=error.message)
        self.write(handshake.refused(self._decoder.version, handshake.refusal(error), error.message))
        self._end(error.message)

    # Jobs, commits, and the end

    @property
    def _version(self) -> ProtocolVersion:
        return self._decoder.version or ProtocolVersion.V3_1_1

    def run(self, job: Job, size_bytes: int = 0) -> None:
        """Runs an asynchronous job after the earlier ones of this connection. Jobs are dropped when the connection
        ends."""
        if self._jobs is None:
            project_id = self._handler.project_id
            self._jobs = JobQueue(self._context.tasks, self._job_done, lambda: self.writable, project_id)
        self._jobs.add(job, size_bytes)

    def _job_done(self) -> None:
        self.flush()
        if self._jobs is None:
            return
        if self._jobs.crowded and not self.writable:
            self.pause(Stream.UNREAD)  # the peer does not read, so the keep alive goes on
            self.resume(_CROWDED)
        elif not self._jobs.crowded:
            self.resume(_CROWDED)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._jobs is not None and not self.closing:
            self._jobs.go_on()

    def acknowledged(self) -> None:
        """Called when a commit has ended and the acknowledgements that waited for it were written."""
        self.flush()
        if self._paused and self._uplink is not None and self._uplink.acknowledgements.waiting <= self._waiting_max:
            self.resume(_UNACKNOWLEDGED)

    def not_kept(self, error: Exception) -> None:
        """Ends the connection because a message cannot be stored; it is not acknowledged, and the client must
        reconnect."""
        if not isinstance(error, Unavailable):
            log.error("a message failed", remote_address=self.remote_address, exc_info=error)
        self.close(ReasonCode.SERVER_BUSY, "the message cannot be stored now")

    def overflowed(self) -> None:
        self.counters.messages_dropped += 1
        super().overflowed()  # without DISCONNECT, which the client would not read either

    @property
    def is_admitted(self) -> bool:
        return self._uplink is not None

    def late(self, timer: IdleTimer) -> None:
        """Called when no packet arrived for too long, or a packet did not arrive completely in time."""
        if timer is self._timer:
            super().late(timer)
        else:
            self._rest_is_late(timer)

    def admission_timed_out(self) -> None:
        self._end("no CONNECT arrived in time")

    def idle_timed_out(self) -> None:
        self.close(ReasonCode.KEEP_ALIVE_TIMEOUT, "no packet arrived within one and a half times the keep alive")

    def close(self, reason_code: ReasonCode, reason: str) -> None:
        """Closes the connection (5.0: with a DISCONNECT [MQTT-4.13.1-1]). Further calls do nothing."""
        if not self.closing and self._uplink is not None and self._version is V5:
            self.write(handshake.goodbye(reason_code, reason, self._terms))
        self._end(reason)

    def _stop_timers(self) -> None:
        self._timer.stop()
        if self._packet_timer is not None:
            self._packet_timer.stop()

    def _end(self, reason: str) -> None:
        self._stop_timers()
        if self._uplink is not None:
            self._uplink.end()
        self.end(reason)


_HANDLERS: dict[type[Packet], Callable[[MqttConnection, Any], None]] = {
    Puback: MqttConnection._on_answer,
    Pubrec: MqttConnection._on_answer,
    Pubcomp: MqttConnection._on_answer,
    Pubrel: MqttConnection._on_pubrel,
    Subscribe: MqttConnection._on_subscribe,
    Unsubscribe: MqttConnection._on_unsubscribe,
    Pingreq: MqttConnection._on_pingreq,
    Disconnect: MqttConnection._on_disconnect,
    Auth: MqttConnection._on_auth,
}
