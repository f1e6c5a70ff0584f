"""Sends notices when a test says so."""

import asyncio
from typing import Any

from tests.services.alarm_plant import HOT, Plant
from thingstead.config import NotifySettings
from thingstead.model.alarms.notification import NotifyLog
from thingstead.model.device import Device, Page
from thingstead.services.notifications.dispatch import NotifyDispatcher


class Sender:
    """A dispatcher that works when it is told to."""

    def __init__(self, plant: Plant, **settings: Any) -> None:
        self.plant = plant
        self.dispatcher = NotifyDispatcher(
            plant.store, plant.bus, plant.clock, NotifySettings(**{"timeout_s": 2, **settings})
        )

    async def send(self) -> None:
        await self.dispatcher.dispatch()
        await self.dispatcher.idle()

    async def die(self) -> None:
        """Ends as a killed process does: nothing is noted, no lease is given back."""
        tasks = list(self.dispatcher._draining.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.dispatcher.close()

    async def logs(self, state: str | None = None) -> list[NotifyLog]:
        logs, _ = await self.plant.store.notify.list_logs("p1", None, state, Page(records=1000))
        return logs


async def flap(plant: Plant, device: Device, times: int) -> None:
    """Raises and clears an alarm so often."""
    for _ in range(times):
        for value in (81, 70):
            plant.clock.advance(1)
            await plant.report(device, t=value)


async def told(plant: Plant, device: Device, channel: dict[str, Any], **settings: Any) -> list[NotifyLog]:
    """The result of one notice over one channel."""
    await plant.add_rule(HOT, devices=[device.id], notify=[channel])
    await plant.report(device, t=81)
    sender = Sender(plant, **settings)
    await sender.send()
    await sender.dispatcher.close()
    return await sender.logs()
