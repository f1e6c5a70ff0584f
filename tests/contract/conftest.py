"""Every test of this folder runs over every backend of the store."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.nouns import project_of
from tests.stores import open_store
from thingstead.clock import ManualClock
from thingstead.storage.base import Store


class Backend:
    """An installation's data, which can be opened again and again; one store is open at a time."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "thingstead.db"
        self._open: Store | None = None

    async def open(self) -> Store:
        self._open = await open_store(self._path, ManualClock())
        return self._open

    async def close(self) -> None:
        if self._open is not None:
            await self._open.close()
            self._open = None

    async def reopen(self) -> Store:
        await self.close()
        return await self.open()


@pytest.fixture(params=["sqlite"])
async def backend(tmp_path: Path) -> AsyncIterator[Backend]:
    backend = Backend(tmp_path)
    yield backend
    await backend.close()


@pytest.fixture
async def store(backend: Backend) -> Store:
    """An open store with two projects, ``ours`` and ``theirs``."""
    store = await backend.open()
    for project_id in ("ours", "theirs"):
        await store.projects.create(*project_of(project_id))
    return store
