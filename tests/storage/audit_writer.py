"""A program that creates devices on behalf of a person, and reports for them, until it is killed.

``python -m tests.storage.audit_writer FILE`` prints a line for each that was created.
"""

import asyncio
import sys
from pathlib import Path

import structlog

from thingstead.bus.local import LocalBus
from thingstead.clock import SystemClock
from thingstead.config import AccountSettings, Config
from thingstead.server.platforms import build_platform
from thingstead.services.audit.audit import acting
from thingstead.services.registry.new_device import NewDevice
from thingstead.storage.sqlite.store import SqliteStore

CONFIG = Config(account=AccountSettings(password_hash_memory_kib=8192, password_hash_passes=1))


async def write(path: Path) -> None:
    clock = SystemClock()
    store = await SqliteStore.open(path, clock)
    platform = build_platform(store, LocalBus(), clock, CONFIG)
    projects = await store.projects.list_all()
    project_id = projects[0].id if projects else (await platform.projects.create()).project_id
    while True:
        with acting(platform.audit.author("admin", project_id, "somebody")):
            made = await asyncio.gather(
                *(platform.devices.create(project_id, NewDevice(name="pump")) for _ in range(5))
            )
            await platform.control.update_cloud_attributes(project_id, made[0].id, {"a": 1})
        print("created", flush=True)  # noqa: T201 - what the test reads


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # standard output is for the test
    asyncio.run(write(Path(sys.argv[1])))
