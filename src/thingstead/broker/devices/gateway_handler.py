"""Handles the topics of a gateway: its own, and those of its sub-devices (wire reference §5)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec

from thingstead.broker.connection.connection import PeerConnection
from thingstead.broker.connection.handler import Receipt
from thingstead.broker.devices.device_handler import DeviceHandler
from thingstead.broker.devices.router import Downlink
from thingstead.broker.devices.session_holder import SessionHolder
from thingstead.broker.devices.subscriptions import reaches_under
from thingstead.config import MqttSettings
from thingstead.errors import ThingsteadError, Unavailable
from thingstead.model import device_answers
from thingstead.model.messages import AttributesPushed, CommandChanged, CommandIssued, DataSent
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.diagnosis.live_connections import LiveConnection
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.ingest.ingest import Outcome
from thingstead.services.platform import Platform
from thingstead.services.presence.sub_presence import GatewayLink, SubDeviceState
from thingstead.services.shared.device_logs import PARTS_REFUSED, parts_refused


class _SubDeviceMessage(msgspec.Struct):
    """Members that all messages about one sub-device have."""

    device: str | None = None


_decode_named = msgspec.json.Decoder(_SubDeviceMessage).decode


class GatewayHandler(DeviceHandler):
    """Handler of a gateway. The id of a request is in its body, not in the topic."""

    is_gateway = True
    __slots__ = ("_below", "_gateway")

    def __init__(
        self,
        connection: PeerConnection,
        link: DeviceContext,
        platform: Platform,
        settings: MqttSettings,
        end: Callable[[str], Awaitable[None]],
        gateway: GatewayLink,
        kept: SessionHolder | None = None,
    ) -> None:
        super().__init__(connection, link, platform, settings, end, kept)
        self._gateway = gateway
        self._below: dict[str, SubDownlink] = {}  # by sub-device address; made when first needed

    # Uplink

    @property
    def crowded(self) -> int | None:
        for number in self._gateway.reported:
            if self._ingest.history.crowded(number):
                return number
        self._gateway.reported.clear()
        return super().crowded

    def publish(self, packet: Publish) -> Receipt:
        route = _TOPICS.get(packet.topic)
        if route is None:
            return super().publish(packet)
        try:
            if self._trace.wanted:
                outcome, address = self._trace.take(packet, lambda: route.take(self, packet), lambda taken: taken[0])
            else:
                outcome, address = route.take(self, packet)
        except Unavailable:
            raise
        except ThingsteadError as exc:
            self._refused(exc, packet, None)  # logs it
            answer = device_answers.refusal(exc, _address(packet.payload))
            return None, device_answers.reason_code(exc), self._answer(route.answer_topic, answer), exc.message
        if outcome is None:
            return None, ReasonCode.SUCCESS, None, ""
        if address is None:
            return self._receipt(outcome, packet, route.answer_topic)
        reason = ""
        if outcome.refused:
            reason = parts_refused(outcome.refused)
            self._log_rejected(packet, PARTS_REFUSED, outcome.refused)
        body = device_answers.sub_accepted(address, outcome.refused)
        return outcome.commit, ReasonCode.SUCCESS, self._answer(route.answer_topic, body, outcome.commit), reason

    def _connect(self, packet: Publish) -> "_Taken":
        return self._platform.sub_devices.connect(self._gateway, packet.payload), None

    def _disconnect(self, packet: Publish) -> "_Taken":
        return self._platform.sub_devices.disconnect(self._gateway, packet.payload), None

    def _sub_attributes(self, packet: Publish) -> "_Taken":
        return self._platform.sub_devices.report_attributes(self._gateway, packet.payload), None

    def _sub_series(self, packet: Publish) -> "_Taken":
        return self._platform.sub_devices.report_series(self._gateway, packet.payload), None

    def _sub_event(self, packet: Publish) -> "_Taken":
        return self._platform.sub_devices.report_event(self._gateway, packet.payload)

    def _sub_reply(self, packet: Publish) -> "_Taken":
        return self._platform.sub_devices.reply(self._gateway, packet.payload)

    def _sub_get(self, packet: Publish) -> "_Taken":
        async def answer() -> None:
            try:
                address, values = await self._platform.sub_devices.attributes(self._gateway, packet.payload)
                body = device_answers.sub_attributes(address, values)
            except ThingsteadError as exc:
                self._refused(exc, packet, None)  # logs it
                body = device_answers.refusal(exc, _address(packet.payload))
            encoded = self._answer("gateway/attributes/get/response", body)
            if encoded is not None:
                self._connection.write(encoded)

        self._connection.run(answer, len(packet.payload))
        return None, None

    async def closed(self, reason: str) -> None:
        try:
            await self._platform.sub_devices.closed(self._gateway)
        finally:
            await super().closed(reason)

    # Downlink

    def _listens(self, topic_filters: Sequence[str]) -> None:
        super()._listens(topic_filters)
        if any(reaches_under(topic_filter, "gateway") for topic_filter in topic_filters):
            for sub_device in self._gateway.sub_devices.values():
                if sub_device.online:
                    self.below(sub_device).ready()

    def below(self, sub_device: SubDeviceState) -> Downlink:
        downlink = self._below.get(sub_device.address)
        if downlink is None or downlink.sub_device is not sub_device:
            downlink = self._below[sub_device.address] = SubDownlink(self, sub_device)
        return downlink


class SubDownlink:
    """Downlink to one sub-device: messages go over its gateway's connection, with its address in the body."""

    __slots__ = ("_commands", "_gateway", "sub_device")

    def __init__(self, gateway: GatewayHandler, sub_device: SubDeviceState) -> None:
        address = sub_device.address
        self._gateway = gateway
        self.sub_device = sub_device
        self._commands = gateway.commands_of(
            sub_device.link,
            lambda command: ("gateway/command/send", device_answers.sub_command(address, command)),
        )

    def push(self, message: AttributesPushed) -> None:
        """Sends ``gateway/attributes/push``."""
        self._gateway.send(
            "gateway/attributes/push",
            device_answers.sub_push(self.sub_device.address, message.attributes),
            self.sub_device.link,
        )

    def command(self, message: CommandIssued) -> None:
        """Sends ``gateway/command/send``. While the sub-device is offline, the command stays in the store until
        :meth:`ready`."""
        if self.sub_device.online:
            self._commands.issued(message)

    def command_changed(self, message: CommandChanged) -> None:
        self._commands.changed(message)

    def data(self, message: DataSent) -> None:
        """No-op: the wire has no topic for it, and :meth:`StreamService.send` refuses it."""

    def describe(self) -> LiveConnection:
        """The connection of the gateway."""
        return self._gateway.describe("gateway/")

    def ready(self) -> None:
        self._commands.ready()

    def below(self, sub_device: SubDeviceState) -> Downlink | None:
        return None


def _address(payload: bytes) -> str | None:
    """Sub-device address in a refused message; None if it cannot be read."""
    try:
        return _decode_named(payload).device
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


# Result of a message (None: the answer is sent later), and the sub-device that the answer names.
_Taken = tuple[Outcome | None, str | None]


class _GatewayRoute(NamedTuple):
    take: Callable[[GatewayHandler, Publish], _Taken]
    answer_topic: str | None  # None: no answer


_TOPICS = {
    "gateway/connect": _GatewayRoute(GatewayHandler._connect, None),
    "gateway/disconnect": _GatewayRoute(GatewayHandler._disconnect, None),
    "gateway/attributes": _GatewayRoute(GatewayHandler._sub_attributes, "gateway/attributes/response"),
    "gateway/attributes/series": _GatewayRoute(GatewayHandler._sub_series, "gateway/attributes/series/response"),
    "gateway/attributes/get": _GatewayRoute(GatewayHandler._sub_get, None),
    "gateway/event/report": _GatewayRoute(GatewayHandler._sub_event, "gateway/event/response"),
    "gateway/command/reply": _GatewayRoute(GatewayHandler._sub_reply, None),
}
