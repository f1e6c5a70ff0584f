"""Topic names and topic filters (4.7), shared subscription filters (4.8.2)."""

import re
from typing import NamedTuple

from thingstead.mqtt.reasons import MqttError, ReasonCode, malformed

MAX_LEVELS = 200  # of a topic; bounds the cost of a subscription
SHARE_PREFIX = "$share/"

# 1.5.4: a receiver may treat control characters and non-characters as malformed; topics do here.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")


def check_topic_name(name: str) -> None:
    """Checks a topic name that is published to. Raises MqttError."""
    # [MQTT-4.7.3-1] At least one character.
    if not name:
        raise malformed("the topic name is empty")
    # [MQTT-3.3.2-2] [MQTT-4.7.0-1] (3.1.1: [MQTT-4.7.1-1]) No wildcards in a topic name.
    if "+" in name or "#" in name:
        raise malformed("a topic name contains a wildcard")
    _check_characters(name)


def check_topic_filter(topic_filter: str) -> None:
    """Checks a topic filter of a subscription, shared or not. Raises MqttError."""
    # [MQTT-4.7.3-1] At least one character.
    if not topic_filter:
        raise malformed("a topic filter is empty")
    _check_characters(topic_filter)
    if "#" in topic_filter or "+" in topic_filter:
        _check_wildcards(topic_filter)
    if topic_filter.startswith(SHARE_PREFIX):
        parse_shared(topic_filter)


def _check_characters(topic: str) -> None:
    if _CONTROL.search(topic):
        raise malformed("a topic contains a control character")
    if topic.count("/") >= MAX_LEVELS:
        raise MqttError(ReasonCode.IMPLEMENTATION_SPECIFIC_ERROR, f"a topic has more than {MAX_LEVELS} levels")


def _check_wildcards(topic_filter: str) -> None:
    levels = topic_filter.split("/")
    for number, level in enumerate(levels, 1):
        # [MQTT-4.7.1-1] (3.1.1: -2) '#' stands alone in its level, which is the last.
        if "#" in level and (level != "#" or number < len(levels)):
            raise malformed("'#' is not the whole of the last level")
        # [MQTT-4.7.1-2] (3.1.1: -3) '+' occupies an entire level.
        if "+" in level and level != "+":
            raise malformed("'+' is not the whole of its level")


class SharedFilter(NamedTuple):
    """``$share/{share_name}/{topic_filter}``; ``share_name`` is empty for a filter that is not shared."""

    share_name: str
    topic_filter: str


def parse_shared(topic_filter: str) -> SharedFilter:
    """Splits a subscription's filter into share name and topic filter (4.8.2). Raises MqttError."""
    if not topic_filter.startswith(SHARE_PREFIX):
        return SharedFilter("", topic_filter)
    share_name, slash, inner = topic_filter[len(SHARE_PREFIX) :].partition("/")
    # [MQTT-4.8.2-1] A share name of at least one character; [MQTT-4.8.2-2] without wildcards,
    # followed by '/' and a topic filter.
    if not share_name or "+" in share_name or "#" in share_name:
        raise malformed("a shared subscription has no valid share name")
    if not slash or not inner:
        raise malformed("a shared subscription has no topic filter")
    return SharedFilter(share_name, inner)


def matches(topic_filter: str, name: str) -> bool:
    """Whether a filter (not shared) matches a topic name (4.7). For many filters use the topic tree."""
    if topic_filter == name:
        return True
    # [MQTT-4.7.2-1] Filters that start with a wildcard do not match names that start with '$'.
    if name.startswith("$") and topic_filter.startswith(("+", "#")):
        return False
    filter_levels = topic_filter.split("/")
    levels = name.split("/")
    if filter_levels[-1] == "#":
        del filter_levels[-1]
        # 4.7.1.2: '#' also matches its parent level.
        if len(levels) < len(filter_levels):
            return False
        del levels[len(filter_levels) :]
    return len(levels) == len(filter_levels) and all(
        wanted in ("+", level) for wanted, level in zip(filter_levels, levels, strict=True)
    )
