"""Protocol between a connection and the platform: what an admitted client may do."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from thingstead.broker.connection.connection import Connection
from thingstead.broker.connection.handshake import NO_SESSION, SessionGrant, changed_expiry_s
from thingstead.mqtt.connection_packets import Connect, Disconnect
from thingstead.mqtt.inbound import Inbound
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Subscribe, Unsubscribe
from thingstead.services.shared.commits import Commit


class Granted(NamedTuple):
    """What became of a SUBSCRIBE or UNSUBSCRIBE."""

    pending: Commit | None  # to wait for before it is acknowledged
    reason_codes: Sequence[ReasonCode]  # one for each topic filter, in order
    then: Callable[[], None] | None = None  # to be done once it is acknowledged


# What became of a PUBLISH: the commit to wait for before it is acknowledged (None: nothing to wait for), the reason
# code of the acknowledgement, the encoded answer to be written behind it, and for people what was refused of it and why
# (empty: nothing). A plain tuple: one is made a message.
Receipt = tuple[Commit | None, ReasonCode, bytes | None, str]

# What became of PUBLISH packets at QoS 0, or at QoS 1, that came in one go: how many from the front were taken with
# success, the commit to wait for before they are acknowledged (None: none was taken), and the encoded answer to be
# written behind each acknowledgement.
Run = tuple[int, Commit | None, bytes | None]


class ConnectionHandler(Protocol):
    """One admitted connection's view of the platform. Called on the event loop; nothing here may block."""

    def publish(self, packet: Publish) -> Receipt:
        """Takes a message. Raises Unavailable where it cannot be kept: the connection then ends, unacknowledged."""
        ...

    def publish_run(self, topic: str, payloads: Sequence[bytes]) -> Run:
        """Takes messages of one topic from the front of what came in one go; the rest come to :meth:`publish`. Raises
        Unavailable as that does, and then took none."""
        ...

    def subscribe(self, packet: Subscribe) -> Granted: ...

    def unsubscribe(self, packet: Unsubscribe) -> Granted: ...

    async def closed(self, reason: str) -> None:
        """The connection is gone."""
        ...

    @property
    def accepted(self) -> SessionGrant:
        """The session that was begun or goes on, as CONNACK tells."""
        ...

    @property
    def inbound(self) -> Inbound:
        """The receiving half of the session."""
        ...

    def begin(self) -> None:
        """CONNACK was written: what waits in the session may be sent."""
        ...

    def forward(self) -> None:
        """The PUBREC of the last PUBLISH at QoS 2 was written, or waits for its commit."""
        ...

    def received(self, packet_id: int, pending: Commit | None) -> Commit | None:
        """A QoS 2 message was taken, when ``pending`` is done; what its PUBREC waits for."""
        ...

    def release(self, packet_id: int) -> Commit | None:
        """A QoS 2 message was released; the commit to wait for before its PUBCOMP is sent."""
        ...

    def disconnected(self, packet: Disconnect) -> None:
        """The client takes its leave; the connection ends after this. Raises MqttError."""
        ...

    @property
    def project_id(self) -> str:
        """On whose behalf the client is served; empty: on nobody's."""
        ...

    @property
    def crowded(self) -> int | None:
        """The number of a device for which the client reported more than its share; None: there is none."""
        ...


class HandlerBase:
    """What a handler does whose session ends with its connection."""

    __slots__ = ("inbound",)

    def __init__(self) -> None:
        self.inbound = Inbound()

    @property
    def accepted(self) -> SessionGrant:
        return NO_SESSION

    @property
    def project_id(self) -> str:
        return ""

    @property
    def crowded(self) -> int | None:
        """What is published here goes into no history."""
        return None

    def publish_run(self, topic: str, payloads: Sequence[bytes]) -> Run:
        """One after another."""
        return 0, None, None

    def begin(self) -> None:
        """Nothing waits."""

    def forward(self) -> None:
        """Messages go where they belong when they are published."""

    def received(self, packet_id: int, pending: Commit | None) -> Commit | None:
        return pending

    def release(self, packet_id: int) -> Commit | None:
        return None

    def disconnected(self, packet: Disconnect) -> None:
        """There is no will, and no session to outlive the connection. Raises MqttError."""
        changed_expiry_s(packet, 0)


class AccessControl(Protocol):
    """Who may connect to a listener, and as what."""

    async def admit(self, connect: Connect, connection: Connection) -> ConnectionHandler:
        """Raises NotAuthenticated, Forbidden or Unavailable where the client is not admitted.

        Where it raises, nothing of the connection stays behind.
        """
        ...


class BackPressure(Protocol):
    """Who says when those who report must be held back: the history."""

    @property
    def congested(self) -> bool: ...

    def crowded(self, device_number: int) -> bool: ...

    def when_room(self, callback: Callable[[], None], device_number: int | None = None) -> None: ...
