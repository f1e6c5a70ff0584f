"""Who is online: a device is, exactly as long as the row of its live session exists.

The store decides which session owns a device, so the on and off news of a device alternate, and a session that was
taken over can never end as "offline".
"""

import hmac

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import NotAuthenticated
from thingstead.model.device import Device, DeviceSession
from thingstead.model.messages import PresenceChanged
from thingstead.storage.base import Store


class PresenceService:
    """Log-in of devices, and their sessions."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, node: str) -> None:
        self._store = store
        self._bus = bus
        self._clock = clock
        self.node = node  # the name of this server node

    async def authenticate(self, access_token: str, project_key: str) -> Device:
        """The device whose certificate this is (wire reference §3.1).

        Raises:
            NotAuthenticated: no such certificate; never says which half was wrong.
        """
        device = await self._store.devices.find_by_access_token(access_token)
        if device is not None:
            project = await self._store.projects.get(device.project_id)
            if hmac.compare_digest(project.project_key.encode(), project_key.encode("utf-8", "surrogatepass")):
                return device
        raise NotAuthenticated("the device certificate is not valid")

    async def open(self, device: Device, session: DeviceSession) -> None:
        """Makes ``session`` the device's live session; any other one, on whichever node, must then end. On return the
        row is on disk and :class:`PresenceChanged` was published, naming the session that was taken over."""
        replaced = await self._store.presence.open_session(device.number, session)
        self._bus.publish(
            PresenceChanged(
                device_id=device.id,
                online=True,
                session_id=session.session_id,
                replaced=replaced.session_id if replaced else None,
                reason="taken over" if replaced else "connected",
                ts=session.connected_at,
            )
        )

    async def close(self, device: Device, session_id: str, reason: str) -> None:
        """Ends a session. Nothing happens, and nothing is told, where another session owns the device by now."""
        if await self._store.presence.close_session(device.number, session_id):
            self._bus.publish(
                PresenceChanged(
                    device_id=device.id,
                    online=False,
                    session_id=session_id,
                    replaced=None,
                    reason=reason,
                    ts=self._clock.now_ms(),
                )
            )
