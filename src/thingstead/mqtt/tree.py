"""The topic tree: finds the subscriptions of a topic name, in time that depends on its levels, not on their number."""

from collections.abc import Hashable
from typing import Generic, TypeVar

from thingstead.mqtt.topics import parse_shared

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Node(Generic[K, V]):
    __slots__ = ("children", "groups", "subscribers")

    def __init__(self) -> None:
        self.children: dict[str, _Node[K, V]] | None = None
        self.subscribers: dict[K, V] | None = None
        self.groups: dict[str, dict[K, V]] | None = None  # by share name

    @property
    def empty(self) -> bool:
        return not (self.children or self.subscribers or self.groups)


class Matches(Generic[K, V]):
    """Subscribers of a topic name. A subscriber with several matching filters occurs once for each."""

    __slots__ = ("groups", "subscribers")

    def __init__(self) -> None:
        self.subscribers: list[tuple[K, V]] = []
        # One dict per shared subscription; one member of each gets the message (4.8.2).
        self.groups: list[dict[K, V]] = []


class TopicTree(Generic[K, V]):
    """Subscriptions by topic filter. ``K`` identifies the subscriber, ``V`` holds its options.

    Each level of a filter is a node; ``+`` and ``#`` are children like any other. Filters must be checked before
    (``check_topic_filter``). Shared subscriptions are stored separately, by share name.
    """

    def __init__(self) -> None:
        self._root: _Node[K, V] = _Node()
        self._count = 0

    def __len__(self) -> int:
        """The number of subscriptions."""
        return self._count

    def subscribe(self, topic_filter: str, subscriber: K, value: V) -> bool:
        """Adds a subscription, or replaces the equal one [MQTT-3.8.4-3]; True if it is new."""
        share_name, inner = parse_shared(topic_filter)
        node = self._root
        for level in inner.split("/"):
            if node.children is None:
                node.children = {}
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node()
            node = child
        if share_name:
            if node.groups is None:
                node.groups = {}
            members = node.groups.setdefault(share_name, {})
        else:
            if node.subscribers is None:
                node.subscribers = {}
            members = node.subscribers
        new = subscriber not in members
        members[subscriber] = value
        self._count += new
        return new

    def unsubscribe(self, topic_filter: str, subscriber: K) -> bool:
        """Removes the subscription with exactly this filter [MQTT-3.10.4-1]; False if there was none."""
        share_name, inner = parse_shared(topic_filter)
        path: list[tuple[_Node[K, V], str]] = []
        node = self._root
        for level in inner.split("/"):
            child = node.children.get(level) if node.children else None
            if child is None:
                return False
            path.append((node, level))
            node = child
        groups = node.groups or {}
        members = groups.get(share_name) if share_name else node.subscribers
        if members is None or subscriber not in members:
            return False
        del members[subscriber]
        if share_name and not members:
            del groups[share_name]
        self._count -= 1
        self._prune(path)
        return True

    @staticmethod
    def _prune(path: list[tuple[_Node[K, V], str]]) -> None:
        for parent, level in reversed(path):
            if parent.children is None or not parent.children[level].empty:
                return
            del parent.children[level]
            if not parent.children:
                parent.children = None

    def match(self, topic_name: str) -> Matches[K, V]:
        """All subscriptions whose filter matches a topic name (4.7)."""
        found: Matches[K, V] = Matches()
        nodes = [self._root]
        # [MQTT-4.7.2-1] A wildcard in the first level does not match a name that starts with '$'.
        wildcards = not topic_name.startswith("$")
        for level in topic_name.split("/"):
            following: list[_Node[K, V]] = []
            for node in nodes:
                children = node.children
                if children is None:
                    continue
                exact = children.get(level)
                if exact is not None:
                    following.append(exact)
                if wildcards:
                    single = children.get("+")
                    if single is not None:
                        following.append(single)
                    _collect(children.get("#"), found)
            nodes = following
            if not nodes:
                return found
            wildcards = True
        for node in nodes:
            _collect(node, found)
            # 4.7.1.2: '#' also matches its parent level.
            if node.children is not None:
                _collect(node.children.get("#"), found)
        return found


def _collect(node: _Node[K, V] | None, found: Matches[K, V]) -> None:
    if node is None:
        return
    if node.subscribers:
        found.subscribers.extend(node.subscribers.items())
    if node.groups:
        found.groups.extend(node.groups.values())
