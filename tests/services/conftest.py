"""A real store in a temporary folder, a bus that encodes every message, and a clock that stands still."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.archive import Archive, Opening, archive_in
from tests.stores import open_store
from thingstead.bus.local import LocalBus
from thingstead.clock import ManualClock
from thingstead.model import ids
from thingstead.model.device import Device
from thingstead.model.device_type import DeviceType, Functions
from thingstead.model.project import Administrator, Application, Project
from thingstead.services.alarms.evaluations import AlarmEvaluations
from thingstead.services.alarms.scheduler import AlarmScheduler
from thingstead.services.commands.control import ControlService
from thingstead.services.ingest.ingest import IngestService
from thingstead.services.ingest.streams import StreamService
from thingstead.services.modbus.streams import ModbusStreams
from thingstead.services.presence.presence import PresenceService
from thingstead.services.presence.sub_devices import SubDeviceService
from thingstead.services.registry.devices import DeviceService
from thingstead.services.registry.registration import RegistrationService
from thingstead.services.shared.device_logs import DeviceLogService
from thingstead.services.shared.message_trace import MessageTrace
from thingstead.storage.postgres.store import PostgresStore
from thingstead.storage.sqlite.store import SqliteStore

NOW = 1_700_000_000_000
UNDEFINED = Functions()


class Workshop:
    """The services of the device paths over one store, with one project in it."""

    def __init__(self, store: SqliteStore, bus: LocalBus, clock: ManualClock) -> None:
        self.store = store
        self.bus = bus
        self.clock = clock
        self.evaluations = AlarmEvaluations(store, bus, clock)
        self.alarm_engine = AlarmScheduler(store, bus, clock, self.evaluations)
        self.ingest = IngestService(store, bus, clock, self.evaluations)
        self.logs = DeviceLogService(store, clock, MessageTrace(bus, clock))
        self.control = ControlService(store, bus, clock, self.ingest, self.logs)
        self.presence = PresenceService(store, bus, clock, self.logs, "node1")
        self.modbus = ModbusStreams(clock)
        self.streams = StreamService(store, bus, clock, self.ingest, self.logs, self.modbus)
        self.devices = DeviceService(store, bus, clock)
        self.registration = RegistrationService(store, bus, clock, self.devices)
        self.sub_devices = SubDeviceService(
            store, bus, clock, self.ingest, self.control, self.presence, self.devices, self.logs, timeout_s=600
        )

    async def add_project(self, project_id: str) -> None:
        project = Project(
            id=project_id,
            name=project_id,
            project_key=f"key-{project_id}",
            view_key=f"view-{project_id}",
            view_secret_hash=b"",
            create_time=NOW,
        )
        application = Application(
            id=f"app-{project_id}", project_id=project_id, name="", access_key="", secret_hash=b"", create_time=NOW
        )
        administrator = Administrator(
            id=f"admin-{project_id}", project_id=project_id, account="admin", password_hash="", create_time=NOW
        )
        await self.store.projects.create(project, application, administrator)

    async def add_type(self, functions: Functions = UNDEFINED, project_id: str = "p1", **members: Any) -> str:
        type_id = ids.new_id()
        device_type = DeviceType(
            id=type_id,
            project_id=project_id,
            name="type",
            type_key=ids.new_type_key(),
            functions=functions,
            create_time=NOW,
            **members,
        )
        await self.store.device_types.create(device_type)
        return type_id

    async def add_device(self, project_id: str = "p1", type_id: str | None = None, **members: Any) -> Device:
        device = Device(
            id=ids.new_id(),
            project_id=project_id,
            name="device",
            type_id=type_id,
            access_token=ids.new_access_token(),
            view_token=ids.new_view_token(),
            device_code=ids.new_device_code(),
            **{"create_time": NOW, **members},
        )
        return await self.store.devices.create(device)


@pytest.fixture
async def workshop(tmp_path: Path) -> AsyncIterator[Workshop]:
    clock = ManualClock(NOW)
    store = await open_store(tmp_path / "thingstead.db", clock)
    workshop = Workshop(store, LocalBus(round_trip=True), clock)
    await workshop.add_project("p1")
    yield workshop
    await workshop.sub_devices.close()
    await workshop.control.close()
    await workshop.ingest.close()
    await workshop.alarm_engine.close()
    await workshop.bus.close()
    await store.close()


@pytest.fixture(params=["sqlite", "postgres"])
def opening(request: pytest.FixtureRequest) -> Opening:
    """Opens the store of the test, of each engine."""
    if request.param == "sqlite":
        folder: Path = request.getfixturevalue("tmp_path")
        return lambda clock: open_store(folder / "thingstead.db", clock)
    url: str = request.getfixturevalue("postgres_url")
    return lambda clock: PostgresStore.open(url, clock)


@pytest.fixture
async def archive(opening: Opening) -> AsyncIterator[Archive]:
    async with archive_in(opening) as archive:
        yield archive
