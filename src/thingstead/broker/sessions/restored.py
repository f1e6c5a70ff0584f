"""Trims queues restored from an earlier run to the present bounds."""

from collections.abc import Iterable
from typing import NamedTuple

import structlog

from thingstead.broker.net.counters import Counters
from thingstead.broker.sessions.session import Session
from thingstead.mqtt.budget import Budget

log = structlog.get_logger("thingstead.broker")


class Restored(NamedTuple):
    """Restored sessions, and the counters of their dropped messages."""

    sessions: Iterable[Session]
    counters: Counters


def cut(budget: Budget, *restored: Restored) -> None:
    """Drops the oldest messages that were never sent, of any session, until the queues fit into their budget. That is
    needed after an operator has reduced it."""
    if budget.excess_bytes <= 0:
        return
    waiting = [
        (entry.context.seq, entry, session, counters)
        for sessions, counters in restored
        for session in sessions
        for entry in session.outbound.entries()
        if not entry.sent
    ]
    waiting.sort(key=lambda each: each[0])
    dropped = 0
    for _, entry, session, counters in waiting:
        if budget.used_bytes <= budget.most_of_one_bytes:
            break
        session.outbound.withdraw(entry)
        session.dropped(entry, "too many bytes wait for all clients")
        counters.messages_dropped += 1
        dropped += 1
    log.warning("messages of an earlier run are beyond mqtt.queues_max_bytes and were dropped", messages=dropped)
