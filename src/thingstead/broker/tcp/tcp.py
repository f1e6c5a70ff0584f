"""Devices on raw TCP: each packet is a message of the stream that the type binds to TCP (wire reference §4.2)."""

from dataclasses import dataclass
from typing import Any

import structlog

from thingstead.broker.connection.client_connection import ClientConnection
from thingstead.broker.connection.handler import BackPressure
from thingstead.broker.devices.access import Admission, DeviceLogIn, LogInCredential
from thingstead.broker.devices.router import Downlink
from thingstead.broker.net.admission import Arrival
from thingstead.broker.net.connections import Clients, RefusedConnections
from thingstead.broker.net.counters import Counters
from thingstead.broker.net.idle_timers import IdleTimers
from thingstead.broker.net.reachability import give_up_after
from thingstead.broker.net.tasks import TaskLimiter
from thingstead.broker.tcp.registration import LINE_ENDS, NotRegistered, Registered, Registration
from thingstead.config import TcpSettings
from thingstead.errors import Forbidden, InvalidInput, ThingsteadError, Unavailable
from thingstead.model import device_answers
from thingstead.model.messages import AttributesPushed, CommandChanged, CommandIssued, DataSent
from thingstead.mqtt.budget import Budget
from thingstead.mqtt.reasons import ReasonCode
from thingstead.refusals import Reason, reason
from thingstead.services.diagnosis.live_connections import LiveConnection
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.ingest.ingest import Outcome
from thingstead.services.presence.sub_presence import SubDeviceState
from thingstead.services.shared.device_logs import PARTS_REFUSED
from thingstead.services.shared.message_trace import Traced, TraceOutcome

log = structlog.get_logger("thingstead.broker")

SEND_BUFFER_MAX_BYTES = 1 << 20  # bytes that a device leaves unread; over it the connection is aborted
UNKEPT_LIMIT = 64  # packets of a connection that wait for their commit; over it the connection is not read
NO_STREAM = reason("no_tcp_stream")
NOT_OVER_TCP = reason("not_over_tcp")

_UNKEPT = 8  # reason for not reading a connection, beside those of every client


@dataclass(frozen=True, slots=True)
class TcpListenerContext:
    """What the connections of the TCP ports share: settings, counters and services."""

    settings: TcpSettings
    log_in: DeviceLogIn
    counters: Counters
    back_pressure: BackPressure
    log_ins: TaskLimiter
    ends: TaskLimiter
    clients: "Clients[TcpClient]"
    heartbeats: frozenset[bytes]  # packets that are ignored
    idle_timers: IdleTimers
    refused_connections: RefusedConnections
    unread: Budget


class TcpClient(ClientConnection):
    """Connection of a device over raw TCP: *waiting* for the registration packet, *admitting*, *admitted*, *closing*.

    Neither the registration nor any other packet is answered. The bytes of one read of the socket are one packet.
    """

    __slots__ = (
        "_admission",
        "_context",
        "_early",
        "_line_end_due",
        "_registered",
        "_registration",
        "_unkept",
    )

    OURS = ClientConnection.OURS | _UNKEPT

    def __init__(self, context: TcpListenerContext, arrival: Arrival | None = None) -> None:
        super().__init__(SEND_BUFFER_MAX_BYTES, arrival, context.unread, context.back_pressure, context.idle_timers)
        self._context = context
        self._registration: Registration | None = Registration()  # None once it is complete
        self._registered = b""  # the registration packet
        self._line_end_due = False  # the line end may arrive as a packet of its own
        self._admission: Admission | None = None  # None until admitted
        self._early: list[bytes] = []  # packets received during the log-in
        self._unkept = 0

    # Called by the transport

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        context = self._context
        context.counters.connections += 1
        context.clients.add(self)
        if len(context.clients) > context.settings.max_connections:
            context.counters.connections_refused += 1
            context.refused_connections.note("limit", "too many connections on raw TCP are open", self.remote_address)
            self.abort()
        else:
            context.counters.connections_accepted += 1
            self._timer.start(context.settings.registration_timeout_s)

    def received(self, data: bytes) -> None:
        if self.closing:
            return
        try:
            if self._admission is not None:
                self._timer.heard_at_s = self._loop.time()
                self._take(self._admission.link, data)
            elif self._registration is None:
                self._early.append(data)
            elif registered := self._registration.receive_data(data):
                self._begin(registered)
        except NotRegistered as exc:
            self._context.refused_connections.note("protocol", str(exc), self.remote_address)
            self._turn_away(str(exc))
        except Exception:
            # A bug: logged here, and it costs this connection only.
            log.exception("a TCP connection failed", remote_address=self.remote_address)
            self.abort("it failed")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._timer.stop()
        self._context.clients.discard(self)
        self._context.counters.connections -= 1
        self._early.clear()
        if self._admission is not None:
            self._context.ends.take(self._ended)

    def resumed(self) -> None:
        self._timer.heard_at_s = self._loop.time()

    # Admission

    def _begin(self, registered: Registered) -> None:
        self._registration = None
        self._registered = registered.packet
        self._line_end_due = not registered.ended and not registered.rest
        self._timer.stop()  # reads of the store have time-outs of their own
        self.pause(self.ADMITTING)
        if registered.rest:
            self._early.append(registered.rest)
        certificate = LogInCredential(registered.access_token, registered.project_key)
        self._context.log_ins.take(lambda: self._log_in(certificate))

    async def _log_in(self, certificate: LogInCredential) -> None:
        if not self.closing:  # otherwise it closed while the log-in was queued
            await self._admit(certificate)

    async def _admit(self, certificate: LogInCredential) -> None:
        try:
            downlink = await self._context.log_in.log_in(certificate, self, "tcp", "", self._make, check=self._check)
            if self.closing:
                await downlink.admission.end(self.reason)
            else:
                self._admitted(downlink.admission)
        except ThingsteadError as exc:
            self._turn_away(exc.message)
        except Exception:
            # A bug: logged here, and it costs this connection only.
            log.exception("a log-in failed", remote_address=self.remote_address)
            self.abort("it failed")

    async def _ended(self) -> None:
        if self._admission is not None:
            await self._admission.end(self.reason)

    def _check(self, link: DeviceContext) -> None:
        if link.definition.compiled.tcp_stream is None:
            logs = self._context.log_in.platform.device_logs
            logs.rejected(link.device, "tcp", NO_STREAM, (), b"")
            if logs.trace.wants(link.device):
                Traced(logs.trace, link.device, "up", "tcp", "log-in", b"", None).refused(NO_STREAM, ())
            raise Forbidden(NO_STREAM)

    async def _make(self, admission: Admission) -> "TcpDownlink":
        return TcpDownlink(self, admission, self._context)

    def _admitted(self, admission: Admission) -> None:
        self._arrival.proved()
        self._admission = admission
        settings = self._context.settings
        self._timer.start(settings.idle_timeout_s)
        give_up_after(self._transport, settings.unreachable_timeout_s or settings.idle_timeout_s)
        early, self._early = self._early, []
        for data in early:
            if not self.closing:
                self._take(admission.link, data)
        self.resume(self.ADMITTING)

    def _turn_away(self, reason: str) -> None:
        self._context.counters.connections_refused += 1
        log.debug("a TCP device was not admitted", remote_address=self.remote_address, reason=reason)
        self.finish(reason)

    # Packets

    def _take(self, link: DeviceContext, data: bytes) -> None:
        line_end_due, self._line_end_due = self._line_end_due, False
        if (line_end_due and data in LINE_ENDS) or data in self._context.heartbeats:
            return
        if data.rstrip(b"\r\n") == self._registered:
            return  # many devices repeat it as a heartbeat
        self._context.counters.messages_received += 1
        platform, stream = self._context.log_in.platform, link.definition.compiled.tcp_stream
        if stream is None:
            self.finish(NO_STREAM.message)
            return
        try:
            outcome = self._report(link, stream, data)
        except InvalidInput as exc:
            platform.device_logs.rejected(link.device, f"data/{stream}", exc.reason, exc.errors, data)
            return
        except Unavailable:
            self.finish("the message cannot be stored now")
            return
        if outcome.refused:
            platform.device_logs.rejected(link.device, f"data/{stream}", PARTS_REFUSED, outcome.refused, data)
        if outcome.commit is not None:
            self._unkept += 1
            outcome.commit.on_done(self._kept)
        self._hold_back(link.device.number)

    def _report(self, link: DeviceContext, stream: str, data: bytes) -> Outcome:
        platform = self._context.log_in.platform
        trace = platform.device_logs.trace
        if not trace.wants(link.device):
            return platform.streams.report(link, stream, data)
        return trace.up(
            link.device,
            "tcp",
            f"data/{stream}",
            data,
            None,
            lambda: platform.streams.report(link, stream, data),
            lambda outcome: outcome,
        )

    def _kept(self, error: Exception | None) -> None:
        self._unkept -= 1
        if error is not None:
            self.finish("the message cannot be stored now")
        elif self._unkept <= UNKEPT_LIMIT:
            self.resume(_UNKEPT)

    def _hold_back(self, device_number: int) -> None:
        """Pauses reading while commits of this device pile up, or the history has no room."""
        self.pause_until_room(device_number if self._back_pressure.crowded(device_number) else None)
        if self._unkept > UNKEPT_LIMIT:
            self.pause(_UNKEPT)

    # End

    @property
    def is_admitted(self) -> bool:
        return self._admission is not None

    def admission_timed_out(self) -> None:
        self._turn_away("no registration packet arrived in time")

    def idle_timed_out(self) -> None:
        self.finish("no packet arrived within the idle time-out")

    def close(self, reason_code: ReasonCode, reason: str) -> None:
        """Closes the connection; the protocol has no way to send a reason."""
        self.finish(reason)

    def finish(self, reason: str) -> None:
        """Sends the collected bytes, then closes. Further calls do nothing."""
        self._timer.stop()
        self.end(reason)


class TcpDownlink:
    """Downlink to one device over raw TCP: the bytes of its stream, and nothing else."""

    __slots__ = ("_client", "_context", "admission")

    def __init__(self, client: TcpClient, admission: Admission, context: TcpListenerContext) -> None:
        self._client = client
        self._context = context
        self.admission = admission

    def data(self, message: DataSent) -> None:
        """Sends the bytes unchanged."""
        if message.identifier == self.admission.link.definition.compiled.tcp_stream:
            self._context.counters.messages_sent += 1
            self._client.write(message.payload)
            self._client.flush()
            self._trace(f"data/{message.identifier}/set", message.payload, "delivered")

    def _trace(self, topic: str, payload: bytes, outcome: TraceOutcome, why: Reason | None = None) -> None:
        trace = self._context.log_in.platform.device_logs.trace
        trace.down(self.admission.link.device, "tcp", topic, payload, outcome, why)

    def push(self, message: AttributesPushed) -> None:
        """Raw TCP has no attributes; the bytes that a rule made of them are sent unchanged."""
        if message.payload:
            self._context.counters.messages_sent += 1
            self._client.write(message.payload)
            self._client.flush()
            self._trace("attributes/push", message.payload, "delivered")
            return
        self._trace("attributes/push", device_answers.pushed(message), "dropped", NOT_OVER_TCP)

    def command(self, message: CommandIssued) -> None:
        """Fails the command: raw TCP has no commands."""
        self._trace(f"command/send/{message.command_id}", device_answers.command(message), "dropped", NOT_OVER_TCP)
        self._context.log_in.platform.control.command_failed(
            message.command_row_id, "the device is connected over TCP, which does not support commands"
        )

    def command_changed(self, message: CommandChanged) -> None:
        """No-op: no commands are queued."""

    def describe(self) -> LiveConnection | None:
        """Raw TCP has neither keep alive nor subscriptions."""
        return None

    def ready(self) -> None:
        """No-op: nothing is queued."""

    def below(self, sub_device: SubDeviceState) -> Downlink | None:
        return None
