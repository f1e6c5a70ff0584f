"""What is kept of MQTT sessions, so that they outlive their connections and the server (MQTT 5.0, 4.1)."""

import msgspec


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A session without its contents. ``device_id`` is empty for a client of the open port."""

    number: int  # unique, never used again
    client_id: str
    device_id: str = ""
    expiry_s: int  # 0xFFFFFFFF: never
    expires_at: int | None = None  # ms; None while it has a connection, and where it never expires
    connected: bool = True
    will: bytes = b""  # a PUBLISH of MQTT 5.0; empty: there is none
    will_delay_s: int = 0
    will_at: int | None = None  # ms; when it must be published; None while there is a connection
    sent_seq: int = 0  # of the newest message that was sent on an earlier connection


class KeptSubscription(msgspec.Struct, frozen=True):
    """A topic filter with its options, as a SUBSCRIBE carries them."""

    topic_filter: str
    options: int
    identifier: int  # 0: none


class KeptMessage(msgspec.Struct, frozen=True):
    """An application message, which may wait for many."""

    number: int
    packet: bytes  # a PUBLISH of MQTT 5.0
    expires_at: int | None  # ms


class QueuedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that waits for one session, or is in flight to it."""

    session: int
    seq: int  # grows with every message of the server
    message: int  # the number of a KeptMessage
    packet_id: int
    qos: int
    retain: bool = False
    identifiers: tuple[int, ...] = ()
    share: str = ""  # the shared subscription that it came by
    released: bool = False  # QoS 2: the client has received it


class RetainedMessage(msgspec.Struct, frozen=True):
    """The newest retained message of a topic."""

    topic: str
    packet: bytes  # a PUBLISH of MQTT 5.0
    expires_at: int | None  # ms


class KeptSession(msgspec.Struct, frozen=True):
    """A session with everything in it: subscriptions by filter, the queue in order, and the packet identifiers of QoS 2
    messages from the client that it has not released."""

    record: SessionRecord
    subscriptions: tuple[KeptSubscription, ...]
    queue: tuple[QueuedMessage, ...]
    received: tuple[int, ...]


class KeptSessions(msgspec.Struct, frozen=True):
    """Everything that is kept."""

    sessions: tuple[KeptSession, ...]
    messages: tuple[KeptMessage, ...]
    retained: tuple[RetainedMessage, ...]
