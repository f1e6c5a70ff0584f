"""Log-in of devices: a CONNECT with a device certificate becomes the session that owns the device."""

import secrets
from collections.abc import Awaitable, Callable

from thingstead.clock import Clock
from thingstead.config import MqttSettings
from thingstead.errors import NotAuthenticated
from thingstead.gateway.device_plane import DevicePlane
from thingstead.gateway.gateway_plane import GatewayPlane
from thingstead.gateway.hub import Hub, LiveSession
from thingstead.gateway.plane import Connection
from thingstead.model.device import DeviceSession
from thingstead.mqtt.connection_packets import Connect
from thingstead.services.devices import GATEWAY
from thingstead.services.ingest import DeviceLink
from thingstead.services.platform import Platform

MAX_CREDENTIAL_CHARACTERS = 256


class DeviceAccess:
    """Admits devices: user name = AccessToken, password = ProjectKey (wire reference §3.1).

    The client identifier is not looked at, the will is not published, and no session outlives its connection.
    """

    def __init__(self, platform: Platform, hub: Hub, clock: Clock, settings: MqttSettings) -> None:
        self._platform = platform
        self._hub = hub
        self._clock = clock
        self._settings = settings

    async def admit(self, connect: Connect, connection: Connection) -> DevicePlane:
        """Raises NotAuthenticated, or Unavailable where the session cannot be kept."""
        access_token, project_key = _credentials(connect)
        device = await self._platform.presence.authenticate(access_token, project_key)
        session = LiveSession(secrets.token_hex(8), device.id, connection)
        self._hub.add(session)

        async def end(reason: str) -> None:
            self._hub.remove(session)
            await self._platform.presence.close(device, session.session_id, reason)

        try:
            link = await self._platform.ingest.link(device)
            await self._platform.presence.open(
                device,
                DeviceSession(
                    session_id=session.session_id,
                    node=self._platform.presence.node,
                    protocol="mqtt",
                    client_id=connect.client_id,
                    remote_address=connection.remote_address,
                    connected_at=self._clock.now_ms(),
                ),
            )
            plane = await self._plane(connection, link, session, end)
        except BaseException:  # the row may be there all the same
            await end("the log-in failed")
            raise
        session.downlink = plane
        return plane

    async def _plane(
        self, connection: Connection, link: DeviceLink, session: LiveSession, end: Callable[[str], Awaitable[None]]
    ) -> DevicePlane:
        device = link.device
        if link.definition.conn_type != GATEWAY:
            return DevicePlane(connection, link, self._platform, self._settings, end)
        gateway = await self._platform.sub_devices.open(device, session.session_id, connection.remote_address)
        return GatewayPlane(connection, link, self._platform, self._settings, end, gateway)


def _credentials(connect: Connect) -> tuple[str, str]:
    access_token, password = connect.user_name or "", connect.password or b""
    if len(access_token) > MAX_CREDENTIAL_CHARACTERS or len(password) > MAX_CREDENTIAL_CHARACTERS:
        raise NotAuthenticated("the device certificate is not valid")
    return access_token, password.decode("utf-8", "replace")
