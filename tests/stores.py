"""Stores for tests of what stands on them."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from thingstead.clock import Clock
from thingstead.storage.sqlite.engine.schema import prepare
from thingstead.storage.sqlite.store import SqliteStore


async def open_store(path: Path, clock: Clock) -> SqliteStore:
    """Opens the file. A new one begins as a copy, because running every migration takes longer than most tests."""
    _begin(path)
    return await SqliteStore.open(path, clock)


def _begin(path: Path) -> None:
    if not path.exists():
        path.write_bytes(_new_database())


@cache
def _new_database() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder, "new.db")
        prepare(path)
        return path.read_bytes()
