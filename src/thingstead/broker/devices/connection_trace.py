"""What the trace of a device is told by its MQTT connection."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from thingstead.broker.connection.delivery_parties import DeliveryObserver
from thingstead.broker.devices.topics import explain_filter
from thingstead.broker.devices.traced_delivery import Receiver, TracedDelivery
from thingstead.errors import FieldError
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Subscribe
from thingstead.refusals import reason
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.ingest.ingest import Outcome
from thingstead.services.shared.commits import Commit
from thingstead.services.shared.message_trace import MessageTrace, Traced

T = TypeVar("T")


class ConnectionTrace:
    """Publishes the messages of one connection to subscribers of the trace of its device or of a sub-device."""

    __slots__ = ("_link", "_trace")

    def __init__(self, trace: MessageTrace, link: DeviceContext) -> None:
        self._trace = trace
        self._link = link

    @property
    def wanted(self) -> bool:
        """Whether the trace of the connection's device has subscribers."""
        return self._trace.active and self._trace.wants(self._link.device)

    def up(self, topic: str, payload: bytes, qos: int | None) -> Traced:
        """Starts the trace of an uplink message."""
        return Traced(self._trace, self._link.device, "up", "mqtt", topic, payload, qos)

    def take(self, packet: Publish, take: Callable[[], T], taken_of: Callable[[T], Outcome | None]) -> T:
        """Handles an uplink message with ``take``, and traces the outcome."""
        return self._trace.up(self._link.device, "mqtt", packet.topic, packet.payload, packet.qos, take, taken_of)

    def filters(self, packet: Subscribe, reason_codes: Sequence[ReasonCode], *, gateway: bool) -> None:
        """Traces a SUBSCRIBE."""
        for request, reason_code in zip(packet.subscriptions, reason_codes, strict=True):
            traced = self.up("subscribe", request.topic_filter.encode(), request.qos)
            why = explain_filter(request.topic_filter, gateway=gateway)
            if reason_code >= ReasonCode.UNSPECIFIED_ERROR:
                traced.refused(why or reason("filter_refused", name=reason_code.name), ())
            else:
                traced.taken(() if why is None else (FieldError("", why),), kept=True)

    def answer(self, topic: str, payload: bytes, after: Commit | None) -> None:
        """Traces an answer once ``after`` has ended."""
        self._trace.answer(self._link.device, topic, payload, after)

    def down(
        self, publish: Publish, link: DeviceContext, observer: DeliveryObserver | None = None
    ) -> TracedDelivery | None:
        """Starts the trace of a downlink message to this device or a sub-device; None if neither trace has
        subscribers."""
        trace, own = self._trace, self._link
        if not trace.active:
            return None
        receivers: list[Receiver] = [(own.device, "mqtt")] if trace.wants(own.device) else []
        if link is not own and trace.wants(link.device):
            receivers.append((link.device, "gateway"))
        return TracedDelivery(trace, receivers, publish, observer) if receivers else None
