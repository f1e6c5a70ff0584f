"""A store of MQTT sessions in memory, whose commits end when a test says so, well or badly."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from thingstead.errors import Unavailable
from thingstead.model.mqtt_session import (
    KeptMessage,
    KeptSessions,
    KeptSubscription,
    QueuedMessage,
    RetainedMessage,
    SessionRecord,
)
from thingstead.refusals import Reason


class OneCommit:
    """Ends when it is told to."""

    def __init__(self) -> None:
        self.done = False
        self.error: Exception | None = None
        self._callbacks: list[Callable[[Exception | None], None]] = []

    def on_done(self, callback: Callable[[Exception | None], None]) -> None:
        self._callbacks.append(callback)

    def end(self, error: Exception | None) -> None:
        self.done, self.error = True, error
        for callback in self._callbacks:
            callback(error)


class Keeper:
    """A store of sessions. Every change joins the open commit and is seen here at once; :meth:`commit` ends it."""

    def __init__(self) -> None:
        self._open: OneCommit | None = None
        self.full = False  # nothing more can be kept
        self.failed = False  # a commit did
        self.sessions: dict[int, SessionRecord] = {}
        self.subscriptions: dict[int, set[str]] = defaultdict(set)
        self.queued: dict[int, dict[int, int]] = defaultdict(dict)  # session → seq → packet identifier
        self.received_ids: dict[int, set[int]] = defaultdict(set)
        self.retained: set[str] = set()

    def commit(self, error: Exception | None = None) -> None:
        """Ends what is open."""
        commit, self._open = self._open, None
        if commit is not None:
            self.failed |= error is not None
            commit.end(error)

    @property
    def busy(self) -> bool:
        return self._open is not None

    def _join(self) -> OneCommit:
        self._open = self._open or OneCommit()
        return self._open

    async def load(self) -> KeptSessions:
        return KeptSessions((), (), ())

    def require_room(self) -> None:
        if self.full:
            raise Unavailable(Reason("unknown_refusal", "the disk is full"))

    def put_session(self, record: SessionRecord, *, behind: bool = False) -> OneCommit:
        self.sessions[record.number] = record
        return self._join()

    def delete_session(self, number: int) -> OneCommit:
        for rows in (self.sessions, self.subscriptions, self.queued, self.received_ids):
            rows.pop(number, None)
        return self._join()

    def put_subscription(self, session: int, subscription: KeptSubscription) -> OneCommit:
        self.subscriptions[session].add(subscription.topic_filter)
        return self._join()

    def delete_subscription(self, session: int, topic_filter: str) -> OneCommit:
        self.subscriptions[session].discard(topic_filter)
        return self._join()

    def enqueue(self, message: KeptMessage, queued: Sequence[QueuedMessage]) -> OneCommit:
        self.require_room()
        for each in queued:
            self.queued[each.session][each.seq] = each.packet_id
        return self._join()

    def release_queued(self, session: int, seq: int) -> OneCommit:
        return self._join()

    def delete_queued(self, session: int, seq: int) -> OneCommit:
        self.queued[session].pop(seq, None)
        return self._join()

    def put_received(self, session: int, packet_id: int) -> OneCommit:
        self.received_ids[session].add(packet_id)
        return self._join()

    def delete_received(self, session: int, packet_id: int) -> OneCommit:
        self.received_ids[session].discard(packet_id)
        return self._join()

    def put_retained(self, retained: RetainedMessage) -> OneCommit:
        self.require_room()
        self.retained.add(retained.topic)
        return self._join()

    def delete_retained(self, topic: str) -> OneCommit:
        self.retained.discard(topic)
        return self._join()


class KeeperStore:
    """As much of a store as the service of sessions asks for."""

    def __init__(self, keeper: Keeper) -> None:
        self.mqtt_sessions = keeper
