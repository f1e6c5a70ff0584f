"""Brokers: a PUBLISH at QoS 1 for each message, in order; a batch is accepted when each has its PUBACK."""

import asyncio
from collections.abc import Sequence
from typing import Any

from thingstead.model.forwarding.configs.mqtt import MqttConfig
from thingstead.model.forwarding.message import ForwardMessage, listed_one
from thingstead.model.outbound.mqtt import names_of, topic_of
from thingstead.refusals import reason
from thingstead.services.forwarding.target import OpenContext, TargetRefusal, TransientFailure
from thingstead.services.outbound.http import SendFailed
from thingstead.services.outbound.mqtt.client import MqttClient, MqttMessage

TIMEOUT_S = 10.0  # of a connection, and of each answer
# Failures that last until somebody changes something: credentials, rights, certificates, the address.
PAUSING = frozenset(
    {"mqtt_refused", "certificate_unusable", "notice_address_refused", "mqtt_no_qos_1", "mqtt_no_retain"}
)
OFFERED_AT_ONCE = 50  # messages, which take about 1 ms
ACKNOWLEDGED_LIMIT = 4_096  # ids of messages that the broker has, while the rest of their batch is sent again


class BrokerSession:
    """See :class:`~thingstead.services.forwarding.target.TargetSession`."""

    def __init__(self, context: OpenContext, config: MqttConfig) -> None:
        self._context = context
        self._config = config
        self._client = MqttClient(
            config, f"ts{context.target_id}"[:23], context.http.resolver, context.private_addresses, TIMEOUT_S
        )
        self._acknowledged: dict[str, None] = {}

    async def send(self, batch: Sequence[ForwardMessage]) -> Sequence[TargetRefusal | None] | None:
        sent: dict[str, asyncio.Future[None]] = {}
        try:
            for message in batch:
                if message.id not in self._acknowledged:
                    sent[message.id] = self._client.offer(self._message(message))
                    if len(sent) % OFFERED_AT_ONCE == 0:
                        await asyncio.sleep(0)  # others have their turn
            if sent:
                await asyncio.wait(sent.values())
        finally:
            for message_id in sent:
                self._client.abandon(message_id)
        refusals: list[TargetRefusal | None] = []
        failed: SendFailed | None = None
        for message in batch:
            error = sent[message.id].exception() if message.id in sent else None
            assert error is None or isinstance(error, SendFailed), "of a message to a broker"
            if error is not None and (not error.permanent or error.why.code in PAUSING):
                failed = error
            refused = error is not None and error.permanent and error.why.code not in PAUSING
            refusals.append(TargetRefusal(self._why(error)) if error is not None and refused else None)
        if failed is not None:
            self._keep(message_id for message_id, future in sent.items() if future.exception() is None)
            pause = failed.why.code in PAUSING
            raise TransientFailure(self._why(failed), retry_after_s=failed.retry_after_s, pause=pause)
        for message in batch:
            self._acknowledged.pop(message.id, None)
        return refusals if any(refusals) else None

    async def close(self) -> None:
        """Drops the connection."""
        await self._client.close()

    def _message(self, message: ForwardMessage) -> MqttMessage:
        content = message.content
        identifier = str(content.get("method" if message.kind == "event" else "identifier", ""))
        names = names_of(self._context.project_id, message.kind, identifier, message.device)
        return MqttMessage(message.id, topic_of(self._config.topic, names), listed_one(message))

    def _keep(self, message_ids: Any) -> None:
        for message_id in message_ids:
            self._acknowledged[message_id] = None
        while len(self._acknowledged) > ACKNOWLEDGED_LIMIT:
            del self._acknowledged[next(iter(self._acknowledged))]

    def _why(self, failed: SendFailed) -> Any:
        hidden = failed.inner and not self._context.shows_private()
        return reason("notice_not_taken") if hidden else failed.why


async def open_mqtt(context: OpenContext, config: Any) -> BrokerSession:
    """Opens a broker; the connection is made when something is sent."""
    return BrokerSession(context, config)
