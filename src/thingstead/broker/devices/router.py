"""Registry of this node's device connections; routes messages of the bus to them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from thingstead.broker.connection.connection import PeerConnection
from thingstead.broker.net.stream import Stream
from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.model import device_answers
from thingstead.model.messages import (
    AttributesPushed,
    CommandChanged,
    CommandIssued,
    DataSent,
    PresenceChanged,
    SessionsRevoked,
)
from thingstead.mqtt.reasons import ReasonCode
from thingstead.services.diagnosis.live_connections import LiveConnection
from thingstead.services.presence.sub_devices import SubDeviceService
from thingstead.services.presence.sub_presence import SubDeviceState
from thingstead.services.shared.message_trace import MessageTrace, TraceOutcome
from thingstead.services.shared.rate_limit import TokenBuckets

log = structlog.get_logger("thingstead.broker")

TAKEOVERS_LOGGED, TAKEOVER_INTERVAL_S = 3, 60.0  # log lines for one device, then one each minute
ENDED = frozenset(("replied", "expired", "failed"))  # states in which a command is not in flight any more


class Downlink(Protocol):
    """Sends messages to one device."""

    def push(self, message: AttributesPushed) -> None: ...

    def command(self, message: CommandIssued) -> None: ...

    def command_changed(self, message: CommandChanged) -> None:
        """A command of the device got a reply or has ended."""
        ...

    def data(self, message: DataSent) -> None: ...

    def describe(self) -> LiveConnection | None:
        """What is known of its MQTT connection; None if it has another one."""
        ...

    def ready(self) -> None:
        """A sub-device came online: its queued commands may be sent."""
        ...

    def below(self, sub_device: SubDeviceState) -> "Downlink | None":
        """Downlink to a sub-device of this gateway; None if this device is not a gateway."""
        ...


@dataclass(slots=True, eq=False)
class DeviceConnection:
    """A connection that has authenticated as a device."""

    session_id: str
    device_id: str
    connection: PeerConnection | Stream
    downlink: Downlink | None = None  # set once the session has taken over its device


class DeviceRouter:
    """Device sessions of this node.

    A session is added as soon as its device is known, before it takes over the device, so that neither a takeover nor a
    revocation can miss it. Messages to a device go to the newest session that has taken over the device; messages to a
    sub-device go to the session of its gateway.

    Args:
        trace: told of messages to devices that are not connected.
        away: called with pushes to devices that are not connected; returns whether the push was queued.
    """

    def __init__(
        self,
        bus: Bus,
        clock: Clock,
        sub_devices: SubDeviceService,
        trace: MessageTrace,
        away: Callable[[AttributesPushed], bool] = lambda _: False,
    ) -> None:
        self._away = away
        self._trace = trace
        self._sub_devices = sub_devices
        self._takeovers = TokenBuckets(clock, TAKEOVERS_LOGGED, TAKEOVER_INTERVAL_S)
        self._by_id: dict[str, DeviceConnection] = {}
        self._by_device: dict[str, list[DeviceConnection]] = {}  # oldest first; usually one
        self._subscriptions = [
            bus.subscribe(AttributesPushed, self._push),
            bus.subscribe(CommandIssued, self._command),
            bus.subscribe(CommandChanged, self._command_changed),
            bus.subscribe(DataSent, self._data),
            bus.subscribe(PresenceChanged, self._presence_changed),
            bus.subscribe(SessionsRevoked, self._revoke),
        ]

    def add(self, session: DeviceConnection) -> None:
        """Adds a session that has authenticated."""
        self._by_id[session.session_id] = session
        self._by_device.setdefault(session.device_id, []).append(session)

    def remove(self, session: DeviceConnection) -> None:
        """Removes a session. Further calls do nothing."""
        if self._by_id.pop(session.session_id, None) is not None:
            sessions = self._by_device[session.device_id]
            sessions.remove(session)
            if not sessions:
                del self._by_device[session.device_id]

    def close(self) -> None:
        """Cancels the bus subscriptions."""
        for subscription in self._subscriptions:
            subscription.cancel()

    def describe(self, device_id: str) -> LiveConnection | None:
        """The MQTT connection of a device or of its gateway."""
        downlink = self._downlink(device_id)
        return None if downlink is None else downlink.describe()

    def _downlink(self, device_id: str) -> Downlink | None:
        for session in reversed(self._by_device.get(device_id, ())):
            if session.downlink is not None:
                return session.downlink
        return self._below(device_id)

    def _below(self, device_id: str) -> Downlink | None:
        """Downlink to a sub-device through its gateway."""
        sub_device = self._sub_devices.route(device_id)
        if sub_device is None:
            return None
        gateway = self._by_id.get(sub_device.gateway.session_id)
        return gateway.downlink.below(sub_device) if gateway is not None and gateway.downlink is not None else None

    def _push(self, message: AttributesPushed) -> None:
        downlink = self._downlink(message.device_id)
        if downlink is not None:
            downlink.push(message)
            return
        kept = self._away(message)
        if self._trace.traces(message.project_id):
            payload = device_answers.pushed(message)
            outcome: TraceOutcome = "queued" if kept else "no_session"
            self._trace.no_session(message.project_id, message.device_id, "attributes/push", payload, outcome)

    def _command(self, message: CommandIssued) -> None:
        downlink = self._downlink(message.device_id)
        if downlink is not None:
            downlink.command(message)
        elif self._trace.traces(message.project_id):
            topic = f"command/send/{message.command_id}"
            self._trace.no_session(message.project_id, message.device_id, topic, device_answers.command(message))

    def _command_changed(self, message: CommandChanged) -> None:
        if message.state in ENDED:
            downlink = self._downlink(message.device_id)
            if downlink is not None:
                downlink.command_changed(message)

    def _data(self, message: DataSent) -> None:
        downlink = self._downlink(message.device_id)
        if downlink is not None:
            downlink.data(message)
        elif self._trace.traces(message.project_id):
            self._trace.no_session(
                message.project_id, message.device_id, f"data/{message.identifier}/set", message.payload
            )

    def _presence_changed(self, message: PresenceChanged) -> None:
        if message.online and (below := self._below(message.device_id)) is not None:
            below.ready()
        replaced = self._by_id.get(message.replaced) if message.replaced else None
        if replaced is None:
            return
        self._log_takeover(message, replaced)
        # [MQTT-3.1.4-3] The older connection gets DISCONNECT 0x8E and is closed.
        replaced.connection.close(ReasonCode.SESSION_TAKEN_OVER, "another connection of the device took over")

    def _log_takeover(self, message: PresenceChanged, replaced: DeviceConnection) -> None:
        suppressed = self._takeovers.take(message.device_id)
        if suppressed is None:
            return
        successor = self._by_id.get(message.session_id)
        log.info(
            "a device's session was taken over",
            device=message.device_id,
            remote_address=replaced.connection.remote_address,
            by=successor.connection.remote_address if successor else "another node",
            suppressed=suppressed,
        )

    def _revoke(self, message: SessionsRevoked) -> None:
        for device_id in message.device_ids:
            for session in tuple(self._by_device.get(device_id, ())):
                session.connection.close(ReasonCode.ADMINISTRATIVE_ACTION, message.reason)
