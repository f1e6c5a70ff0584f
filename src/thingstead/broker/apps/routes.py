"""Matches messages with subscribers: topic filters under ProjectViewKeys, with a cache of routes by topic."""

from thingstead.broker.apps.subscriber import AppSubscriber
from thingstead.mqtt import wire
from thingstead.mqtt.properties import Properties, Property, serialize_properties
from thingstead.mqtt.protocol import PacketType
from thingstead.mqtt.tree import TopicTree
from thingstead.services.mqtt.subscriptions import DeviceCard

ROUTES_LIMIT = 100_000  # topics whose subscribers are cached …
MEMBERS_LIMIT = 1_000_000  # … and cached subscribers of all these topics

# How a message is encoded: for MQTT before 5.0 (None), or for 5.0 with these subscription identifiers.
Encoding = tuple[int, ...] | None


class AppRoute:
    """Subscribers of one topic: single ones by encoding, and groups of a shared subscription."""

    __slots__ = ("_head", "groups", "shared", "turn")

    def __init__(self, topic: str) -> None:
        self._head = wire.utf8(topic)
        self.groups: list[tuple[Encoding, list[AppSubscriber]]] = []
        self.shared: list[list[tuple[AppSubscriber, Encoding]]] = []
        self.turn = 0  # round-robin counter of shared subscriptions (4.8.2)

    @property
    def empty(self) -> bool:
        """Whether no subscription uses the route."""
        return not (self.groups or self.shared)

    def encode(self, encoding: Encoding, payload: bytes, properties: Properties) -> bytes:
        """Encodes a PUBLISH at QoS 0."""
        if encoding is None:
            return wire.packet(0x30, self._head + payload)
        if encoding:
            properties = {**properties, Property.SUBSCRIPTION_IDENTIFIER: encoding}
        encoded = serialize_properties(properties, PacketType.PUBLISH) if properties else b"\0"
        return wire.packet(0x30, self._head + encoded + payload)


class AppRoutes:
    """Topic tree of all subscribers. A message is encoded once for each encoding that its subscribers need."""

    def __init__(self) -> None:
        self._tree: TopicTree[AppSubscriber, int] = TopicTree()  # value: subscription identifier; 0: none
        self._routes: dict[str, AppRoute] = {}
        self._members = 0  # subscribers in all cached routes

    def __len__(self) -> int:
        """Number of subscriptions."""
        return len(self._tree)

    def subscribe(self, topic_filter: str, subscriber: AppSubscriber, identifier: int) -> None:
        self._tree.subscribe(topic_filter, subscriber, identifier)
        self.forget()

    def unsubscribe(self, topic_filter: str, subscriber: AppSubscriber) -> None:
        self._tree.unsubscribe(topic_filter, subscriber)
        self.forget()

    def forget(self) -> None:
        """Drops the cached routes."""
        self._routes.clear()
        self._members = 0

    def route(self, topic: str, card: DeviceCard | None = None) -> AppRoute:
        """Subscribers that get a message on this topic. Those with a scoped token get it only if it is about a device
        (``card``) in their scope; :meth:`forget` must follow when a device moves into a scope, or out of it."""
        route = self._routes.get(topic)
        if route is None:
            if len(self._routes) >= ROUTES_LIMIT or self._members >= MEMBERS_LIMIT:
                self.forget()
            route = self._routes[topic] = self._find(topic, card)
        return route

    def _find(self, topic: str, card: DeviceCard | None) -> AppRoute:
        found = self._tree.match(topic)
        found.subscribers = [each for each in found.subscribers if _may_have(each[0], topic, card)]
        self._members += len(found.subscribers) + sum(map(len, found.groups))
        # [MQTT-3.3.4-2] [MQTT-3.3.4-3] A subscriber with overlapping filters gets one copy, with all their identifiers.
        identifiers: dict[AppSubscriber, list[int]] = {}
        for subscriber, identifier in found.subscribers:
            identifiers.setdefault(subscriber, []).append(identifier)
        groups: dict[Encoding, list[AppSubscriber]] = {}
        for subscriber, each in identifiers.items():
            groups.setdefault(_encoding(subscriber, each), []).append(subscriber)
        route = AppRoute(topic)
        route.groups = list(groups.items())
        route.shared = [[(member, _encoding(member, [i])) for member, i in group.items()] for group in found.groups]
        return route


def _may_have(subscriber: AppSubscriber, topic: str, card: DeviceCard | None) -> bool:
    scope = subscriber.scope
    if scope is None:
        return True
    return (
        card is not None
        and topic.split("/", 3)[2] in scope.topics
        and scope.holds(card.device_id, card.type_id, card.group_ids or ())
    )


def _encoding(subscriber: AppSubscriber, identifiers: list[int]) -> Encoding:
    return tuple(sorted(filter(None, identifiers))) if subscriber.with_properties else None


def deliver(route: AppRoute, payload: bytes, properties: Properties, begun: list[AppSubscriber]) -> None:
    """Offers a message to all subscribers of a route; appends those that must be drained to ``begun``."""
    for encoding, subscribers in route.groups:
        data = route.encode(encoding, payload, properties)
        begun.extend(subscriber for subscriber in subscribers if subscriber.offer(data))
    if route.shared:
        route.turn += 1
        for members in route.shared:
            subscriber, encoding = members[route.turn % len(members)]
            if subscriber.offer(route.encode(encoding, payload, properties)):
                begun.append(subscriber)
