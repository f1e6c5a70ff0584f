"""One client's MQTT session (4.1): subscriptions, in-flight messages, queue."""

from typing import NamedTuple, Protocol

from thingstead.broker.connection.delivery import Delivery
from thingstead.broker.connection.handshake import NEVER
from thingstead.mqtt.inbound import Inbound
from thingstead.mqtt.outbound import Entry, Outbound
from thingstead.mqtt.protocol import RetainHandling
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.shared.commits import Commit
from thingstead.timers import Deadline


class Subscription(NamedTuple):
    """A topic filter with its options (3.8.3.1) and its subscription identifier (0: none)."""

    topic_filter: str
    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: RetainHandling = RetainHandling.AT_SUBSCRIBE
    identifier: int = 0


class Options(NamedTuple):
    """How a session gets one copy of a message: subscriptions taken together that send it with the same flag."""

    qos: int  # the greatest of these subscriptions
    retain: bool  # the flag with which it is sent
    identifiers: tuple[int, ...]  # of these subscriptions


class QueueSlot(NamedTuple):
    """What a session notes beside a message that it keeps, or that came by a shared subscription."""

    seq: int  # 0: it is not kept
    share: str  # the shared subscription; empty: none


NOT_STORED = QueueSlot(0, "")


class DelayedWill(NamedTuple):
    """A will message, and how long after the end of the connection it is published (3.1.3.2.2)."""

    publish: Publish
    delay_s: int


class Holder(Protocol):
    """The connection that has a session."""

    def taken_over(self) -> None:
        """Another connection has it now."""
        ...


class Keeper(Protocol):
    """Where sessions that outlive their connections are kept."""

    def released(self, session: int, seq: int) -> Commit: ...

    def answered(self, session: int, seq: int) -> Commit: ...


class Session:
    """A session, with or without a connection. It is the owner of the messages that its connection delivers.

    Attributes:
        number: by which it is kept; 0 for one that ends with its connection.
        occupant: the connection that has it, from CONNECT on.
        delivery: that connection's downward half, once its CONNACK was written.
        levels: of all topic filters together.
    """

    device_id = ""  # whose it is; empty: it is one of the open port

    __slots__ = (
        "_keeper",
        "client_id",
        "delivery",
        "expiry",
        "expiry_s",
        "holder",
        "inbound",
        "levels",
        "number",
        "outbound",
        "subscriptions",
        "will",
        "will_due",
    )

    def __init__(self, client_id: str, outbound: Outbound, keeper: Keeper) -> None:
        self._keeper = keeper
        self.client_id = client_id
        self.number = 0
        self.expiry_s = 0
        self.subscriptions: dict[str, Subscription] = {}
        self.inbound = Inbound()
        self.outbound = outbound
        self.levels = 0
        self.holder: Holder | None = None
        self.delivery: Delivery | None = None
        self.will: DelayedWill | None = None
        self.will_due: Deadline | None = None
        self.expiry: Deadline | None = None

    @property
    def durable(self) -> bool:
        """Whether it outlives its connection, and the server."""
        return self.number != 0

    @property
    def with_properties(self) -> bool:
        """Whether its client speaks 5.0."""
        return self.delivery is not None and self.delivery.with_properties

    @property
    def sent_seq(self) -> int:
        """Of the newest message that was sent and not answered."""
        in_flight = (entry.context for entry in self.outbound.entries() if entry.sent)
        return max((noted.seq for noted in in_flight if isinstance(noted, QueueSlot)), default=0)

    def cancel_deadlines(self) -> None:
        """It has a connection again, or ends."""
        for deadline in (self.will_due, self.expiry):
            if deadline is not None:
                deadline.cancel()
        self.will_due = self.expiry = None

    def expires_at_s(self, from_s: float) -> float | None:
        """When it ends, if its connection ended at ``from_s``; None: never."""
        return None if self.expiry_s == NEVER else from_s + self.expiry_s

    # The owner of what is delivered

    def offered(self, entry: Entry) -> None:
        entry.context = NOT_STORED

    def sent(self, entry: Entry) -> None:
        """No-op: sessions do not track the moment of sending."""

    def answered(self, entry: Entry, reason_code: ReasonCode) -> None:
        # 4.8.2: what a client refuses is discarded, and not given to another member of a shared subscription.
        self._forget(entry)

    def dropped(self, entry: Entry, reason: str) -> None:
        self._forget(entry)

    def _forget(self, entry: Entry) -> None:
        noted: QueueSlot = entry.context
        if noted.seq and self.number:
            self._keeper.answered(self.number, noted.seq)

    def released(self, entry: Entry) -> Commit | None:
        noted: QueueSlot = entry.context
        if noted.seq and self.number:
            # [MQTT-4.3.3-4] Once PUBREL was sent the message must not be sent again: not after a crash either.
            return self._keeper.released(self.number, noted.seq)
        return None
