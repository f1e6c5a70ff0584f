"""What the store remembers is bounded, and never older than the last commit that anybody was told of."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.nouns import device, project_of
from tests.storage.conftest import writer_held
from thingstead.clock import ManualClock
from thingstead.storage.sql.access.cache import Cache, Caches
from thingstead.storage.sqlite.store import SqliteStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    async with await SqliteStore.open(tmp_path / "thingstead.db", ManualClock()) as store:
        await store.projects.create(*project_of("ours"))
        yield store


def test_a_full_cache_lets_the_oldest_entry_go() -> None:
    cache: Cache[str, int] = Cache(2)
    for number, key in enumerate("abab"):
        cache.put(key, number)
    cache.put("c", 9)

    assert [cache.find(key) for key in "abc"] == [None, 3, 9]
    assert len(cache) == 2


def test_a_hint_that_leads_to_a_device_with_another_token_or_number_finds_nothing() -> None:
    caches = Caches()
    caches.put_device(device("d1", number=1, access_token="old"))

    caches.put_device(device("d1", number=2, access_token="new"))

    assert caches.device_by_token("old") is None
    assert caches.device_by_number(1) is None
    assert caches.device_by_token("new") is caches.device_by_number(2) is caches.device("d1")


def test_a_dropped_device_is_found_by_nothing() -> None:
    caches = Caches()
    caches.put_device(device("d1", number=1, access_token="token"))

    caches.drop_device("d1")

    assert caches.device("d1") is None
    assert caches.device_by_token("token") is None
    assert caches.device_by_number(1) is None


async def test_a_row_read_while_its_change_is_being_committed_is_not_remembered_afterwards(
    store: SqliteStore,
) -> None:
    await store.devices.create(device("d1"))
    with writer_held(store._database):
        change = asyncio.create_task(store.devices.update("ours", "d1", {"name": "new"}))
        await asyncio.sleep(0)  # it is asked for
        assert (await store.devices.get("ours", "d1")).name == "Device d1"

    await change
    assert (await store.devices.get("ours", "d1")).name == "new"


async def test_a_change_whose_caller_is_gone_is_seen_once_it_is_committed(store: SqliteStore) -> None:
    await store.devices.create(device("d1"))
    with writer_held(store._database):
        change = asyncio.create_task(store.devices.update("ours", "d1", {"name": "new"}))
        await asyncio.sleep(0)  # it is asked for
        assert (await store.devices.get("ours", "d1")).name == "Device d1"
        change.cancel()

    await store.projects.update("ours", {})  # a later commit
    assert (await store.devices.get("ours", "d1")).name == "new"


async def test_a_remembered_row_is_not_read_again(store: SqliteStore) -> None:
    await store.devices.create(device("d1", access_token="token"))

    assert await store.devices.get("ours", "d1") is await store.devices.find_by_access_token("token")
    assert await store.projects.get("ours") is await store.projects.get("ours")
