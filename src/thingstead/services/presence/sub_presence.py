"""Presence of the sub-devices of a gateway.

A sub-device is online from ``gateway/connect`` or its first message until ``gateway/disconnect``, its idle time-out, or
the end of its gateway's connection (reason ``gateway``). Its session is a row like any other, named after the gateway's
session. If another connection of the gateway takes over, the sessions of its sub-devices move to it without going
offline.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from thingstead.clock import Clock
from thingstead.errors import NotFound
from thingstead.model.device import Device, DeviceSession
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.presence.presence import PresenceService
from thingstead.services.shared.commits import TaskCommit
from thingstead.storage.base import Commit

log = structlog.get_logger("thingstead.gateways")


class SubDeviceState:
    """A sub-device of a connected gateway."""

    __slots__ = ("address", "gateway", "heard_s", "link", "moves", "online")

    def __init__(self, gateway: "GatewayLink", address: str, link: DeviceContext) -> None:
        self.gateway = gateway
        self.address = address
        self.link = link
        self.online = False
        self.heard_s = 0.0  # monotonic time of its newest message
        self.moves: asyncio.Task[None] | None = None  # the last change of presence, which the next one waits for


class GatewayLink:
    """The connection of a gateway, with its sub-devices by address."""

    def __init__(self, device: Device, session_id: str, remote_address: str) -> None:
        self.device = device
        self.session_id = session_id
        self.remote_address = remote_address
        self.sub_devices: dict[str, SubDeviceState] = {}
        self.taken_over = False  # by another connection of the gateway
        self.reported: set[int] = set()  # device numbers, since the last check for congestion

    async def idle(self) -> None:
        """Waits for changes of presence in progress."""
        moves = [sub_device.moves for sub_device in self.sub_devices.values() if sub_device.moves is not None]
        if moves:
            await asyncio.wait(moves)


class SubDevicePresence:
    """Opens and closes the sessions of sub-devices; changes of one sub-device are applied in order."""

    def __init__(self, presence: PresenceService, clock: Clock) -> None:
        self._presence = presence
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Waits for changes in progress."""
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    def heard(self, sub_device: SubDeviceState) -> Commit | None:
        """Call for each message of a sub-device.

        Returns:
            A commit after which it is online; None: it already is, or its gateway has another connection.
        """
        sub_device.heard_s = self._clock.monotonic_s()
        if sub_device.online or sub_device.gateway.taken_over:
            return None
        return TaskCommit(after(self._open(sub_device)))

    def take_over(self, sub_device: SubDeviceState, before: SubDeviceState) -> None:
        """Moves an online sub-device to a new connection of its gateway; it stays online."""
        if before.online:
            before.online = False
            sub_device.heard_s = before.heard_s
            sub_device.moves = before.moves
            self._open(sub_device, before)

    def _open(self, sub_device: SubDeviceState, before: SubDeviceState | None = None) -> asyncio.Task[None]:
        """``before``: its state on the earlier connection."""
        sub_device.online = True
        device, gateway = sub_device.link.device, sub_device.gateway
        session = DeviceSession(
            session_id=_session_id(sub_device),
            node=self._presence.node,
            protocol="gateway",
            client_id=gateway.device.id,
            remote_address=gateway.remote_address,
            connected_at=self._clock.now_ms(),
        )

        async def open_session() -> None:
            try:
                await self._presence.open(device, session)
            except BaseException:
                if sub_device.moves is asyncio.current_task():  # no later change
                    sub_device.online = False
                if before is not None:
                    await self._presence.close(device, _session_id(before), "gateway")
                raise

        return self._move(sub_device, open_session)

    def leave(self, sub_device: SubDeviceState, reason: str) -> None:
        """Sets it offline; ``reason`` is for people."""
        if sub_device.online:
            sub_device.online = False
            device, session_id = sub_device.link.device, _session_id(sub_device)
            self._move(sub_device, lambda: self._presence.close(device, session_id, reason))

    def _move(self, sub_device: SubDeviceState, change: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        before = sub_device.moves

        async def move() -> None:
            if before is not None:
                await asyncio.wait([before])
            await change()

        sub_device.moves = task = self.run(move())
        return task

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Starts a task of this service: failures are logged, and :meth:`close` waits for it."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, NotFound):
            log.error("the presence of a sub-device could not be stored", exc_info=error)


def _session_id(sub_device: SubDeviceState) -> str:
    return f"{sub_device.gateway.session_id}/{sub_device.address}"


async def after(task: asyncio.Task[None] | None) -> None:
    """Waits for a task; raises its exception."""
    if task is not None:
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
