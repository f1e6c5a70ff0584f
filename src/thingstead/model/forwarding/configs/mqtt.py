"""A broker as a forwarding target."""

from typing import ClassVar

from thingstead.model.outbound.mqtt import MqttEndpoint


class MqttConfig(MqttEndpoint, frozen=True, kw_only=True):
    """A broker, and the topic that is published to at QoS 1."""

    SECRETS: ClassVar[tuple[str, ...]] = ("password", "key")
    PLACE: ClassVar[tuple[str, ...]] = ("url", "server_name", "ca")
