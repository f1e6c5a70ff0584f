"""Device logs."""

import pytest

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, device, ended
from thingstead.model.device import Page
from thingstead.model.device_log import DeviceLog
from thingstead.storage.base import Store


@pytest.fixture
async def number(store: Store) -> int:
    return (await store.devices.create(device("d1"))).number


async def test_entries_are_paged_last_appended_first_by_kind(backend: Backend, store: Store, number: int) -> None:
    for n in range(3):
        store.device_logs.append(number, "data", NOW - n, {"n": n})
    assert await ended(store.device_logs.append(number, "connection", NOW, {"online": True})) is None

    store = await backend.reopen()
    pages = [await store.device_logs.list_page(number, "data", Page(number=page, records=2)) for page in (1, 2)]
    assert pages == [
        ([DeviceLog(ts=NOW - 2, body={"n": 2}), DeviceLog(ts=NOW - 1, body={"n": 1})], 3),
        ([DeviceLog(ts=NOW, body={"n": 0})], 3),
    ]
    assert await store.device_logs.list_page(number, "connection", Page()) == (
        [DeviceLog(ts=NOW, body={"online": True})],
        1,
    )


async def test_an_entry_of_a_device_that_is_gone_fails_no_other(store: Store, number: int) -> None:
    store.device_logs.append(number + 1000, "data", NOW, {})

    assert await ended(store.device_logs.append(number, "data", NOW, {})) is None

    assert (await store.device_logs.list_page(number, "data", Page()))[1] == 1
    assert (await store.device_logs.list_page(number + 1000, "data", Page()))[1] == 0


async def test_entries_go_with_their_device(store: Store, number: int) -> None:
    await ended(store.device_logs.append(number, "data", NOW, {}))

    await store.devices.delete("ours", "d1")

    assert await store.device_logs.list_page(number, "data", Page()) == ([], 0)
