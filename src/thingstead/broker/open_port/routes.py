"""Finds the subscribers of a topic of the open port, with a cache that each change of a subscription empties."""

from itertools import count

from thingstead.broker.sessions.session import Options, Session, Subscription
from thingstead.mqtt.tree import TopicTree

ROUTES_LIMIT = 10_000  # topics whose subscribers are cached …
MEMBERS_LIMIT = 1_000_000  # … and cached subscribers of all these topics


class SessionGroup:
    """Sessions that get a message in the same encoding."""

    __slots__ = ("durable", "options", "sessions", "transient", "with_properties")

    def __init__(self, options: Options, with_properties: bool) -> None:
        self.options = options
        self.with_properties = with_properties
        self.sessions: list[Session] = []
        self.transient: list[Session] = []  # sessions that end with their connections
        self.durable: list[Session] = []  # sessions that outlive their connections

    def add(self, session: Session) -> None:
        self.sessions.append(session)
        (self.durable if session.durable else self.transient).append(session)

    def without(self, session: Session) -> "SessionGroup":
        """A copy of the group without one session."""
        if session not in self.sessions:
            return self
        rest = SessionGroup(self.options, self.with_properties)
        for each in self.sessions:
            if each is not session:
                rest.add(each)
        return rest


class Share:
    """A shared subscription (4.8.2): one of its members gets each message."""

    __slots__ = ("_members", "_turn", "topic_filter")

    def __init__(self, topic_filter: str, members: list[tuple[Session, Options]], turn: int) -> None:
        self.topic_filter = topic_filter  # including the share name
        self._members = members
        self._turn = turn

    def choose(self, qos: int, besides: Session | None = None) -> tuple[Session, Options] | None:
        """The next member in turn.

        Returns:
            A member that is connected and reads; else one that is connected; else, at QoS 1 and 2, one with a durable
                session. None if there is no such member.
        """
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
    """Subscribers of one topic, either for messages with the retain flag or for those without.

    Attributes:
        own: for a session with a matching No Local subscription: the copies of its own client's messages, in place of
            those by ``groups``.
    """

    __slots__ = ("groups", "own", "shares")

    def __init__(self) -> None:
        self.groups: list[SessionGroup] = []
        self.own: dict[Session, list[SessionGroup]] = {}
        self.shares: list[Share] = []

    def groups_for(self, origin: Session | None) -> list[SessionGroup]:
        """Groups that get a message published by the client of this session."""
        own = None if origin is None or not self.own else self.own.get(origin)
        if own is None:
            return self.groups
        assert origin is not None
        return [group.without(origin) for group in self.groups] + own


class Routes:
    """Topic tree of all sessions."""

    def __init__(self) -> None:
        self._tree: TopicTree[Session, Subscription] = TopicTree()
        self._routes: tuple[dict[str, Route], ...] = (
            {},
            {},
        )  # for messages without and with the retain flag
        self._members = 0  # subscribers in all cached routes
        self._turns = count()  # first turn of a share: varies, because cached routes are rebuilt often

    def __len__(self) -> int:
        """Number of subscriptions."""
        return len(self._tree)

    def subscribe(self, session: Session, subscription: Subscription) -> None:
        self._tree.subscribe(subscription.topic_filter, session, subscription)
        self._forget()

    def unsubscribe(self, session: Session, topic_filter: str) -> None:
        self._tree.unsubscribe(topic_filter, session)
        self._forget()

    def session_changed(self, session: Session) -> None:
        """Drops cached routes of a session that got or lost its connection."""
        if session.subscriptions:
            self._forget()

    def _forget(self) -> None:
        for routes in self._routes:
            routes.clear()
        self._members = 0

    def route(self, topic: str, retain: bool) -> Route:
        """Subscribers of a message on this topic; ``retain`` is its retain flag."""
        routes = self._routes[retain]
        route = routes.get(topic)
        if route is None:
            if len(routes) >= ROUTES_LIMIT or self._members >= MEMBERS_LIMIT:
                self._forget()
            route = routes[topic] = self._find(topic, retain)
        return route

    def _find(self, topic: str, retain: bool) -> Route:
        found = self._tree.match(topic)
        self._members += len(found.subscribers) + sum(map(len, found.groups))
        subscriptions: dict[Session, list[Subscription]] = {}
        for session, subscription in found.subscribers:
            subscriptions.setdefault(session, []).append(subscription)
        groups: dict[tuple[Options, bool], SessionGroup] = {}
        route = Route()
        for session, several in subscriptions.items():
            for options in combine(several, retain):
                key = (options, session.with_properties)
                group = groups.get(key)
                if group is None:
                    group = groups[key] = SessionGroup(*key)
                group.add(session)
            if any(subscription.no_local for subscription in several):
                # [MQTT-3.8.3-3] No Local excludes this subscription for the publishing client, not its other ones.
                others = [subscription for subscription in several if not subscription.no_local]
                route.own[session] = [_alone(session, options) for options in combine(others, retain)]
        route.groups = list(groups.values())
        for members in found.groups:
            [topic_filter] = {subscription.topic_filter for subscription in members.values()}
            shared = [(session, combine([each], retain)[0]) for session, each in members.items()]
            route.shares.append(Share(topic_filter, shared, next(self._turns)))
        return route


def _alone(session: Session, options: Options) -> SessionGroup:
    group = SessionGroup(options, session.with_properties)
    group.add(session)
    return group


def combine(subscriptions: list[Subscription], retain: bool) -> list[Options]:
    """Copies of a message for a session with several matching subscriptions; ``retain`` is the retain flag as
    published.

    [MQTT-3.3.4-2] [MQTT-3.3.4-3] One copy, at the greatest QoS and with all identifiers. If the message has the retain
    flag and the subscriptions differ in Retain As Published, one copy with and one without the flag: each option
    applies to its own subscription [MQTT-3.3.1-12] [MQTT-3.3.1-13] [MQTT-3.3.4-5].
    """
    copies = []
    for flag in (True, False) if retain else (False,):
        alike = [each for each in subscriptions if flag == (retain and each.retain_as_published)]
        if alike:
            identifiers = tuple(sorted(each.identifier for each in alike if each.identifier))
            copies.append(Options(max(each.qos for each in alike), flag, identifiers))
    return copies
