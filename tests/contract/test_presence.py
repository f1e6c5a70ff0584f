"""Live sessions."""

import asyncio

import pytest

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, device, session
from thingstead.errors import NotFound
from thingstead.model.device import DeviceSession, Page
from thingstead.storage.base import Store
from thingstead.storage.base_devices import ConnectionEntry


@pytest.fixture
async def number(store: Store) -> int:
    return (await store.devices.create(device("d1"))).number


async def test_an_opened_session_is_the_devices_also_after_a_restart(
    backend: Backend, store: Store, number: int
) -> None:
    opened = session("s1", client_id="c", remote_address="10.0.0.1:5", protocol="tcp")

    assert await store.presence.find_session(number) is None
    assert await store.presence.open_session(number, opened) is None

    assert await store.presence.find_session(number) == opened
    assert await (await backend.reopen()).presence.find_session(number) == opened


async def test_opening_a_session_is_an_uplink(store: Store, number: int) -> None:
    await store.presence.open_session(number, session("s1", connected_at=NOW + 3))

    assert (await store.devices.get_view("ours", "d1")).active == {"connect": NOW + 3}


async def test_a_newer_session_takes_over_and_the_older_cannot_close_it(store: Store, number: int) -> None:
    await store.presence.open_session(number, session("s1"))

    assert await store.presence.open_session(number, session("s2")) == session("s1")

    assert not await store.presence.close_session(number, "s1")
    assert await store.presence.find_session(number) == session("s2")
    assert await store.presence.close_session(number, "s2")
    assert not await store.presence.close_session(number, "s2")
    assert await store.presence.find_session(number) is None


async def test_sessions_that_open_at_once_replace_one_another_in_one_order(store: Store, number: int) -> None:
    names = [f"s{n}" for n in range(10)]

    replaced = await asyncio.gather(*(store.presence.open_session(number, session(name)) for name in names))

    last = await store.presence.find_session(number)
    assert last is not None
    gone = [each.session_id for each in replaced if each is not None]
    assert sorted([*gone, last.session_id]) == names


async def test_a_session_needs_a_device(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.presence.open_session(999, session("s1"))

    assert await store.presence.find_session(999) is None
    assert not await store.presence.close_session(999, "s1")


async def test_sessions_of_a_node_end_when_it_starts_again(store: Store) -> None:
    numbers = {}
    for name, node in (("d1", "n1"), ("d2", "n1"), ("d3", "n2")):
        numbers[name] = (await store.devices.create(device(name))).number
        await store.presence.open_session(numbers[name], session(name, node=node))

    ended = await store.presence.clear_node("n1")
    assert sorted(ended) == [(numbers["d1"], "d1"), (numbers["d2"], "d2")]
    assert await store.presence.clear_node("n1") == []

    left: list[DeviceSession | None] = [await store.presence.find_session(each) for each in numbers.values()]
    assert left == [None, None, session("d3", node="n2")]


async def test_a_change_is_logged_in_its_transaction_and_never_before_the_entry_before(store: Store) -> None:
    numbers = [(await store.devices.create(device(name))).number for name in ("d1", "d2")]

    def entry(ts: int) -> ConnectionEntry:
        return ConnectionEntry(ts, lambda ended: {"ended": ended})

    async def logged(number: int) -> list[tuple[int, str | None]]:
        entries, _ = await store.device_logs.list_page(number, "connection", Page())
        return [(each.ts - NOW, each.body["ended"]) for each in reversed(entries)]

    await store.presence.open_session(numbers[0], session("s1"), entry(NOW))
    await store.presence.open_session(numbers[0], session("s2"), entry(NOW + 1))
    await store.presence.close_session(numbers[0], "s1", entry(NOW + 2))
    await store.presence.close_session(numbers[0], "s2", entry(NOW + 3))
    await store.presence.open_session(numbers[0], session("s3"), entry(NOW + 4))
    await store.presence.open_session(numbers[1], session('gateway/"4"'))
    with pytest.raises(NotFound):
        await store.presence.open_session(999, session("s5"), entry(NOW))
    await store.presence.clear_node("node-1", entry(NOW + 2))

    assert await logged(numbers[0]) == [(0, None), (1, "s1"), (3, "s2"), (4, None), (4, "s3")]
    assert await logged(numbers[1]) == [(2, 'gateway/"4"')]
    assert await logged(999) == []
