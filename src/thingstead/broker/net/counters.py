"""Counters of the broker, as plain ints; ``metrics`` reads them at a scrape."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Counters since the server started; ``connections`` is a present number."""

    connections: int = 0  # open now, logged in or not yet
    connections_accepted: int = 0
    connections_refused: int = 0  # over the limit, or not admitted
    messages_received: int = 0  # PUBLISH packets from clients
    messages_ignored: int = 0  # PUBLISH packets on unknown topics
    messages_sent: int = 0  # PUBLISH packets to clients
    messages_dropped: int = 0  # not sent because a client could not take them
    protocol_errors: int = 0  # connections closed because of one


@dataclass(slots=True)
class AppCounters:
    """Counters of application subscribers since the server started; ``subscribers`` and ``subscriptions`` are present
    numbers."""

    subscribers: int = 0  # connected now
    subscriptions: int = 0  # their topic filters
    messages_sent: int = 0
    messages_dropped: int = 0  # a subscriber read too slowly, or the message was too large for it
    news_dropped: int = 0  # device updates dropped: devices could not be read fast enough
