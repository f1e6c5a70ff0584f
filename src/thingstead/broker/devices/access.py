"""Authenticates devices by certificate, and opens the session that owns the device."""

import secrets
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from thingstead.broker.connection.connection import PeerConnection
from thingstead.broker.connection.handshake import agree
from thingstead.broker.devices.device_handler import DeviceHandler
from thingstead.broker.devices.gateway_handler import GatewayHandler
from thingstead.broker.devices.router import DeviceConnection, DeviceRouter, Downlink
from thingstead.broker.devices.session_holder import SessionHolder
from thingstead.broker.devices.sessions import DeviceSessions
from thingstead.broker.net.stream import Stream
from thingstead.broker.sessions.records import require_kept
from thingstead.clock import Clock
from thingstead.config import MqttSettings
from thingstead.model.addresses import host_of
from thingstead.model.device import Device, DeviceSession
from thingstead.mqtt.connection_packets import Connect
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.platform import Platform
from thingstead.services.registry.new_device import GATEWAY
from thingstead.services.shared.message_trace import Plane

MAX_CREDENTIAL_CHARACTERS = 256
CLIENT_ID_CHARACTERS = 256  # stored with a session and shown to people; a client may send 65,535

D = TypeVar("D", bound=Downlink)


class LogInCredential(NamedTuple):
    """Credentials of a device."""

    access_token: str
    project_key: str


class Admission:
    """Device session that has been started, with what is needed to end it."""

    __slots__ = ("_log_in", "_session", "link")

    def __init__(self, link: DeviceContext, session: DeviceConnection, log_in: "DeviceLogIn") -> None:
        self.link = link
        self._session = session
        self._log_in = log_in

    @property
    def session_id(self) -> str:
        """Id of the session that was opened for the connection."""
        return self._session.session_id

    async def end(self, reason: str) -> None:
        """Ends the session once, with a reason; further calls do nothing."""
        await self._log_in.end(self._session, self.link.device, reason)


class DeviceLogIn:
    """Logs devices in over any protocol."""

    def __init__(self, platform: Platform, hub: DeviceRouter, clock: Clock) -> None:
        self.platform = platform
        self._hub = hub
        self._clock = clock

    async def log_in(
        self,
        certificate: LogInCredential,
        connection: PeerConnection | Stream,
        protocol: Plane,
        client_id: str,
        make: Callable[[Admission], Awaitable[D]],
        check: Callable[[DeviceContext], None] = lambda _: None,
    ) -> D:
        """Starts the device's session on a connection, and returns what ``make`` makes of it. If anything raises, no
        session remains.

        Args:
            check: raises if the device may not connect in this way; called before the session is started.

        Raises:
            NotAuthenticated: the credentials are wrong.
            TooManyRequests: too many failed log-ins.
            Unavailable: the session cannot be stored now.
        """
        platform = self.platform
        device = await platform.presence.authenticate(*certificate, host_of(connection.remote_address), protocol)
        session = DeviceConnection(secrets.token_hex(8), device.id, connection)
        self._hub.add(session)
        try:
            link = await platform.ingest.link(device)
            check(link)
            begun = DeviceSession(
                session_id=session.session_id,
                node=platform.presence.node,
                protocol=protocol,
                client_id=client_id[:CLIENT_ID_CHARACTERS],
                remote_address=connection.remote_address,
                connected_at=self._clock.now_ms(),
            )
            await platform.presence.open(device, begun)
            made = await make(Admission(link, session, self))
        except BaseException:  # the row may have been written all the same
            await self.end(session, device, "the log-in failed")
            raise
        session.downlink = made
        return made

    async def end(self, session: DeviceConnection, device: Device, reason: str) -> None:
        """Ends a session, whether or not it has taken over the device."""
        self._hub.remove(session)
        await self.platform.presence.close(device, session.session_id, reason)


class DeviceAccess:
    """Admits devices over MQTT: user name = AccessToken, password = ProjectKey (wire reference §3.1).

    The client identifier is not used for authentication, and the will is not published. A session outlives its
    connection if the device asks for that.
    """

    def __init__(self, log_in: DeviceLogIn, sessions: DeviceSessions, settings: MqttSettings) -> None:
        self._log_in = log_in
        self._sessions = sessions
        self._settings = settings

    async def admit(self, connect: Connect, connection: PeerConnection) -> DeviceHandler:
        """Logs a device in.

        Raises:
            NotAuthenticated: the credentials are wrong.
            TooManyRequests: too many failed log-ins.
            Unavailable: the session cannot be stored now.
        """

        async def make(admission: Admission) -> DeviceHandler:
            return await self._handler(connect, connection, admission)

        return await self._log_in.log_in(_certificate(connect), connection, "mqtt", connect.client_id, make)

    async def _handler(self, connect: Connect, connection: PeerConnection, admission: Admission) -> DeviceHandler:
        link, end, session_id = admission.link, admission.end, admission.session_id
        platform = self._log_in.platform
        keep_alive_s = agree(connect, self._settings).keep_alive_s
        kept = await self._hold(connect, connection, link.device.id)
        if link.definition.conn_type != GATEWAY:
            handler = DeviceHandler(connection, link, platform, self._settings, end, kept)
            handler.keep_alive_s = keep_alive_s
            return handler
        try:
            gateway = await platform.sub_devices.open(link.device, session_id, connection.remote_address)
        except BaseException:
            if kept is not None:
                kept.end("the log-in failed")
            raise
        gateway_handler = GatewayHandler(connection, link, platform, self._settings, end, gateway, kept)
        gateway_handler.keep_alive_s = keep_alive_s
        return gateway_handler

    async def _hold(self, connect: Connect, connection: PeerConnection, device_id: str) -> SessionHolder | None:
        """Holder of the session that the device asks for; None if it asks for none. Raises Unavailable if it cannot be
        stored."""
        kept = SessionHolder(connection, self._sessions)
        start = kept.begin(device_id, connect)
        try:
            if start.pending is not None:
                await require_kept(start.pending)
        except BaseException:
            kept.refuse(start)
            raise
        return kept if start.session is not None else None


def _certificate(connect: Connect) -> LogInCredential:
    """Credentials of a CONNECT; longer ones than the limit are cut and match no device."""
    access_token, password = connect.user_name or "", connect.password or b""
    return LogInCredential(
        access_token[:MAX_CREDENTIAL_CHARACTERS], password[:MAX_CREDENTIAL_CHARACTERS].decode("utf-8", "replace")
    )
