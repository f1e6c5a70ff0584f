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
    """The sessions of one kind of client. Devices have them by device, clients of the open port by client identifier.

    A method that changes what is on disk returns the commit that does it; None where nothing of the session is kept.

    Attributes:
        by_key: every session.
        durable: of these, how many outlive their connections.
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
        """Every session that there is."""
        return self.by_key.values()

    @property
    def queued(self) -> int:
        """Messages at QoS 1 and 2 that wait for clients, or are in flight."""
        return sum(len(session.outbound) for session in self.by_key.values())

    @abstractmethod
    def _new(self, key: str, client_id: str) -> S:
        """Makes a session, under its key."""

    @abstractmethod
    def end(self, session: S) -> Commit | None:
        """The session is over, and everything in it."""

    @abstractmethod
    def end_connection(self, session: S, holder: Holder, reason: str) -> None:
        """The connection is gone; the session waits, or ends. Nothing happens where another has it."""

    def refuse(self, session: S, holder: Holder, *, present: bool) -> None:
        """The session could not be stored as a connection asked, which therefore is not admitted: it leaves no session
        behind that was not there before."""
        if session.holder is not holder:
            return
        if present:
            self.end_connection(session, holder, "the log-in failed")
        else:
            self.end(session)

    # What is kept

    def set_expiry(self, session: S, expiry_s: int) -> Commit | None:
        """Sets how long it outlives its connection from now on, within ``mqtt.session_expiry_max_s``."""
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
        """From now on it ends with its connection."""
        if not session.durable:
            return None
        number, session.number = session.number, 0
        self.durable -= 1
        return self._kept.delete_session(number)

    def received(self, session: S, packet_id: int, pending: Commit | None) -> Commit | None:
        """A QoS 2 message was taken in, when ``pending`` is done; what its PUBREC waits for. [MQTT-4.3.3-8] Its packet
        identifier is kept with it, so that it is known after a crash."""
        if not session.durable:
            return pending
        whole = both(pending, self._kept.received(session.number, packet_id))
        assert whole is not None  # the second is one
        whole.on_done(lambda error: None if error is None else session.inbound.refused(packet_id))
        return whole

    def release(self, session: S, packet_id: int) -> Commit | None:
        """A QoS 2 message was released. PUBCOMP lets the client use the identifier for another message: by then the
        store must have forgotten it."""
        return self._kept.forget_received(session.number, packet_id) if session.durable else None

    # Waiting, and coming back

    def _await_expiry(self, session: S, since_s: float) -> None:
        """Has a session end when its time is over, whose connection ended at ``since_s``."""
        expires_at_s = session.expires_at_s(since_s)
        if expires_at_s is not None:
            session.expiry = self._deadlines.add(expires_at_s, lambda: self._expired(session))

    def _expired(self, session: S) -> None:
        self.end(session)

    def _restore(self, kept: KeptSessions, ours: Iterable[tuple[str, KeptSession]]) -> Iterator[tuple[S, KeptSession]]:
        """Makes sessions, by key, of what was kept of them."""
        now_s, reading_s = self._now_s(), self._kept.reading_s
        keyed = list(ours)
        messages = read_messages(kept.messages, [each for _, each in keyed], now_s, reading_s)
        for key, each in keyed:
            if (older := self.by_key.get(key)) is not None:
                self.end(older)  # its removal was not kept
            session = self._new(key, each.record.client_id)
            fill(session, each, messages)
            self.durable += 1
            yield session, each

    def _since_s(self, record: SessionRecord, now_s: float) -> float:
        """When its connection ended: now, where that died with the server."""
        if record.connected or record.expires_at is None:
            return now_s
        return self._kept.reading_s(record.expires_at) - record.expiry_s
