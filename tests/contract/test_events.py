"""Events."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, device, ended
from thingstead.errors import InvalidInput
from thingstead.model.device import Page
from thingstead.model.report import EventRecord
from thingstead.storage.base import Store


@pytest.fixture
async def number(store: Store) -> int:
    return (await store.devices.create(device("d1"))).number


def event(event_id: str, ts: int = NOW, device_id: str = "d1") -> EventRecord:
    return EventRecord(id=event_id, device_id=device_id, method="boot", params={"cause": [1, None]}, ts=ts)


async def test_an_event_is_kept_once_its_commit_is_done(backend: Backend, store: Store, number: int) -> None:
    commit = store.events.append(event("e1"), number)
    before = commit.done

    assert await ended(commit) is None

    assert (before, commit.done, commit.error) == (False, True, None)
    assert await store.events.list_page("d1", Page()) == ([event("e1")], 1)
    assert await (await backend.reopen()).events.list_page("d1", Page()) == ([event("e1")], 1)


async def test_an_event_is_an_uplink(store: Store, number: int) -> None:
    await ended(store.events.append(event("e1", NOW + 9), number))

    assert (await store.devices.get_view("ours", "d1")).active == {"event": NOW + 9}


async def test_events_are_paged_newest_first_and_of_equal_instants_the_last_first(store: Store, number: int) -> None:
    for event_id, ts in (("e1", NOW), ("e2", NOW + 5), ("e3", NOW), ("e4", NOW - 5)):
        commit = store.events.append(event(event_id, ts), number)
    await ended(commit)

    pages = [await store.events.list_page("d1", Page(number=page, records=3)) for page in (1, 2)]

    assert [([item.id for item in items], total) for items, total in pages] == [(["e2", "e3", "e1"], 4), (["e4"], 4)]


async def test_commits_of_events_end_in_the_order_in_which_they_began(store: Store, number: int) -> None:
    order: list[int] = []
    for n in range(20):
        commit = store.events.append(event(f"e{n}", NOW + n), number)
        commit.on_done(lambda error, n=n: order.append(n))  # type: ignore[misc]
    await ended(commit)

    assert order == list(range(20))


async def test_an_event_of_a_device_that_is_gone_fails_no_other(store: Store, number: int) -> None:
    store.events.append(event("gone", device_id="nowhere"), 999)

    assert await ended(store.events.append(event("e1"), number)) is None

    assert await store.events.list_page("nowhere", Page()) == ([], 0)
    assert await store.events.list_page("d1", Page()) == ([event("e1")], 1)


@pytest.mark.parametrize("wrong", [{"params": {"k": "\ud800"}}, {"method": "\ud800"}, {"ts": 2**70}])
async def test_an_event_that_cannot_be_kept_is_refused_at_once(
    store: Store, number: int, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        store.events.append(replace(event("e1"), **wrong), number)

    assert await ended(store.events.append(event("e2"), number)) is None
    assert await store.events.list_page("d1", Page()) == ([event("e2")], 1)
