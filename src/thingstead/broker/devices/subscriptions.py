"""Topic filters that one device has subscribed to, within its own namespace."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from thingstead.mqtt.properties import NO_PROPERTIES, Properties, Property
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Subscribe, Unsubscribe
from thingstead.mqtt.topics import matches, parse_shared

FILTER_CHARACTERS = 256  # of an accepted topic filter; no topic of the wire is half as long
_REMEMBERED = 64  # topics whose lookup is cached


class Grant(NamedTuple):
    """QoS and properties with which a message on a topic is sent to the device."""

    qos: int
    properties: Properties  # the identifiers of all matching subscriptions [MQTT-3.3.4-3]


def reaches_under(topic_filter: str, root: str) -> bool:
    """Whether a filter may match a topic with the first level ``root``."""
    return parse_shared(topic_filter).topic_filter.split("/", 1)[0] in (root, "+", "#")


class Filter(NamedTuple):
    """Options of a subscription."""

    qos: int  # maximum QoS
    identifier: int  # 0: none


_filter = lru_cache(maxsize=1_000)(Filter)  # most devices use the same few


@lru_cache(maxsize=1_000)
def _shared(topic_filter: str) -> str:
    """One shared object for equal texts. (Not sys.intern: CPython 3.12 never frees what it was given.)"""
    return topic_filter


class Subscriptions:
    """Topic filters of a device, each with the QoS that was granted and its subscription identifier (0: none).

    A share name is ignored: a device is the only member of its namespace.

    Args:
        limit: maximum number of filters; the wire has about twenty topics.
    """

    __slots__ = ("_filters", "_found", "_limit")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._filters: dict[str, Filter] = {}
        self._found: dict[str, Grant | None] = {}

    def subscribe(self, packet: Subscribe) -> list[ReasonCode]:
        """Adds the filters of a SUBSCRIBE.

        Returns:
            One reason code for each filter, in order: the granted QoS [MQTT-3.9.3-1], or that there are too many.
        """
        [identifier] = packet.properties.get(Property.SUBSCRIPTION_IDENTIFIER, (0,))
        self._found.clear()
        reason_codes = []
        for request in packet.subscriptions:
            if len(request.topic_filter) > FILTER_CHARACTERS:
                reason_codes.append(ReasonCode.TOPIC_FILTER_INVALID)
                continue
            # [MQTT-3.8.4-3] A SUBSCRIBE with the same filter replaces the subscription.
            if request.topic_filter not in self._filters and len(self._filters) >= self._limit:
                reason_codes.append(ReasonCode.QUOTA_EXCEEDED)
                continue
            # Thousands of devices subscribe to the same filters: each text is stored once.
            self._filters[_shared(request.topic_filter)] = _filter(request.qos, identifier)
            reason_codes.append(ReasonCode(request.qos))
        return reason_codes

    def restore(self, topic_filter: str, qos: int, identifier: int) -> None:
        """Adds a subscription of a stored session."""
        self._filters[_shared(topic_filter)] = _filter(qos, identifier)

    def get(self, topic_filter: str) -> Filter | None:
        return self._filters.get(topic_filter)

    def __iter__(self) -> Iterator[str]:
        """Iterates over the topic filters."""
        return iter(self._filters)

    def unsubscribe(self, packet: Unsubscribe) -> list[ReasonCode]:
        """Removes filters. Returns one reason code for each, in order [MQTT-3.11.3-1]."""
        self._found.clear()
        return [
            ReasonCode.SUCCESS if self._filters.pop(topic_filter, None) else ReasonCode.NO_SUBSCRIPTION_EXISTED
            for topic_filter in packet.topic_filters
        ]

    def grant(self, topic: str) -> Grant | None:
        """Options for a message on ``topic``; None if no filter matches. Overlapping filters: one copy, at their
        greatest QoS [MQTT-3.3.4-2]."""
        if topic in self._found:
            return self._found[topic]
        found = [
            subscription
            for topic_filter, subscription in self._filters.items()
            if matches(parse_shared(topic_filter).topic_filter, topic)
        ]
        grant = _combine(found) if found else None
        if len(self._found) >= _REMEMBERED:
            self._found.clear()
        self._found[topic] = grant
        return grant


def _combine(found: Sequence[Filter]) -> Grant:
    identifiers = tuple(each.identifier for each in found if each.identifier)
    properties = {Property.SUBSCRIPTION_IDENTIFIER: identifiers} if identifiers else NO_PROPERTIES
    return Grant(max(each.qos for each in found), properties)
