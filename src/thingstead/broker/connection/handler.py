"""Protocol between a connection and the platform: what an admitted client may do."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from thingstead.broker.connection.connection import PeerConnection
from thingstead.broker.connection.handshake import NO_SESSION, SessionGrant, changed_expiry_s
from thingstead.mqtt.connection_packets import Connect, Disconnect
from thingstead.mqtt.inbound import Inbound
from thingstead.mqtt.publish_packets import Publish
from thingstead.mqtt.reasons import ReasonCode
from thingstead.mqtt.subscription_packets import Subscribe, Unsubscribe
from thingstead.services.shared.commits import Commit


class Granted(NamedTuple):
    """Result of a SUBSCRIBE or UNSUBSCRIBE."""

    pending: Commit | None  # to wait for before SUBACK or UNSUBACK is sent
    reason_codes: Sequence[ReasonCode]  # one for each topic filter, in order
    then: Callable[[], None] | None = None  # called once the acknowledgement was sent


# Result of a PUBLISH: the commit to wait for before it is acknowledged (None: nothing to wait for), the reason
# code of the acknowledgement, the encoded answer to be written behind it, and a text that says what was refused and why
# (empty: nothing). A plain tuple, because one is made for each message.
Receipt = tuple[Commit | None, ReasonCode, bytes | None, str]

# Result of consecutive PUBLISH packets at QoS 0 or at QoS 1: how many from the front were accepted with
# success, the commit to wait for before they are acknowledged (None: none was accepted), and the encoded answer to be
# written behind each acknowledgement.
Run = tuple[int, Commit | None, bytes | None]


class ConnectionHandler(Protocol):
    """Handles the packets of one admitted connection. Called on the event loop; no method may block."""

    def publish(self, packet: Publish) -> Receipt:
        """Handles a PUBLISH. Raises Unavailable if the message cannot be stored; the connection then ends without an
        acknowledgement."""
        ...

    def publish_run(self, topic: str, payloads: Sequence[bytes]) -> Run:
        """Handles consecutive messages on one topic, as many from the front as possible; the caller passes the rest to
        :meth:`publish`. If it raises Unavailable, as that does, no message was accepted."""
        ...

    def subscribe(self, packet: Subscribe) -> Granted:
        """Handles a SUBSCRIBE."""
        ...

    def unsubscribe(self, packet: Unsubscribe) -> Granted:
        """Handles an UNSUBSCRIBE."""
        ...

    async def closed(self, reason: str) -> None:
        """Called once when the connection has ended."""
        ...

    @property
    def accepted(self) -> SessionGrant:
        """The session that was started or resumed, for the CONNACK."""
        ...

    @property
    def inbound(self) -> Inbound:
        """The receiving half of the session."""
        ...

    def begin(self) -> None:
        """Called when CONNACK was written: queued messages may be sent."""
        ...

    def forward(self) -> None:
        """Called when the PUBREC of the last PUBLISH at QoS 2 was written or waits for its commit."""
        ...

    def received(self, packet_id: int, pending: Commit | None) -> Commit | None:
        """Records a QoS 2 message that is stored by ``pending``. Returns the commit that PUBREC must wait for."""
        ...

    def release(self, packet_id: int) -> Commit | None:
        """Handles a PUBREL. Returns the commit that PUBCOMP must wait for."""
        ...

    def disconnected(self, packet: Disconnect) -> None:
        """Handles a DISCONNECT; the connection ends after this call. Raises MqttError."""
        ...

    @property
    def project_id(self) -> str:
        """Project of the client; empty if it has none."""
        ...

    @property
    def crowded(self) -> int | None:
        """Number of a device with more unstored reports than its share; None: no device has."""
        ...


class HandlerBase:
    """Default methods for a handler whose session ends with its connection."""

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
        """None: what is published here is not stored in the history."""
        return None

    def publish_run(self, topic: str, payloads: Sequence[bytes]) -> Run:
        """Handles no message: all go through :meth:`publish`, one by one."""
        return 0, None, None

    def begin(self) -> None:
        """No-op: no messages are queued."""

    def forward(self) -> None:
        """No-op: messages are forwarded when they are published."""

    def received(self, packet_id: int, pending: Commit | None) -> Commit | None:
        return pending

    def release(self, packet_id: int) -> Commit | None:
        return None

    def disconnected(self, packet: Disconnect) -> None:
        """Checks a DISCONNECT; there is no will and no session that outlives the connection. Raises MqttError."""
        changed_expiry_s(packet, 0)


class AccessControl(Protocol):
    """Decides who may connect to a listener, and returns the handler of the connection."""

    async def admit(self, connect: Connect, connection: PeerConnection) -> ConnectionHandler:
        """Logs a client in. If it raises, no state of the connection remains.

        Raises:
            NotAuthenticated: the credentials are wrong.
            Forbidden: the client may not connect here.
            Unavailable: the session cannot be stored now.
        """
        ...


class BackPressure(Protocol):
    """Tells when producers of history must stop reading from their peers."""

    @property
    def congested(self) -> bool:
        """Whether all producers must stop reading."""
        ...

    def crowded(self, device_number: int) -> bool:
        """Whether producers of this device must stop reading."""
        ...

    def when_room(self, callback: Callable[[], None], device_number: int | None = None) -> None:
        """Calls back once, on the event loop, when reading may resume."""
        ...
