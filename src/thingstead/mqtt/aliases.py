"""Topic aliases of one network connection (3.3.2.3.4): a number that stands for a topic name."""

from thingstead.mqtt.properties import Property
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import MqttError, ReasonCode, protocol_error


class InboundAliases:
    """What the peer's aliases mean. ``maximum`` is the Topic Alias Maximum that it was told."""

    __slots__ = ("_maximum", "_names")

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._names: dict[int, str] = {}

    def resolve(self, publish: Publish) -> None:
        """Puts the topic name into a PUBLISH that has an alias, and learns the alias of one that has both."""
        alias = publish.properties.get(Property.TOPIC_ALIAS)
        if alias is None:
            return
        if alias > self._maximum:
            # [MQTT-3.3.2-9] Not greater than the Topic Alias Maximum that was sent to the peer.
            raise MqttError(ReasonCode.TOPIC_ALIAS_INVALID, f"topic alias {alias} is over {self._maximum}")
        if publish.topic:
            self._names[alias] = publish.topic
        elif alias in self._names:
            publish.topic = self._names[alias]
        else:
            # 3.3.2.3.4: "If the receiver does not already have a mapping …, it is a Protocol Error".
            raise protocol_error(f"topic alias {alias} was never set")


class OutboundAliases:
    """Gives aliases to topic names, first come, first served, up to the peer's maximum."""

    __slots__ = ("_aliases", "_maximum")

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._aliases: dict[str, int] = {}

    def apply(self, publish: Publish) -> Publish:
        """The packet to send: with a new alias, with a known alias in place of its name, or unchanged.

        To be called in the order of sending; not for packets that may be sent again on another connection
        [MQTT-3.3.2-7].
        """
        alias = self._aliases.get(publish.topic)
        known = alias is not None
        if alias is None:
            if len(self._aliases) >= self._maximum:
                return publish
            alias = self._aliases[publish.topic] = len(self._aliases) + 1
        return Publish(
            "" if known else publish.topic,
            publish.payload,
            publish.qos,
            publish.packet_id,
            publish.retain,
            publish.dup,
            {**publish.properties, Property.TOPIC_ALIAS: alias},
        )
