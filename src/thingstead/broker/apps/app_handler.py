"""Handles MQTT connections of applications: they subscribe to topics of their project and publish nothing (wire
reference §7)."""

from collections import Counter

from thingstead.broker.apps.fanout import AppFanout, traced_token
from thingstead.broker.apps.messages import PROJECT
from thingstead.broker.apps.sessions import WatchedSessions
from thingstead.broker.apps.subscriber import AppSubscriber
from thingstead.broker.apps.token_watch import WatchedTokens
from thingstead.broker.connection.connection import PeerConnection
from thingstead.broker.connection.handler import (
    AccessControl,
    ConnectionHandler,
    Granted,
    HandlerBase,
    Receipt,
)
from thingstead.broker.connection.handshake import NO_LIMIT
from thingstead.broker.devices.subscriptions import FILTER_CHARACTERS
from thingstead.broker.net.counters import AppCounters
from thingstead.broker.net.upgrade import Upgrade
from thingstead.bus.base import Bus
from thingstead.config import AppSettings
from thingstead.errors import NotAuthenticated
from thingstead.model.addresses import host_of
from thingstead.model.browser_session import BrowserSession
from thingstead.model.ids import VIEW_KEY_CHARACTERS
from thingstead.model.messages import SubscribersRevoked
from thingstead.model.project import Project
from thingstead.model.roles import ADMIN, OPERATOR, VIEWER, allows
from thingstead.model.token_scope import SCOPED_FILTERS_COUNT, SCOPED_TOKEN_BYTES, SCOPED_TOKEN_PREFIX, TokenScope
from thingstead.mqtt.budget import Budget
from thingstead.mqtt.connection_packets import Connect
from thingstead.mqtt.properties import Property
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Subscribe, Unsubscribe
from thingstead.mqtt.topics import parse_shared
from thingstead.services.accounts.browser_sessions import Person
from thingstead.services.accounts.scoped_tokens import ScopedClaims
from thingstead.services.mqtt.subscriptions import SubscriptionService
from thingstead.services.shared.message_trace import MessageTrace

MAX_SECRET_BYTES = 256
FILTER_LEVELS = 8  # levels of an accepted topic filter, share name included; topics have four


class AppAccess:
    """Admits application subscribers over MQTT.

    User name is the ProjectViewKey, password the ProjectViewSecret or a scoped token. A WebSocket from a page of
    this server may leave out the password if the browser has a session of the project. Any other user name goes to
    ``devices``: their AccessTokens are longer than a ProjectViewKey.
    """

    def __init__(
        self,
        devices: AccessControl,
        subscriptions: SubscriptionService,
        sessions: WatchedSessions,
        tokens: WatchedTokens,
        hub: AppFanout,
        bus: Bus,
        counters: AppCounters,
        settings: AppSettings,
        trace: MessageTrace,
        buffers: Budget | None = None,
    ) -> None:
        self._devices = devices
        self._subscriptions = subscriptions
        self._sessions = sessions
        self._tokens = tokens
        self._hub = hub
        self._counters = counters
        self._settings = settings
        self.trace = trace
        self._handlers: set[AppHandler] = set()
        self._budget = Budget(settings.queues_max_bytes, buffers)
        self._filters: Counter[str] = Counter()  # topic filters of all applications, by project
        self._revoked = bus.subscribe(SubscribersRevoked, self._revoke)

    async def admit(self, connect: Connect, connection: PeerConnection) -> ConnectionHandler:
        """Logs an application in.

        Raises:
            NotAuthenticated: the credentials are wrong or the browser session is not valid.
            TooManyRequests: too many failed log-ins.
            Unavailable: the store cannot be read now.
        """
        view_key = connect.user_name or ""
        if len(view_key) != VIEW_KEY_CHARACTERS:
            return await self._devices.admit(connect, connection)
        session: BrowserSession | None = None
        claims: ScopedClaims | None = None
        role = ADMIN
        token = scoped_token_of(connect)
        if token:
            project, claims = await self._of_token(view_key, token, host_of(connection.remote_address))
            role = VIEWER
        elif not connect.password and connection.upgrade is not None:
            project, (session, administrator) = await self._of_session(view_key, connection.upgrade)
            role = administrator.role
        else:
            secret = (connect.password or b"")[:MAX_SECRET_BYTES].decode("utf-8", "replace")
            project = await self._subscriptions.authenticate(view_key, secret, host_of(connection.remote_address))
        # No await from here on, so that a session that ends later is noticed.
        subscriber = AppSubscriber(
            connection,
            self._counters,
            connect.version,
            connect.properties.get(Property.MAXIMUM_PACKET_SIZE, NO_LIMIT),
            self._settings.queue_max_bytes,
            self._budget,
            claims.scope if claims is not None else None,
        )
        handler = AppHandler(connection, project, subscriber, self._hub, self._settings.max_subscriptions, self)
        handler.may_trace = allows(role, OPERATOR)
        self._handlers.add(handler)
        self._counters.subscribers += 1
        if session is not None:
            self._sessions.watch(handler, session)
        if claims is not None:
            self._tokens.watch(handler, token, claims)
            self._subscriptions.read_groups(bool(claims.scope.groups))
        return handler

    async def _of_token(self, view_key: str, token: str, remote_host: str) -> tuple[Project, ScopedClaims]:
        project = await self._subscriptions.project_of(view_key)
        try:
            claims = await self._tokens.admit(token)
            if project is None or claims.project_id != project.id:
                raise NotAuthenticated("view_login_failed")
        except NotAuthenticated:
            self._subscriptions.failed(remote_host, project)
            raise
        return project, claims

    async def _of_session(self, view_key: str, upgrade: Upgrade) -> tuple[Project, Person]:
        project = await self._subscriptions.project_of(view_key)
        person = await self._sessions.admit(upgrade)
        if project is None or person.session.project_id != project.id:
            raise NotAuthenticated("session_of_other_project")
        return project, person

    def take_filter(self, project_id: str) -> bool:
        """Counts one more topic filter of a project. Returns False if the project has reached its limit."""
        if self._filters[project_id] >= self._settings.project_max_subscriptions:
            return False
        self._filters[project_id] += 1
        return True

    def give_filters(self, project_id: str, count: int) -> None:
        """Releases ``count`` topic filters of a project."""
        self._filters[project_id] -= count
        if not self._filters[project_id]:
            del self._filters[project_id]

    def left(self, handler: "AppHandler") -> None:
        """Counts an admitted application as disconnected."""
        if handler in self._handlers:
            self._handlers.discard(handler)
            self._counters.subscribers -= 1
            self._sessions.left(handler)
            self._tokens.left(handler)
            if handler.scope is not None:
                self._subscriptions.read_groups(-bool(handler.scope.groups))

    def close(self) -> None:
        """Cancels the bus subscriptions."""
        self._revoked.cancel()
        self._sessions.close()
        self._tokens.close()

    def _revoke(self, message: SubscribersRevoked) -> None:
        for handler in [handler for handler in self._handlers if handler.project_id == message.project_id]:
            handler.connection.close(ReasonCode.ADMINISTRATIVE_ACTION, message.reason)


class AppHandler(HandlerBase):
    """Handler of one application: sends it the messages of its own project's devices at QoS 0."""

    def __init__(
        self,
        connection: PeerConnection,
        project: Project,
        subscriber: AppSubscriber,
        hub: AppFanout,
        max_subscriptions: int,
        access: AppAccess,
    ) -> None:
        super().__init__()
        self.connection = connection
        self._project_id = project.id
        self._view_key = project.view_key
        self._subscriber = subscriber
        self._hub = hub
        self._max_subscriptions = max_subscriptions
        self._access = access
        self._filters: set[str] = set()
        self.may_trace = False  # listen to all that a device sends and is sent

    @property
    def project_id(self) -> str:
        return self._project_id

    @property
    def scope(self) -> TokenScope | None:
        """Of the scoped token; None: there is none."""
        return self._subscriber.scope

    def publish(self, packet: Publish) -> Receipt:
        # [MQTT-3.3.5-2] (3.1.1) An unauthorized PUBLISH is acknowledged and dropped; 5.0 has a reason code for it.
        self.connection.counters.messages_ignored += 1
        return None, ReasonCode.NOT_AUTHORIZED, None, "applications only subscribe"

    def subscribe(self, packet: Subscribe) -> Granted:
        [identifier] = packet.properties.get(Property.SUBSCRIPTION_IDENTIFIER, (0,))
        return Granted(
            None, [self._subscribe(request.topic_filter, identifier) for request in packet.subscriptions], None
        )

    def _subscribe(self, topic_filter: str, identifier: int) -> ReasonCode:
        first = parse_shared(topic_filter).topic_filter.split("/", 1)[0]
        if first != self._view_key:
            return ReasonCode.NOT_AUTHORIZED
        if len(topic_filter) > FILTER_CHARACTERS or topic_filter.count("/") >= FILTER_LEVELS:
            return ReasonCode.TOPIC_FILTER_INVALID
        if self.scope is not None and not self._is_in_scope(topic_filter, self.scope):
            return ReasonCode.NOT_AUTHORIZED
        traced = traced_token(topic_filter)
        if traced is not None and not self.may_trace:
            return ReasonCode.NOT_AUTHORIZED
        if traced in ("+", "#"):  # a trace must name one device: nobody can read the messages of a whole project live
            return ReasonCode.WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED
        new = topic_filter not in self._filters
        limit = self._max_subscriptions if self.scope is None else min(self._max_subscriptions, SCOPED_FILTERS_COUNT)
        if new and (len(self._filters) >= limit or not self._access.take_filter(self.project_id)):
            return ReasonCode.QUOTA_EXCEEDED
        self._filters.add(topic_filter)
        self._hub.subscribe(topic_filter, self._subscriber, identifier, new=new)
        if traced is not None and new:
            self._access.trace.listen(self.project_id, traced)
        return ReasonCode.SUCCESS

    @staticmethod
    def _is_in_scope(topic_filter: str, scope: TokenScope) -> bool:
        """Whether a scoped token may subscribe to a filter. Messages are matched with the scope one by one; this
        refuses what could match none, and shared subscriptions, whose members must be alike."""
        _, *levels = topic_filter.split("/")
        if parse_shared(topic_filter).share_name or levels[:1] == [PROJECT]:
            return False
        return len(levels) < 2 or levels[1] in ("+", "#") or levels[1] in scope.topics

    def unsubscribe(self, packet: Unsubscribe) -> Granted:
        return Granted(None, [self._unsubscribe(topic_filter) for topic_filter in packet.topic_filters], None)

    def _unsubscribe(self, topic_filter: str) -> ReasonCode:
        if topic_filter not in self._filters:
            return ReasonCode.NO_SUBSCRIPTION_EXISTED
        self._filters.discard(topic_filter)
        self._access.give_filters(self.project_id, 1)
        self._leave(topic_filter)
        return ReasonCode.SUCCESS

    def _leave(self, topic_filter: str) -> None:
        self._hub.unsubscribe(topic_filter, self._subscriber)
        traced = traced_token(topic_filter)
        if traced is not None:
            self._access.trace.leave(self.project_id, traced)

    async def closed(self, reason: str) -> None:
        for topic_filter in self._filters:
            self._leave(topic_filter)
        self._access.give_filters(self.project_id, len(self._filters))
        self._filters.clear()
        self._subscriber.end()
        self._access.left(self)


def scoped_token_of(connect: Connect) -> str:
    """The scoped token that a CONNECT has as its password; empty if it has none."""
    password = connect.password or b""
    if not password.startswith(SCOPED_TOKEN_PREFIX.encode()):
        return ""
    return password[: SCOPED_TOKEN_BYTES + 1].decode("utf-8", "replace")
