"""Customers and the devices bound to them."""

import asyncio

import pytest

from tests.contract.conftest import Backend
from tests.contract.nouns import NOW, customer, device
from thingstead.errors import Conflict, NotFound
from thingstead.model.device import Page
from thingstead.storage.base import Store


async def bound(store: Store) -> dict[str, str | None]:
    return {device_id: (await store.devices.get("ours", device_id)).customer_id for device_id in ("d1", "d2", "d3")}


@pytest.fixture
async def shop(store: Store) -> Store:
    """Two customers, a and b, and the devices d1 to d3 bound to nobody."""
    await store.customers.create(customer("a"))
    await store.customers.create(customer("b"))
    await store.devices.create_many([device("d1"), device("d2"), device("d3")])
    return store


async def test_a_customer_comes_back_as_it_was_given_also_after_a_restart(backend: Backend, store: Store) -> None:
    added = customer("a", email="a@example.com", mobile="+86 1", locale="zh-CN", tags={"vip": "1"}, descr="x")

    await store.customers.create(added)

    assert await store.customers.get("ours", "a") == added
    assert await (await backend.reopen()).customers.get("ours", "a") == added


async def test_an_account_is_unique_in_its_project_only(store: Store) -> None:
    await store.customers.create(customer("a", account="x"))
    await store.customers.create(customer("b", "theirs", account="x"))
    await store.customers.create(customer("c"))

    with pytest.raises(Conflict) as at_creation:
        await store.customers.create(customer("d", account="x"))
    with pytest.raises(Conflict) as at_update:
        await store.customers.update("ours", "c", {"account": "x"})

    assert [at_creation.value.errors[0].field, at_update.value.errors[0].field] == ["account", "account"]


async def test_customers_are_paged_oldest_first_with_their_total(store: Store) -> None:
    for customer_id, create_time in (("b", NOW), ("a", NOW), ("c", NOW - 1)):
        await store.customers.create(customer(customer_id, create_time=create_time))
    await store.customers.create(customer("d", "theirs"))

    pages = [await store.customers.list_page("ours", Page(number=number, records=2)) for number in (1, 2, 3)]

    assert [([item.id for item in items], total) for items, total in pages] == [(["c", "a"], 3), (["b"], 3), ([], 3)]


async def test_a_change_of_a_customer_is_seen_by_the_next_read(store: Store) -> None:
    await store.customers.create(customer("a", tags={"x": "1"}))

    await store.customers.update("ours", "a", {"name": "New", "password_hash": "new"})
    await asyncio.gather(*(store.customers.merge_tags("ours", "a", {f"k{n}": "v"}, ["x"]) for n in range(5)))

    after = await store.customers.get("ours", "a")
    tags = {f"k{n}": "v" for n in range(5)}
    assert after == customer("a", name="New", password_hash="new", tags=tags, version=7)


async def test_binding_moves_devices_and_counts_them(shop: Store) -> None:
    await shop.devices.bind_customer("ours", "a", ["d1", "d2", "d2"], bind=True)
    await shop.devices.bind_customer("ours", "b", ["d2"], bind=True)

    assert await bound(shop) == {"d1": "a", "d2": "b", "d3": None}
    assert [(await shop.customers.get("ours", name)).device_count for name in "ab"] == [1, 1]


async def test_unbinding_passes_over_devices_of_others(shop: Store) -> None:
    await shop.devices.bind_customer("ours", "a", ["d1"], bind=True)
    await shop.devices.bind_customer("ours", "b", ["d2"], bind=True)

    await shop.devices.bind_customer("ours", "a", ["d1", "d2", "d3"], bind=False)

    assert await bound(shop) == {"d1": None, "d2": "b", "d3": None}


@pytest.mark.parametrize("unknown", ["nowhere", "foreign"])
async def test_devices_are_bound_all_or_nothing(shop: Store, unknown: str) -> None:
    await shop.devices.create(device("foreign", "theirs"))
    await shop.devices.bind_customer("ours", "a", ["d1"], bind=True)

    with pytest.raises(NotFound, match=unknown):
        await shop.devices.bind_customer("ours", "a", ["d2", unknown], bind=True)
    with pytest.raises(NotFound, match=unknown):
        await shop.devices.bind_customer("ours", "a", ["d1", unknown], bind=False)

    assert await bound(shop) == {"d1": "a", "d2": None, "d3": None}


async def test_devices_outlive_their_customer_unbound(backend: Backend, shop: Store) -> None:
    await shop.devices.bind_customer("ours", "a", ["d1", "d2"], bind=True)
    assert (await bound(shop))["d1"] == "a"

    await shop.customers.delete("ours", "a")

    assert await bound(shop) == {"d1": None, "d2": None, "d3": None}
    assert await bound(await backend.reopen()) == {"d1": None, "d2": None, "d3": None}


async def test_a_customer_of_another_project_is_out_of_reach(shop: Store) -> None:
    foreign = customer("c", "theirs")
    await shop.customers.create(foreign)

    for call in (
        shop.customers.get("ours", "c"),
        shop.customers.update("ours", "c", {"name": "stolen"}),
        shop.customers.merge_tags("ours", "c", {"k": "v"}, []),
        shop.customers.delete("ours", "c"),
        shop.devices.bind_customer("ours", "c", ["d1"], bind=True),
        shop.devices.bind_customer("ours", "c", ["d1"], bind=False),
    ):
        with pytest.raises(NotFound):
            await call

    assert await shop.customers.get("theirs", "c") == foreign


async def test_customers_are_found_by_any_of_their_texts_as_these_are_now(backend: Backend, store: Store) -> None:
    await store.customers.create(customer("a", name="Änne", account="anne", mobile="+86 139"))
    await store.customers.create(customer("b", name="张伟", descr="Anne's neighbour"))
    await store.customers.create(customer("c", "theirs", name="Anne"))

    async def found(keyword: str, page: Page = Page()) -> tuple[list[str], int]:  # noqa: B008 - frozen
        items, total = await store.customers.list_page("ours", page, keyword)
        return [item.id for item in items], total

    assert await found("ANNE") == (["a", "b"], 2)
    assert await found("anne", Page(records=1, number=2)) == (["b"], 2)
    assert await found("张") == (["b"], 1)
    assert await found("139") == (["a"], 1)
    await store.customers.update("ours", "b", {"descr": "moved"})
    await store.customers.update("ours", "a", {"mobile": "+86 200"})
    store = await backend.reopen()
    assert await found("anne") == (["a"], 1)
    assert await found("139") == ([], 0)
    assert await found("200") == (["a"], 1)
    assert await found("%") == ([], 0)
