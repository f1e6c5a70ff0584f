"""Topic aliases of one network connection (3.3.2.3.4): a number that stands for a topic name."""

from thingstead.mqtt.message import TopicAlias
from thingstead.mqtt.properties import Property
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import MqttError, ReasonCode, protocol_error


class InboundAliases:
    """Topic aliases that the peer has set. ``maximum`` is the Topic Alias Maximum that was sent to the peer."""

    __slots__ = ("_maximum", "_names")

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._names: dict[int, str] = {}

    def resolve(self, publish: Publish) -> None:
        """Sets the topic name of a PUBLISH that has only an alias; stores the alias of one that has both.

        Raises:
            MqttError: the alias is invalid or was never set.
        """
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
    """Assigns aliases to topic names, in the order of first use, up to the peer's maximum."""

    __slots__ = ("_aliases", "_maximum")

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._aliases: dict[str, TopicAlias] = {}

    def next(self, topic: str) -> TopicAlias | None:
        """The alias with which the next message of this topic must be sent, if any. Call it in the order of sending:
        the peer knows the alias once that message is sent."""
        alias = self._aliases.get(topic)
        if alias is not None:
            return alias
        if len(self._aliases) >= self._maximum:
            return None
        number = len(self._aliases) + 1
        self._aliases[topic] = TopicAlias(number, known=True)
        return TopicAlias(number, known=False)

    def forget(self, topic: str) -> None:
        """Drops the newest alias, because the message that introduces it was not sent."""
        self._aliases.pop(topic, None)
