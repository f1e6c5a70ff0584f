"""Sends commands and waits for the reply (wire reference §6, §15.7).

A waiting call holds only a place in a queue: no thread, connection or transaction. Replies are matched only by the id
of the command, and most callers use the same one (1000), so calls with the same device and id are serialized; calls
with different ids run concurrently. A command without a reply in time is ended, so that a late reply does not match the
next one.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from thingstead.clock import Clock
from thingstead.errors import ReplyTimeout, TooManyRequests
from thingstead.model.command import Command
from thingstead.model.device import Device
from thingstead.mqtt.budget import Budget
from thingstead.services.commands.control import DEFAULT_COMMAND_ID, ControlService

WAITING_PER_DEVICE = 16
WAITING_OVERALL = 2_000
TIMEOUT_S, TIMEOUT_MAX_S = 10.0, 30.0


class _Turn:
    """Queue of the callers of one device and command id, first come, first served."""

    __slots__ = ("callers", "lock")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.callers = 0


class SynchronousCommandService:
    """Sends commands and waits for their replies; bounds the waiting time and the number of callers."""

    def __init__(
        self,
        control: ControlService,
        clock: Clock,
        *,
        waiting_per_device: int = WAITING_PER_DEVICE,
        waiting_overall: int = WAITING_OVERALL,
    ) -> None:
        self._control = control
        self._clock = clock
        self._waiting_per_device = waiting_per_device
        self._waiting: Counter[str] = Counter()  # callers by device id
        self._shares = Budget(waiting_overall)  # shared by the callers of each project
        self._waiting_of: Counter[str] = Counter()  # callers by project
        self._turns: dict[tuple[str, int], _Turn] = {}  # by device id and command id; only those in use

    async def call(self, device: Device, method: str, params: Any, command_id: int | None, timeout_s: float) -> Command:
        """Sends a command and returns it with its reply.

        Args:
            command_id: None means 1000.
            timeout_s: includes the time in the queue.

        Raises:
            InvalidInput: as :meth:`ControlService.send_command` says.
            TooManyRequests: too many callers wait, for this device or in total.
            DeviceOffline: no connection of the device accepted the command.
            ReplyTimeout: no reply in time, or the queue was too slow.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        command_id = DEFAULT_COMMAND_ID if command_id is None else command_id
        async with self._place(device), self._turn((device.id, command_id), timeout_s):
            command, _ = await self._control.issue_command(device.project_id, device.id, method, params, command_id)
            try:
                return await self._control.await_reply(command, max(0.0, deadline_s - self._clock.monotonic_s()))
            except ReplyTimeout:
                await self._control.abandon(command.id, "its sender stopped waiting")
                raise

    @property
    def waiting(self) -> int:
        """Number of waiting callers."""
        return self._shares.used_bytes

    @asynccontextmanager
    async def _place(self, device: Device) -> AsyncIterator[None]:
        """Reserves a place for a caller. The fewer places are free, the smaller the limit of each project, so that one
        project cannot use all."""
        if not self._shares.room(self._waiting_of[device.project_id], 1) or (
            self._waiting[device.id] >= self._waiting_per_device
        ):
            raise TooManyRequests("too_many_waiting_callers", retry_after_s=1)
        self._count(device, 1)
        try:
            yield
        finally:
            self._count(device, -1)

    def _count(self, device: Device, change: int) -> None:
        self._shares.moved(0, change)
        for waiting, key in ((self._waiting, device.id), (self._waiting_of, device.project_id)):
            waiting[key] += change
            if not waiting[key]:
                del waiting[key]

    @asynccontextmanager
    async def _turn(self, key: tuple[str, int], timeout_s: float) -> AsyncIterator[None]:
        turn = self._turns.setdefault(key, _Turn())
        turn.callers += 1
        try:
            try:
                async with asyncio.timeout(timeout_s):
                    await turn.lock.acquire()
            except TimeoutError:
                raise ReplyTimeout("device_busy") from None
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            turn.callers -= 1
            if not turn.callers:
                del self._turns[key]
