"""Every test of this folder runs over every backend of the store."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.contract.nouns import project_of
from tests.stores import open_store
from thingstead.clock import ManualClock
from thingstead.storage.base import Store
from thingstead.storage.postgres.store import PostgresStore


class Backend:
    """An installation's data, which can be opened again and again; one store is open at a time."""

    def __init__(self, opening: Callable[[], Awaitable[Store]]) -> None:
        self._opening = opening
        self._open: Store | None = None

    async def open(self) -> Store:
        self._open = await self._opening()
        return self._open

    async def close(self) -> None:
        if self._open is not None:
            await self._open.close()
            self._open = None

    async def reopen(self) -> Store:
        await self.close()
        return await self.open()


@pytest.fixture(params=["sqlite", "postgres"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    backend = Backend(_sqlite(request) if request.param == "sqlite" else _postgres(request))
    yield backend
    await backend.close()


def _sqlite(request: pytest.FixtureRequest) -> Callable[[], Awaitable[Store]]:
    folder: Path = request.getfixturevalue("tmp_path")
    return lambda: open_store(folder / "thingstead.db", ManualClock())


def _postgres(request: pytest.FixtureRequest) -> Callable[[], Awaitable[Store]]:
    url: str = request.getfixturevalue("postgres_url")
    return lambda: PostgresStore.open(url, ManualClock())


@pytest.fixture
async def store(backend: Backend) -> Store:
    """An open store with two projects, ``ours`` and ``theirs``."""
    store = await backend.open()
    for project_id in ("ours", "theirs"):
        await store.projects.create(*project_of(project_id))
    return store
