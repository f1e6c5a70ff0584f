"""Tells the trace of a device how far a message came that was sent to it."""

from typing import Any

from thingstead.broker.connection.delivery_parties import DeliveryObserver
from thingstead.model.device import Device
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.refusals import reason
from thingstead.services.shared.excerpts import noted_reason
from thingstead.services.shared.message_trace import MessageTrace, Plane, Traced, TraceOutcome
from thingstead.services.shared.recorded_reasons import recorded_reason

Receiver = tuple[Device, Plane]


class TracedDelivery:
    """Traces the delivery of one message, and passes the callbacks on to ``observer``."""

    __slots__ = ("_observer", "_traced")

    def __init__(
        self, trace: MessageTrace, receivers: list[Receiver], publish: Publish, observer: DeliveryObserver | None = None
    ) -> None:
        self._observer = observer
        self._traced = [
            Traced(trace, device, "down", plane, publish.topic, publish.payload, publish.qos)
            for device, plane in receivers
        ]

    def sent(self) -> None:
        if self._observer is not None:
            self._observer.sent()

    def answered(self, reason_code: ReasonCode) -> None:
        if reason_code >= ReasonCode.UNSPECIFIED_ERROR:
            why = reason("refused_by_device", name=reason_code.name, number=f"0x{reason_code:02X}")
            self._end("refused", [{"field": "", **noted_reason(why)}])
        else:
            self._end("delivered", [])
        if self._observer is not None:
            self._observer.answered(reason_code)

    def dropped(self, why: str) -> None:
        self._end("dropped", [{"field": "", **noted_reason(recorded_reason(why))}])
        if self._observer is not None:
            self._observer.dropped(why)

    def queued(self) -> None:
        """The message is queued in the device's session."""
        self._end("queued", [])

    def not_subscribed(self, topic: str) -> None:
        """The device is not subscribed to the topic."""
        self._end("dropped", [{"field": "", **noted_reason(reason("not_subscribed", topic=topic))}])

    def _end(self, outcome: TraceOutcome, errors: list[dict[str, Any]]) -> None:
        for traced in self._traced:
            traced.end(outcome, errors)
