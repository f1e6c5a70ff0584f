"""Who gets the messages of a topic of the open port: found once, and remembered until a subscription changes."""

from itertools import count

from thingstead.gateway.session import Options, Session, Subscription
from thingstead.mqtt.tree import TopicTree

ROUTES_LIMIT = 10_000  # topics whose subscribers are remembered …
MEMBERS_LIMIT = 1_000_000  # … and subscribers of all of them


class Group:
    """Sessions that get a message in the same encoding."""

    __slots__ = ("durable", "options", "sessions", "transient", "with_properties")

    def __init__(self, options: Options, with_properties: bool) -> None:
        self.options = options
        self.with_properties = with_properties
        self.sessions: list[Session] = []
        self.transient: list[Session] = []  # of these, those that end with their connections
        self.durable: list[Session] = []  # and those that do not


class Share:
    """A shared subscription (4.8.2): one of its members gets each message."""

    __slots__ = ("_members", "_turn", "topic_filter")

    def __init__(self, topic_filter: str, members: list[tuple[Session, Options]], turn: int) -> None:
        self.topic_filter = topic_filter  # with its share name
        self._members = members
        self._turn = turn

    def choose(self, qos: int, besides: Session | None = None) -> tuple[Session, Options] | None:
        """Whose turn it is: a member that is connected and reads; else one that is connected; else, at QoS 1 and 2, one
        that will come back. None where there is nobody."""
        members = self._members
        self._turn += 1
        best: tuple[Session, Options] | None = None
        for offset in range(len(members)):
            member = members[(self._turn + offset) % len(members)]
            session, options = member
            if session is besides:
                continue
            if session.delivery is None:
                if best is None and session.durable and min(qos, options.qos):
                    best = member
            elif session.delivery.keeps_up and not session.outbound.full:
                return member
            elif best is None or best[0].delivery is None:
                best = member
        return best


class Route:
    """Who gets the messages of one topic."""

    __slots__ = ("groups", "shares")

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.shares: list[Share] = []


class Routes:
    """The topic tree of all sessions."""

    def __init__(self) -> None:
        self._tree: TopicTree[Session, Subscription] = TopicTree()
        self._routes: dict[str, Route] = {}
        self._members = 0  # of these
        self._turns = count()  # where the turns of a share begin: routes are forgotten often, and nobody is favored

    def __len__(self) -> int:
        """The number of subscriptions."""
        return len(self._tree)

    def subscribe(self, session: Session, subscription: Subscription) -> None:
        self._tree.subscribe(subscription.topic_filter, session, subscription)
        self._forget()

    def unsubscribe(self, session: Session, topic_filter: str) -> None:
        self._tree.unsubscribe(topic_filter, session)
        self._forget()

    def session_changed(self, session: Session) -> None:
        """It has a connection, or has none any more."""
        if session.subscriptions:
            self._forget()

    def _forget(self) -> None:
        self._routes.clear()
        self._members = 0

    def route(self, topic: str) -> Route:
        route = self._routes.get(topic)
        if route is None:
            if len(self._routes) >= ROUTES_LIMIT or self._members >= MEMBERS_LIMIT:
                self._forget()
            route = self._routes[topic] = self._find(topic)
        return route

    def _find(self, topic: str) -> Route:
        found = self._tree.match(topic)
        self._members += len(found.subscribers) + sum(map(len, found.groups))
        subscriptions: dict[Session, list[Subscription]] = {}
        for session, subscription in found.subscribers:
            subscriptions.setdefault(session, []).append(subscription)
        groups: dict[tuple[Options, bool], Group] = {}
        for session, several in subscriptions.items():
            key = (combine(several), session.with_properties)
            group = groups.get(key)
            if group is None:
                group = groups[key] = Group(*key)
            group.sessions.append(session)
            (group.durable if session.durable else group.transient).append(session)
        route = Route()
        route.groups = list(groups.values())
        for members in found.groups:
            [topic_filter] = {subscription.topic_filter for subscription in members.values()}
            shared = [(session, combine([subscription])) for session, subscription in members.items()]
            route.shares.append(Share(topic_filter, shared, next(self._turns)))
        return route


def combine(subscriptions: list[Subscription]) -> Options:
    """[MQTT-3.3.4-2] [MQTT-3.3.4-3] Where filters overlap, a session gets one copy, at their greatest QoS and with all
    their identifiers."""
    return Options(
        max(subscription.qos for subscription in subscriptions),
        all(subscription.no_local for subscription in subscriptions),
        any(subscription.retain_as_published for subscription in subscriptions),
        tuple(sorted(subscription.identifier for subscription in subscriptions if subscription.identifier)),
    )
