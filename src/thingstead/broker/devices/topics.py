"""Explains unknown topics, and topic filters that cannot match, by the most similar known topic (wire reference §3.2,
§5)."""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

from thingstead.mqtt.topics import parse_shared
from thingstead.refusals import Reason, reason

UP = ("attributes", "attributes/series", "attributes/get/<id>", "event/report/<id>", "command/reply/<id>")
UP_DATA = "data/<identifier>"
UP_GATEWAY = (
    "gateway/connect",
    "gateway/disconnect",
    "gateway/attributes",
    "gateway/attributes/series",
    "gateway/attributes/get",
    "gateway/event/report",
    "gateway/command/reply",
)
DOWN = (
    "attributes/response",
    "attributes/series/response",
    "attributes/get/response/+",
    "attributes/push",
    "event/response/+",
    "command/send/+",
    "command/reply/response/+",
    "data/+/set",
)
DOWN_GATEWAY = (
    "gateway/attributes/response",
    "gateway/attributes/series/response",
    "gateway/attributes/get/response",
    "gateway/attributes/push",
    "gateway/event/response",
    "gateway/command/send",
)
ANSWERS_GATEWAY = {
    "gateway/attributes": "gateway/attributes/response",
    "gateway/attributes/series": "gateway/attributes/series/response",
    "gateway/attributes/get": "gateway/attributes/get/response",
    "gateway/event/report": "gateway/event/response",
}
NO_GATEWAY = reason("device_is_no_gateway")
_CHARACTERS = 64  # of a topic that is compared with the known ones, none of which is half as long
_CLOSENESS = 0.75


def explain_topic(topic: str, *, gateway: bool) -> Reason:
    """Why a device's message on ``topic`` has no effect."""
    if not gateway and topic.split("/", 1)[0] == "gateway":
        return NO_GATEWAY
    if any(may_match(pattern, topic) for pattern in DOWN + DOWN_GATEWAY):
        return reason("topic_is_downlink")
    known = (*UP, UP_DATA, *(UP_GATEWAY if gateway else ()))
    near = _nearest_to(topic, known)
    return reason("unknown_topic_near", near=near) if near else reason("unknown_topic")


@lru_cache(maxsize=1_000)  # nearly all devices subscribe with the same filters, which have 256 characters at most
def explain_filter(topic_filter: str, *, gateway: bool) -> Reason | None:
    """Why no message will ever match ``topic_filter``; None if one may."""
    topic_filter = parse_shared(topic_filter).topic_filter
    known = DOWN + DOWN_GATEWAY if gateway else DOWN
    if any(may_match(topic_filter, pattern) for pattern in known):
        return None
    if not gateway and topic_filter.split("/", 1)[0] == "gateway":
        return reason("topic_of_gateways")
    near = _nearest_to(topic_filter, known)
    return reason("topic_never_used_near", near=near) if near else reason("topic_never_used")


def may_match(topic_filter: str, pattern: str) -> bool:
    """Whether any topic name matches both; ``pattern`` has no ``#``."""
    wanted, levels = topic_filter.split("/"), pattern.split("/")
    if wanted[-1] == "#":
        del wanted[-1]
        if len(levels) < len(wanted):
            return False
        del levels[len(wanted) :]
    return len(wanted) == len(levels) and all(
        ours == theirs or "+" in (ours, theirs) for ours, theirs in zip(wanted, levels, strict=True)
    )


def _nearest_to(topic: str, known: Iterable[str]) -> str:
    """The most similar known topic, ignoring case, outer slashes and a missing id; empty if none is similar."""
    if len(topic) > _CHARACTERS:
        return ""
    return _nearest(topic.strip("/").lower(), tuple(known))


@lru_cache(maxsize=1_000)  # a device repeats its mistakes
def _nearest(bare: str, known: tuple[str, ...]) -> str:
    by_bare: dict[str, str] = {}
    for each in known:
        by_bare[each] = each
        by_bare.setdefault(each.partition("/<")[0].removesuffix("/+"), each)
    near = get_close_matches(bare, by_bare, n=1, cutoff=_CLOSENESS)
    return by_bare[near[0]] if near else ""
