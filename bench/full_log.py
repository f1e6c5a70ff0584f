"""Fills the log of a data folder and dies: ``python -m bench.full_log DATABASE DEVICES`` prints how many points.

A program of its own, since what it leaves is what a server that was killed at the worst instant leaves: as many
reports as there may be between two packings, in a log that nobody has packed.
"""

import asyncio
import itertools
import os
import sys
from pathlib import Path

from bench.history_engine import NOW, append_some, fill_log, make_devices, reports
from thingstead.clock import ManualClock
from thingstead.config import StorageSettings
from thingstead.services.shared.commits import settled
from thingstead.storage.sqlite.store import SqliteStore


def access_token(number: int) -> str:
    """Of the device with this number, from 1 on."""
    return f"access-d{number}"


async def fill(database: Path, devices: int) -> int:
    """Devices with a packed state each, and then a full log over all of them."""
    store = await SqliteStore.open(database, ManualClock(NOW), StorageSettings(low_disk_bytes=0))
    await make_devices(store, devices)
    source = reports(devices)
    for report in itertools.islice(source, devices):
        commit = store.history.append(report)
    await settled(commit)
    await store.history.packer.pack()
    await append_some(store, source)
    return await fill_log(store, source)


if __name__ == "__main__":
    print(asyncio.run(fill(Path(sys.argv[1]), int(sys.argv[2]))), flush=True)
    os._exit(0)
