"""Sessions by key, connected or not: persistence, expiry, restart."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from typing import Generic, TypeVar

from thingstead.broker.sessions.context import SessionContext
from thingstead.broker.sessions.records import fill, read_messages, record_of
from thingstead.broker.sessions.session import Holder, Session
from thingstead.model.mqtt_session import KeptSession, KeptSessions, SessionRecord
from thingstead.services.shared.commits import Commit, both

S = TypeVar("S", bound=Session)


class SessionStore(ABC, Generic[S]):
    """Sessions of one kind of client: of devices by device, of the open port by client identifier.

    A method that changes a stored session returns the commit that does it; None if the session is not stored.

    Attributes:
        by_key: all sessions.
        durable: number of those that outlive their connections.
    """

    def __init__(self, context: SessionContext) -> None:
        self._kept = context.kept
        self._now_s = context.clock.monotonic_s
        self._settings = context.settings
        self._deadlines = context.deadlines
        self._bounds = context.bounds
        self.by_key: dict[str, S] = {}
        self.durable = 0

    def __len__(self) -> int:
        return len(self.by_key)

    @property
    def all(self) -> Collection[S]:
        """All sessions."""
        return self.by_key.values()

    @property
    def queued(self) -> int:
        """Messages at QoS 1 and 2 that are queued or in flight."""
        return sum(len(session.outbound) for session in self.by_key.values())

    @abstractmethod
    def _new(self, key: str, client_id: str) -> S:
        """Makes a session and adds it under its key."""

    @abstractmethod
    def end(self, session: S) -> Commit | None:
        """Ends the session and drops its messages. Returns the commit that removes it; None if it was not stored."""

    @abstractmethod
    def end_connection(self, session: S, holder: Holder, reason: str) -> None:
        """Releases the session after its connection has ended: its expiry starts, or it ends. Does nothing if another
        connection has taken over."""

    def refuse(self, session: S, holder: Holder, *, present: bool) -> None:
        """Undoes the start of a session that could not be stored, so that the connection is not admitted. A session
        that existed before stays."""
        if session.holder is not holder:
            return
        if present:
            self.end_connection(session, holder, "the log-in failed")
        else:
            self.end(session)

    # Stored state

    def set_expiry(self, session: S, expiry_s: int) -> Commit | None:
        """Sets the session expiry, at most ``mqtt.session_expiry_max_s``."""
        session.expiry_s = expiry_s = min(expiry_s, self._settings.session_expiry_max_s)
        if not expiry_s:
            return self._forget(session)
        if not session.durable:
            session.number = self._kept.next_session()
            self.durable += 1
        return self._keep(session)

    def _keep(self, session: S, *, behind: bool = False) -> Commit:
        return self._kept.put_session(record_of(session, self._kept.instant), behind=behind)

    def _forget(self, session: S) -> Commit | None:
        """Removes a session from the store: it now ends with its connection."""
        if not session.durable:
            return None
        number, session.number = session.number, 0
        self.durable -= 1
        return self._kept.delete_session(number)

    def received(self, session: S, packet_id: int, pending: Commit | None) -> Commit | None:
        """Records the packet identifier of a QoS 2 message that is stored by ``pending``, so that it is known after a
        crash [MQTT-4.3.3-8]. Returns the commit that PUBREC must wait for."""
        if not session.durable:
            return pending
        whole = both(pending, self._kept.received(session.number, packet_id))
        assert whole is not None  # the second is not None
        whole.on_done(lambda error: None if error is None else session.inbound.refused(packet_id))
        return whole

    def release(self, session: S, packet_id: int) -> Commit | None:
        """Forgets the packet identifier of a released QoS 2 message. PUBCOMP must wait for the returned commit, because
        the client may then use the identifier for another message."""
        return self._kept.forget_received(session.number, packet_id) if session.durable else None

    # Expiry and restart

    def _await_expiry(self, session: S, since_s: float) -> None:
        """Sets the deadline of a session whose connection ended at ``since_s``."""
        expires_at_s = session.expires_at_s(since_s)
        if expires_at_s is not None:
            session.expiry = self._deadlines.add(expires_at_s, lambda: self._expired(session))

    def _expired(self, session: S) -> None:
        self.end(session)

    def _restore(self, kept: KeptSessions, ours: Iterable[tuple[str, KeptSession]]) -> Iterator[tuple[S, KeptSession]]:
        """Makes sessions from their stored state, by key."""
        now_s, reading_s = self._now_s(), self._kept.reading_s
        keyed = list(ours)
        messages = read_messages(kept.messages, [each for _, each in keyed], now_s, reading_s)
        for key, each in keyed:
            if (older := self.by_key.get(key)) is not None:
                self.end(older)  # its removal had not been stored
            session = self._new(key, each.record.client_id)
            fill(session, each, messages)
            self.durable += 1
            yield session, each

    def _since_s(self, record: SessionRecord, now_s: float) -> float:
        """When the connection of a stored session ended; now, if it ended with the server."""
        if record.connected or record.expires_at is None:
            return now_s
        return self._kept.reading_s(record.expires_at) - record.expiry_s
