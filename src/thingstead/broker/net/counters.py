"""Counters of the broker, as plain ints; ``metrics`` reads them at a scrape."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Since the server started, but for ``connections``."""

    connections: int = 0  # open now, logged in or not yet
    connections_accepted: int = 0
    connections_refused: int = 0  # over the limit, or not admitted
    messages_received: int = 0  # PUBLISH packets from clients
    messages_ignored: int = 0  # of these, on unknown topics
    messages_sent: int = 0  # PUBLISH packets to clients
    messages_dropped: int = 0  # that a client could not be given
    protocol_errors: int = 0  # connections that ended for one


@dataclass(slots=True)
class AppCounters:
    """Of application subscribers, since the server started, but for ``subscribers`` and ``subscriptions``."""

    subscribers: int = 0  # connected now
    subscriptions: int = 0  # their topic filters
    messages_sent: int = 0
    messages_dropped: int = 0  # that a subscriber read too slowly for, or could not take
    news_dropped: int = 0  # that could not be told to anyone, since devices could not be read fast enough
