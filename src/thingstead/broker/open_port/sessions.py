"""Sessions of the open port, by client identifier: start, takeover, expiry, end (4.1, 3.1.2.4)."""

from typing import NamedTuple

import structlog

from thingstead.broker.connection.delivery import Delivery
from thingstead.broker.open_port.router import MessageRouter
from thingstead.broker.sessions.context import SessionContext
from thingstead.broker.sessions.records import kept_subscription
from thingstead.broker.sessions.session import DelayedWill, Holder, Session, Subscription
from thingstead.broker.sessions.store import SessionStore
from thingstead.errors import Unavailable
from thingstead.model.mqtt_session import KeptSessions, SessionRecord
from thingstead.mqtt.reasons import MqttError, ReasonCode
from thingstead.services.shared.commits import Commit

log = structlog.get_logger("thingstead.broker")

LEVEL_CHARACTERS = 16  # characters of a topic filter that count like a level


class SessionRequest(NamedTuple):
    """Session that a connection asks for in its CONNECT."""

    client_id: str
    clean_start: bool
    expiry_s: int
    will: DelayedWill | None


class SessionStart(NamedTuple):
    """Session that a connection got."""

    session: Session
    present: bool  # an existing session was resumed [MQTT-3.2.2-2] [MQTT-3.2.2-3]
    pending: Commit | None  # the commit that stores it


class Sessions(SessionStore[Session]):
    """Sessions of the open port, by client identifier."""

    def __init__(
        self,
        context: SessionContext,
        router: MessageRouter,
    ) -> None:
        super().__init__(context)
        self._router = router
        self.levels = 0  # levels of all topic filters of all sessions
        self.wills_published = 0

    # Connect

    def begin(self, claim: SessionRequest, holder: Holder) -> SessionStart:
        """Resumes the session of the client identifier, or starts a new one. Raises MqttError if there are too many."""
        old = self.by_key.get(claim.client_id)
        if claim.expiry_s and not (old and old.durable) and self.durable >= self._settings.max_sessions:
            raise MqttError(ReasonCode.QUOTA_EXCEEDED, "too many sessions are stored")
        if old is not None and old.holder is not None:
            # [MQTT-3.1.4-3] The connection that has the session gets a DISCONNECT and is closed. If its will is due
            # by that (3.1.3.2.2), it is published before the new connection is admitted.
            taken_over = old.holder
            self.end_connection(old, taken_over, "another connection has the client identifier")
            taken_over.taken_over()
            old = self.by_key.get(claim.client_id)
        pending: Commit | None = None
        if old is not None and claim.clean_start:
            # [MQTT-3.1.2-4] Clean Start discards the session; its delayed will is published.
            pending = self.end(old)
            old = None
        session = old or self._new(claim.client_id, claim.client_id)
        # [MQTT-3.1.3-9] A delayed will is not published if the session is resumed in time.
        session.cancel_deadlines()
        session.holder = holder
        session.will = claim.will
        return SessionStart(session, old is not None, self.set_expiry(session, claim.expiry_s) or pending)

    def refuse(self, session: Session, holder: Holder, *, present: bool) -> None:
        """As for any session; the will of the connection is dropped."""
        if session.holder is holder:
            session.will = None
        super().refuse(session, holder, present=present)

    def _new(self, key: str, client_id: str) -> Session:
        session = self.by_key[key] = Session(client_id, self._bounds.of_session(), self._kept)
        return session

    def set_expiry(self, session: Session, expiry_s: int) -> Commit | None:
        was_durable = session.durable
        pending = super().set_expiry(session, expiry_s)
        if was_durable and not session.durable:
            self._router.routes.session_changed(session)
        return pending

    def deliver(self, session: Session, delivery: Delivery) -> None:
        """Starts sending queued and new messages; called when CONNACK was written."""
        session.delivery = delivery
        self._router.routes.session_changed(session)
        delivery.adopt(session.outbound, session)
        delivery.pump()

    # Change

    def subscribe(self, session: Session, subscription: Subscription) -> Commit | None:
        """Adds a subscription, or changes the options of an existing one. Returns the commit; None if the session is
        not stored."""
        if subscription.topic_filter not in session.subscriptions:
            self._grow(session, levels_of(subscription.topic_filter))
        session.subscriptions[subscription.topic_filter] = subscription
        self._router.routes.subscribe(session, subscription)
        return self._kept.subscribe(session.number, kept_subscription(subscription)) if session.durable else None

    def unsubscribe(self, session: Session, topic_filter: str) -> Commit | None:
        """Removes an existing subscription. Returns the commit; None if the session is not stored."""
        del session.subscriptions[topic_filter]
        self._grow(session, -levels_of(topic_filter))
        self._router.routes.unsubscribe(session, topic_filter)
        return self._kept.unsubscribe(session.number, topic_filter) if session.durable else None

    def _grow(self, session: Session, levels: int) -> None:
        session.levels += levels
        self.levels += levels

    # Disconnect

    def end_connection(self, session: Session, holder: Holder, reason: str) -> None:
        """Releases the session after its connection has ended: its expiry starts, or it ends. Does nothing if another
        connection has taken over."""
        if session.holder is not holder:
            return
        session.holder = session.delivery = None
        self._router.routes.session_changed(session)
        now_s = self._now_s()
        if not session.durable:
            self.end(session)
            return
        self.wait(session, now_s, now_s + session.will.delay_s if session.will is not None else None)
        self._keep(session, behind=True)

    def wait(self, session: Session, since_s: float, will_due_s: float | None) -> None:
        """Sets the deadlines of expiry and will of a session without a connection."""
        self._await_expiry(session, since_s)
        if session.will is None or will_due_s is None:
            return
        if will_due_s <= self._now_s():
            self._publish_will(session)
        else:
            session.will_due = self._deadlines.add(will_due_s, lambda: self._will_due(session))

    def _will_due(self, session: Session) -> None:
        self._publish_will(session)
        self._keep(session, behind=True)

    def end(self, session: Session) -> Commit | None:
        """Ends the session and drops its messages. Returns the commit that removes it; None if it was not stored."""
        # [MQTT-3.1.2-8] A delayed will is published when the session ends.
        self._publish_will(session)
        session.cancel_deadlines()
        session.holder = session.delivery = None
        if self.by_key.get(session.client_id) is session:
            del self.by_key[session.client_id]
        for topic_filter in session.subscriptions:
            self._router.routes.unsubscribe(session, topic_filter)
        session.subscriptions.clear()
        self._grow(session, -session.levels)
        left = [answered.entry for answered in session.outbound.clear()]
        pending = self._forget(session)
        self._router.share_again(left, session)
        return pending

    def _publish_will(self, session: Session) -> None:
        will, session.will = session.will, None
        if will is None:
            return
        # [MQTT-3.1.2-10] Once published, the will is removed from the session.
        try:
            self._router.forward(self._router.take(will.publish, session), session)
            self.wills_published += 1
        except Unavailable as exc:
            log.warning("a will message was dropped", client_id=session.client_id, reason=exc.message)

    # Start of the server

    def load(self, kept: KeptSessions) -> None:
        """Loads stored sessions. The expiry of a session whose connection ended with the server starts now."""
        now_s = self._now_s()
        ours = ((each.record.client_id, each) for each in kept.sessions if not each.record.device_id)
        restored: list[tuple[Session, SessionRecord]] = []
        for session, each in self._restore(kept, ours):
            self._grow(session, sum(map(levels_of, session.subscriptions)))
            for subscription in session.subscriptions.values():
                self._router.routes.subscribe(session, subscription)
            restored.append((session, each.record))
        for session, record in restored:  # after all are loaded, because wills may go to other sessions
            if session.durable:
                self._wait_again(session, record, now_s)

    def _wait_again(self, session: Session, record: SessionRecord, now_s: float) -> None:
        if record.connected:
            self.wait(session, now_s, now_s + record.will_delay_s)
            self._keep(session, behind=True)
            return
        will_due_s = now_s if record.will_at is None else self._kept.reading_s(record.will_at)
        self.wait(session, self._since_s(record, now_s), will_due_s)


def levels_of(topic_filter: str) -> int:
    """Levels of a topic filter, at least its length / :data:`LEVEL_CHARACTERS`: an estimate of its memory in the topic
    tree."""
    return max(topic_filter.count("/") + 1, len(topic_filter) // LEVEL_CHARACTERS)
