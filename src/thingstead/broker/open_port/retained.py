"""Index of retained messages (3.3.1.3): the newest of each topic, found by topic filter."""

from collections.abc import Iterator

from thingstead.mqtt.message import Message
from thingstead.mqtt.topics import SharedFilter, parse_shared

NODE_BYTES = 350  # approximate memory of one level of a topic name


class _TopicNode:
    __slots__ = ("children", "message")

    def __init__(self) -> None:
        self.children: dict[str, _TopicNode] = {}
        self.message: Message | None = None


class RetainedMessages:
    """Retained messages in a tree of topic names. A search costs time by the filter's levels and the number of matches.

    Args:
        max_bytes: bound of all of them.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._root = _TopicNode()
        self._bytes = 0
        self._count = 0
        self._newest = 0  # serial

    def __len__(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        """Size of all retained messages."""
        return self._bytes

    def fits(self, message: Message) -> bool:
        """Whether there is room for a message, which would replace the one of the same topic."""
        node, old, missing = self._root, None, 0
        for level in message.topic.split("/"):
            child = None if missing else node.children.get(level)
            if child is None:
                missing += 1
            else:
                node = child
        if not missing:
            old = node.message
        more = message.size_bytes + missing * NODE_BYTES - (old.size_bytes if old else 0)
        return self._bytes + more <= self._max_bytes

    def get(self, topic: str) -> Message | None:
        node: _TopicNode | None = self._root
        for level in topic.split("/"):
            node = node.children.get(level) if node is not None else None
        return None if node is None else node.message

    def put(self, message: Message) -> None:
        """Stores a message and replaces the one of the same topic [MQTT-3.3.1-5]."""
        node = self._root
        for level in message.topic.split("/"):
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _TopicNode()
                self._bytes += NODE_BYTES
            node = child
        if node.message is not None:
            self._take_out(node.message)
        node.message = message
        self._newest += 1
        message.serial = self._newest
        self._count += 1
        self._bytes += message.size_bytes

    def _take_out(self, message: Message) -> None:
        self._count -= 1
        self._bytes -= message.size_bytes

    def remove(self, topic: str) -> bool:
        """Removes the message of a topic. Returns False if there was none."""
        path = [self._root]
        levels = topic.split("/")
        for level in levels:
            child = path[-1].children.get(level)
            if child is None:
                return False
            path.append(child)
        message = path[-1].message
        if message is None:
            return False
        path[-1].message = None
        self._take_out(message)
        for parent, level in zip(reversed(path[:-1]), reversed(levels), strict=True):
            node = parent.children[level]
            if node.children or node.message is not None:
                break
            del parent.children[level]
            self._bytes -= NODE_BYTES
        return True

    def match(self, topic_filter: str) -> Iterator[Message]:
        """Messages whose topic matches a filter; none for a shared subscription (4.8.2).

        The search is lazy, so that a filter with very many matches blocks nobody. Messages that are stored, replaced or
        removed during the iteration are skipped.
        """
        shared: SharedFilter = parse_shared(topic_filter)
        if shared.share_name:
            return iter(())
        newest = self._newest
        return (message for message in _walk(self._root, topic_filter.split("/")) if message.serial <= newest)


def _walk(root: _TopicNode, levels: list[str]) -> Iterator[Message]:
    nodes = [root]
    for depth, level in enumerate(levels):
        if level == "#":
            for node in nodes:
                # 4.7.1.2: '#' also matches its parent level; [MQTT-4.7.2-1] not a first level that begins with '$'.
                if depth and node.message is not None:
                    yield node.message
                children = node.children
                names = children if depth else [name for name in children if not name.startswith("$")]
                for child in tuple(children[name] for name in names):
                    yield from _below(child)
            return
        if level == "+":
            nodes = [c for n in nodes for name, c in n.children.items() if depth or not name.startswith("$")]
        else:
            nodes = [node.children[level] for node in nodes if level in node.children]
    yield from (node.message for node in nodes if node.message is not None)


def _below(root: _TopicNode) -> Iterator[Message]:
    """Messages at and below a node. Not recursive, because topics may be deep."""
    nodes = [root]
    while nodes:
        node = nodes.pop()
        if node.message is not None:
            yield node.message
        nodes += reversed(node.children.values())
