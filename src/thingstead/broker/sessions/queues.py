"""Queues of messages at QoS 1 and 2: in memory, and for durable sessions also in the store.

What is kept for a session leaves for its client when the commit has ended, so that QoS 2 is exactly once over a crash,
too: nobody has seen a message that the store does not know.
"""

from math import inf
from typing import NamedTuple

import structlog

from thingstead.broker.sessions.context import SessionContext
from thingstead.broker.sessions.session import NOT_STORED, Options, QueueSlot, Session
from thingstead.model.mqtt_session import KeptMessage, QueuedMessage
from thingstead.mqtt.message import Message
from thingstead.mqtt.outbound import Entry
from thingstead.mqtt.protocol import ProtocolVersion
from thingstead.services.shared.commits import Commit
from thingstead.services.shared.rate_limit import TokenBuckets

log = structlog.get_logger("thingstead.broker")

V5 = ProtocolVersion.V5
FULL_LOGGED, FULL_INTERVAL_S = 1, 300.0  # log lines for each client, then one every five minutes


class Target(NamedTuple):
    """A session that gets a message, with the options."""

    session: Session
    options: Options
    share: str = ""  # filter of the shared subscription; empty: not shared


class _Holding:
    """Messages that wait for one commit; they may then be sent, or are dropped if it fails."""

    def __init__(self, commit: Commit) -> None:
        self.commit = commit
        self.entries: list[tuple[Session, Entry]] = []
        commit.on_done(self._ended)

    def _ended(self, error: Exception | None) -> None:
        for session, entry in self.entries:
            if error is None:
                entry.held = False
            else:
                session.outbound.withdraw(entry)
        for session in {session for session, _ in self.entries}:
            if session.delivery is not None:
                session.delivery.pump()


class Queues:
    """Adds messages to the queues of sessions. A full queue drops its oldest message, because the newest is worth
    most."""

    def __init__(self, context: SessionContext) -> None:
        self._kept = context.kept
        self._now_s = context.clock.monotonic_s
        self._counters = context.counters
        self._holding: _Holding | None = None
        self._full = TokenBuckets(context.clock, FULL_LOGGED, FULL_INTERVAL_S)

    def enqueue(self, message: Message, targets: list[Target]) -> Commit | None:
        """Queues a message for durable sessions.

        Returns:
            The commit that stores it; None if no queue has room.

        Raises:
            Unavailable: it cannot be stored now; nothing was changed.
        """
        self._kept.require_room()
        number = self._kept.next_number()
        entries: list[tuple[Session, Entry]] = []
        queued: list[QueuedMessage] = []
        for target in targets:
            waiting = QueueSlot(self._kept.next_number(), target.share)
            entry = self.offer(message, target, waiting)
            if entry is not None:
                entry.held = True
                entries.append((target.session, entry))
                queued.append(_row(target.session, entry, number))
        if not queued:
            return None
        commit = self._kept.enqueue(
            KeptMessage(number, message.to_publish().serialize(V5), self.instant(message)), queued
        )
        if self._holding is None or self._holding.commit is not commit:
            self._holding = _Holding(commit)
        self._holding.entries += entries
        return commit

    def offer(self, message: Message, target: Target, waiting: QueueSlot = NOT_STORED) -> Entry | None:
        """Queues a message for one session, in memory. Returns None if it does not fit even into an empty queue."""
        session, options = target.session, target.options
        if not session.outbound.fits(message.size_bytes):
            # Dropping older messages would not make enough room.
            self._counters.messages_dropped += 1
            self._log_full(session)
            return None
        while not session.outbound.has_room(message.size_bytes):
            oldest = session.outbound.oldest_queued()
            self._counters.messages_dropped += 1
            self._log_full(session)
            if oldest is None:
                return None
            session.outbound.withdraw(oldest)
            session.dropped(oldest, "too many messages wait for the client")
        qos = min(message.qos, options.qos)
        entry = session.outbound.offer(message, waiting, qos=qos, size_bytes=message.size_bytes)
        assert entry is not None  # room was made above
        entry.retain = options.retain
        entry.identifiers = options.identifiers
        entry.expires_at_s = message.expires_at_s
        return entry

    def _log_full(self, session: Session) -> None:
        suppressed = self._full.take(session.client_id)
        if suppressed is not None:
            log.warning(
                "the queue of a client is full; messages are dropped",
                client_id=session.client_id,
                suppressed=suppressed,
            )

    def instant(self, message: Message) -> int | None:
        """Instant (ms) at which a message expires; None: never."""
        return None if message.expires_at_s == inf else self._kept.instant(message.expires_at_s)


def _row(session: Session, entry: Entry, number: int) -> QueuedMessage:
    waiting: QueueSlot = entry.context
    return QueuedMessage(
        session=session.number,
        seq=waiting.seq,
        message=number,
        packet_id=entry.packet_id,
        qos=entry.qos,
        retain=entry.retain,
        identifiers=entry.identifiers,
        share=waiting.share,
    )
