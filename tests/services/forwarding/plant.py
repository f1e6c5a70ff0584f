"""A platform with one project, some devices, and a receiver that targets send to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.contract.nouns import device, project_of
from tests.services.receivers import HttpReceiver
from tests.stores import open_store
from thingstead.bus.local import LocalBus
from thingstead.clock import SystemClock
from thingstead.config import Config, ForwardingSettings
from thingstead.model.forwarding.target import ForwardTarget
from thingstead.model.forwarding.target_form import ForwardTargetForm
from thingstead.server.platforms import build_platform, close_services
from thingstead.services.forwarding.runner import TargetRunner
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.storage.commit import settled
from thingstead.storage.sqlite.store import SqliteStore

TIMEOUT_S = 30
SETTINGS = ForwardingSettings(timeout_s=1, wait_max_s=0.1)


class Plant:
    """What tests do with a platform."""

    def __init__(self, store: SqliteStore, settings: ForwardingSettings) -> None:
        self.store = store
        self.clock = SystemClock()
        self.platform = build_platform(store, LocalBus(), self.clock, Config(forwarding=settings))
        self.forwarding = self.platform.forwarding
        self.forwarder = self.forwarding.forwarder

    async def add_target(self, url: str, **members: Any) -> ForwardTarget:
        body = {"name": "T", "kinds": ["attributes"], "url": {"url": url, "secret": "key"}, **members}
        target, _ = await self.forwarding.create("ours", msgspec.convert(body, ForwardTargetForm))
        return target

    async def link(self, device_id: str = "d1") -> DeviceContext:
        return await self.platform.ingest.link(await self.store.devices.get("ours", device_id))

    async def report(self, *numbers: int, device_id: str = "d1") -> None:
        """Reports ``{"n": number}`` and waits until each is acknowledged."""
        link = await self.link(device_id)
        for number in numbers:
            outcome = self.platform.ingest.report_attributes(link, msgspec.json.encode({"n": number}))
        assert outcome.commit is not None
        await settled(outcome.commit)

    def runner(self, target: ForwardTarget) -> TargetRunner:
        return self.forwarder.runners[target.id]


@asynccontextmanager
async def open_plant(
    folder: Path, settings: ForwardingSettings = SETTINGS, devices: Sequence[str] = ("d1", "d2", "d3")
) -> AsyncIterator[Plant]:
    """A platform over the database in a folder, which is made with its devices if it is new."""
    store = await open_store(folder / "thingstead.db", SystemClock())
    if not await store.projects.count():
        await store.projects.create(*project_of("ours"))
        await store.devices.create_many([device(each) for each in devices])
    plant = Plant(store, settings)
    await plant.forwarder.start()
    try:
        yield plant
    finally:
        await close_services(plant.platform)
        await store.close()


async def until(condition: Any) -> None:
    """Returns when a condition holds."""
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 - of several parts
            await asyncio.sleep(0.01)


async def until_async(condition: Callable[[], Awaitable[bool]]) -> None:
    """Returns when a condition holds."""
    async with asyncio.timeout(TIMEOUT_S):
        while not await condition():  # noqa: ASYNC110 - of several parts
            await asyncio.sleep(0.01)


def numbers(receiver: HttpReceiver) -> list[int]:
    """What arrived of :meth:`Plant.report`, in order; lists and single messages."""
    found: list[int] = []
    for request in receiver.received:
        entries = request.json if isinstance(request.json, list) else [request.json]
        found += [entry["attributes"]["n"] for entry in entries]
    return found
