"""The services of a server over a real store, with a clock that advances only when told to."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tests.services.archive import Opening
from tests.stores import open_store
from thingstead.bus.local import LocalBus
from thingstead.clock import ManualClock
from thingstead.config import Config, TaskSettings
from thingstead.model import ids
from thingstead.model.device import Device, Page
from thingstead.model.messages import ThingChanged
from thingstead.model.tasks.run import TaskRun
from thingstead.model.tasks.task import Task
from thingstead.model.tasks.task_form import TaskForm
from thingstead.server.platforms import build_platform, close_services
from thingstead.services.platform import Platform
from thingstead.services.tasks.scheduler import TaskScheduler
from thingstead.storage.base import Store

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000


def instant(text: str, zone: str = "UTC") -> int:
    """ms of a local time."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


START = instant("2026-03-27T12:00")


class Office:
    """One project with devices, and its tasks."""

    def __init__(self, store: Store, clock: ManualClock, project_id: str) -> None:
        self.store = store
        self.clock = clock
        self.project_id = project_id
        self.device_ids: list[str] = []
        self.told: list[tuple[str, str]] = []  # kinds and actions of changes
        self._closing: list[Platform] = []
        self.config = Config(tasks=TaskSettings(devices_per_second=100_000))
        self.begin_server()

    def begin_server(self) -> None:
        """Services as after a start of the server, over the same store."""
        bus = LocalBus()
        bus.subscribe(ThingChanged, lambda news: self.told.append((news.kind, news.action)))
        self.platform = build_platform(self.store, bus, self.clock, self.config)
        self._closing.append(self.platform)

    async def close(self) -> None:
        for platform in self._closing:
            await close_services(platform)

    @property
    def scheduler(self) -> TaskScheduler:
        return self.platform.tasks.scheduler

    async def add_devices(self, count: int) -> list[str]:
        made = [
            Device(
                id=ids.new_id(),
                project_id=self.project_id,
                name=f"device {number}",
                access_token=ids.new_access_token(),
                view_token=ids.new_view_token(),
                device_code=ids.new_device_code(),
                create_time=self.clock.now_ms(),
            )
            for number in range(count)
        ]
        await self.store.devices.create_many(made)
        self.device_ids += [device.id for device in made]
        return self.device_ids

    async def add_task(self, **members: Any) -> Task:
        """A task that pushes to all devices that were added; members as in the API."""
        body = {"name": "task", "devices": self.device_ids, "action": {"push": {"lamp": True}}, **members}
        if "filter" in body:
            del body["devices"]
        return await self.platform.tasks.create(self.project_id, msgspec.convert(body, TaskForm))

    async def until(self, at: int) -> None:
        """Sets the clock forward, as if the server had been stopped meanwhile."""
        self.clock.advance(at - self.clock.now_ms())

    async def serve(self) -> None:
        """Begins what is due, and does it to its end."""
        await self.scheduler.sweep()
        await self.scheduler.runner.run()

    async def serve_until(self, at: int, step: int = MINUTE) -> None:
        """A server that runs all the time until an instant."""
        while self.clock.now_ms() < at:
            self.clock.advance(min(step, at - self.clock.now_ms()))
            await self.serve()

    async def runs(self, task: Task) -> list[TaskRun]:
        """Runs of a task, oldest first."""
        found, _ = await self.store.task_runs.list_page(self.project_id, task.id, Page(records=100))
        return found[::-1]

    async def planned(self, task: Task, zone: str = "UTC") -> list[tuple[str, str]]:
        """State and planned local time of the runs of a task, oldest first."""
        return [
            (run.state, datetime.fromtimestamp(run.planned_at / 1000, ZoneInfo(zone)).isoformat())
            for run in await self.runs(task)
        ]

    async def values(self, device_ids: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Current values of devices."""
        found = []
        for device_id in self.device_ids if device_ids is None else device_ids:
            device = await self.store.devices.get(self.project_id, device_id)
            current = await self.store.history.current(device.number)
            found.append({name: each.value for name, each in current.items()})
        return found


@pytest.fixture
async def office(opening: Opening) -> AsyncIterator[Office]:
    """Over each engine."""
    async for made in _office(opening):
        yield made


@pytest.fixture
async def desk(tmp_path: Any) -> AsyncIterator[Office]:
    """Over SQLite alone: for what does not depend on the store."""
    async for made in _office(lambda clock: open_store(tmp_path / "thingstead.db", clock)):
        yield made


async def _office(opening: Callable[[Any], Any]) -> AsyncIterator[Office]:
    clock = ManualClock(START)
    store = await opening(clock)
    setting_up = build_platform(store, LocalBus(), clock, Config())
    await setting_up.projects.create(admin_password="password-of-tests")
    (project,) = await store.projects.list_all()
    await close_services(setting_up)
    office = Office(store, clock, project.id)
    yield office
    await office.close()
    await store.close()
