"""Stored state of MQTT sessions, which outlive their connections and the server (MQTT 5.0, 4.1)."""

import msgspec


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A session without subscriptions and queue. ``device_id`` is empty for a client of the open port."""

    number: int  # unique, never reused
    client_id: str
    device_id: str = ""
    expiry_s: int  # 0xFFFFFFFF: never
    expires_at: int | None = None  # ms; None while it has a connection, and if it never expires
    connected: bool = True
    will: bytes = b""  # a PUBLISH of MQTT 5.0; empty: no will
    will_delay_s: int = 0
    will_at: int | None = None  # ms; when the will must be published; None while it has a connection
    sent_seq: int = 0  # of the newest message that was sent on an earlier connection


class KeptSubscription(msgspec.Struct, frozen=True):
    """A stored subscription: topic filter and options of a SUBSCRIBE."""

    topic_filter: str
    options: int
    identifier: int  # 0: none


class KeptMessage(msgspec.Struct, frozen=True):
    """An application message, shared by the queues that hold it."""

    number: int
    packet: bytes  # a PUBLISH of MQTT 5.0
    expires_at: int | None  # ms


class QueuedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is queued for, or in flight to, one session."""

    session: int
    seq: int  # increases with every message of the server
    message: int  # the number of its KeptMessage
    packet_id: int
    qos: int
    retain: bool = False
    identifiers: tuple[int, ...] = ()
    share: str = ""  # the shared subscription that matched; empty: none
    released: bool = False  # QoS 2: PUBREC was received


class RetainedMessage(msgspec.Struct, frozen=True):
    """The newest retained message of a topic."""

    topic: str
    packet: bytes  # a PUBLISH of MQTT 5.0
    expires_at: int | None  # ms


class KeptSession(msgspec.Struct, frozen=True):
    """A stored session: subscriptions by filter, the queue in order, and the packet identifiers of received QoS 2
    messages that the client has not released."""

    record: SessionRecord
    subscriptions: tuple[KeptSubscription, ...]
    queue: tuple[QueuedMessage, ...]
    received: tuple[int, ...]


class KeptSessions(msgspec.Struct, frozen=True):
    """All stored sessions and messages."""

    sessions: tuple[KeptSession, ...]
    messages: tuple[KeptMessage, ...]
    retained: tuple[RetainedMessage, ...]
