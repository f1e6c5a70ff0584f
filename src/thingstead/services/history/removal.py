"""Drops what removed devices leave behind: history, events, commands, alarms and notices, in steps."""

import asyncio

import structlog

from thingstead.bus.base import Bus
from thingstead.model.messages import DeviceRemoved
from thingstead.services.shared.parts import Parts
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.retention")

RETRY_S = 60.0  # after a failure, and where nobody told of a removal


async def drop_removed_devices(store: Store, parts: Parts) -> None:
    """Drops what is left of every device that was removed, each as a part of its own."""
    after = 0
    while (number := await store.retention.next_removed(after)) is not None:
        with parts.part("a removed device", device=str(number)):
            while await store.retention.drop_removed(number):
                pass
        after = number


class RemovalService:
    """One task that runs whenever a device was removed, until nothing is left. :meth:`start` starts it, :meth:`close`
    ends it; what is left then is dropped after the next start."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self._parts = Parts("the removal of device data", log)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._subscription = self._bus.subscribe(DeviceRemoved, lambda _: self._wake.set())
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._subscription.cancel()
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            with self._parts.part("finding removed devices"):
                await drop_removed_devices(self._store, self._parts)
            try:
                async with asyncio.timeout(RETRY_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
