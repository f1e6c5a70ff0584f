"""Deletes the history, events, commands, alarms and notices of removed devices, in steps."""

import structlog

from thingstead.bus.base import Bus, BusSubscription
from thingstead.model.messages import DeviceRemoved
from thingstead.repeating import Repeating
from thingstead.services.shared.parts import Parts
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.retention")

INTERVAL_S = 60.0  # after a failure, and if a removal was not announced


class RemovalService:
    """Task that drops the data of removed devices, whenever one is removed. :meth:`start` starts it, :meth:`close` ends
    it; the next start continues."""

    def __init__(self, store: Store, bus: Bus) -> None:
        self._store = store
        self._bus = bus
        self._parts = Parts("the removal of device data", log)
        self._task = Repeating("dropping the data of removed devices", self.run, INTERVAL_S, at_start=True)
        self._subscription: BusSubscription | None = None

    def start(self) -> None:
        """Starts the deletion of data of removed devices, those of earlier runs included."""
        self._subscription = self._bus.subscribe(DeviceRemoved, lambda _: self._task.want())
        self._task.start()

    async def close(self) -> None:
        if self._subscription is not None:
            self._subscription.cancel()
        await self._task.close()

    async def run(self) -> None:
        """Drops the data of every removed device; a failure with one does not stop the others."""
        with self._parts.part("finding removed devices"):
            after = 0
            while (number := await self._store.retention.next_removed(after)) is not None:
                with self._parts.part("a removed device", device=str(number)):
                    while await self._store.retention.drop_removed(number):
                        pass
                after = number
