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
    """Topic filter with its options (3.8.3.1) and its subscription identifier (0: none)."""

    topic_filter: str
    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: RetainHandling = RetainHandling.AT_SUBSCRIBE
    identifier: int = 0


class Options(NamedTuple):
    """Options of one copy of a message, combined from the matching subscriptions with the same retain flag."""

    qos: int  # greatest QoS of these subscriptions
    retain: bool  # retain flag of the copy
    identifiers: tuple[int, ...]  # of these subscriptions


class QueueSlot(NamedTuple):
    """Note beside a queued message that is stored or came by a shared subscription."""

    seq: int  # number in the store; 0: not stored
    share: str  # filter of the shared subscription; empty: not shared


NOT_STORED = QueueSlot(0, "")


class DelayedWill(NamedTuple):
    """Will message, and the delay (s) after the end of the connection at which it is published (3.1.3.2.2)."""

    publish: Publish
    delay_s: int


class Holder(Protocol):
    """Connection that has a session."""

    def taken_over(self) -> None:
        """Called when another connection takes over the session."""
        ...


class Keeper(Protocol):
    """Store of the messages of durable sessions."""

    def released(self, session: int, seq: int) -> Commit: ...

    def answered(self, session: int, seq: int) -> Commit: ...


class Session:
    """MQTT session, with or without a connection; it owns the messages that its connection delivers.

    Attributes:
        number: key in the store; 0 for a session that ends with its connection.
        occupant: connection that has it, from CONNECT on.
        delivery: downlink half of that connection, once its CONNACK was written.
        levels: of all its topic filters together.
    """

    device_id = ""  # empty: a session of the open port

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
        """Whether it outlives its connection and a restart of the server."""
        return self.number != 0

    @property
    def with_properties(self) -> bool:
        """Whether its client uses MQTT 5.0."""
        return self.delivery is not None and self.delivery.with_properties

    @property
    def sent_seq(self) -> int:
        """Number of the newest message that was sent and not acknowledged."""
        in_flight = (entry.context for entry in self.outbound.entries() if entry.sent)
        return max((noted.seq for noted in in_flight if isinstance(noted, QueueSlot)), default=0)

    def cancel_deadlines(self) -> None:
        """Cancels expiry and delayed will; called when the session gets a connection or ends."""
        for deadline in (self.will_due, self.expiry):
            if deadline is not None:
                deadline.cancel()
        self.will_due = self.expiry = None

    def expires_at_s(self, from_s: float) -> float | None:
        """When the session expires if its connection ended at ``from_s``; None: never."""
        return None if self.expiry_s == NEVER else from_s + self.expiry_s

    # Owner of the delivered messages (DeliverySession)

    def offered(self, entry: Entry) -> None:
        entry.context = NOT_STORED

    def sent(self, entry: Entry) -> None:
        """No-op: sessions do not track the moment of sending."""

    def answered(self, entry: Entry, reason_code: ReasonCode) -> None:
        # 4.8.2: a message that a client refuses is discarded, not given to another member of the share.
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
            # [MQTT-4.3.3-4] Once PUBREL was sent the message must not be sent again, even after a crash.
            return self._keeper.released(self.number, noted.seq)
        return None
