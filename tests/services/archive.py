"""A store with history, and what of it is kept."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.nouns import device, device_type, project_of
from tests.storage.history_bench import HOURS_OF_BLOCKS
from tests.stores import ask
from thingstead.clock import Clock, ManualClock
from thingstead.config import StorageSettings
from thingstead.model.device import Device
from thingstead.model.report import Report
from thingstead.model.retention import DAY_MS, RetentionPolicy, RetentionRule
from thingstead.services.history.retention import RetentionService
from thingstead.services.shared.commits import settled
from thingstead.storage.sql.store import SqlStore

NOW = 1_700_000_000_000 // DAY_MS * DAY_MS

HOUR = 3_600_000

Opening = Callable[[Clock], Awaitable[SqlStore]]  # opens the store of a test, again and again


class Archive:
    """A store with a device of each of two projects, the first of a type."""

    def __init__(self, store: SqlStore, reopen: Opening, clock: ManualClock) -> None:
        self.store = store
        self.reopen = reopen
        self.clock = clock
        self.settings = StorageSettings()
        self.devices: dict[str, Device] = {}

    @property
    def service(self) -> RetentionService:
        return RetentionService(self.store, self.clock, self.settings)

    async def fill(self, project_id: str, identifier: str, days: int, step_ms: int = HOUR, text: bool = False) -> None:
        """Points from so many days ago until now, in blocks."""
        noise = random.Random(1)
        number = self.devices[project_id].number
        now = self.clock.now_ms()
        for ts in range(now - days * DAY_MS, now, step_ms):
            value = noise.randbytes(200).hex() if text else ts % 1000
            commit = self.store.history.append(Report(number, ts, now, {identifier: value}))
            if self.store.history.congested:
                await settled(commit)
        await settled(commit)
        await self.store.history.packer.pack(whole=True)

    async def ages(self, project_id: str, identifier: str) -> list[float]:
        """Ages in days of what is kept, oldest first."""
        number = self.devices[project_id].number
        points = await self.store.history.series(number, identifier, 0, 2**53, offset=0, limit=10**6)
        return [(self.clock.now_ms() - point.ts) / DAY_MS for point in reversed(points)]

    async def put(self, project_id: str, *rules: RetentionRule, max_bytes: int = 0) -> None:
        await self.service.put_policy(project_id, RetentionPolicy(rules=rules, max_bytes=max_bytes), grace_days=0)

    def hours(self) -> list[tuple[Any, ...]]:
        return self.query("SELECT project_id, hour, points, bytes, begins FROM history_hours ORDER BY 1, 2")

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return ask(self.store, sql)


@asynccontextmanager
async def archive_in(opening: Opening) -> AsyncIterator[Archive]:
    clock = ManualClock(NOW)
    store = await opening(clock)
    archive = Archive(store, opening, clock)
    for project_id in ("ours", "theirs"):
        await store.projects.create(*project_of(project_id))
        await store.device_types.create(device_type(f"{project_id}-type", project_id))
        archive.devices[project_id] = await store.devices.create(
            device(project_id=project_id, type_id=f"{project_id}-type")
        )
    yield archive
    await archive.store.close()


def check_hours(archive: Archive) -> None:
    """What is counted is what is there."""
    assert archive.hours() == archive.query(HOURS_OF_BLOCKS)
