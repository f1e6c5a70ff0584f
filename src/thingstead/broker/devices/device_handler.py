"""Handles the topics of a device, in both directions (wire reference §3.2)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec

from thingstead.broker.connection.connection import PeerConnection
from thingstead.broker.connection.handler import Granted, HandlerBase, Receipt, Run
from thingstead.broker.connection.handshake import NO_SESSION, SessionGrant
from thingstead.broker.devices.commands import DeviceCommands, Envelope
from thingstead.broker.devices.connection_trace import ConnectionTrace
from thingstead.broker.devices.router import Downlink
from thingstead.broker.devices.session_holder import SessionHolder
from thingstead.broker.devices.sessions import PUSH_QOS
from thingstead.broker.devices.subscriptions import Subscriptions, reaches_under
from thingstead.broker.devices.topics import ANSWERS_GATEWAY, NO_GATEWAY, UP_GATEWAY, explain_filter, explain_topic
from thingstead.config import MqttSettings
from thingstead.errors import FieldError, Forbidden, InvalidInput, ThingsteadError, Unavailable
from thingstead.model import device_answers
from thingstead.model.messages import AttributesPushed, CommandChanged, CommandIssued, DataSent
from thingstead.model.wording import json_problem
from thingstead.mqtt.connection_packets import Disconnect
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Subscribe, Unsubscribe
from thingstead.refusals import Reason
from thingstead.services.diagnosis.live_connections import LiveConnection
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.ingest.ingest import Outcome
from thingstead.services.platform import Platform
from thingstead.services.presence.sub_presence import SubDeviceState
from thingstead.services.shared.commits import Commit
from thingstead.services.shared.device_logs import PARTS_REFUSED, parts_refused

MAX_ID_CHARACTERS = 32  # of the <id> that a requester chooses; a topic with a longer one is unknown
MAX_IDENTIFIER_CHARACTERS = 64  # of a data stream
_SUCCESS = ReasonCode.SUCCESS


class _Wanted(msgspec.Struct):
    """Payload of ``attributes/get/<id>``; without keys all attributes are wanted."""

    keys: list[str] | None = None


_decode_wanted = msgspec.json.Decoder(_Wanted).decode


class DeviceHandler(HandlerBase):
    """Handler of a device: it publishes its own data, and receives only what is sent to it (wire reference §15.31).

    Args:
        end: ends the device's session; called once, with the reason.
        kept: holder of a session that outlives this connection, if the device asked for one.
    """

    is_gateway = False
    __slots__ = (
        "_accepted",
        "_commands",
        "_connection",
        "_end",
        "_ingest",
        "_kept",
        "_link",
        "_platform",
        "_settings",
        "_subscriptions",
        "_trace",
        "_traces",
        "keep_alive_s",
    )

    def __init__(
        self,
        connection: PeerConnection,
        link: DeviceContext,
        platform: Platform,
        settings: MqttSettings,
        end: Callable[[str], Awaitable[None]],
        kept: SessionHolder | None = None,
    ) -> None:
        super().__init__()
        self._kept = kept
        self.keep_alive_s = 0  # 0: none
        self._settings = settings
        self._connection = connection
        self._link = link
        self._platform = platform
        self._ingest = platform.ingest
        self._traces = platform.device_logs.trace  # of all devices: asked first, once a message
        self._trace = ConnectionTrace(self._traces, link)
        self._end = end
        self._subscriptions = Subscriptions(settings.max_device_subscriptions)
        if kept is not None:
            self.inbound, self._subscriptions = kept.inbound, kept.filters
        self._accepted: bytes | None = None  # the encoded answer to a report that is stored completely
        self._commands = self.commands_of(link, _command_message)

    def commands_of(self, link: DeviceContext, envelope: Envelope) -> DeviceCommands:
        """Makes the sender of commands for this device, or for a sub-device."""
        return DeviceCommands(
            self._connection,
            self._subscriptions,
            self._platform.control,
            link.device.id,
            envelope,
            self._settings.command_window,
            lambda publish, observer: self._trace.down(publish, link, observer),
        )

    @property
    def accepted(self) -> SessionGrant:
        return NO_SESSION if self._kept is None else self._kept.accepted

    @property
    def project_id(self) -> str:
        return self._link.device.project_id

    @property
    def crowded(self) -> int | None:
        number = self._link.device.number
        return number if self._ingest.history.crowded(number) else None

    def begin(self) -> None:
        if self._kept is not None and self._kept.deliver(self._connection.delivery):
            self._subscriptions_changed()
            self._listens(list(self._subscriptions))

    def disconnected(self, packet: Disconnect) -> None:
        if self._kept is not None:
            self._kept.disconnected(packet)
        else:
            super().disconnected(packet)

    async def closed(self, reason: str) -> None:
        if self._kept is not None:
            self._kept.end(reason)
        await self._end(reason)

    # Uplink

    def publish(self, packet: Publish) -> Receipt:
        topic = packet.topic
        request_id = ""
        route = _TOPICS.get(topic)
        if route is None:
            root, _, request_id = topic.rpartition("/")
            route = _ROOTS.get(root)
            if route is None or not 0 < len(request_id) <= route.max_characters:
                return self._ignored(packet)
        answer_topic = None if route.answer_topic is None else route.answer_topic + request_id
        try:
            if self._traces.active and self._trace.wanted:
                taken = self._trace.take(packet, lambda: route.take(self, request_id, packet.payload), lambda it: it)
            else:
                taken = route.take(self, request_id, packet.payload)
        except Unavailable:
            raise
        except ThingsteadError as exc:
            return self._refused(exc, packet, answer_topic)
        return (None, _SUCCESS, None, "") if taken is None else self._receipt(taken, packet, answer_topic)

    def received(self, packet_id: int, pending: Commit | None) -> Commit | None:
        return pending if self._kept is None else self._kept.received(packet_id, pending)

    def release(self, packet_id: int) -> Commit | None:
        return None if self._kept is None else self._kept.release(packet_id)

    def publish_run(self, topic: str, payloads: Sequence[bytes]) -> Run:
        if topic != "attributes" or (self._traces.active and self._trace.wanted):
            return 0, None, None
        count, commit = self._ingest.report_run(self._link, payloads)
        if self._accepted is not None:
            self._connection.counters.messages_sent += count
        return count, commit, self._accepted

    def _ignored(self, packet: Publish) -> Receipt:
        """Acknowledges and counts a message on an unknown topic (wire reference §14.7)."""
        self._connection.counters.messages_ignored += 1
        why = explain_topic(packet.topic, gateway=self.is_gateway)
        self._log_rejected(packet, why, ())
        if self._trace.wanted:
            self._trace.up(packet.topic, packet.payload, packet.qos).refused(why, ())
        if why is NO_GATEWAY and packet.topic in UP_GATEWAY:
            answer = self._answer(ANSWERS_GATEWAY.get(packet.topic), device_answers.refusal(Forbidden(why)))
            return None, ReasonCode.NOT_AUTHORIZED, answer, why.message
        return None, ReasonCode.NO_MATCHING_SUBSCRIBERS, None, why.message

    def _report(self, _: str, payload: bytes) -> Outcome:
        return self._ingest.report_attributes(self._link, payload)

    def _series(self, _: str, payload: bytes) -> Outcome:
        return self._ingest.report_series(self._link, payload)

    def _event(self, _: str, payload: bytes) -> Outcome:
        return self._ingest.report_event(self._link, payload)

    def _reply(self, request_id: str, payload: bytes) -> Outcome:
        topic_id = int(request_id) if request_id.isascii() and request_id.isdecimal() else None
        return self._platform.control.reply(self._link.device, topic_id, payload)

    def _data(self, identifier: str, payload: bytes) -> Outcome:
        return self._platform.streams.report(self._link, identifier, payload)

    def _get(self, request_id: str, payload: bytes) -> None:
        try:
            keys = _decode_wanted(payload or b"{}").keys or []
        except (msgspec.ValidationError, RecursionError):
            raise InvalidInput("get_object_expected") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise InvalidInput(json_problem(payload, exc)) from None

        async def answer() -> None:
            try:
                values = await self._platform.history.current_values(self._link.device, keys)
                body = device_answers.attributes(values)
            except ThingsteadError as exc:
                body = device_answers.refusal(exc)
            encoded = self._answer(f"attributes/get/response/{request_id}", body)
            if encoded is not None:
                self._connection.write(encoded)

        self._connection.run(answer, len(payload))

    def _receipt(self, outcome: Outcome, packet: Publish, answer_topic: str | None) -> Receipt:
        if not outcome.refused:
            return outcome.commit, _SUCCESS, self._answer(answer_topic, device_answers.ACCEPTED, outcome.commit), ""
        reason = parts_refused(outcome.refused)
        self._log_rejected(packet, PARTS_REFUSED, outcome.refused)
        if outcome.commit is not None:
            return (
                outcome.commit,
                _SUCCESS,
                self._answer(answer_topic, device_answers.partly_refused(outcome.refused), outcome.commit),
                reason,
            )
        body = device_answers.all_refused(outcome.refused)
        return None, ReasonCode.PAYLOAD_FORMAT_INVALID, self._answer(answer_topic, body), reason

    def _refused(self, error: ThingsteadError, packet: Publish, answer_topic: str | None) -> Receipt:
        self._log_rejected(packet, error.reason, error.errors)
        return (
            None,
            device_answers.reason_code(error),
            self._answer(answer_topic, device_answers.refusal(error)),
            error.message,
        )

    def _log_rejected(self, packet: Publish, why: Reason, errors: Sequence[FieldError]) -> None:
        """Adds an entry to the device's log of rejected messages."""
        self._platform.device_logs.rejected(self._link.device, packet.topic, why, errors, packet.payload)

    def _answer(self, topic: str | None, payload: bytes, after: Commit | None = None) -> bytes | None:
        """Encodes an answer, to be written after a commit; None if there is no topic for it or the device is not
        subscribed to it.

        Answers are sent at QoS 0: the acknowledgement of the message they answer travels on the same connection.
        """
        grant = None if topic is None else self._subscriptions.grant(topic)
        if topic is None or grant is None:
            return None
        encoded = self._connection.delivery.encode(topic, payload, grant.properties)
        if encoded is not None:
            self._connection.counters.messages_sent += 1
            if self._trace.wanted:
                self._trace.answer(topic, payload, after)
        return encoded

    # Downlink

    def subscribe(self, packet: Subscribe) -> Granted:
        reason_codes = self._subscriptions.subscribe(packet)
        self._note_useless(packet, reason_codes)
        if self._trace.wanted:
            self._trace.filters(packet, reason_codes, gateway=self.is_gateway)
        self._subscriptions_changed()
        topic_filters = [request.topic_filter for request in packet.subscriptions]
        self._listens(topic_filters)
        return Granted(None if self._kept is None else self._kept.subscribed(topic_filters), reason_codes, None)

    def _note_useless(self, packet: Subscribe, reason_codes: Sequence[ReasonCode]) -> None:
        """Logs a granted subscription that no topic can match, to explain why nothing is received."""
        for request, reason_code in zip(packet.subscriptions, reason_codes, strict=True):
            if reason_code < ReasonCode.UNSPECIFIED_ERROR:
                why = explain_filter(request.topic_filter, gateway=self.is_gateway)
                if why is not None:
                    self._platform.device_logs.rejected(self._link.device, request.topic_filter, why, (), b"")

    def _listens(self, topic_filters: Sequence[str]) -> None:
        """Starts sending queued commands if one of the filters covers their topic."""
        if any(reaches_under(topic_filter, "command") for topic_filter in topic_filters):
            self._commands.ready()

    def unsubscribe(self, packet: Unsubscribe) -> Granted:
        reason_codes = self._subscriptions.unsubscribe(packet)
        self._subscriptions_changed()
        return Granted(
            None if self._kept is None else self._kept.unsubscribed(packet.topic_filters), reason_codes, None
        )

    def _subscriptions_changed(self) -> None:
        grant = self._subscriptions.grant("attributes/response")
        self._accepted = grant and self._connection.delivery.encode(
            "attributes/response", device_answers.ACCEPTED, grant.properties
        )

    def push(self, message: AttributesPushed) -> None:
        """Sends ``attributes/push``. If the device is not subscribed, the push is dropped: it can read the values."""
        self.send("attributes/push", device_answers.pushed(message))

    def data(self, message: DataSent) -> None:
        """Sends ``data/<identifier>/set`` with the bytes unchanged."""
        self.send(f"data/{message.identifier}/set", message.payload, most_qos=0 if message.transient else PUSH_QOS)

    def send(self, topic: str, payload: bytes, below: DeviceContext | None = None, most_qos: int = PUSH_QOS) -> None:
        """Sends a message to the device if it is subscribed, now or when its window allows.

        Args:
            below: the sub-device that the message is for.
            most_qos: 0: it is not kept for a device that does not receive it now.
        """
        grant = self._subscriptions.grant(topic)
        qos = 0 if grant is None else min(grant.qos, most_qos)
        publish = Publish(topic, payload, qos)
        traced = self._trace.down(publish, below or self._link)
        if grant is None:
            if traced is not None:
                traced.not_subscribed(topic)
            return
        if qos and self._kept is not None and self._kept.send(topic, payload, grant):
            if traced is not None:
                traced.queued()
            return
        publish.properties = grant.properties
        self._connection.delivery.send(publish, traced)
        self._connection.flush()

    def command(self, message: CommandIssued) -> None:
        """Sends ``command/send/<id>``."""
        self._commands.issued(message)

    def command_changed(self, message: CommandChanged) -> None:
        """Removes a command that has ended, and sends the next one."""
        self._commands.changed(message)

    def describe(self, below: str = "") -> LiveConnection:
        """The connection as it stands, for the device itself or, with ``gateway/`` as ``below``, for a sub-device."""
        reaches = self._subscriptions.grant
        command = f"{below}command/send" if below else "command/send/1000"
        return LiveConnection(
            self.keep_alive_s,
            list(self._subscriptions),
            commands=reaches(command) is not None,
            pushes=reaches(f"{below}attributes/push") is not None,
        )

    def ready(self) -> None:
        """No-op: queued commands are sent when the device subscribes."""

    def below(self, sub_device: SubDeviceState) -> Downlink | None:
        """None: only a gateway has sub-devices."""
        return None


def _command_message(command: CommandIssued) -> tuple[str, bytes]:
    return f"command/send/{command.command_id}", device_answers.command(command)


class _Route(NamedTuple):
    """Meaning of a topic: the function that handles the payload, and the topic of the answer (followed by the request's
    id)."""

    take: Callable[[DeviceHandler, str, bytes], Outcome | None]
    answer_topic: str | None  # None: no answer
    max_characters: int = MAX_ID_CHARACTERS  # of the last level, if it is an id or identifier


_TOPICS = {
    "attributes": _Route(DeviceHandler._report, "attributes/response"),
    "attributes/series": _Route(DeviceHandler._series, "attributes/series/response"),
}
_ROOTS = {
    "attributes/get": _Route(DeviceHandler._get, "attributes/get/response/"),
    "event/report": _Route(DeviceHandler._event, "event/response/"),
    "command/reply": _Route(DeviceHandler._reply, "command/reply/response/"),
    "data": _Route(DeviceHandler._data, None, MAX_IDENTIFIER_CHARACTERS),
}
