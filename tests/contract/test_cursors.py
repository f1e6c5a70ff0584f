"""A list that is read by cursor shows everything that stays in it exactly once, whatever comes and goes meanwhile."""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, get_args

import pytest
from msgspec.structs import replace

from tests.contract.nouns import NOW, customer, device, device_group, ended
from thingstead.errors import InvalidInput
from thingstead.model.cursor import ListCursor
from thingstead.model.device import DeviceFilter, Page, Sort
from thingstead.model.report import EventRecord
from thingstead.storage.base import Store

SORTS: tuple[Sort, ...] = get_args(Sort)
COUNT = 60
RECORDS = 7

ReadPage = Callable[[Page], Awaitable[tuple[Sequence[Any], int]]]


async def read_all(read: ReadPage, page: Page, meanwhile: Callable[[], Awaitable[None]]) -> list[Any]:
    """Every page behind one cursor, which is made anew of its text for each; between two of them something happens."""
    found: list[Any] = []
    cursor = ListCursor()
    while not cursor.ended:
        items, _ = await read(replace(page, cursor=cursor))
        found += items
        await meanwhile()
        if not cursor.ended:
            cursor = ListCursor(str(cursor))
    return found


def place(sort: str, name: str, create_time: int, item_id: str) -> tuple[Any, str]:
    return (name if sort.endswith("name") else create_time), item_id


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("group", [None, "group"])
async def test_devices_that_stay_are_listed_once_and_in_order(store: Store, sort: Sort, group: str | None) -> None:
    chance = random.Random(sort)

    def drawn(device_id: str) -> Any:
        return device(
            device_id, name=f"{chance.choice('aäB水')}{chance.randrange(9)}", create_time=NOW + chance.randrange(9)
        )

    await store.device_groups.create(device_group("group"))
    created = [drawn(f"d{number:02}") for number in range(COUNT)]
    await store.devices.create_many(created)
    await store.device_groups.add_devices("ours", "group", [each.id for each in created])
    going = [each.id for each in chance.sample(created, COUNT // 3)]
    staying = {each.id: each for each in created if each.id not in going}
    serial = iter(range(10_000))

    async def meanwhile() -> None:
        new = [drawn(f"n{next(serial):04}") for _ in range(3)]
        await store.devices.create_many(new)
        await store.device_groups.add_devices("ours", "group", [each.id for each in new])
        for _ in range(min(3, len(going))):
            await store.devices.delete("ours", going.pop())

    device_filter = DeviceFilter(group_ids=(group,) if group is not None else ())
    views = await read_all(
        lambda page: store.devices.list_views("ours", device_filter, page), Page(records=RECORDS, sort=sort), meanwhile
    )
    ids = [view.device.id for view in views]
    assert len(ids) == len(set(ids))
    assert set(ids) >= staying.keys()
    places = [place(sort, view.device.name, view.device.create_time, view.device.id) for view in views]
    assert places == sorted(places, reverse=sort.startswith("-"))


@pytest.mark.parametrize("sort", SORTS)
async def test_customers_are_listed_once_and_in_order(store: Store, sort: Sort) -> None:
    chance = random.Random(sort)
    for number in range(20):
        await store.customers.create(
            customer(f"c{number:02}", name=chance.choice("abc"), create_time=NOW + chance.randrange(3))
        )

    async def meanwhile() -> None:
        return

    found = await read_all(lambda page: store.customers.list_page("ours", page), Page(records=6, sort=sort), meanwhile)
    places = [place(sort, each.name, each.create_time, each.id) for each in found]
    assert len(places) == 20
    assert places == sorted(places, reverse=sort.startswith("-"))


async def test_events_that_come_meanwhile_push_nothing_onto_the_next_page(store: Store) -> None:
    kept = await store.devices.create(device("d1"))

    async def happen(number: int) -> None:
        event = EventRecord(id=str(number), device_id=kept.id, method="boot", params={}, ts=NOW + number // 3)
        assert await ended(store.events.append(event, kept.number)) is None

    for number in range(20):
        await happen(number)
    serial = iter(range(20, 1_000))

    async def meanwhile() -> None:
        await happen(next(serial))

    found = await read_all(lambda page: store.events.list_page(kept.id, page), Page(records=6), meanwhile)
    assert [int(event.id) for event in found] == list(range(19, -1, -1))


async def test_a_page_that_is_full_and_the_last_is_followed_by_an_empty_one_at_most(store: Store) -> None:
    await store.devices.create_many([device(f"d{number}") for number in range(4)])
    cursor = ListCursor()
    views, total = await store.devices.list_views("ours", DeviceFilter(), Page(records=4, cursor=cursor))
    assert (len(views), total, cursor.ended) == (4, 4, False)
    views, total = await store.devices.list_views(
        "ours", DeviceFilter(), Page(records=4, cursor=ListCursor(str(cursor)))
    )
    assert (views, total) == ([], 4)


async def test_a_cursor_of_another_order_or_list_is_refused(store: Store) -> None:
    await store.devices.create_many([device(f"d{number}") for number in range(4)])
    cursor = ListCursor()
    await store.devices.list_views("ours", DeviceFilter(), Page(records=2, cursor=cursor))
    with pytest.raises(InvalidInput, match="another order"):
        await store.devices.list_views("ours", DeviceFilter(), Page(sort="name", cursor=ListCursor(str(cursor))))
    with pytest.raises(InvalidInput, match="another order"):
        await store.customers.list_page("ours", Page(cursor=ListCursor(str(cursor))))


@pytest.mark.parametrize(
    "text", ["x", "AAAA", "eyJ9", "WyJ4IixbMV0=", "é", "WyJ4IixbMTAwMDAwMDAwMDAwMDAwMDAwMDAwMDBdXQ=="]
)
def test_a_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        ListCursor(text)
    assert [error.field for error in refusal.value.errors] == ["cursor"]
